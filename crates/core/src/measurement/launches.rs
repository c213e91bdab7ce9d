//! Launches of one network, and what they say together: the interval that holds the median of a later measurement, and
//! whether that interval is narrow enough to be relied on.
//!
//! Within one process the runs of a network agree far better than the medians of two processes do, because memory is
//! laid out anew and other programs do other things. So the interval is a prediction interval for the median of a launch
//! that has not been made yet; `docs/measuring.md` derives it.

use super::quality::Quality;
use super::state::MachineState;
use crate::stats;
use crate::units::Latency;
use std::f64::consts::PI;
use std::fmt;

/// Relative standard deviation between measurements that lie hours apart, as far as launches that follow one another
/// within seconds cannot show it. A judgement, not a measurement.
const BETWEEN_HOURS: f64 = 0.005;

/// 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.96;

/// The median of the runs of one launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaunchMedian {
    pub median: Latency,
    /// Its standard error, relative to the median, as the runs of this launch show it.
    pub error: f64,
}

/// What several launches say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub launches: usize,
    /// The median of the launches' medians.
    pub median: Latency,
    /// Half the width of the 95 % interval for the median of a later launch, relative to the median.
    pub half_width: f64,
    /// The part of it that comes from how far the launches differ.
    pub from_launches: f64,
    /// The part of it that comes from other programs.
    pub from_others: f64,
    /// Standard deviation between the launches' medians, relative to the median.
    pub between: f64,
    /// The lowest and the highest median of a launch.
    pub range: (Latency, Latency),
}

impl Agreement {
    /// `others` is the relative standard deviation that other programs on the machine add from one measurement to another
    /// (see [`MachineState::spread`]). `None` for fewer than two launches, which show no difference.
    pub fn of(launches: &[LaunchMedian], others: f64) -> Option<Agreement> {
        let k = launches.len();
        if k < 2 {
            return None;
        }
        let medians = stats::sorted(&launches.iter().map(|launch| launch.median.ns()).collect::<Vec<_>>());
        let median = stats::quantile(&medians, 0.5).filter(|&median| median > 0.0)?;
        let n = k as f64;
        let between = stats::std_dev(&medians)? * (n / (n - 1.0)).sqrt() / median;
        let within = stats::median(&launches.iter().map(|launch| launch.error).collect::<Vec<_>>())?;
        // The medians of launches differ by what the launches differ and by the error of each. A few launches may agree
        // by chance, so the errors are a lower bound. The median of k launches is known to σ·√(π/2k).
        let spread = between.max(within) * (1.0 + PI / (2.0 * n)).sqrt();
        let from_launches = stats::t_quantile_975(k - 1) * spread;
        let from_others = Z * others;
        let half_width = from_launches.hypot(from_others).hypot(Z * BETWEEN_HOURS);
        Some(Agreement {
            launches: k,
            median: Latency::from_ns(median),
            half_width,
            from_launches,
            from_others,
            between,
            range: (Latency::from_ns(medians[0]), Latency::from_ns(medians[k - 1])),
        })
    }

    /// The 95 % interval for the median of a later launch.
    pub fn interval(&self) -> (Latency, Latency) {
        (self.median * (1.0 - self.half_width).max(0.0), self.median * (1.0 + self.half_width))
    }
}

/// Why a measurement is not good.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// The clock was held down.
    Throttled(String),
    /// The sentinel before or after it was not as fast as usual.
    Drifted(String),
    /// One launch cannot say how far launches differ.
    OneLaunch,
    /// Hardly a run found the core at its usual speed.
    Disturbed { percent: f64 },
    /// The launches differ too much.
    Launches(Agreement),
    /// Other programs used so much of the machine that a later measurement may give something else.
    Others { machine: Option<f64>, core: Option<f64>, half_width: f64 },
}

impl Doubt {
    pub fn quality(&self) -> Quality {
        match self {
            Doubt::Throttled(_) => Quality::Throttled,
            Doubt::Drifted(_) => Quality::Drifted,
            _ => Quality::Noisy,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Throttled(reason) | Doubt::Drifted(reason) => write!(f, "{reason}"),
            Doubt::OneLaunch => f.write_str("one launch does not show how far launches differ"),
            Doubt::Disturbed { percent } => {
                write!(f, "{percent:.0} % of the runs found the core slower than usual")
            }
            Doubt::Launches(Agreement { launches, range: (low, high), half_width, .. }) => write!(
                f,
                "{launches} launches differ, from {low} to {high}: the interval is ±{:.1} % wide",
                100.0 * half_width
            ),
            Doubt::Others { machine, core, half_width } => {
                let share =
                    |share: &Option<f64>, of: &str| share.map(|percent| format!("{percent:.0} % of {of}"));
                let used: Vec<String> = share(machine, "the machine")
                    .into_iter()
                    .chain(share(core, "the measured core"))
                    .collect();
                write!(
                    f,
                    "other programs used {}: a later measurement may differ by {:.0} %",
                    used.join(" and "),
                    100.0 * half_width
                )
            }
        }
    }
}

