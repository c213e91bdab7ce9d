//! A fitted calibration: plain data, and what it says of a network.
//!
//! The accuracy a (in percent) is modelled through the error that is left: t = −ln(100.5 − a) is linear in the features,
//! each of which is standardised by its mean and deviation over the networks of the fit. The half point keeps t
//! finite where a table says 100 %.
//!
//! A feature beyond the range of the fit counts as the end of that range: a straight line fitted to trained
//! networks says nothing of what lies far outside of them, and a search would go there. The interval does grow with the distance.

use super::features::{self, Features};
use crate::files::Format;
use crate::plainnet::chain::Chain;
use crate::proxy::{Mode, ScoreError};
use serde::{Deserialize, Serialize};

/// Calibration files.
pub const FORMAT: Format =
    Format { name: "calibration file", field: "schema_version", oldest: 1, newest: 1, most_bytes: 4 << 20 };

/// Percent above which the error is measured.
const CEILING: f64 = 100.5;

/// The scale on which accuracies are modelled; greater is better.
pub fn of_accuracy(accuracy: f64) -> f64 {
    -(CEILING - accuracy).ln()
}

/// The accuracy, in percent, at a place on the scale of [`of_accuracy`].
pub fn to_accuracy(t: f64) -> f64 {
    (CEILING - (-t).exp()).clamp(0.0, 100.0)
}

/// What was fitted, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub schema_version: u32,
    pub tool_version: String,
    /// The table with the accuracies, as it was named, and the SHA-256 of its file.
    pub table: String,
    pub table_sha256: Option<String>,
    /// Networks of the fit, and the seed by which they were drawn from the table.
    pub networks: usize,
    pub seed: u64,
    /// The mode of the Zen-Score among the features.
    pub mode: Mode,
    pub intercept: f64,
    pub terms: Vec<Term>,
    pub spread: Spread,
    /// How well networks are ranked that were left out of the fit.
    pub held_out: Vec<HeldOut>,
}

/// The weight of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub feature: String,
    /// Of the standardised feature.
    pub weight: f64,
    pub mean: f64,
    pub deviation: f64,
    /// Least and greatest value over the networks of the fit.
    pub least: f64,
    pub greatest: f64,
}

/// How far off accuracies are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Share of networks whose accuracy lies inside the interval.
    pub level: f64,
    /// Half of the interval on the scale of [`of_accuracy`], for a network in the middle of the fit.
    pub half_width: f64,
    /// By which the interval grows away from the middle: one row and column for each term.
    pub leverage: Vec<Vec<f64>>,
}

/// Rank correlations of a score with accuracies that it had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    pub score: String,
    pub networks: usize,
    pub spearman: f64,
    pub kendall: f64,
}

/// What a calibration says of a network, in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    pub accuracy: f64,
    pub lower: f64,
    pub upper: f64,
    /// Features that lie outside of the range of the fit.
    pub outside: Vec<String>,
}

/// Why a calibration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    #[error("the feature {0:?} is not known")]
    UnknownFeature(String),
    #[error("{0}")]
    Damaged(String),
}

/// A calibration, ready to be used.
#[derive(Clone, Debug)]
pub struct Calibrated {
    mode: Mode,
    intercept: f64,
    terms: Vec<(usize, Term)>,
    half_width: f64,
    /// The lower triangle of [`Spread::leverage`], row by row.
    leverage: Vec<f64>,
}

impl Calibration {
    /// Checks the content of a file.
    ///
    /// # Errors
    /// Features that this program does not know, numbers that make no sense.
    pub fn ready(&self) -> Result<Calibrated, CalibrationError> {
        let damaged = |reason: &str| CalibrationError::Damaged(reason.to_owned());
        let names = features::names();
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let place = names.iter().position(|name| *name == term.feature);
            let place = place.ok_or_else(|| CalibrationError::UnknownFeature(term.feature.clone()))?;
            let Term { weight, mean, deviation, least, greatest, .. } = *term;
            let finite = [weight, mean, deviation, least, greatest].iter().all(|value| value.is_finite());
            if !finite || deviation <= 0.0 || least > greatest {
                return Err(damaged(&format!("the term of {:?} makes no sense", term.feature)));
            }
            if terms.iter().any(|(known, _)| *known == place) {
                return Err(damaged(&format!("the feature {:?} occurs twice", term.feature)));
            }
            terms.push((place, term.clone()));
        }
        let Spread { half_width, leverage, .. } = &self.spread;
        let width = terms.len();
        let square = leverage.len() == width && leverage.iter().all(|row| row.len() == width);
        if !square || !leverage.iter().flatten().all(|value| value.is_finite()) {
            return Err(damaged("the leverage is not a square of numbers, one row for each term"));
        }
        if !(self.intercept.is_finite() && half_width.is_finite() && *half_width >= 0.0) {
            return Err(damaged("the intercept or the half width makes no sense"));
        }
        let triangle = leverage.iter().enumerate().flat_map(|(i, row)| row[..=i].to_vec()).collect();
        Ok(Calibrated {
            mode: self.mode,
            intercept: self.intercept,
            terms,
            half_width: *half_width,
            leverage: triangle,
        })
    }
}

