//! Whether an answer of a runner can be true.
//!
//! A runner on another device may be another program, a damaged one, or one that lies. What it sends is therefore
//! checked against what it was asked for before anything is made of it: a time of zero, a time that is longer than
//! the whole wait, a single sample where many were asked for, a temperature that no sensor has.

use super::conditions::{GpuState, is_temperature};
use super::timing::TimedBy;
use super::{Conditions, Measured, Metered, Policy, Timing};
use edgezen_core::foreign::ForeignText;
use std::collections::BTreeMap;

/// The least time that one run takes in any runtime, in nanoseconds: that of a few hundred instructions.
const LEAST_RUN_NS: f64 = 50.0;

/// More multiply-accumulates in a nanosecond than any processor computes, by a factor of a hundred at least.
const MOST_MACS_PER_NS: f64 = 100_000.0;

/// The sampler repeats no run more often than this within a sample.
const MOST_RUNS_PER_SAMPLE: u32 = 1_000_000;

/// More cores, or thermal zones, than any device has.
const MOST_PARTS: usize = 1024;

/// A clock above this is none, in kHz.
const MOST_KHZ: u64 = 100_000_000;

/// More memory than any device has, in bytes.
const MOST_BYTES: u64 = 1 << 44;

/// The longest name of a thermal zone, a governor or a reason for slow clocks, in bytes.
const LONGEST_NAME: usize = 200;

/// What a runner was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub policy: Policy,
    /// Multiply-accumulates of one run.
    pub macs: f64,
    /// The time within which the runner had to answer, in nanoseconds.
    pub within_ns: u64,
}

/// A value that cannot be true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {value}: {why}")]
pub struct Implausible {
    /// What has the value: `a sample`, `the temperature of msm_therm`.
    pub what: ForeignText,
    pub value: String,
    pub why: String,
}

fn refuse(
    what: impl Into<String>,
    value: impl std::fmt::Display,
    why: impl Into<String>,
) -> Result<(), Implausible> {
    let what = ForeignText::beginning(&what.into(), 300);
    Err(Implausible { what, value: value.to_string(), why: why.into() })
}

/// Checks everything that a runner sent as the answer to what was `asked`.
///
/// # Errors
/// The first value that cannot be true.
pub fn check(measured: &Measured, asked: &Asked) -> Result<(), Implausible> {
    if let Some(ns) = measured.load_ns.filter(|&ns| ns > asked.within_ns) {
        return refuse("the time of loading", format!("{ns} ns"), late(asked.within_ns));
    }
    if let Some(bytes) = measured.peak_bytes.filter(|&bytes| bytes > MOST_BYTES) {
        return refuse("the memory that it took", format!("{bytes} bytes"), "no device has as much");
    }
    if let Some(Metered::Read(energy)) = measured.energy
        && !energy.is_plausible(asked.within_ns as f64 / 1e9)
    {
        let value = format!("{:.3e} J from {:.3e} W", energy.per_run_j(), energy.busy.watts);
        return refuse("the energy of a run", value, "no meter tells that");
    }
    timing(&measured.timing, asked)?;
    conditions(&measured.before)?;
    conditions(&measured.after)
}

fn timing(timing: &Timing, asked: &Asked) -> Result<(), Implausible> {
    let Asked { policy, macs, within_ns } = asked;
    let number = timing.samples_ns.len();
    let least = policy.min_runs.max(1) as usize;
    if number < least {
        return refuse("the number of samples", number, format!("at least {least} were asked for"));
    }
    if timing.k == 0 || timing.k > MOST_RUNS_PER_SAMPLE {
        return refuse(
            "the number of runs per sample",
            timing.k,
            format!("it is 1 to {MOST_RUNS_PER_SAMPLE}"),
        );
    }
    let overhead = timing.overhead_ns.unwrap_or(0.0);
    if !(0.0..=*within_ns as f64).contains(&overhead) {
        return refuse("the time lost per sample", format!("{overhead} ns"), "it is no time");
    }
    let least_ns = LEAST_RUN_NS.max(macs / MOST_MACS_PER_NS);
    let first = timing.first_ns.unwrap_or(0);
    let total = timing.samples_ns.iter().try_fold(first, |sum, &ns| sum.checked_add(ns));
    for &ns in &timing.samples_ns {
        let run_ns = (ns as f64 - overhead) / f64::from(timing.k);
        if run_ns < least_ns {
            let value = format!("{ns} ns for {} runs", timing.k);
            return refuse(
                "a sample",
                value,
                format!("no device needs less than {least_ns:.0} ns for a run"),
            );
        }
        if ns > *within_ns {
            return refuse("a sample", format!("{ns} ns"), late(*within_ns));
        }
    }
    match (timing.first_ns, timing.timed_by) {
        (Some(ns), _) if ns == 0 || ns > *within_ns => {
            return refuse("the first run", format!("{ns} ns"), late(*within_ns));
        }
        (None, TimedBy::Stopwatch) => return refuse("the first run", "absent", "a stopwatch times it"),
        _ => {}
    }
    match total {
        Some(total) if total <= *within_ns => {}
        total => {
            let value = total.map_or_else(|| "more than 2^64 ns".to_owned(), |total| format!("{total} ns"));
            return refuse("the time of all samples together", value, late(*within_ns));
        }
    }
    if !timing.probes_ns.is_empty() && timing.probes_ns.len() != number {
        return refuse("the number of probes", timing.probes_ns.len(), format!("there are {number} samples"));
    }
    let probes = timing.probes_ns.iter().chain(&timing.usual_probe_ns);
    if let Some(probe) = probes.into_iter().find(|&&ns| ns == 0 || ns > *within_ns) {
        return refuse("a probe of the core's pace", format!("{probe} ns"), "it is no time of a probe");
    }
    let threshold = policy.noisy_half_width;
    if (timing.noisy_half_width - threshold).abs() > 1e-9 * threshold.abs()
        || timing.noisy_half_width.is_nan()
    {
        return refuse("the bound of noise", timing.noisy_half_width, format!("{threshold} was asked for"));
    }
    Ok(())
}

