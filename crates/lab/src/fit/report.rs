//! Held-out errors, beside what plain baselines reach on the same folds.

use crate::fit::baselines::{FlopsOnly, roofline_scale};
use crate::fit::candidate::Candidate;
use crate::fit::competition::Competition;
use crate::fit::data::Data;
use crate::fit::observation::{Level, Observation};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::file::{Calibration, FitMetrics};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use std::collections::BTreeMap;

/// The figures of a predictor file. `left_out_ns` has what is predicted of each network by a correction fitted to the
/// others, in the order of the networks among the observations.
pub(super) fn metrics(
    data: &Data,
    competition: &Competition,
    left_out_ns: &[f64],
    calibration: &Calibration,
) -> FitMetrics {
    let Competition { fold, candidates, held_out, .. } = competition;
    let folds = fold.iter().max().map_or(0, |last| last + 1);
    let mut next_network = left_out_ns.iter();
    let pairs: Vec<(&Observation, Pair)> = data
        .observations
        .iter()
        .zip(held_out)
        .map(|(o, terms)| {
            let sum = terms.latency.ns();
            let predicted = match o.level {
                Level::Network => next_network.next().copied().unwrap_or(sum),
                _ => sum,
            };
            let margin = match (o.level, o.single()) {
                (Level::Network, _) => Some(calibration.network.margin),
                (_, Some(kernel)) => calibration.kernels.get(&kernel.kind).map(|c| c.margin(predicted)),
                _ => None,
            };
            let interval = margin.map(|m| (predicted * (-m.lower_log).exp(), predicted * m.upper_log.exp()));
            (o, Pair { predicted, interval, measured: o.latency.ns() })
        })
        .collect();
    let of = |keep: &dyn Fn(&Observation) -> bool| {
        Metrics::of(&pairs.iter().filter(|(o, _)| keep(o)).map(|(_, pair)| *pair).collect::<Vec<_>>())
    };
    let is_kind = |o: &Observation, kind: KernelKind| o.single().is_some_and(|k| k.kind == kind);
    let by_kind = KernelKind::ALL.into_iter().filter_map(|kind| Some((kind, of(&|o| is_kind(o, kind))?)));
    let tried = |candidate: &Candidate| {
        let mut errors = BTreeMap::new();
        let levels = [("kernels", Level::Kernel), ("blocks", Level::Block), ("networks", Level::Network)];
        for (name, level) in levels {
            let error = candidate.mean_error(data, |o| o.level == level);
            errors.extend(error.map(|e| (name.to_owned(), 100.0 * e)));
        }
        for kind in KernelKind::ALL {
            let error = candidate.mean_error(data, |o| is_kind(o, kind));
            errors.extend(error.map(|e| (kind.name().to_owned(), 100.0 * e)));
        }
        (candidate.family.name().to_owned(), errors)
    };
    // The baselines on what there is most of.
    let level = if of(&|o| o.level == Level::Kernel).is_some() { Level::Kernel } else { Level::Network };
    FitMetrics {
        folds: folds as u32,
        kernels: of(&|o| o.level == Level::Kernel),
        blocks: of(&|o| o.level == Level::Block),
        networks: of(&|o| o.level == Level::Network),
        by_kind: by_kind.collect(),
        families: candidates.iter().map(tried).collect(),
        baseline_flops: baseline_flops(data, fold, folds, level),
        baseline_roofline: baseline_roofline(data, fold, folds),
    }
}

fn baseline_flops(data: &Data, fold: &[usize], folds: usize, level: Level) -> Option<Metrics> {
    let rows: Vec<(usize, f64, f64)> = data
        .observations
        .iter()
        .zip(fold)
        .filter(|(o, _)| o.level == level)
        .map(|(o, &f)| (f, o.kernels.iter().map(Kernel::macs).sum(), o.latency.ns()))
        .collect();
    let mut pairs = Vec::new();
    for left_out in 0..folds {
        let kept: Vec<(f64, f64)> =
            rows.iter().filter(|(f, ..)| *f != left_out).map(|&(_, macs, ns)| (macs, ns)).collect();
        let line = FlopsOnly::fit(&kept)?;
        let held_out = rows.iter().filter(|(f, ..)| *f == left_out);
        pairs.extend(held_out.map(|&(_, macs, measured)| Pair {
            predicted: line.predict_ns(macs),
            interval: None,
            measured,
        }));
    }
    Metrics::of(&pairs)
}

fn baseline_roofline(data: &Data, fold: &[usize], folds: usize) -> Option<Metrics> {
    let rows: Vec<(usize, Kernel, f64)> = data
        .observations
        .iter()
        .zip(fold)
        .filter_map(|(o, &f)| Some((f, *o.single()?, o.latency.ns())))
        .collect();
    let mut pairs = Vec::new();
    for left_out in 0..folds {
        let kept: Vec<(Kernel, f64)> =
            rows.iter().filter(|(f, ..)| *f != left_out).map(|&(_, k, ns)| (k, ns)).collect();
        let scale = roofline_scale(data.roofline, &kept, data.machine.bytes_per_element)?;
        let held_out = rows.iter().filter(|(f, ..)| *f == left_out);
        pairs.extend(held_out.map(|&(_, kernel, measured)| Pair {
            predicted: scale * data.roofline.bound(&kernel, data.machine.bytes_per_element).ns(),
            interval: None,
            measured,
        }));
    }
    Metrics::of(&pairs)
}
