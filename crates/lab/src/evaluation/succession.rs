//! Whether a predictor that was just fitted is better than the one that answers to its name so far.
//!
//! Both are judged by the measurements of the fit: the new one by those that were left out of it in turn, the old one as it
//! is. The old one may have been fitted to some of the same measurements, which would flatter it; its error therefore counts
//! as no smaller than the one that its own file states of rows that it did not see.

use super::kernels;
use crate::fit::observation::Observation;
use edgezen_core::predictor::file::FitMetrics;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::Metrics;

/// How much greater an error must be to count as greater: few measurements tell errors apart no better.
const MARGIN: f64 = 1.25;

/// Mean relative error, in percent, from which on the predictions of a network say little: a budget that is held by such
/// a predictor is missed by a third.
pub const USELESS_PERCENT: f64 = 30.0;

/// Errors of two predictors on the same measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Succession {
    /// Measurements behind both.
    pub rows: u32,
    /// Mean relative errors, in percent.
    pub new_percent: f64,
    pub old_percent: f64,
}

impl Succession {
    /// The errors of `old` and of a new predictor with the held-out errors `new`, which was fitted to `observations`; `None`
    /// where they have no kind of measurement in common.
    pub fn of(old: &FittedPredictor, new: &FitMetrics, observations: &[Observation]) -> Option<Succession> {
        let judged = kernels::evaluate(old, observations);
        let stated = &old.file().metrics;
        Succession::of_levels(&[
            (new.kernels, judged.kernels, stated.kernels),
            (new.blocks, judged.blocks, stated.blocks),
            (new.networks, judged.networks, stated.networks),
        ])
    }

    /// The same from the errors of each kind of measurement: of the new predictor on rows that were left out, of the old one
    /// on the same rows, and those that the old one's file states.
    pub fn of_levels(levels: &[(Option<Metrics>, Option<Metrics>, Option<Metrics>)]) -> Option<Succession> {
        let (mut rows, mut new_sum, mut old_sum) = (0, 0.0, 0.0);
        for (new, judged, stated) in levels {
            let (Some(new), Some(judged)) = (new, judged) else { continue };
            let old = judged.mape_percent.max(stated.map_or(0.0, |stated| stated.mape_percent));
            rows += new.rows;
            new_sum += f64::from(new.rows) * new.mape_percent;
            old_sum += f64::from(new.rows) * old;
        }
        let mean = |sum: f64| sum / f64::from(rows);
        (rows > 0).then(|| Succession { rows, new_percent: mean(new_sum), old_percent: mean(old_sum) })
    }

    /// Whether the new predictor is clearly the worse one, and of little use besides: one that errs by a tenth on the computer that a
    /// person has measured may well be wanted there, whatever another one errs by.
    pub fn is_worse(&self) -> bool {
        self.new_percent >= USELESS_PERCENT && self.new_percent > MARGIN * self.old_percent
    }
}

/// The mean relative error, in percent, of all that was left out of a fit; `None` where nothing was.
pub fn held_out_percent(levels: &[Option<Metrics>]) -> Option<f64> {
    let known: Vec<&Metrics> = levels.iter().flatten().collect();
    let rows: f64 = known.iter().map(|m| f64::from(m.rows)).sum();
    let sum: f64 = known.iter().map(|m| f64::from(m.rows) * m.mape_percent).sum();
    (rows > 0.0).then(|| sum / rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::predictor::metrics::Pair;

    /// Metrics of `rows` rows that all are wrong by `percent`.
    fn wrong_by(percent: f64, rows: usize) -> Option<Metrics> {
        let pair = Pair { predicted: 100.0 + percent, interval: None, measured: 100.0 };
        Metrics::of(&vec![pair; rows])
    }

    #[test]
    fn a_predictor_is_worse_where_its_error_is_clearly_greater_and_large() {
        let levels = |new, judged, stated| {
            Succession::of_levels(&[(new, judged, stated), (wrong_by(3.0, 5), None, wrong_by(1.0, 5))])
        };
        let poor = levels(wrong_by(68.0, 16), wrong_by(15.0, 16), wrong_by(5.0, 900)).unwrap();
        assert_eq!(poor.rows, 16);
        assert!((poor.new_percent - 68.0).abs() < 1e-9 && (poor.old_percent - 15.0).abs() < 1e-9);
        assert!(poor.is_worse());
        assert!(!levels(wrong_by(60.0, 16), wrong_by(50.0, 16), None).unwrap().is_worse());
        assert!(!levels(wrong_by(12.0, 16), wrong_by(5.0, 16), None).unwrap().is_worse());
        // One that was fitted to these very rows is no better than its file says.
        assert!(!levels(wrong_by(36.0, 16), wrong_by(1.0, 16), wrong_by(36.0, 16)).unwrap().is_worse());
        assert_eq!(levels(None, wrong_by(15.0, 16), None), None);
    }

    #[test]
    fn the_error_of_all_counts_each_row_once() {
        let percent = held_out_percent(&[wrong_by(10.0, 30), None, wrong_by(50.0, 10)]).unwrap();
        assert!((percent - 20.0).abs() < 1e-9, "{percent}");
        assert_eq!(held_out_percent(&[None, None]), None);
    }
}
