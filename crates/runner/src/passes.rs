//! Several timings of one network, taken together: those of passes that lie minutes apart, and those of launches.

use super::timing::Timing;
use edgezen_core::measurement::{LaunchMedian, Quality, Summary};
use edgezen_core::stats;
use edgezen_core::units::Latency;

/// With fewer undisturbed samples than this, all samples are used, and the measurement counts as noisy.
const MIN_UNDISTURBED: usize = 5;

/// The summary of the samples of several passes taken together, with its quality; `None` if there are no samples.
///
/// Passes lie minutes apart, so that the median is not that of one lucky or unlucky moment. Where the
/// core's pace was probed, only the undisturbed samples count.
pub fn pooled<'a>(passes: impl IntoIterator<Item = &'a Timing>) -> Option<(Summary, Quality)> {
    let passes: Vec<&Timing> = passes.into_iter().collect();
    let k = passes.iter().map(|timing| timing.k).max()?;
    let threshold = passes.iter().map(|timing| timing.noisy_half_width).fold(f64::INFINITY, f64::min);
    // Every pass may have seen the core faster: the shortest usual probe of all passes is the best estimate.
    let usual = passes.iter().filter_map(|timing| timing.usual_probe_ns).min();
    let (mut all, mut calm) = (Vec::new(), Vec::new());
    for timing in &passes {
        calm.extend(timing.undisturbed_ns(usual));
        all.extend(timing.per_run_ns());
    }
    let few = usual.is_some() && calm.len() < MIN_UNDISTURBED;
    let chosen = if usual.is_some() && !few { &calm } else { &all };
    let summary = Summary::of(chosen, k)?;
    let steady = !few && summary.relative_half_width() <= threshold;
    Some((summary, if steady { Quality::Good } else { Quality::Noisy }))
}

/// With fewer undisturbed samples than this, the median of a launch is that of all its samples.
const MIN_OF_LAUNCH: usize = 3;

/// The median of each of `passes`, every one of them a launch. Launches without samples are left out. Where the core's
/// pace was probed, undisturbed samples count; a launch without them shows by its median how disturbed it was.
pub fn launch_medians<'a>(passes: impl IntoIterator<Item = &'a Timing>) -> Vec<LaunchMedian> {
    let passes: Vec<&Timing> = passes.into_iter().collect();
    let usual = passes.iter().filter_map(|timing| timing.usual_probe_ns).min();
    let of_launch = |timing: &&Timing| {
        let calm = timing.undisturbed_ns(usual);
        let chosen = if calm.len() < MIN_OF_LAUNCH { timing.per_run_ns() } else { calm };
        let median = stats::median(&chosen).filter(|&median| median > 0.0)?;
        Some(LaunchMedian { median: Latency::from_ns(median), error: stats::median_error(&chosen)? / median })
    };
    passes.iter().filter_map(of_launch).collect()
}

#[cfg(test)]
mod tests {
    use super::super::timing::steady;
    use super::*;

    #[test]
    fn passes_are_pooled() {
        let passes =
            [1_000_000, 1_100_000, 1_000_000].map(|ns| Timing { samples_ns: vec![ns; 10], ..steady(ns, 1) });
        let (summary, quality) = pooled(&passes).unwrap();
        assert_eq!((summary.runs, summary.median.ns(), summary.p90.ns()), (30, 1e6, 1.1e6));
        assert_eq!(quality, Quality::Good);
        assert_eq!(pooled([]), None);
    }

    #[test]
    fn every_launch_has_a_median() {
        let medians = |passes: &[Timing]| -> Vec<f64> {
            launch_medians(passes).iter().map(|launch| launch.median.ns()).collect()
        };
        assert_eq!(medians(&[steady(1_000_000, 1), steady(1_100_000, 1)]), [1e6, 1.1e6]);
        // Two thirds of the samples of the first launch were disturbed, all of the second.
        let probed = |of: u64| Timing {
            samples_ns: (0..9).map(|i| if i % 3 < of { 1_500_000 } else { 1_000_000 }).collect(),
            probes_ns: (0..9).map(|i| if i % 3 < of { 16_000 } else { 10_000 }).collect(),
            usual_probe_ns: Some(10_000),
            ..steady(1_000_000, 1)
        };
        assert_eq!(medians(&[probed(2), probed(3)]), [1e6, 1.5e6]);
        assert_eq!(launch_medians([]), []);
    }
}
