//! Fits predictors of whole networks, from scratch or towards those of other devices.
//!
//! Errors are relative, so each row is divided by its latency. Prices are pulled towards a prior; how
//! strongly, leaving out each row in turn decides. From scratch the prior is nothing; in a transfer it is the
//! other devices' prices, each scaled as a whole, and it stays strong: with ten networks leaving one out says
//! little.
//!
//! Hundreds of networks can tell more prices than ten can: a fit from scratch also tries the details of a
//! space. In a transfer they come from the sources; the few rows of the new device change the others only.

use crate::fit::Request;
use crate::fit::baselines::FlopsOnly;
use crate::fit::conformal;
use crate::fit::families::FitError;
use crate::fit::solvers::ridge::{Fitted, best, relative};
use crate::fit::transfer;
use edgezen_core::plainnet::Kernel;
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::predictor::calibration;
use edgezen_core::predictor::layout::{SCHEMA, SIMPLE_SCHEMA};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::network::features;
use edgezen_core::predictor::network::features::{Sum, candidates, details};
use edgezen_core::predictor::network::file::{
    Calibration, FitMetrics, Model, NetLevel, NetworkPredictor, Provenance, Range, Term,
};
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_core::zoo::{Encoded, Space};
use ndarray::{Array1, Array2, ArrayView1};
use std::collections::BTreeMap;

/// Fewest networks that can be fitted and judged.
const MIN_ROWS: usize = 5;
/// Penalties that are tried from scratch, in networks' worth of belief that a price is nothing.
const FROM_SCRATCH: [f64; 9] = [1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0];
/// How many of its standard errors the gain by details must be.
const SURE: f64 = 2.0;
/// Beliefs that are tried in equal shares of the sources, in networks. The weak ones let two devices tell that
/// a third is beyond one of them.
const ALIKE: [f64; 6] = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
/// Penalties of the details' prices. Those of the others are next to free beside them.
const OF_DETAILS: [f64; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Prices below nothing make sense as corrections of others only, and so do those of details: they must leave
/// this share of the error at most.
const CORRECTIONS: f64 = 0.98;
/// No prediction falls below this share of the shortest latency seen.
const FLOOR: f64 = 0.5;

/// A network with its latency for the whole batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub network: Encoded,
    pub latency: Latency,
}

/// The space of `rows`, if they have one in common that predictors of whole networks know.
pub fn space(rows: &[Row]) -> Option<Space> {
    let space = rows.first()?.network.space();
    let same = rows.iter().all(|row| row.network.space() == space);
    (same && space != Space::Named).then_some(space)
}

/// Networks as numbers.
pub struct Design {
    pub space: Space,
    pub sums: Vec<Sum>,
    /// One row for each network, one column for each sum, and a last one of ones.
    pub values: Array2<f64>,
    /// What many networks can tell prices of besides.
    pub details: Vec<Sum>,
    /// A column for each detail.
    detailed: Array2<f64>,
    /// 10^6 MACs of each network.
    mmacs: Vec<f64>,
}

impl Design {
    /// # Errors
    /// Networks of several spaces, or of one that these predictors do not know.
    pub fn of(networks: &[&Encoded], batch: u32, precision: &str) -> Result<Design, FitError> {
        let mixed = || FitError::Subject {
            subject: networks.first().map_or(String::new(), |network| network.to_string()),
            reason: "networks of one search space only can be fitted together".into(),
        };
        let space = networks.first().ok_or(FitError::NoData)?.space();
        if space == Space::Named || networks.iter().any(|network| network.space() != space) {
            return Err(mixed());
        }
        let (sums, details) = (candidates(space), details(space));
        let all = [&sums[..], &details[..]].concat();
        let machine = features::machine(precision);
        let mut values = Array2::ones((networks.len(), sums.len() + 1));
        let mut detailed = Array2::zeros((networks.len(), details.len()));
        let mut mmacs = Vec::with_capacity(networks.len());
        for (i, network) in networks.iter().enumerate() {
            let row = features::values(network, &all, batch, &machine);
            let (plain, fine) = row.split_at(sums.len());
            plain.iter().enumerate().for_each(|(j, value)| values[(i, j)] = *value);
            fine.iter().enumerate().for_each(|(j, value)| detailed[(i, j)] = *value);
            let kernels = network.parts().into_iter().flat_map(|part| Lowering::Fused.kernels(&part.graph));
            mmacs.push(kernels.map(|k: Kernel| k.with_batch(batch).macs()).sum::<f64>() * 1e-6);
        }
        Ok(Design { space, sums, values, details, detailed, mmacs })
    }

