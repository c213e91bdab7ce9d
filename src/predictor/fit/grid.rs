//! Between the lines of a grid: how much worse predictions are for sides of maps and numbers of channels
//! that the data do not hold.

use super::Data;
use super::candidates::{Candidate, Choice};
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::conformal::KernelCalibration;
use crate::predictor::domain::Domain;
use crate::predictor::families::{Fit, FitError};
use crate::predictor::training::Observation;
use crate::stats;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// One line in so many is left out at a time: the others stay near.
const EVERY: usize = 4;
/// Which of them: two draws.
const FIRST: [usize; 2] = [1, 3];
/// Fewest left-out kernels of a line that tell.
const MIN_ROWS: usize = 50;

/// The line of a grid that a kernel lies on.
type Line = fn(&Kernel) -> u32;

/// (predicted, measured) by kind and line.
type Pairs = BTreeMap<(KernelKind, u32), Vec<(f64, f64)>>;

/// Sets how much wider the margins of each kind are off the grid, where the data lie on one.
pub(super) fn stretch(
    data: &Data,
    candidates: &[Candidate],
    choice: &Choice,
    domain: &BTreeMap<KernelKind, Domain>,
    calibration: &mut BTreeMap<KernelKind, KernelCalibration>,
) -> Result<(), FitError> {
    let lists = |of: fn(&crate::predictor::domain::Part) -> &Vec<u32>| -> BTreeSet<u32> {
        domain.values().flat_map(|domain| &domain.parts).flat_map(of).copied().collect()
    };
    let (sides, channels) = rayon::join(
        || left_out(data, candidates, choice, &lists(|part| &part.sides), |kernel| kernel.in_h),
        || left_out(data, candidates, choice, &lists(|part| &part.channels), |kernel| kernel.out_c),
    );
    let (sides, channels) = (sides?, channels?);
    for (&kind, calibration) in calibration {
        // Some lines are far from the others in what they cost: the middle one stands for a new one.
        let typical = |pairs: &Pairs| {
            let of_kind = pairs.iter().filter(|((of, _), pairs)| *of == kind && pairs.len() >= MIN_ROWS);
            let needed: Vec<f64> = of_kind.map(|(_, pairs)| calibration.stretch(pairs)).collect();
            stats::median(&needed).unwrap_or(1.0)
        };
        (calibration.new_side, calibration.new_channels) = (typical(&sides), typical(&channels));
    }
    Ok(())
}

/// What is predicted of the kernels on lines that were left out.
fn left_out(
    data: &Data,
    candidates: &[Candidate],
    choice: &Choice,
    lines: &BTreeSet<u32>,
    line: Line,
) -> Result<Pairs, FitError> {
    let mut pairs = Pairs::new();
    // The first and the last line have no neighbour on one side.
    let inner: Vec<u32> = lines.iter().copied().skip(1).take(lines.len().saturating_sub(2)).collect();
    for first in FIRST {
        let out: BTreeSet<u32> = inner.iter().copied().skip(first).step_by(EVERY).collect();
        let is_out = |o: &Observation| o.single().is_some_and(|kernel| out.contains(&line(kernel)));
        let kept: Vec<&Observation> = data.observations.iter().filter(|o| !is_out(o)).collect();
        if kept.len() == data.observations.len() {
            continue;
        }
        let mut fits: BTreeMap<usize, Fit> = BTreeMap::new();
        for kernel in data.observations.iter().filter(|o| is_out(o)).filter_map(|o| o.single()) {
            let family = choice.of(kernel.kind);
            if let Entry::Vacant(vacant) = fits.entry(family) {
                vacant.insert(candidates[family].family.fit(&data.training(&kept))?);
            }
        }
        for o in data.observations.iter().filter(|o| is_out(o)) {
            let Some(kernel) = o.single() else { continue };
            let model = fits.get(&choice.of(kernel.kind)).and_then(|fit| fit.models.get(&kernel.kind));
            let predicted = data.kernel_ns(model, kernel);
            pairs.entry((kernel.kind, line(kernel))).or_default().push((predicted, o.latency.ns()));
        }
    }
    Ok(pairs)
}