impl Calibrated {
    /// The mode of the Zen-Score among the features.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The place of a network on the scale of [`of_accuracy`].
    pub fn scale(&self, features: &Features) -> f64 {
        let term = |(place, term): &(usize, Term)| {
            let value = features[*place].clamp(term.least, term.greatest);
            term.weight * (value - term.mean) / term.deviation
        };
        self.intercept + self.terms.iter().map(term).sum::<f64>()
    }

    /// The accuracy of a network, in percent.
    pub fn accuracy(&self, features: &Features) -> f64 {
        to_accuracy(self.scale(features))
    }

    /// The accuracy of a network with its interval.
    pub fn predict(&self, features: &Features) -> Prediction {
        let standard: Vec<f64> =
            self.terms.iter().map(|(place, term)| (features[*place] - term.mean) / term.deviation).collect();
        let (mut quadratic, mut at) = (0.0, 0);
        for (i, &a) in standard.iter().enumerate() {
            for (j, &b) in standard[..=i].iter().enumerate() {
                quadratic += if i == j { 1.0 } else { 2.0 } * a * b * self.leverage[at];
                at += 1;
            }
        }
        let middle = self.scale(features);
        let half = self.half_width * (1.0 + quadratic.max(0.0)).sqrt();
        let outside = self.terms.iter().filter(|(place, term)| {
            let slack = 1e-9 * (1.0 + term.greatest.abs().max(term.least.abs()));
            !(term.least - slack..=term.greatest + slack).contains(&features[*place])
        });
        Prediction {
            accuracy: to_accuracy(middle),
            lower: to_accuracy(middle - half),
            upper: to_accuracy(middle + half),
            outside: outside.map(|(_, term)| term.feature.clone()).collect(),
        }
    }

    /// The accuracy of the network with this chain.
    ///
    /// # Errors
    /// A chain without a Zen-Score.
    pub fn predict_chain(&self, chain: &Chain) -> Result<Prediction, ScoreError> {
        Ok(self.predict(&features::of_chain(chain, self.mode)?))
    }
}

#[cfg(test)]
mod tests {
    use super::features::COUNT;
    use super::*;

    fn of_zen(weight: f64) -> Calibration {
        let term = Term {
            feature: "zen".into(),
            weight,
            mean: 100.0,
            deviation: 10.0,
            least: 80.0,
            greatest: 120.0,
        };
        Calibration {
            schema_version: FORMAT.newest,
            tool_version: "0".into(),
            table: "a.csv".into(),
            table_sha256: None,
            networks: 20,
            seed: 0,
            mode: Mode::Paper,
            intercept: of_accuracy(70.0),
            terms: vec![term],
            spread: Spread { level: 0.9, half_width: 0.05, leverage: vec![vec![0.1]] },
            held_out: Vec::new(),
        }
    }

    #[test]
    fn intervals_grow_outside_and_accuracies_do_not() {
        let ready = of_zen(0.1).ready().unwrap();
        let at = |zen: f64| {
            let mut features = [0.0; COUNT];
            features[features::ZEN] = zen;
            ready.predict(&features)
        };
        let (middle, edge, beyond) = (at(100.0), at(120.0), at(200.0));
        assert!((middle.accuracy - 70.0).abs() < 1e-9 && middle.outside.is_empty());
        assert!(middle.lower < 70.0 && middle.upper > 70.0 && edge.accuracy > middle.accuracy);
        assert_eq!(beyond.accuracy, edge.accuracy);
        assert_eq!(beyond.outside, ["zen"]);
        assert!(beyond.upper - beyond.lower > edge.upper - edge.lower);
    }

    #[test]
    fn damaged_content_is_refused() {
        assert!(of_zen(f64::NAN).ready().is_err());
        let mut unknown = of_zen(0.1);
        unknown.terms[0].feature = "colour".into();
        assert_eq!(unknown.ready().unwrap_err(), CalibrationError::UnknownFeature("colour".into()));
        let mut short = of_zen(0.1);
        short.spread.leverage.clear();
        assert!(short.ready().is_err());
        let mut twice = of_zen(0.1);
        twice.terms.push(twice.terms[0].clone());
        twice.spread.leverage = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
        assert!(twice.ready().is_err());
    }
}
