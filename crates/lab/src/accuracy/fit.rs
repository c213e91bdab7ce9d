//! A calibration from a sample of trained networks.
//!
//! Ridge regression over standardised features. The price of the Zen-Score's weight is a fiftieth of that of the others, so
//! that the fit falls back on the Zen-Score where the sample says little. The price is the greatest whose error on
//! networks that are left out, one at a time, lies within one standard error of the least: nothing is chosen by
//! networks outside the sample.

use super::trained::Trained;
use crate::fit::solvers::{cholesky, ridge};
use edgezen_core::accuracy::calibration::{self, Calibrated, Calibration, HeldOut, Spread, Term};
use edgezen_core::accuracy::features::{self, COUNT, Features};
use edgezen_core::proxy::{Mode, ensemble};
use edgezen_core::{random, stats};
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Fewer networks make no calibration.
pub const LEAST_NETWORKS: usize = 20;
/// Prices of a weight, by row.
const PRICES: [f64; 14] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Price of the Zen-Score's weight, relative to the others.
const ZEN_PRICE: f64 = 0.02;
/// Parts into which the sample is divided to see how networks are ranked that are left out.
const FOLDS: usize = 10;
/// Share of networks inside the interval.
const LEVEL: f64 = 0.9;

/// What a calibration is made of.
#[derive(Clone, Debug)]
pub struct Calibrating<'a> {
    /// Networks with a chain; others are passed over.
    pub networks: &'a [Trained],
    /// Networks that are drawn; absent: all.
    pub samples: Option<usize>,
    pub seed: u64,
    /// The table, as it was named, and the checksum of its file.
    pub table: String,
    pub table_sha256: Option<String>,
}

/// Why there is no calibration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("{found} networks that can be used; a calibration takes at least {LEAST_NETWORKS}")]
    TooFew { found: usize },
    #[error("{wanted} samples are asked for, and there are {found} networks that can be used")]
    TooManySamples { wanted: usize, found: usize },
    #[error("all networks have the same accuracy")]
    Alike,
    #[error("the least squares have no solution")]
    Unsolvable,
}

/// A fit with what it says of the networks that it was not made of.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub calibration: Calibration,
    /// Ranks of the networks of the table that were not drawn, by each score; empty where all were drawn.
    pub others: Vec<HeldOut>,
}

/// Scores of one network, beside which a calibration is put.
pub const SINGLE: [&str; 7] =
    ["zen (paper)", "zen (reference)", "params", "macs", "activations", "layers", "zen+params+macs"];

impl Calibrating<'_> {
    /// Draws, fits, and ranks what was left out.
    ///
    /// # Errors
    /// Too few networks, or networks that do not differ.
    pub fn run(&self) -> Result<Outcome, FitError> {
        let mut usable = usable(self.networks);
        let found = usable.len();
        let wanted = self.samples.unwrap_or(found);
        if wanted > found {
            return Err(FitError::TooManySamples { wanted, found });
        }
        if wanted < LEAST_NETWORKS {
            return Err(FitError::TooFew { found: wanted });
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        random::shuffle(&mut usable, &mut rng);
        let (drawn, others) = usable.split_at(wanted);
        let fitted = Fitted::of(drawn).ok_or_else(|| failure(drawn))?;
        let scores = cross_validated(drawn).ok_or(FitError::Unsolvable)?;
        let calibration = Calibration {
            schema_version: calibration::FORMAT.newest,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            table: self.table.clone(),
            table_sha256: self.table_sha256.clone(),
            networks: wanted,
            seed: self.seed,
            mode: Mode::Paper,
            held_out: beside(drawn, &scores),
            ..fitted.calibration(drawn).ok_or(FitError::Unsolvable)?
        };
        let ready = calibration.ready().map_err(|_| FitError::Unsolvable)?;
        let scores: Vec<f64> = others.iter().map(|(_, features)| ready.scale(features)).collect();
        Ok(Outcome { others: beside(others, &scores), calibration })
    }
}

/// Networks that a calibration had not seen, with what it says of them.
pub struct Judged {
    pub scores: Vec<f64>,
    pub accuracies: Vec<f64>,
}

