//! Which family models which kind of kernel.

use crate::fit::candidate::Candidate;
use crate::fit::data::Data;
use crate::fit::families::Scope;
use crate::fit::observation::Observation;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::{KernelEstimate, Terms};
use edgezen_core::stats;
use edgezen_core::units::Latency;
use std::collections::BTreeMap;

/// How much better (relative) a family must be to be taken over a simpler one.
const ADVANTAGE: f64 = 0.98;

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
            Terms::of(kernel, KernelEstimate::inside(Latency::from_ns(ns)))
        };
        o.kernels.iter().map(terms).sum()
    }
}

/// The best family for all kinds together becomes the base; a family for single kinds takes those kinds on which it is
/// clearly better than what was chosen before.
pub(super) fn choose(data: &Data, candidates: &[Candidate]) -> Choice {
    let mut choice = Choice { base: 0, by_kind: BTreeMap::new() };
    let for_all = |c: &Candidate| c.family.scope() == Scope::AllKinds;
    for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| for_all(c)) {
        if candidate.score(data) < candidates[choice.base].score(data) {
            choice.base = i;
        }
    }
    for kind in KernelKind::ALL {
        let errors = |c: &Candidate| c.errors(data, |o| o.single().is_some_and(|k| k.kind == kind));
        for (i, candidate) in candidates.iter().enumerate() {
            let Scope::EachKind { rows } = candidate.family.scope() else { continue };
            let current = errors(&candidates[choice.of(kind)]);
            if rows.contains(&current.len()) && is_better(&errors(candidate), &current) {
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