/// A measurement in which more than this share of the runs found the core slower than usual is noisy.
const MOST_DISTURBED_PERCENT: f64 = 90.0;

/// Judges a measurement. `None`: it is good, which means that nine of ten later measurements in the same state have their
/// median inside the interval, and that the interval is no wider than ± `tolerance`, relative to the median.
pub fn doubt(agreement: Option<&Agreement>, state: &MachineState, tolerance: f64) -> Option<Doubt> {
    if let Some(reason) = &state.throttled {
        return Some(Doubt::Throttled(reason.clone()));
    }
    let Some(agreement) = agreement else { return Some(Doubt::OneLaunch) };
    if let Some(percent) = state.disturbed_percent.filter(|&percent| percent > MOST_DISTURBED_PERCENT) {
        return Some(Doubt::Disturbed { percent });
    }
    if agreement.half_width <= tolerance {
        return None;
    }
    // Where other programs alone make it too wide, it does not matter how far the launches agree.
    let others = agreement.from_others.hypot(Z * BETWEEN_HOURS) > tolerance;
    Some(if others || agreement.from_others > agreement.from_launches {
        let (machine, core) = (state.others_on_machine_percent, state.others_on_core_percent);
        Doubt::Others { machine, core, half_width: agreement.half_width }
    } else {
        Doubt::Launches(*agreement)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launches(ms: &[f64], error: f64) -> Vec<LaunchMedian> {
        ms.iter().map(|&ms| LaunchMedian { median: Latency::from_ms(ms), error }).collect()
    }

    #[test]
    fn the_interval_by_hand() {
        // Sample standard deviation 0.1, three degrees of freedom, t = 3.182.
        let medians = launches(&[9.9, 10.0, 10.0, 10.1 + 0.0], 0.0);
        let agreement = Agreement::of(&medians, 0.0).unwrap();
        let s = (0.02_f64 / 3.0).sqrt() / 10.0;
        assert!((agreement.between - s).abs() < 1e-12, "{agreement:?}");
        let want = (3.182 * s * (1.0 + PI / 8.0).sqrt()).hypot(1.96 * BETWEEN_HOURS);
        assert!((agreement.half_width - want).abs() < 1e-9, "{} {want}", agreement.half_width);
        let (low, high) = agreement.interval();
        assert!((high.ms() - 10.0 * (1.0 + want)).abs() < 1e-9 && (low.ms() + high.ms() - 20.0).abs() < 1e-9);
        // Four launches that agree by chance are known no better than each of them.
        let agree = Agreement::of(&launches(&[10.0; 4], 0.02), 0.0).unwrap();
        assert!(agree.between == 0.0 && agree.half_width > 3.182 * 0.02);
        // Other programs make it wider.
        let busy = Agreement::of(&medians, 0.05).unwrap();
        assert!(busy.half_width > 0.098 && busy.from_launches == agreement.from_launches);
        assert_eq!(Agreement::of(&medians[..1], 0.0), None);
    }

    #[test]
    fn verdicts_name_their_reason() {
        let calm = MachineState::default();
        let say = |agreement: Option<&Agreement>, state: &MachineState| {
            doubt(agreement, state, 0.05).map(|doubt| (doubt.quality(), doubt.to_string()))
        };
        let agree = Agreement::of(&launches(&[10.0, 10.05, 10.1, 10.0, 10.02], 0.001), 0.0);
        assert_eq!(say(agree.as_ref(), &calm), None);
        let differ = Agreement::of(&launches(&[14.4, 15.5, 17.3, 18.8], 0.005), 0.0);
        let (quality, reason) = say(differ.as_ref(), &calm).unwrap();
        assert!(quality == Quality::Noisy && reason.contains("14.4 ms to 18.8 ms"), "{reason}");
        let busy = MachineState { others_on_machine_percent: Some(60.0), ..MachineState::default() };
        let beside = Agreement::of(&launches(&[10.0, 10.05, 10.1, 10.0, 10.02], 0.001), busy.spread());
        let (quality, reason) = say(beside.as_ref(), &busy).unwrap();
        assert!(quality == Quality::Noisy && reason.contains("60 % of the machine"), "{reason}");
        let both = Agreement::of(&launches(&[10.0, 10.5, 11.0, 9.0, 10.2], 0.001), busy.spread());
        assert!(say(both.as_ref(), &busy).unwrap().1.contains("60 % of the machine"));
        let hot = MachineState { throttled: Some("the highest clock was lowered".into()), ..calm.clone() };
        assert_eq!(say(agree.as_ref(), &hot).unwrap().0, Quality::Throttled);
        let slow = MachineState { disturbed_percent: Some(97.0), ..calm.clone() };
        assert!(say(agree.as_ref(), &slow).unwrap().1.contains("97 %"));
        assert!(say(None, &calm).is_some());
    }
}