fn late(within_ns: u64) -> String {
    format!("the answer came within {} s", within_ns / 1_000_000_000)
}

fn conditions(conditions: &Conditions) -> Result<(), Implausible> {
    let Conditions {
        load_average,
        governor,
        clocks_khz,
        max_clocks_khz,
        hardware_clocks_khz,
        temperatures_c,
        cores,
        core,
        scheduling: _,
        cpu_time,
        machine_time,
        thermal_status,
        skin_c,
        battery,
        gpu,
    } = conditions;
    if let Some(load) = load_average.iter().flatten().find(|load| !(0.0..=1e6).contains(*load)) {
        return refuse("the load average", load, "it is no number of programs");
    }
    if let Some(governor) = governor.as_ref().filter(|governor| governor.len() > LONGEST_NAME) {
        return refuse("the name of the clock's governor", length(governor), "that is no name");
    }
    for (core, khz) in clocks_khz.iter().chain(max_clocks_khz).chain(hardware_clocks_khz) {
        if *khz > MOST_KHZ {
            return refuse(format!("the clock of core {core}"), format!("{khz} kHz"), "no core is as fast");
        }
    }
    let numbers = [clocks_khz, max_clocks_khz, hardware_clocks_khz]
        .into_iter()
        .flat_map(BTreeMap::keys)
        .chain(cores)
        .chain(core);
    if let Some(number) = numbers.into_iter().find(|&&number| number as usize >= MOST_PARTS) {
        return refuse("the number of a core", number, format!("no device has {MOST_PARTS} cores"));
    }
    for (what, count) in [("cores", cores.len()), ("thermal zones", temperatures_c.len())] {
        if count > MOST_PARTS {
            return refuse(format!("the number of {what}"), count, "no device has so many");
        }
    }
    for (zone, &celsius) in temperatures_c {
        if zone.len() > LONGEST_NAME {
            return refuse("the name of a thermal zone", length(zone), "that is no name");
        }
        temperature(&format!("the temperature of {zone}"), celsius)?;
    }
    for time in cpu_time.iter().chain(machine_time) {
        for ms in [time.busy_ms, time.total_ms, time.own_ms] {
            if !(0.0..=1e15).contains(&ms) {
                return refuse("a time of the processor", format!("{ms} ms"), "it is no time");
            }
        }
    }
    if let Some(status) = thermal_status.filter(|&status| status > 10) {
        return refuse("the thermal status", status, "Android has 0 to 6");
    }
    if let Some(celsius) = *skin_c {
        temperature("the temperature of the skin", celsius)?;
    }
    if let Some(battery) = battery {
        if let Some(percent) = battery.percent.filter(|&percent| percent > 100) {
            return refuse("the charge of the battery", format!("{percent} %"), "a battery has 0 to 100 %");
        }
        if let Some(celsius) = battery.temperature_c {
            temperature("the temperature of the battery", celsius)?;
        }
    }
    gpu.as_ref().map_or(Ok(()), of_gpu)
}

fn of_gpu(gpu: &GpuState) -> Result<(), Implausible> {
    if let Some(celsius) = gpu.temperature_c {
        temperature("the temperature of the GPU", celsius)?;
    }
    let numbers = [gpu.sm_mhz, gpu.memory_mhz, gpu.power_w, gpu.power_limit_w];
    if let Some(number) = numbers.into_iter().flatten().find(|number| !(0.0..=1e6).contains(number)) {
        return refuse("a clock or the power of the GPU", number, "no GPU has that");
    }
    if let Some(reason) = gpu.held_down_by.iter().find(|reason| reason.len() > LONGEST_NAME) {
        return refuse("a reason for the GPU's low clocks", length(reason), "that is no reason");
    }
    Ok(())
}

fn temperature(what: &str, celsius: f64) -> Result<(), Implausible> {
    if is_temperature(celsius) {
        return Ok(());
    }
    refuse(what, format!("{} °C", short(celsius)), "no sensor reads that")
}

/// A number without a long row of zeros.
fn short(number: f64) -> String {
    if number.abs() < 1e9 { number.to_string() } else { format!("{number:e}") }
}