/// A calibration from `count` networks that `seed` draws, on all the others; nothing where it cannot be made.
pub fn judged(networks: &[Trained], count: usize, seed: u64) -> Option<Judged> {
    let mut usable = usable(networks);
    if count < LEAST_NETWORKS || count >= usable.len() {
        return None;
    }
    random::shuffle(&mut usable, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let (drawn, others) = usable.split_at(count);
    let fitted = Fitted::of(drawn)?;
    let (scores, accuracies) =
        others.iter().map(|(network, features)| (fitted.scale(features), network.accuracy)).unzip();
    Some(Judged { scores, accuracies })
}

/// A calibration from all networks; nothing where there are too few.
pub fn of_all(networks: &[Trained]) -> Option<Calibrated> {
    let usable = usable(networks);
    if usable.len() < LEAST_NETWORKS {
        return None;
    }
    Fitted::of(&usable)?.calibration(&usable)?.ready().ok()
}

/// The networks with features, in an order that does not depend on that of the table's rows.
fn usable(networks: &[Trained]) -> Vec<(&Trained, &Features)> {
    let mut usable: Vec<(&Trained, &Features)> =
        networks.iter().filter_map(|network| Some((network, network.known.features.as_ref()?))).collect();
    usable.sort_by(|a, b| a.0.net.cmp(&b.0.net));
    usable
}

fn failure(drawn: &[(&Trained, &Features)]) -> FitError {
    match drawn.windows(2).all(|pair| pair[0].0.accuracy == pair[1].0.accuracy) {
        true => FitError::Alike,
        false => FitError::Unsolvable,
    }
}

/// How `scores` and each single score rank the networks.
fn beside(networks: &[(&Trained, &Features)], scores: &[f64]) -> Vec<HeldOut> {
    let accuracies: Vec<f64> = networks.iter().map(|(network, _)| network.accuracy).collect();
    let known = |of: &dyn Fn(&Trained, &Features) -> f64| -> Vec<f64> {
        networks.iter().map(|(network, features)| of(network, features)).collect()
    };
    let (zen, params, macs) = (
        known(&|_, features| features[features::ZEN]),
        known(&|network, _| network.known.params),
        known(&|network, _| network.known.macs),
    );
    let ensemble = ensemble::log_ranks(&[zen.clone(), params.clone(), macs.clone()]);
    let single = [
        zen,
        known(&|network, _| network.known.reference.unwrap_or(f64::NEG_INFINITY)),
        params,
        macs,
        known(&|network, _| network.known.activations),
        known(&|network, _| network.known.layers),
        ensemble,
    ];
    let of = |(name, scores): (&str, &[f64])| {
        Some(HeldOut {
            score: name.to_owned(),
            networks: networks.len(),
            spearman: stats::spearman(scores, &accuracies)?,
            kendall: stats::kendall(scores, &accuracies)?,
        })
    };
    let names = SINGLE.into_iter().zip(single.iter().map(Vec::as_slice));
    std::iter::once(("calibration", scores)).chain(names).filter_map(of).collect()
}

/// For each network its place on the scale of accuracies, by a fit to the other parts of the sample.
fn cross_validated(drawn: &[(&Trained, &Features)]) -> Option<Vec<f64>> {
    let mut scores = vec![0.0; drawn.len()];
    for fold in 0..FOLDS {
        let others: Vec<(&Trained, &Features)> =
            drawn.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).map(|(_, &row)| row).collect();
        let fitted = Fitted::of(&others)?;
        for i in (fold..drawn.len()).step_by(FOLDS) {
            scores[i] = fitted.scale(drawn[i].1);
        }
    }
    Some(scores)
}

/// A feature as the fit sees it.
#[derive(Clone, Copy, Debug)]
struct Scale {
    feature: usize,
    mean: f64,
    deviation: f64,
    least: f64,
    greatest: f64,
}

impl Scale {
    /// The features that vary among the networks.
    fn all(rows: &[(&Trained, &Features)]) -> Vec<Scale> {
        let scale = |feature: usize| {
            let values: Vec<f64> = rows.iter().map(|(_, features)| features[feature]).collect();
            let (mean, deviation) = (stats::mean(&values)?, stats::std_dev(&values)?);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let varies = deviation > 1e-9 * (1.0 + mean.abs());
            varies.then_some(Scale { feature, mean, deviation, least, greatest })
        };
        (0..COUNT).filter_map(scale).collect()
    }

