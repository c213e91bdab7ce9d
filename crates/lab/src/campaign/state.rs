//! The state of the machine during several launches, from the conditions that were read before and after each of them.

use edgezen_core::measurement::{MachineState, Use};
use edgezen_core::stats;
use edgezen_runner::conditions::CpuTime;
use edgezen_runner::pace::undisturbed;
use edgezen_runner::{Conditions, Measured};
use std::time::Duration;

/// Processor times of less than this are too short to judge by: the system counts in ticks of ten milliseconds.
const SHORTEST: Duration = Duration::from_millis(300);

/// The state during all of `launches` together. `throttled` says of a launch whether heat or a lack of power held its clock
/// down, by the rules of its device.
pub fn of(launches: &[Measured], throttled: &dyn Fn(&Measured) -> Option<String>) -> MachineState {
    let conditions = || launches.iter().flat_map(|launch| [&launch.before, &launch.after]);
    let clocks: Vec<f64> =
        conditions().flat_map(|c| c.clocks_khz.values()).map(|&khz| khz as f64 / 1e3).collect();
    let clocks = stats::sorted(&clocks);
    let temperatures = conditions().flat_map(|c| {
        let gpu = c.gpu.as_ref().and_then(|gpu| gpu.temperature_c);
        gpu.into_iter().chain(c.temperatures_c.values().copied())
    });
    MachineState {
        load_average: launches.last().and_then(|launch| launch.after.load_average).map(|load| load[0]),
        others_on_core_percent: others(launches, |conditions| conditions.cpu_time),
        others_on_machine_percent: others(launches, |conditions| conditions.machine_time),
        disturbed_percent: disturbed(launches),
        pace_ns: pace(launches),
        clock_mhz: clocks.first().zip(clocks.last()).map(|(&low, &high)| [low, high]),
        temperature_c: temperatures.max_by(f64::total_cmp),
        throttled: launches
            .iter()
            .find_map(|launch| throttled(launch).or_else(|| lowered(&launches[0].before, launch))),
        ..MachineState::default()
    }
    .classified()
}

/// What other programs did during `launches`, where it was enough to slow them: `other programs used 62 % of the machine`.
/// `None` where they did little, and where the system does not tell.
pub fn busy(launches: &[Measured]) -> Option<String> {
    let state = of(launches, &|_| None);
    if state.usage != Use::Shared {
        return None;
    }
    let (machine, core) = (state.others_on_machine_percent, state.others_on_core_percent);
    let share = |share: Option<f64>, what: &str| share.map(|share| format!("{share:.0} % of {what}"));
    let shares: Vec<String> =
        [share(machine, "the machine"), share(core, "the measured core")].into_iter().flatten().collect();
    Some(format!("other programs used {}", shares.join(" and ")))
}

/// Share of the processors' time, in per cent, that other programs used.
fn others(launches: &[Measured], time: impl Fn(&Conditions) -> Option<CpuTime>) -> Option<f64> {
    let (mut others, mut total) = (0.0, 0.0);
    for launch in launches {
        let Some((before, after)) = time(&launch.before).zip(time(&launch.after)) else { continue };
        others += (after.busy_ms - before.busy_ms) - (after.own_ms - before.own_ms);
        total += after.total_ms - before.total_ms;
    }
    (total >= SHORTEST.as_secs_f64() * 1e3).then(|| (100.0 * others / total).clamp(0.0, 100.0))
}

fn usual_probe_ns(launches: &[Measured]) -> Option<u64> {
    launches.iter().filter_map(|launch| launch.timing.usual_probe_ns).min()
}

/// Share of the samples, in per cent, that found the core slower than usual.
fn disturbed(launches: &[Measured]) -> Option<f64> {
    let usual = usual_probe_ns(launches)?;
    let probes: Vec<u64> = launches.iter().flat_map(|launch| launch.timing.probes_ns.clone()).collect();
    let slow = probes.iter().filter(|&&probe| !undisturbed(probe, usual)).count();
    (!probes.is_empty()).then(|| 100.0 * slow as f64 / probes.len() as f64)
}

