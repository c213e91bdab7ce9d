//! A family in competition: it is fitted with one fold of the data left out at a time, and judged by what it says of
//! that fold.

use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::families::{Family, Fit};
use crate::fit::observation::{Level, Observation};
use crate::fit::training::Shared;
use edgezen_core::stats;
use rayon::prelude::*;

/// A family with its fits, one for each fold left out.
pub(super) struct Candidate {
    pub family: &'static dyn Family,
    pub fits: Vec<Fit>,
    /// Held-out prediction of each observation by this family alone.
    held_out: Vec<f64>,
}

impl Candidate {
    /// `shared` holds what families share of the data without each fold.
    pub fn cross_validate(
        family: &'static dyn Family,
        data: &Data,
        fold: &[usize],
        shared: &[Shared],
    ) -> Result<Candidate, FitError> {
        let fit = |left_out: usize| {
            let rows: Vec<&Observation> =
                data.observations.iter().zip(fold).filter(|(_, f)| **f != left_out).map(|(o, _)| o).collect();
            family.fit(&data.training(&rows, &shared[left_out]))
        };
        let fits: Vec<Fit> = (0..shared.len()).into_par_iter().map(fit).collect::<Result<_, _>>()?;
        let predict = |(o, &f): (&Observation, &usize)| {
            let fit = &fits[f];
            let sum: f64 = o.kernels.iter().map(|k| data.kernel_ns(fit.models.get(&k.kind), k)).sum();
            if o.level == Level::Network { sum + fit.network_ns } else { sum }
        };
        let held_out = data.observations.iter().zip(fold).map(predict).collect();
        Ok(Candidate { family, fits, held_out })
    }

    /// Relative errors of the observations to `keep`, each held out.
    pub fn errors(&self, data: &Data, keep: impl Fn(&Observation) -> bool) -> Vec<f64> {
        let pairs = data.observations.iter().zip(&self.held_out).filter(|(o, _)| keep(o));
        pairs.map(|(o, p)| (p / o.latency.ns() - 1.0).abs()).collect()
    }

    pub fn mean_error(&self, data: &Data, keep: impl Fn(&Observation) -> bool) -> Option<f64> {
        stats::mean(&self.errors(data, keep))
    }

    /// The figure that simple families compete by: networks count double.
    pub fn score(&self, data: &Data) -> f64 {
        let levels = [(Level::Kernel, 1.0), (Level::Block, 1.0), (Level::Network, 2.0)];
        let (mut sum, mut weights) = (0.0, 0.0);
        for (level, weight) in levels {
            if let Some(error) = self.mean_error(data, |o| o.level == level) {
                sum += weight * error;
                weights += weight;
            }
        }
        sum / weights
    }
}