fn length(text: &str) -> String {
    format!("{} bytes long", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::android::Battery;
    use crate::conditions::CpuTime;

    const ASKED: Asked = Asked { policy: Policy::PHONE, macs: 1e6, within_ns: 60_000_000_000 };

    fn measured() -> Measured {
        let timing = Timing {
            first_ns: Some(365_756),
            warmup_runs: 3,
            k: 1,
            samples_ns: vec![47_171; 30],
            probes_ns: Vec::new(),
            usual_probe_ns: None,
            checksum: Some(50.9),
            noisy_half_width: Policy::PHONE.noisy_half_width,
            overhead_ns: None,
            timed_by: TimedBy::Stopwatch,
        };
        Measured {
            load_ns: None,
            peak_bytes: None,
            outputs: None,
            energy: None,
            timing,
            before: Conditions::default(),
            after: Conditions::default(),
        }
    }

    #[test]
    fn a_usual_answer_passes() {
        check(&measured(), &ASKED).unwrap();
        let mut probed = measured();
        probed.timing.probes_ns = vec![22_000; 30];
        probed.timing.usual_probe_ns = Some(21_000);
        probed.before = Conditions::observe();
        check(&probed, &ASKED).unwrap();
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        type Change = fn(&mut Timing);
        let rows: [(Change, &str); 16] = [
            (|t| t.samples_ns = vec![0; 30], "0 ns for 1 runs"),
            (|t| t.samples_ns = vec![1; 30], "1 ns for 1 runs"),
            (|t| t.samples_ns[29] = 0, "0 ns for 1 runs"),
            (|t| t.samples_ns = vec![u64::MAX; 30], "18446744073709551615 ns"),
            (|t| t.samples_ns = vec![3_000_000_000; 30], "90000365756 ns"),
            (|t| t.samples_ns = vec![47_171], "number of samples is 1: at least 30"),
            (|t| t.samples_ns.clear(), "number of samples is 0"),
            (|t| t.k = 0, "runs per sample is 0"),
            (|t| t.k = u32::MAX, "runs per sample is 4294967295"),
            (|t| t.k = 1_000_000, "47171 ns for 1000000 runs"),
            (|t| t.first_ns = Some(0), "first run is 0 ns"),
            (|t| t.first_ns = None, "first run is absent"),
            (|t| t.probes_ns = vec![1], "number of probes is 1"),
            (|t| t.usual_probe_ns = Some(0), "pace is 0 ns"),
            (|t| t.noisy_half_width = 1e300, "0.05 was asked for"),
            (|t| t.overhead_ns = Some(f64::NAN), "NaN ns"),
        ];
        for (change, words) in rows {
            let mut lie = measured();
            change(&mut lie.timing);
            let error = check(&lie, &ASKED).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        // A network of 10^12 MACs takes longer than a kernel.
        let error = check(&measured(), &Asked { macs: 1e12, ..ASKED }).unwrap_err().to_string();
        assert!(error.contains("10000000 ns for a run"), "{error}");
    }

    #[test]
    fn loads_that_cannot_be_are_refused() {
        let late = Measured { load_ns: Some(61_000_000_000), ..measured() };
        assert!(check(&late, &ASKED).unwrap_err().to_string().contains("time of loading"));
        let large = Measured { peak_bytes: Some(u64::MAX), ..measured() };
        assert!(check(&large, &ASKED).unwrap_err().to_string().contains("memory"));
        check(&Measured { load_ns: Some(1), peak_bytes: Some(1 << 30), ..measured() }, &ASKED).unwrap();
    }

    #[test]
    fn conditions_that_cannot_be_are_refused() {
        type Change = fn(&mut Conditions);
        let rows: [(Change, &str); 13] = [
            (|c| c.temperatures_c = BTreeMap::from([("x\u{1b}".into(), 1e300)]), r"of x\u{1b} is 1e300 °C"),
            (|c| c.temperatures_c = BTreeMap::from([("x".into(), f64::NAN)]), "NaN °C"),
            (|c| c.temperatures_c = BTreeMap::from([("x".repeat(9999), 30.0)]), "9999 bytes"),
            (|c| c.cores = vec![9999], "9999"),
            (|c| c.core = Some(u32::MAX), "4294967295"),
            (|c| c.cores = vec![1; 5000], "number of cores is 5000"),
            (|c| c.clocks_khz = BTreeMap::from([(4, u64::MAX)]), "clock of core 4"),
            (|c| c.load_average = Some([-1.0, 0.0, 0.0]), "load average is -1"),
            (|c| c.cpu_time = Some(CpuTime { busy_ms: f64::INFINITY, total_ms: 1.0, own_ms: 0.0 }), "inf ms"),
            (|c| c.battery = Some(Battery { percent: Some(101), ..Battery::default() }), "101 %"),
            (|c| c.thermal_status = Some(99), "thermal status is 99"),
            (|c| c.skin_c = Some(f64::INFINITY), "the skin is inf"),
            (|c| c.hardware_clocks_khz = BTreeMap::from([(9999, 1)]), "9999"),
        ];
        for (change, words) in rows {
            let mut lie = measured();
            change(&mut lie.after);
            let error = check(&lie, &ASKED).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
            assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
        }
    }
}
