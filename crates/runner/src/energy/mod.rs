//! The energy that a run of a network takes, as far as a meter of the device tells it: coarse, because a meter counts everything
//! behind it, and tells it rarely.
//!
//! 1. The device rests, with the network loaded, and the meter is read again and again: the power at rest.
//! 2. The network runs again and again without a pause, and the meter is read on another core: the power while it runs.
//! 3. The difference, over the time of the second part and divided by its runs, is the energy of a run. Both powers stay in the
//!    result, so that the energy with the part of the rest can be told as well.
//!
//! Where there is no meter, or where its readings cannot be true, there is no energy: nothing is guessed.

mod battery;
mod package;
mod rail;
mod registry;
mod result;
mod sensor;
mod watch;

pub use result::{Energy, Meter, Metered, NoEnergy, Power};

use super::clock::Clock;
use sensor::{Kind, Sensor};
use std::path::Path;
use std::time::Duration;
use watch::Readings;

/// Runs that are made however long they take.
const LEAST_RUNS: u32 = 3;

/// The time of rest, beside that of running.
const REST: f64 = 0.5;

/// The time for which energy takes a network to be run, where `busy_ns` are asked for, with that of the rest before it, if a run takes
/// `run_ns`.
pub fn at_most_ns(busy_ns: u64, run_ns: u64) -> u64 {
    rest_of(busy_ns).saturating_add(busy_ns).saturating_add(u64::from(LEAST_RUNS) * run_ns)
}

fn rest_of(busy_ns: u64) -> u64 {
    (busy_ns as f64 * REST) as u64
}

/// Reads the energy of `run`, which is repeated for about `busy_ns`, from the meter below `root`, the folder that holds `sys`.
///
/// # Errors
/// The first run that fails.
pub fn measure<E>(
    root: &Path,
    clock: &(impl Clock + Sync),
    busy_ns: u64,
    run: impl FnMut() -> Result<f64, E>,
) -> Result<Metered, E> {
    match registry::find(root) {
        Ok(mut sensor) => read(&mut *sensor, clock, busy_ns, run),
        Err(why) => Ok(Metered::Absent(why)),
    }
}

fn read<E>(
    sensor: &mut dyn Sensor,
    clock: &(impl Clock + Sync),
    busy_ns: u64,
    mut run: impl FnMut() -> Result<f64, E>,
) -> Result<Metered, E> {
    if let Err(why) = sensor.ready() {
        return Ok(Metered::Absent(why));
    }
    let every = Duration::from_nanos(busy_ns / 100).clamp(watch::SOONEST, watch::LATEST);
    let rest = Duration::from_nanos(rest_of(busy_ns));
    let ((), idle) = watch::watch(sensor, clock, every, || std::thread::sleep(rest));
    let (runs, busy) = watch::watch(sensor, clock, every, || -> Result<u32, E> {
        let (start, mut runs) = (clock.now_ns(), 0);
        while runs < LEAST_RUNS || clock.now_ns().saturating_sub(start) < busy_ns {
            run()?;
            runs += 1;
        }
        Ok(runs)
    });
    let energy = judged(sensor, &idle, &busy, runs?);
    Ok(energy.map_or_else(Metered::Absent, Metered::Read))
}

