//! Families in competition: each is fitted with one fold of the data left out at a time, and judged by
//! what it says of that fold.

use crate::fit::Data;
use crate::fit::families::{Family, Fit, FitError};
use crate::fit::observation::{Level, Observation};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::{KernelEstimate, Support, Terms};
use edgezen_core::stats;
use edgezen_core::units::Latency;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How much better (relative) a family must be to be taken over a simpler one.
const ADVANTAGE: f64 = 0.98;

/// A family with its fits, one for each fold left out.
pub(super) struct Candidate {
    pub family: &'static dyn Family,
    fits: Vec<Fit>,
    /// Held-out prediction of each observation by this family alone.
    held_out: Vec<f64>,
}

impl Candidate {
    pub fn cross_validate(
        family: &'static dyn Family,
        data: &Data,
        fold: &[usize],
        folds: usize,
    ) -> Result<Candidate, FitError> {
        let fit = |left_out: usize| {
            let rows: Vec<&Observation> =
                data.observations.iter().zip(fold).filter(|(_, f)| **f != left_out).map(|(o, _)| o).collect();
            family.fit(&data.training(&rows))
        };
        let fits: Vec<Fit> = (0..folds).into_par_iter().map(fit).collect::<Result<_, _>>()?;
        let predict = |(o, &f): (&Observation, &usize)| {
            let fit = &fits[f];
            let sum: f64 = o.kernels.iter().map(|k| data.kernel_ns(fit.models.get(&k.kind), k)).sum();
            if o.level == Level::Network { sum + fit.network_ns } else { sum }
        };
        let held_out = data.observations.iter().zip(fold).map(predict).collect();
        Ok(Candidate { family, fits, held_out })
    }

    /// Relative errors of the observations to `keep`, each held out.
    fn errors(&self, data: &Data, keep: impl Fn(&Observation) -> bool) -> Vec<f64> {
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

/// Which candidate models which kind.
pub(super) struct Choice {
    /// For all kinds without a choice of their own, and for the constant of networks.
    pub base: usize,
    by_kind: BTreeMap<KernelKind, usize>,
}

impl Choice {
    pub fn of(&self, kind: KernelKind) -> usize {
        self.by_kind.get(&kind).copied().unwrap_or(self.base)
    }

    pub fn held_out(
        &self,
        data: &Data,
        candidates: &[Candidate],
        fold: &[usize],
        i: usize,
        o: &Observation,
    ) -> Terms {
        let fit = |kind| &candidates[self.of(kind)].fits[fold[i]];
        let terms = |kernel: &Kernel| {
            let ns = data.kernel_ns(fit(kernel.kind).models.get(&kernel.kind), kernel);
            Terms::of(kernel, KernelEstimate { latency: Latency::from_ns(ns), support: Support::Inside })
        };
        o.kernels.iter().map(terms).sum()
    }
}

pub(super) fn choose(data: &Data, candidates: &[Candidate]) -> Choice {
    let simple = |c: &Candidate| *c.family.rows().start() == 0;
    let mut choice = Choice { base: 0, by_kind: BTreeMap::new() };
    for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| simple(c)) {
        if candidate.score(data) < candidates[choice.base].score(data) {
            choice.base = i;
        }
    }
    for kind in KernelKind::ALL {
        let errors = |c: &Candidate| c.errors(data, |o| o.single().is_some_and(|k| k.kind == kind));
        for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| !simple(c)) {
            let current = errors(&candidates[choice.of(kind)]);
            if candidate.family.rows().contains(&current.len()) && is_better(&errors(candidate), &current) {
                choice.by_kind.insert(kind, i);
            }
        }
    }
    choice
}

/// Whether errors are smaller than others of the same rows by enough, and by more than their standard error: among few
/// rows, one or the other may be lucky.
fn is_better(new: &[f64], old: &[f64]) -> bool {
    let gains: Vec<f64> = old.iter().zip(new).map(|(old, new)| old - new).collect();
    let (Some(gain), Some(old)) = (stats::mean(&gains), stats::mean(old)) else { return false };
    gain > (1.0 - ADVANTAGE) * old && stats::mean_in_standard_errors(&gains).is_none_or(|errors| errors > 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_is_not_enough() {
        let old: Vec<f64> = (0..40).map(|i| 0.05 + 0.01 * f64::from(i % 5)).collect();
        let changed =
            |by: fn(usize) -> f64| old.iter().enumerate().map(|(i, e)| e * by(i)).collect::<Vec<_>>();
        assert!(is_better(&changed(|_| 0.9), &old) && !is_better(&changed(|_| 0.99), &old));
        // Better on the mean, but one row gained and another lost: that may be chance.
        let with = |first: f64, second: f64| [&[first, second], &old[2..]].concat();
        assert!(!is_better(&with(0.0, 0.15), &with(0.3, 0.05)));
        assert!(is_better(&with(0.0, 0.0), &with(0.3, 0.3)));
        assert!(!is_better(&[], &[]));
    }
}
