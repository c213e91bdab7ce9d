//! When a configuration needs no further pass: its passes agree, and its median is known closely.

use super::counted::counted;
use super::journal::{Line, Turn};
use edgezen_core::measurement::Quality;
use edgezen_core::stats;

/// Passes that every configuration is measured in: one alone may lie in a slow moment as a whole.
const LEAST_PASSES: u32 = 2;

/// Whether the passes before `turn` tell enough of its configuration: at least two were made, their medians differ by at most
/// the share `within`, and the 95 % interval of the median over all of them is at most as wide to either side.
pub fn known(lines: &[Line], turn: Turn, within: f64) -> bool {
    if turn.round < LEAST_PASSES {
        return false;
    }
    let mut passes = counted(lines, |index| index == turn.index);
    // One that was flagged does not show what is usual.
    passes.retain(|_, pass| pass.flagged.is_none());
    if passes.len() < LEAST_PASSES as usize || passes.keys().any(|&(_, round)| round >= turn.round) {
        return false;
    }
    let timings = passes.values().map(|pass| &pass.measured.timing);
    let Some((summary, Quality::Good)) = edgezen_runner::pooled(timings.clone()) else { return false };
    let medians: Vec<f64> =
        timings.filter_map(|timing| stats::median(&timing.undisturbed_ns(timing.usual_probe_ns))).collect();
    let apart = medians.iter().copied().fold(0.0, f64::max)
        / medians.iter().copied().fold(f64::INFINITY, f64::min)
        - 1.0;
    medians.len() == passes.len() && apart <= within && summary.relative_half_width() <= within
}

#[cfg(test)]
mod tests {
    use crate::campaign::folder::JOURNAL;
    use crate::campaign::journal::{self, Line};
    use crate::campaign::{Campaign, CampaignError, CampaignOutcome, Event, Plan, Start};
    use crate::device::simulated::Simulation;
    use crate::device::{self, DriverOptions, Options, Passes};
    use edgezen_core::plainnet::lowering::Lowering;
    use edgezen_core::space;
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;
    use std::path::Path;

    /// Measures 40 configurations whose launches differ by 2 %, until so many were measured.
    fn profile(dir: &Path, start: Start, most: usize) -> Result<CampaignOutcome, CampaignError> {
        let plan = Plan::draw(&[space::by_name("mobilenet").unwrap()], 40, 1, Lowering::Fused, 3).unwrap();
        let simulation: Simulation = "noise=0.005,launches=0.02".parse().unwrap();
        let driver = DriverOptions::default().with(simulation);
        let mut device = device::open(
            &crate::catalogue::of_repository().profiles,
            "simulated",
            &Options { driver, ..Options::default() },
        )
        .unwrap();
        let mut seen = 0;
        Campaign { plan: &plan, dir, start, passes: Passes::UNTIL_KNOWN, seed: 1, now: 0, keep: false }.run(
            device.as_mut(),
            &mut |event| {
                seen += usize::from(matches!(event, Event::Measured { .. }));
                if seen >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )
    }

    /// The medians of each configuration, and whether two were enough.
    fn medians(dir: &Path) -> (BTreeMap<usize, Vec<f64>>, Vec<usize>) {
        let mut medians: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let mut enough = Vec::new();
        for line in journal::read(&dir.join(JOURNAL)).unwrap().unwrap().lines {
            match line {
                Line::Sample { index, measured, .. } => {
                    let median = measured.timing.summary().unwrap().median.ns();
                    medians.entry(index).or_default().push(median);
                }
                Line::Enough { index } => enough.push(index),
                _ => {}
            }
        }
        (medians, enough)
    }

    #[test]
    fn a_third_pass_is_made_where_two_disagree() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = profile(dir.path(), Start::Fresh, usize::MAX).unwrap();
        let (medians, enough) = medians(dir.path());
        assert_eq!((outcome.dataset.samples.len(), medians.len()), (40, 40));
        for (index, medians) in &medians {
            let apart = medians[0].max(medians[1]) / medians[0].min(medians[1]) - 1.0;
            let passes = if enough.contains(index) { 2 } else { 3 };
            assert_eq!(medians.len(), passes, "{medians:?}");
            assert_eq!(apart > 0.03, passes == 3, "{medians:?}");
        }
        assert!((10..40).contains(&enough.len()), "{enough:?}");
    }

    #[test]
    fn a_campaign_that_is_resumed_leaves_the_same_passes_out() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let expected = profile(whole.path(), Start::Fresh, usize::MAX).unwrap();
        let mut measured = 0;
        let outcome = loop {
            let start = if measured == 0 { Start::Fresh } else { Start::Resume };
            match profile(parts.path(), start, 30) {
                Ok(outcome) => break outcome,
                Err(CampaignError::Interrupted { .. }) => measured += 30,
                Err(error) => panic!("{error}"),
            }
        };
        // A simulated launch differs from session to session; what is left out follows from the journal.
        assert_eq!(outcome.dataset.samples.len(), expected.dataset.samples.len());
        let (medians, enough) = medians(parts.path());
        assert!(measured > 60 && medians.values().map(Vec::len).sum::<usize>() == 120 - enough.len());
    }
}