    fn width(&self) -> usize {
        self.sums.len() + 1
    }

    /// All columns, those of the details last.
    fn all(&self) -> Array2<f64> {
        let mut all = Array2::zeros((self.values.nrows(), self.width() + self.details.len()));
        all.slice_mut(ndarray::s![.., ..self.width()]).assign(&self.values);
        all.slice_mut(ndarray::s![.., self.width()..]).assign(&self.detailed);
        all
    }

    /// `coefficients` as the terms of a model. Those of the details may be absent.
    fn priced(&self, coefficients: &[f64], sources: &[&NetworkPredictor]) -> Priced {
        let seen = |column: ArrayView1<f64>| Range {
            low: column.iter().copied().fold(f64::INFINITY, f64::min),
            high: column.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        let (plain, fine) = coefficients.split_at(self.width().min(coefficients.len()));
        let columns = self.values.columns().into_iter().map(seen);
        let terms = self.sums.iter().zip(plain).map(|(sum, &ns)| Term::new(sum.clone(), ns));
        let mut priced = Priced {
            domain: columns.take(self.sums.len()).collect(),
            terms: terms.collect(),
            constant: plain.last().copied().unwrap_or_default(),
        };
        for ((sum, &ns), column) in self.details.iter().zip(fine).zip(self.detailed.columns()) {
            if ns == 0.0 {
                continue;
            }
            // Where the price comes from others, so does what is known of its range.
            let of_source = |source: &&NetworkPredictor| {
                let at = source.model.terms.iter().position(|term| term.sum() == *sum)?;
                source.domain.get(at).copied()
            };
            let wider = |a: Range, b: Range| Range { low: a.low.min(b.low), high: a.high.max(b.high) };
            priced.domain.push(sources.iter().filter_map(of_source).fold(seen(column), wider));
            priced.terms.push(Term::new(sum.clone(), ns));
        }
        priced
    }

    /// The prices of another predictor for [`Design::all`].
    fn prices_of(&self, source: &NetworkPredictor) -> Result<Vec<f64>, FitError> {
        let refused = |reason: String| FitError::Subject { subject: source.id.clone(), reason };
        if source.space() != self.space {
            return Err(refused(format!("predicts networks of {}, not of {}", source.space(), self.space)));
        }
        let mut prices = vec![0.0; self.width() + self.details.len()];
        prices[self.sums.len()] = source.net_level.constant_ns;
        for term in &source.model.terms {
            let sum = term.sum();
            let detail = || self.details.iter().position(|s| *s == sum).map(|at| self.width() + at);
            let known = self.sums.iter().position(|s| *s == sum).or_else(detail);
            let at = known.ok_or_else(|| {
                refused(format!("prices {:?}, which this version does not; fit it anew", term.of.name()))
            })?;
            prices[at] += term.ns;
        }
        Ok(prices)
    }
}

struct Priced {
    terms: Vec<Term>,
    /// Of each term.
    domain: Vec<Range>,
    constant: f64,
}

/// Fits a predictor to `rows`; with `sources`, towards those predictors.
///
/// # Errors
/// Too few rows, several spaces, or sources of another space.
pub fn fit(
    rows: &[Row],
    request: Request,
    sources: &[&NetworkPredictor],
) -> Result<NetworkPredictor, FitError> {
    if rows.len() < MIN_ROWS {
        return Err(FitError::TooFew { found: rows.len(), needed: MIN_ROWS });
    }
    let networks: Vec<&Encoded> = rows.iter().map(|row| &row.network).collect();
    let design = Design::of(&networks, request.identity.batch, &request.identity.precision)?;
    let measured: Vec<f64> = rows.iter().map(|row| row.latency.ns()).collect();
    let mut families = BTreeMap::new();
    let (fitted, before) = if sources.is_empty() {
        let plain = from_scratch(&design, &measured, &mut families)?;
        let detailed = with_details(&design, &measured, &mut families);
        let worth = |fine: &Fitted| {
            fine.advantage(&plain, &measured).is_some_and(|sigmas| sigmas > SURE)
                && fine.error(&measured) < CORRECTIONS * plain.error(&measured)
        };
        (detailed.filter(worth).unwrap_or(plain), None)
    } else {
        let (fitted, before) = towards(&design, &measured, sources, &mut families)?;
        (fitted, Some(before))
    };
    let logs: Vec<f64> =
        fitted.left_out.iter().zip(&measured).map(|(p, m)| (m / p.max(0.05 * m)).ln()).collect();
    let network = conformal::networks(&logs, &[]);
    let (lower, upper) = network.factors(1.0);
    let pairs = |predicted: &[f64], interval: bool| -> Vec<Pair> {
        let pair = |(&predicted, &measured): (&f64, &f64)| Pair {
            predicted,
            interval: interval.then_some((predicted * lower, predicted * upper)),
            measured,
        };
        predicted.iter().zip(&measured).map(pair).collect()
    };
    let shortest = measured.iter().copied().fold(f64::INFINITY, f64::min);
    let Priced { terms, domain, constant } = design.priced(&fitted.coefficients, sources);
    let units = terms.iter().map(|term| (term.of.name().to_owned(), term.of.unit().to_owned()));
    Ok(NetworkPredictor {
        schema_version: if terms.iter().any(Term::is_detail) { SCHEMA } else { SIMPLE_SCHEMA },
        id: request.identity.to_string(),
        created: request.created,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        licence: request.licence,
        provenance: Provenance {
            sources: request.sources,
            networks: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            notes: request.notes,
            adapted_from: sources.iter().map(|source| source.id.clone()).collect(),
        },
        device: request.identity.device.clone(),
        dataset_sha256: request.dataset_sha256,
        features: units.collect(),
        model: Model { space: design.space, terms },
        domain,
        calibration: Calibration { level: calibration::LEVEL, network },
        net_level: NetLevel { constant_ns: constant, floor_ns: FLOOR * shortest },
        metrics: FitMetrics {
            networks: Metrics::of(&pairs(&fitted.left_out, true)),
            families,
            baseline_flops: flops(&design, &measured).and_then(|p| Metrics::of(&pairs(&p, false))),
            before: before.and_then(|p| Metrics::of(&pairs(&p, false))),
        },
        identity: request.identity,
    })
}

fn singular() -> FitError {
    FitError::Solver("the normal equations are singular".into())
}

fn from_scratch(
    design: &Design,
    measured: &[f64],
    families: &mut BTreeMap<String, f64>,
) -> Result<Fitted, FitError> {
    let zero = vec![0.0; design.width()];
    let beliefs = FROM_SCRATCH.iter().map(|&strength| {
        let mut belief = vec![strength; design.width()];
        // The constant is next to free.
        belief[design.width() - 1] = 0.01 * strength;
        belief
    });
    let signed = beliefs.clone().filter_map(|belief| relative(&design.values, measured, &belief, &zero));
    let signed = best(signed, measured).ok_or_else(singular)?;
    families.insert("ridge".into(), percent(&signed.left_out, measured));
    let positive = beliefs.filter_map(|belief| not_negative(&design.values, measured, belief));
    let Some(positive) = best(positive, measured) else { return Ok(signed) };
    families.insert("ridge, no price below nothing".into(), percent(&positive.left_out, measured));
    let clearly = signed.error(measured) < CORRECTIONS * positive.error(measured);
    Ok(if clearly { signed } else { positive })
}

/// All prices of the design, where it has details.
fn with_details(design: &Design, measured: &[f64], families: &mut BTreeMap<String, f64>) -> Option<Fitted> {
    /// Belief in nothing of a price that is not of a detail, beside one that is.
    const PLAIN: f64 = 1e-3;
    if design.details.is_empty() {
        return None;
    }
    let values = design.all();
    let zero = vec![0.0; values.ncols()];
    let fits = OF_DETAILS.iter().filter_map(|&strength| {
        let mut belief = vec![strength; values.ncols()];
        belief[..design.width()].fill(PLAIN * strength);
        relative(&values, measured, &belief, &zero)
    });
    let fitted = best(fits, measured)?;
    families.insert("ridge, with details".into(), percent(&fitted.left_out, measured));
    Some(fitted)
}

/// Prices that would be negative are held at nothing, one after another.
fn not_negative(values: &Array2<f64>, measured: &[f64], mut belief: Vec<f64>) -> Option<Fitted> {
    /// Nothing is believed more firmly.
    const FIXED: f64 = 1e12;
    let zero = vec![0.0; belief.len()];
    for _ in 0..belief.len() {
        let mut fitted = relative(values, measured, &belief, &zero)?;
        // What each would take off the networks' latencies.
        let worth = |j: usize| fitted.coefficients[j] * values.column(j).sum();
        let open = (0..belief.len()).filter(|&j| belief[j] < FIXED && worth(j) < 0.0);
        match open.min_by(|&i, &j| worth(i).total_cmp(&worth(j))) {
            Some(worst) => belief[worst] = FIXED,
            None => {
                fitted.coefficients.iter_mut().for_each(|price| *price = price.max(0.0));
                return Some(fitted);
            }
        }
    }
    None
}

/// Also gives what the sources alone say of the rows, with the scales that fit best.
fn towards(
    design: &Design,
    measured: &[f64],
    sources: &[&NetworkPredictor],
    families: &mut BTreeMap<String, f64>,
) -> Result<(Fitted, Vec<f64>), FitError> {
    let count = sources.len();
    let mut scaled: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut values = Array2::zeros((measured.len(), count + design.width()));
    values.slice_mut(ndarray::s![.., count..]).assign(&design.values);
    let all = design.all();
    for (k, source) in sources.iter().enumerate() {
        let prices = Array1::from(design.prices_of(source)?);
        let predicted = all.dot(&prices);
        let ratios: Vec<f64> = measured.iter().zip(&predicted).map(|(m, p)| m / p).collect();
        let scale = stats::median(&ratios).filter(|scale| scale.is_finite() && *scale > 0.0);
        let scale = scale.ok_or_else(|| FitError::Subject {
            subject: source.id.clone(),
            reason: "predicts nothing positive for these networks".into(),
        })?;
        values.column_mut(k).assign(&(&predicted * scale));
        scaled.push((prices * scale).to_vec());
    }
    let share = 1.0 / count as f64;
    let mut prior = vec![0.0; values.ncols()];
    prior[..count].fill(share);
    let before: Vec<f64> =
        values.rows().into_iter().map(|row| row.iter().take(count).sum::<f64>() * share).collect();
    families.insert("sources alone".into(), percent(&before, measured));
    let fit = |alike: f64, strength: f64| {
        let mut belief = vec![strength; values.ncols()];
        belief[..count].fill(alike);
        relative(&values, measured, &belief, &prior)
    };
    // First how the sources share in it, then what differs from all of them.
    let alone = |alike: f64| Some((alike, fit(alike, transfer::BELIEFS[0])?.error(measured)));
    let shares = ALIKE.iter().filter_map(|&alike| alone(alike));
    let (alike, _) = shares.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or_else(singular)?;
    let fits = transfer::BELIEFS.iter().filter_map(|&strength| fit(alike, strength));
    let fitted = transfer::cautious(fits, measured).ok_or_else(singular)?;
    families.insert("towards sources".into(), percent(&fitted.left_out, measured));
    // The sources' prices and the differences from them are prices of the same sums.
    let (weights, own) = fitted.coefficients.split_at(count);
    let of_sources = |j: usize| weights.iter().zip(&scaled).map(|(w, prices)| w * prices[j]).sum::<f64>();
    let own = own.iter().copied().chain(std::iter::repeat_n(0.0, design.details.len()));
    let prices = own.enumerate().map(|(j, own)| own + of_sources(j)).collect();
    Ok((Fitted { coefficients: prices, left_out: fitted.left_out }, before))
}

fn percent(predicted: &[f64], measured: &[f64]) -> f64 {
    100.0 * stats::mean(&stats::relative_errors(predicted, measured)).unwrap_or(0.0)
}

/// A line through the MACs, each row predicted by the others.
fn flops(design: &Design, measured: &[f64]) -> Option<Vec<f64>> {
    const FOLDS: usize = 10;
    let rows: Vec<(f64, f64)> = design.mmacs.iter().map(|m| m * 1e6).zip(measured.iter().copied()).collect();
    let mut predicted = vec![0.0; rows.len()];
    for fold in 0..FOLDS.min(rows.len()) {
        let kept: Vec<(f64, f64)> =
            rows.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).map(|(_, row)| *row).collect();
        let line = FlopsOnly::fit(&kept)?;
        let left_out = rows.iter().enumerate().filter(|(i, _)| i % FOLDS == fold);
        left_out.for_each(|(i, (macs, _))| predicted[i] = line.predict_ns(*macs));
    }
    Some(predicted)
}