    fn standard(&self, features: &Features) -> f64 {
        (features[self.feature].clamp(self.least, self.greatest) - self.mean) / self.deviation
    }
}

/// Ridge regression over some networks.
struct Fitted {
    scales: Vec<Scale>,
    design: Array2<f64>,
    penalties: Vec<f64>,
    weights: Vec<f64>,
    intercept: f64,
    /// Of each network by a fit to the others.
    left_out: Vec<f64>,
}

impl Fitted {
    fn of(rows: &[(&Trained, &Features)]) -> Option<Fitted> {
        let scales = Scale::all(rows);
        let n = rows.len();
        let design = Array2::from_shape_fn((n, scales.len()), |(i, j)| scales[j].standard(rows[i].1));
        let targets: Vec<f64> = rows.iter().map(|(row, _)| calibration::of_accuracy(row.accuracy)).collect();
        let intercept = stats::mean(&targets)?;
        if stats::std_dev(&targets)? < 1e-9 {
            return None;
        }
        let centred = Array1::from_iter(targets.iter().map(|target| target - intercept));
        let zeros = vec![0.0; scales.len()];
        let penalties = |price: f64| -> Vec<f64> {
            let own = |scale: &Scale| if scale.feature == features::ZEN { ZEN_PRICE } else { 1.0 };
            scales.iter().map(|scale| own(scale) * price * n as f64).collect()
        };
        let solutions: Vec<(f64, ridge::Solution)> = PRICES
            .iter()
            .filter_map(|&price| Some((price, ridge::solve(&design, &centred, &penalties(price), &zeros)?)))
            .collect();
        let (price, solution) = within_one_error(solutions)?;
        Some(Fitted {
            penalties: penalties(price),
            scales,
            design,
            weights: solution.coefficients,
            intercept,
            left_out: solution.left_out,
        })
    }

    fn scale(&self, features: &Features) -> f64 {
        let terms = self.scales.iter().zip(&self.weights);
        self.intercept + terms.map(|(scale, weight)| weight * scale.standard(features)).sum::<f64>()
    }

    /// The fit as data; the fields that say where it comes from are empty.
    fn calibration(&self, rows: &[(&Trained, &Features)]) -> Option<Calibration> {
        let names = features::names();
        let mut gram = self.design.t().dot(&self.design);
        for (j, penalty) in self.penalties.iter().enumerate() {
            gram[(j, j)] += penalty;
        }
        let inverse = cholesky::inverse(&cholesky::factor(gram)?);
        let width = self.scales.len();
        let leverage: Vec<Vec<f64>> = (0..width)
            .map(|i| (0..width).map(|j| rounded(inverse[(i.max(j), i.min(j))])).collect())
            .collect();
        let spreads = (0..rows.len()).map(|i| {
            let row = self.design.row(i);
            let mut quadratic = 0.0;
            for (a, x) in row.iter().enumerate() {
                for (b, y) in row.iter().enumerate() {
                    quadratic += x * y * leverage[a][b];
                }
            }
            self.left_out[i].abs() / (1.0 + quadratic.max(0.0)).sqrt()
        });
        let half_width = holding(&spreads.collect::<Vec<_>>())?;
        let term = |(scale, &weight): (&Scale, &f64)| Term {
            feature: names[scale.feature].clone(),
            weight,
            mean: scale.mean,
            deviation: scale.deviation,
            least: scale.least,
            greatest: scale.greatest,
        };
        Some(Calibration {
            schema_version: calibration::FORMAT.newest,
            tool_version: String::new(),
            table: String::new(),
            table_sha256: None,
            networks: rows.len(),
            seed: 0,
            mode: Mode::Paper,
            intercept: self.intercept,
            terms: self.scales.iter().zip(&self.weights).map(term).collect(),
            spread: Spread { level: LEVEL, half_width, leverage },
            held_out: Vec::new(),
        })
    }
}