/// The energy by what was read at rest and in the time of so many runs.
fn judged(sensor: &dyn Sensor, idle: &Readings, busy: &Readings, runs: u32) -> Result<Energy, NoEnergy> {
    sensor.ready()?;
    let (meter, kind) = (sensor.meter(), sensor.kind());
    sensor.judge(&idle.values(), &busy.values())?;
    if kind == Kind::Gauge && !watch::is_fresh(idle, busy) {
        return Err(NoEnergy::Stale);
    }
    Energy { meter, idle: idle.power(kind)?, busy: busy.power(kind)?, runs }.checked()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use std::fs;

    /// A folder with the files of a device, each with its text.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(path, text)| put(&dir, path, text));
        dir
    }

    /// Gives a file another text. It is never empty for a moment, as those of the system never are.
    fn put(dir: &tempfile::TempDir, path: &str, text: &str) {
        let (half, whole) = (dir.path().join("half"), dir.path().join("sys/class").join(path));
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        fs::write(&half, text).unwrap();
        fs::rename(half, whole).unwrap();
    }

    /// What the meter says whose `file` has the number `idle` at rest, and `busy` in ten runs that take a second, each a little
    /// more than the one before.
    fn told(
        dir: &tempfile::TempDir,
        file: &str,
        idle: i64,
        busy: i64,
        more: i64,
    ) -> Result<Energy, NoEnergy> {
        let mut sensor = registry::find(dir.path())?;
        sensor.ready()?;
        let mut read = |first: i64| {
            let reading = |i: i64| {
                put(dir, file, &format!("{}\n", first + more * i));
                (i as u64 * 100_000_000, sensor.read().unwrap())
            };
            Readings((0..=10).map(reading).collect())
        };
        let (idle, busy) = (read(idle), read(busy));
        judged(&*sensor, &idle, &busy, 10)
    }

    const AMPERES: &str = "hwmon/hwmon1/curr1_input";
    const ORIN: [(&str, &str); 8] = [
        ("hwmon/hwmon1/name", "ina3221\n"),
        ("hwmon/hwmon1/in1_label", "VDD_IN\n"),
        ("hwmon/hwmon1/in1_input", "5000\n"),
        (AMPERES, "800\n"),
        ("hwmon/hwmon1/in2_label", "VDD_CPU_GPU_CV\n"),
        ("hwmon/hwmon1/in2_input", "5000\n"),
        ("hwmon/hwmon1/curr2_input", "100\n"),
        ("hwmon/hwmon0/name", "thermal\n"),
    ];

    #[test]
    fn a_rail_gives_the_power_of_the_board_beyond_that_at_rest() {
        let energy = told(&tree(&ORIN), AMPERES, 800, 1600, 8).unwrap();
        assert_eq!(energy.meter, Meter::VddIn);
        // The first third and the last reading do not count: those of 0.4 to 0.9 s are left.
        let (idle, busy) = (energy.idle, energy.busy);
        assert_eq!((idle.readings, busy.readings, busy.seconds), (6, 6, 1.0));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(idle.watts, 4.26) && near(busy.watts, 8.26), "{energy:?}");
        assert!(near(busy.step_w.unwrap(), 0.04), "{energy:?}");
        assert!(near(energy.per_run_j(), 0.4) && near(energy.per_run_with_idle_j(), 0.826), "{energy:?}");
        assert!(near(energy.step_j().unwrap(), 0.004), "{energy:?}");
    }

    #[test]
    fn the_counters_of_all_packages_are_added_and_may_wrap() {
        let dir = tree(&[
            ("powercap/intel-rapl:0/name", "package-0\n"),
            ("powercap/intel-rapl:0/energy_uj", "999000000\n"),
            ("powercap/intel-rapl:0/max_energy_range_uj", "1000000000\n"),
            ("powercap/intel-rapl:0:0/name", "core\n"),
            ("powercap/intel-rapl:0:0/energy_uj", "1\n"),
            ("powercap/intel-rapl:1/name", "package-1\n"),
            ("powercap/intel-rapl:1/energy_uj", "5000000\n"),
            ("powercap/intel-rapl:1/max_energy_range_uj", "1000000000\n"),
            ("powercap/dtpm/name", "dtpm\n"),
        ]);
        // Each run takes 1 J of one package, whose counter begins anew after the first, and 0.5 J of the other.
        let mut runs = 0_u64;
        let run = || {
            put(&dir, "powercap/intel-rapl:0/energy_uj", &format!("{}", runs * 1_000_000));
            put(&dir, "powercap/intel-rapl:1/energy_uj", &format!("{}", 5_000_000 + (runs + 1) * 500_000));
            runs += 1;
            std::thread::sleep(Duration::from_millis(2));
            Ok::<f64, ()>(1.0)
        };
        let Metered::Read(energy) = measure(dir.path(), &Monotonic::start(), 100_000_000, run).unwrap()
        else {
            panic!("it tells nothing")
        };
        assert_eq!((energy.meter, energy.idle.watts), (Meter::Packages, 0.0));
        assert!((energy.per_run_j() - 1.5).abs() < 1e-9, "{energy:?}");
        assert_eq!(u64::from(energy.runs), runs);
    }

    fn phone(status: &str) -> tempfile::TempDir {
        tree(&[
            ("power_supply/battery/type", "Battery\n"),
            ("power_supply/battery/status", status),
            (CURRENT, "0\n"),
            ("power_supply/battery/voltage_now", "4000000\n"),
            ("power_supply/usb/type", "USB\n"),
            ("power_supply/usb/online", "0\n"),
            ("power_supply/mouse/type", "Battery\n"),
            ("power_supply/mouse/scope", "Device\n"),
            ("power_supply/mouse/current_now", "1\n"),
        ])
    }

    const CURRENT: &str = "power_supply/battery/current_now";

    #[test]
    fn a_battery_that_discharges_tells_with_either_sign() {
        for sign in [1, -1] {
            let energy =
                told(&phone("Discharging\n"), CURRENT, sign * 250_000, sign * 750_000, sign * 1_000).unwrap();
            assert_eq!(energy.meter, Meter::Battery);
            assert!((energy.idle.watts - 1.026).abs() < 1e-9, "{energy:?}");
            assert!((energy.busy.watts - 3.026).abs() < 1e-9, "{energy:?}");
        }
    }

    #[test]
    fn what_a_battery_cannot_mean_is_refused() {
        let refused = |dir: &tempfile::TempDir| told(dir, CURRENT, -250_000, -750_000, -1_000).unwrap_err();
        assert_eq!(refused(&phone("Charging\n")), NoEnergy::Plugged);
        assert_eq!(refused(&phone("Unknown\n")), NoEnergy::Plugged);
        let plugged = phone("Discharging\n");
        put(&plugged, "power_supply/usb/online", "1\n");
        assert_eq!(refused(&plugged), NoEnergy::Plugged);
        let two = phone("Discharging\n");
        put(&two, "power_supply/second/type", "Battery\n");
        put(&two, "power_supply/second/current_now", "-1000\n");
        assert_eq!(refused(&two), NoEnergy::Batteries);
        let of = |idle, busy, more| told(&phone("Discharging\n"), CURRENT, idle, busy, more).unwrap_err();
        // In the middle the sign changes: perhaps it was charged for a while.
        assert_eq!(of(250_000, -750_000, 1_000), NoEnergy::Sign);
        // Milliamperes: no phone takes three thousandths of a watt.
        assert_eq!(of(-250, -750, -1), NoEnergy::Unit);
        // A gauge that is renewed once a minute.
        assert_eq!(of(-750_000, -750_000, 0), NoEnergy::Stale);
        assert_eq!(of(-950_000, -750_000, -1_000), NoEnergy::NotAbove);
    }

    #[test]
    fn without_a_meter_there_is_no_energy() {
        let of = |dir: &tempfile::TempDir| {
            measure(dir.path(), &Monotonic::start(), 1_000_000, || Ok::<f64, ()>(1.0)).unwrap()
        };
        assert_eq!(of(&tree(&[])), Metered::Absent(NoEnergy::NoMeter));
        // A rail that supplies a part of the board only, and a zone of another kind.
        let part = tree(&[
            ("hwmon/hwmon1/name", "ina3221\n"),
            ("hwmon/hwmon1/in1_label", "VDD_CPU_CV\n"),
            ("hwmon/hwmon1/in1_input", "5000\n"),
            (AMPERES, "800\n"),
            ("powercap/intel-rapl:0/name", "psys\n"),
        ]);
        assert_eq!(of(&part), Metered::Absent(NoEnergy::NoMeter));
        let locked = tree(&[("powercap/intel-rapl:0/name", "package-0\n")]);
        assert_eq!(of(&locked), Metered::Absent(NoEnergy::Unreadable));
    }

    #[test]
    fn a_run_that_fails_ends_it() {
        let failed = measure(tree(&ORIN).path(), &Monotonic::start(), 50_000_000, || Err("no"));
        assert_eq!(failed, Err("no"));
    }
}
