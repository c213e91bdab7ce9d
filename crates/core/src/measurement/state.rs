//! The state of the machine while something was measured: whether other programs used it, how fast its core ran, and
//! whether heat held its clock down. What the system does not tell is absent.

use serde::{Deserialize, Serialize};

/// Relative standard deviation of latencies on a machine whose cores are all used by other programs, from one
/// measurement to another in the same state. A core whose neighbour is fully used runs 1.5 times as long (decision 005).
/// Others may use twice as much at the next measurement, which adds half of their share: 1.96 standard deviations.
const FULL_LOAD: f64 = 0.25;

/// Systems count processor time in ticks, which cannot tell this share of a core from none.
const TICKS: f64 = 0.01;

/// Below this share of the machine, in per cent, what others use does not tell states apart.
const NEGLIGIBLE_PERCENT: f64 = 2.0;
/// The greatest ratio of what others use in two measurements in the same state.
const MOST_RATIO: f64 = 2.0;
/// The greatest ratio of the pace of the core in two measurements in the same state.
const MOST_PACE_RATIO: f64 = 1.05;

/// Other programs that use more than this of the measured core, in per cent, …
const SHARED_CORE_PERCENT: f64 = 2.0;
/// … or more than this of the whole machine, share it with the measurement.
const SHARED_MACHINE_PERCENT: f64 = 10.0;

/// How far the machine belonged to the measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Other programs used next to nothing.
    Quiet,
    /// Other programs ran beside the measurement.
    Shared,
    /// Heat or a lack of power held the clock down.
    Throttled,
    /// The system does not tell.
    #[default]
    Unknown,
}

impl Use {
    pub fn name(self) -> &'static str {
        match self {
            Use::Quiet => "quiet",
            Use::Shared => "shared",
            Use::Throttled => "throttled",
            Use::Unknown => "unknown",
        }
    }
}

/// The state of the machine while something was measured, over all launches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineState {
    #[serde(rename = "use")]
    pub usage: Use,
    /// Programs that ran or waited to run, over the last minute, at the end of the measurement.
    pub load_average: Option<f64>,
    /// Share of the measured cores' time that other programs used.
    pub others_on_core_percent: Option<f64>,
    /// Share of the time of all cores of the machine that other programs used.
    pub others_on_machine_percent: Option<f64>,
    /// Share of the timed samples that found the core slower than usual.
    pub disturbed_percent: Option<f64>,
    /// Median length of the probes of the core's pace, in nanoseconds. Two measurements with different lengths were not
    /// made in the same state.
    pub pace_ns: Option<u64>,
    /// The lowest and the highest clock of the measured cores that was seen, in MHz.
    pub clock_mhz: Option<[f64; 2]>,
    /// The highest temperature that was seen, in °C.
    pub temperature_c: Option<f64>,
    /// The sign that heat or a lack of power held the clock down.
    pub throttled: Option<String>,
}

impl MachineState {
    /// The same, with `usage` as the other fields say.
    #[must_use]
    pub fn classified(self) -> MachineState {
        let (core, machine) = (self.others_on_core_percent, self.others_on_machine_percent);
        let usage = if self.throttled.is_some() {
            Use::Throttled
        } else if core.is_some_and(|core| core > SHARED_CORE_PERCENT)
            || machine.is_some_and(|machine| machine > SHARED_MACHINE_PERCENT)
        {
            Use::Shared
        } else if core.is_some() || machine.is_some() {
            Use::Quiet
        } else {
            Use::Unknown
        };
        MachineState { usage, ..self }
    }

    /// Whether a measurement in the state `other` was made in the same state as this one: the machine was used in the same
    /// way, by at most twice as much, and its core had the same pace within 5 %.
    pub fn same_as(&self, other: &MachineState) -> bool {
        let within = |a: f64, b: f64, most: f64| a.max(b) <= most * a.min(b);
        let both = |field: fn(&MachineState) -> Option<f64>| field(self).zip(field(other));
        let others = both(|state| state.others_on_machine_percent)
            .is_none_or(|(a, b)| within(a.max(NEGLIGIBLE_PERCENT), b.max(NEGLIGIBLE_PERCENT), MOST_RATIO));
        let pace = both(|state| state.pace_ns.map(|ns| ns as f64));
        self.usage == other.usage && others && pace.is_none_or(|(a, b)| within(a, b, MOST_PACE_RATIO))
    }

    /// The relative standard deviation that other programs add to latencies from one measurement to another in this
    /// state. Time that they take of the measured core is missing as a whole; what they do on other cores slows this one
    /// through caches, memory and the clock.
    pub fn spread(&self) -> f64 {
        let share = |percent: Option<f64>| percent.unwrap_or(0.0).clamp(0.0, 100.0) / 100.0;
        let core = (share(self.others_on_core_percent) - TICKS).max(0.0);
        core.hypot(FULL_LOAD * share(self.others_on_machine_percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        let of = |core, machine, throttled: Option<&str>| {
            MachineState {
                others_on_core_percent: core,
                others_on_machine_percent: machine,
                throttled: throttled.map(str::to_owned),
                ..MachineState::default()
            }
            .classified()
        };
        assert_eq!(of(None, None, None).usage, Use::Unknown);
        assert_eq!(of(Some(0.5), Some(3.0), None).usage, Use::Quiet);
        assert_eq!(of(Some(0.5), Some(50.0), None).usage, Use::Shared);
        assert_eq!(of(Some(5.0), None, None).usage, Use::Shared);
        assert_eq!(of(Some(5.0), None, Some("hot")).usage, Use::Throttled);
        assert_eq!(of(None, None, None).spread(), 0.0);
        assert!((of(None, Some(100.0), None).spread() - FULL_LOAD).abs() < 1e-12);
        assert!(of(Some(5.0), Some(50.0), None).spread() > of(None, Some(50.0), None).spread());
    }

    #[test]
    fn the_same_state_is_the_same_use_and_pace() {
        let of = |machine, pace_ns| {
            let others_on_machine_percent = Some(machine);
            MachineState { others_on_machine_percent, pace_ns, ..MachineState::default() }.classified()
        };
        assert!(of(0.0, Some(100)).same_as(&of(1.5, Some(104))));
        assert!(of(20.0, None).same_as(&of(39.0, Some(100))));
        assert!(!of(20.0, None).same_as(&of(41.0, None)));
        assert!(!of(9.0, None).same_as(&of(11.0, None)), "quiet and shared");
        assert!(!of(0.0, Some(100)).same_as(&of(0.0, Some(106))));
        assert!(MachineState::default().same_as(&MachineState::default()));
    }

    #[test]
    fn results_of_earlier_versions_are_read() {
        let state: MachineState = serde_json::from_str(r#"{"use":"quiet"}"#).unwrap();
        assert_eq!(state, MachineState { usage: Use::Quiet, ..MachineState::default() });
    }
}
