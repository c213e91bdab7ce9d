//! Between the lines of a grid: how much worse predictions are for sides of maps, for numbers of channels and
//! for both at once that the data do not hold. Each line is left out once, and what is predicted of it tells.

use crate::fit::competition::Competition;
use crate::fit::conformal;
use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::families::Fit;
use crate::fit::observation::Observation;
use crate::fit::training::Shared;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::KernelCalibration;
use edgezen_core::predictor::domain::{Domain, SizeDomain};
use rayon::prelude::*;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// One line in so many is left out at a time, of the sides and of the channels: the others stay near.
const EVERY: usize = 6;
/// Fewest left-out kernels of a line that tell.
const MIN_ROWS: usize = 20;

/// What of a kernel was left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum New {
    Side,
    Channels,
    Both,
}

/// (predicted, measured) of the kernels of a kind that lie on a line.
type Lines = BTreeMap<(KernelKind, New, u32), Vec<(f64, f64)>>;

/// Sets how much wider the margins of each kind are off the grid, where the data lie on one.
pub(super) fn stretch(
    data: &Data,
    competition: &Competition,
    domain: &BTreeMap<KernelKind, Domain>,
    calibration: &mut BTreeMap<KernelKind, KernelCalibration>,
) -> Result<(), FitError> {
    let inner = |of: fn(&SizeDomain) -> &Vec<u32>| -> Vec<u32> {
        let parts = domain.values().flat_map(|domain| &domain.parts);
        let lines: BTreeSet<u32> = parts.flat_map(of).copied().collect();
        // The first and the last line have no neighbour on one side.
        let inner = lines.len().saturating_sub(2);
        lines.into_iter().skip(1).take(inner).collect()
    };
    let (sides, channels) = (inner(|part| &part.sides), inner(|part| &part.channels));
    let draw = |first: usize| {
        let out = |lines: &[u32]| lines.iter().copied().skip(first).step_by(EVERY).collect();
        left_out(data, competition, &Out { sides: out(&sides), channels: out(&channels) })
    };
    let draws: Vec<Lines> = (0..EVERY).into_par_iter().map(draw).collect::<Result<_, _>>()?;
    let mut lines = Lines::new();
    for (line, pairs) in draws.into_iter().flatten() {
        lines.entry(line).or_default().extend(pairs);
    }
    for (&kind, calibration) in calibration {
        let stretch = |new: New| {
            let alike = lines.iter().filter(|((of, what, _), _)| *of == kind && *what == new);
            let pairs: Vec<&[(f64, f64)]> = alike.map(|(_, pairs)| &pairs[..]).collect();
            conformal::stretch(
                calibration,
                &pairs.into_iter().filter(|p| p.len() >= MIN_ROWS).collect::<Vec<_>>(),
            )
        };
        let (side, channels, both) = (stretch(New::Side), stretch(New::Channels), stretch(New::Both));
        calibration.new_side = side.unwrap_or(1.0);
        calibration.new_channels = channels.unwrap_or(1.0);
        calibration.new_both = both;
    }
    Ok(())
}

/// Lines that are left out at once.
struct Out {
    sides: BTreeSet<u32>,
    channels: BTreeSet<u32>,
}

impl Out {
    /// What is new of a kernel, and the line that says so.
    fn new_of(&self, kernel: &Kernel) -> Option<(New, u32)> {
        let side = Some(kernel.in_h).filter(|side| self.sides.contains(side));
        let channels = [kernel.out_c, kernel.in_c].into_iter().find(|c| self.channels.contains(c));
        match (side, channels) {
            (Some(side), None) => Some((New::Side, side)),
            (None, Some(channels)) => Some((New::Channels, channels)),
            (Some(side), Some(_)) => Some((New::Both, side)),
            (None, None) => None,
        }
    }
}

/// What is predicted of the kernels on lines that were left out.
fn left_out(data: &Data, competition: &Competition, out: &Out) -> Result<Lines, FitError> {
    let new_of = |o: &Observation| o.single().and_then(|kernel| out.new_of(kernel));
    let (off, kept): (Vec<&Observation>, Vec<&Observation>) =
        data.observations.iter().partition(|o| new_of(o).is_some());
    let mut lines = Lines::new();
    let mut fits: BTreeMap<usize, Fit> = BTreeMap::new();
    let shared = Shared::default();
    for o in off {
        let (Some(kernel), Some((new, line))) = (o.single(), new_of(o)) else { continue };
        let family = competition.choice.of(kernel.kind);
        if let Entry::Vacant(vacant) = fits.entry(family) {
            vacant.insert(competition.candidates[family].family.fit(&data.training(&kept, &shared))?);
        }
        let model = fits.get(&family).and_then(|fit| fit.models.get(&kernel.kind));
        let predicted = data.kernel_ns(model, kernel);
        lines.entry((kernel.kind, new, line)).or_default().push((predicted, o.latency.ns()));
    }
    Ok(lines)
}