/// The error that holds [`LEVEL`] of further networks: the one of rank ⌈(n + 1)·level⌉ (split conformal prediction).
fn holding(errors: &[f64]) -> Option<f64> {
    let rank = ((errors.len() + 1) as f64 * LEVEL).ceil() as usize;
    stats::sorted(errors).get(rank.min(errors.len()).checked_sub(1)?).copied()
}

/// A number with six digits: the leverage needs no more, and is most of a file.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The solution of the greatest price whose squared error exceeds the least by no more than one standard error of
/// the difference.
fn within_one_error(solutions: Vec<(f64, ridge::Solution)>) -> Option<(f64, ridge::Solution)> {
    let squares =
        |solution: &ridge::Solution| solution.left_out.iter().map(|rest| rest * rest).collect::<Vec<_>>();
    let errors: Vec<Vec<f64>> = solutions.iter().map(|(_, solution)| squares(solution)).collect();
    let means: Vec<f64> = errors.iter().filter_map(|errors| stats::mean(errors)).collect();
    let best = (0..means.len()).min_by(|&a, &b| means[a].total_cmp(&means[b]))?;
    let allowed = |i: usize| {
        let differences: Vec<f64> = errors[i].iter().zip(&errors[best]).map(|(a, b)| a - b).collect();
        stats::mean_in_standard_errors(&differences).is_none_or(|errors| errors <= 1.0)
    };
    let chosen = (best..means.len()).rfind(|&i| allowed(i))?;
    solutions.into_iter().nth(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::trained::Known;

    /// Networks of NAS-Bench-Macro with accuracies that follow from their layers.
    fn networks() -> Vec<Trained> {
        let codes = (0..160_u32).map(|i| {
            let digits = (0..8).map(|layer| (i.wrapping_mul(2_654_435_761) >> (3 * layer + 4)) % 3);
            format!("nbm:{}", digits.map(|digit| digit.to_string()).collect::<String>())
        });
        let trained = |net: String| {
            let known = Known::of(&net).unwrap();
            let features = known.features.unwrap();
            let accuracy = 60.0 + 3.0 * features[4].sqrt() + 1.5 * features[3];
            Trained { net, accuracy, rows: vec![0], known }
        };
        codes.map(trained).collect()
    }

    fn calibrating(networks: &[Trained], samples: Option<usize>) -> Calibrating<'_> {
        Calibrating { networks, samples, seed: 3, table: "a.csv".into(), table_sha256: None }
    }

    #[test]
    fn what_features_tell_is_found_and_others_are_ranked() {
        let networks = networks();
        let outcome = calibrating(&networks, Some(50)).run().unwrap();
        let calibration = &outcome.calibration;
        assert_eq!((calibration.networks, calibration.held_out[0].networks), (50, 50));
        assert_eq!(outcome.others[0].networks, networks.len() - 50);
        assert!(outcome.others[0].spearman > 0.98, "{:?}", outcome.others);
        assert!(calibration.held_out[0].spearman > 0.9);
        assert_eq!(calibration.held_out.len(), 1 + SINGLE.len());
        let text = serde_json::to_vec(calibration).unwrap();
        let path = std::path::Path::new("a.json");
        let read: Calibration = calibration::FORMAT.parse(path, &text).unwrap();
        let (ready, again) = (calibration.ready().unwrap(), read.ready().unwrap());
        let mut inside = 0;
        for network in &networks {
            let features = network.known.features.as_ref().unwrap();
            let prediction = ready.predict(features);
            assert!((again.predict(features).lower - prediction.lower).abs() < 1e-6);
            inside += usize::from((prediction.lower..=prediction.upper).contains(&network.accuracy));
        }
        assert!(inside * 10 >= networks.len() * 8, "{inside} of {}", networks.len());
        let same = calibrating(&networks, Some(50)).run().unwrap();
        assert_eq!(same.calibration, outcome.calibration);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let mut networks = networks();
        let error = |networks: &[Trained], samples| calibrating(networks, samples).run().unwrap_err();
        assert_eq!(error(&networks, Some(19)), FitError::TooFew { found: 19 });
        assert!(matches!(error(&networks, Some(1000)), FitError::TooManySamples { .. }));
        networks.iter_mut().for_each(|network| network.accuracy = 70.0);
        assert_eq!(error(&networks, None), FitError::Alike);
    }
}
