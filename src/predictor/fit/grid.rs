//! Between the lines of a grid: how much worse predictions are for sides of maps and numbers of channels
//! that the data do not hold.

use super::Data;
use super::candidates::{Candidate, Choice};
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::conformal::KernelCalibration;
use crate::predictor::domain::Domain;
use crate::predictor::families::{Fit, FitError};
use crate::predictor::training::Observation;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// One line in so many is left out at a time: the others stay near.
const EVERY: usize = 7;
/// Which of them: two draws.
const FIRST: [usize; 2] = [2, 5];
/// Fewest left-out kernels that tell.
const MIN_ROWS: usize = 100;

type Lies = fn(&Kernel, &BTreeSet<u32>) -> bool;

fn side_lies(kernel: &Kernel, lines: &BTreeSet<u32>) -> bool {
    lines.contains(&kernel.in_h)
}

fn channels_lie(kernel: &Kernel, lines: &BTreeSet<u32>) -> bool {
    lines.contains(&kernel.out_c) || lines.contains(&kernel.in_c)
}

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
    let sides = left_out(data, candidates, choice, &lists(|part| &part.sides), side_lies)?;
    let channels = left_out(data, candidates, choice, &lists(|part| &part.channels), channels_lie)?;
    for (kind, calibration) in calibration {
        let enough = |pairs: Option<&Vec<(f64, f64)>>| {
            pairs.filter(|pairs| pairs.len() >= MIN_ROWS).map(|pairs| calibration.stretch(pairs))
        };
        let (side, channels) = (enough(sides.get(kind)), enough(channels.get(kind)));
        calibration.new_side = side.unwrap_or(1.0);
        calibration.new_channels = channels.unwrap_or(1.0);
    }
    Ok(())
}

/// (predicted, measured) of the kernels on lines that were left out, by kind.
fn left_out(
    data: &Data,
    candidates: &[Candidate],
    choice: &Choice,
    lines: &BTreeSet<u32>,
    lies: Lies,
) -> Result<BTreeMap<KernelKind, Vec<(f64, f64)>>, FitError> {
    let mut pairs: BTreeMap<KernelKind, Vec<(f64, f64)>> = BTreeMap::new();
    // The first and the last line have no neighbour on one side.
    let inner: Vec<u32> = lines.iter().copied().skip(1).take(lines.len().saturating_sub(2)).collect();
    for first in FIRST {
        let out: BTreeSet<u32> = inner.iter().copied().skip(first).step_by(EVERY).collect();
        let is_out = |o: &Observation| o.single().is_some_and(|kernel| lies(kernel, &out));
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
            pairs.entry(kernel.kind).or_default().push((predicted, o.latency.ns()));
        }
    }
    Ok(pairs)
}