/// Median length of the undisturbed probes.
fn pace(launches: &[Measured]) -> Option<u64> {
    let usual = usual_probe_ns(launches)?;
    let probes = launches.iter().flat_map(|launch| &launch.timing.probes_ns);
    let calm: Vec<f64> =
        probes.filter(|&&probe| undisturbed(probe, usual)).map(|&probe| probe as f64).collect();
    stats::median(&calm).map(|median| median as u64)
}

/// Whether the system lowered the highest clock since the first launch began.
fn lowered(first: &Conditions, launch: &Measured) -> Option<String> {
    launch.after.throttled_since(first).then(|| "the system lowered the highest clock meanwhile".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_runner::{TimedBy, Timing};
    use std::collections::BTreeMap;

    fn conditions(busy_ms: f64, own_ms: f64, total_ms: f64, max_khz: u64) -> Conditions {
        Conditions {
            load_average: Some([1.5, 1.0, 0.5]),
            clocks_khz: BTreeMap::from([(1, max_khz - 100_000)]),
            max_clocks_khz: BTreeMap::from([(1, max_khz)]),
            temperatures_c: BTreeMap::from([("cpu".to_owned(), 41.0)]),
            machine_time: Some(CpuTime { busy_ms, total_ms, own_ms }),
            ..Conditions::default()
        }
    }

    fn launch(max_khz: u64) -> Measured {
        let timing = Timing {
            first_ns: Some(1),
            warmup_runs: 3,
            k: 1,
            samples_ns: vec![10; 4],
            probes_ns: vec![100, 104, 108, 150],
            usual_probe_ns: Some(100),
            checksum: Some(0.0),
            noisy_half_width: 0.05,
            overhead_ns: None,
            timed_by: TimedBy::Stopwatch,
        };
        let before = conditions(1_000.0, 100.0, 8_000.0, 2_000_000);
        let after = conditions(1_400.0, 300.0, 8_800.0, max_khz);
        Measured { timing, before, after, load_ns: None, peak_bytes: None, outputs: None, energy: None }
    }

    #[test]
    fn launches_are_taken_together() {
        let state = of(&[launch(2_000_000), launch(2_000_000)], &|_| None);
        // 200 of 800 ms were used by others, in each launch.
        assert_eq!(state.others_on_machine_percent, Some(25.0));
        assert_eq!((state.others_on_core_percent, state.usage), (None, Use::Shared));
        assert_eq!((state.load_average, state.temperature_c), (Some(1.5), Some(41.0)));
        assert_eq!(state.clock_mhz, Some([1_900.0, 1_900.0]));
        assert_eq!((state.disturbed_percent, state.pace_ns), (Some(25.0), Some(104)));
        assert_eq!(state.throttled, None);
    }

    #[test]
    fn a_lowered_clock_and_the_complaint_of_a_device_show() {
        let state = of(&[launch(2_000_000), launch(1_500_000)], &|_| None);
        assert!(state.usage == Use::Throttled && state.throttled.unwrap().contains("clock"));
        let state = of(&[launch(2_000_000)], &|_| Some("61 °C".into()));
        assert_eq!(state.throttled.as_deref(), Some("61 °C"));
        assert_eq!(of(&[], &|_| None), MachineState::default());
    }

    #[test]
    fn other_programs_are_named_where_they_take_enough() {
        let with = |others_ms: f64| {
            let mut measured = launch(2_000_000);
            measured.before = conditions(0.0, 0.0, 0.0, 2_000_000);
            measured.after = conditions(250.0 + others_ms, 250.0, 1000.0, 2_000_000);
            busy(&[measured])
        };
        assert_eq!(with(600.0).as_deref(), Some("other programs used 60 % of the machine"));
        assert_eq!(with(5.0), None);
        let mut unknown = launch(2_000_000);
        unknown.before.machine_time = None;
        assert_eq!(busy(&[unknown]), None);
    }
}
