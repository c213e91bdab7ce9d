//! Drift: a slow change of the device's speed, for example by heat.
//!
//! The sentinel shows it: one and the same kernel, which is measured after every few configurations. When the sentinel
//! is slower than usual, so was the device, and what was measured around it is not to be trusted.

use super::journal::Line;
use edgezen_core::stats;

/// Number of measurements between two measurements of the sentinel.
pub const SENTINEL_EVERY: usize = 20;

/// Samples between two sentinels are flagged if both sentinels were slower than usual by more than this share.
pub const DRIFT: f64 = 0.10;

/// Medians of all sentinels in order, in nanoseconds.
pub fn sentinels(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().filter_map(|line| match line {
        Line::Sentinel { median_ns } => Some(*median_ns),
        _ => None,
    })
}

/// How much slower than usual the last sentinel is, as a share. Usual is the median of the earlier sentinels that were not
/// themselves slower than usual by more than `tolerance`; a hot hour therefore does not become the usual state.
pub fn of_last(lines: &[Line], tolerance: f64) -> f64 {
    let mut usual: Vec<f64> = Vec::new();
    let mut drift = 0.0;
    for sentinel in sentinels(lines) {
        drift = add(&mut usual, sentinel, tolerance);
    }
    drift
}

/// Adds `sentinel` to the `usual` ones, if it is one of them. Gives how much slower than those it is, as a share.
fn add(usual: &mut Vec<f64>, sentinel: f64, tolerance: f64) -> f64 {
    let drift = stats::median(usual).map_or(0.0, |usual| sentinel / usual - 1.0);
    if drift <= tolerance {
        usual.push(sentinel);
    }
    drift
}

/// The latency of the sentinel at the usual speed of the device, in nanoseconds: the median of those sentinels that were not
/// slower by more than [`DRIFT`] than the ones before them. `None` if there are none.
pub fn usual_ns(sentinels: &[f64]) -> Option<f64> {
    let mut usual = Vec::new();
    for &sentinel in sentinels {
        add(&mut usual, sentinel, DRIFT);
    }
    stats::median(&usual).filter(|&ns| ns > 0.0)
}

/// For each line, whether the sentinels before and after it both ran slower than the median of all.
pub fn drifted(lines: &[Line]) -> Vec<bool> {
    let usual = stats::median(&sentinels(lines).collect::<Vec<_>>());
    let slow = |line: &Line| match (line, usual) {
        (Line::Sentinel { median_ns }, Some(usual)) => Some(*median_ns > usual * (1.0 + DRIFT)),
        _ => None,
    };
    let carry = |flags: &mut dyn Iterator<Item = Option<bool>>| -> Vec<bool> {
        let mut last = false;
        flags
            .map(|flag| {
                last = flag.unwrap_or(last);
                last
            })
            .collect()
    };
    let before = carry(&mut lines.iter().map(slow));
    let mut after = carry(&mut lines.iter().rev().map(slow));
    after.reverse();
    before.into_iter().zip(after).map(|(before, after)| before && after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sentinels: &[f64]) -> Vec<Line> {
        sentinels.iter().map(|&median_ns| Line::Sentinel { median_ns }).collect()
    }

    #[test]
    fn a_hot_hour_does_not_become_usual() {
        assert_eq!(of_last(&lines(&[]), 0.05), 0.0);
        assert_eq!(of_last(&lines(&[10.0]), 0.05), 0.0);
        // The first one, on a cold device, was too quick.
        assert!((of_last(&lines(&[9.7, 10.0, 10.0, 11.0]), 0.05) - 0.1).abs() < 1e-12);
        let hot = [10.0, 10.0, 10.0, 12.0, 12.0, 12.0, 12.0, 12.0, 12.0];
        assert!((of_last(&lines(&hot), 0.05) - 0.2).abs() < 1e-12);
        assert!(of_last(&lines(&[10.0, 10.0, 12.0, 10.1]), 0.05) < 0.05);
    }

    #[test]
    fn slow_sentinels_do_not_count_as_usual() {
        assert_eq!(usual_ns(&[]), None);
        assert_eq!(usual_ns(&[100.0, 101.0, 102.0, 130.0, 131.0, 130.0, 129.0, 130.0]), Some(101.0));
    }

    #[test]
    fn samples_between_slow_sentinels_are_flagged() {
        let s = |median_ns| Line::Sentinel { median_ns };
        let f = |index| Line::Failed { index, reason: String::new() };
        let lines = [s(10.0), f(0), s(12.0), f(1), s(12.0), f(2), s(10.0), f(3), s(10.0)];
        let flags = drifted(&lines);
        assert_eq!([flags[1], flags[3], flags[5], flags[7]], [false, true, false, false]);
    }
}
