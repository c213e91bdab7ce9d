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
    let runs = runs?;
    let energy = || {
        sensor.ready()?;
        let (meter, kind) = (sensor.meter(), sensor.kind());
        sensor.judge(&idle.values(), &busy.values())?;
        if kind == Kind::Gauge && !watch::is_fresh(&idle, &busy) {
            return Err(NoEnergy::Stale);
        }
        Energy { meter, idle: idle.power(kind)?, busy: busy.power(kind)?, runs }.checked()
    };
    Ok(energy().map_or_else(Metered::Absent, Metered::Read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use std::fs;
    use std::path::PathBuf;

    /// A folder with the files of a device, each with its text.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            write(&dir.path().join("sys/class").join(path), text);
        }
        dir
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Measures runs that change the device's files by `load`, and let some time pass.
    fn of(dir: &tempfile::TempDir, load: impl Fn(u32, &dyn Fn(&str, &str))) -> Metered {
        let root = dir.path();
        let files = root.join("sys/class");
        let mut runs = 0;
        // A file is never empty for a moment, as those of the system never are.
        let put = |path: &str, text: &str| {
            let (half, whole): (PathBuf, PathBuf) = (files.join("half"), files.join(path));
            write(&half, text);
            fs::rename(half, whole).unwrap();
        };
        let run = || {
            load(runs, &put);
            runs += 1;
            std::thread::sleep(Duration::from_millis(2));
            Ok::<f64, ()>(1.0)
        };
        measure(root, &Monotonic::start(), 200_000_000, run).unwrap()
    }

    fn read_of(metered: Metered) -> Energy {
        match metered {
            Metered::Read(energy) => energy,
            Metered::Absent(why) => panic!("{why}"),
        }
    }

    const ORIN: [(&str, &str); 8] = [
        ("hwmon/hwmon1/name", "ina3221\n"),
        ("hwmon/hwmon1/in1_label", "VDD_IN\n"),
        ("hwmon/hwmon1/in1_input", "5000\n"),
        ("hwmon/hwmon1/curr1_input", "800\n"),
        ("hwmon/hwmon1/in2_label", "VDD_CPU_GPU_CV\n"),
        ("hwmon/hwmon1/in2_input", "5000\n"),
        ("hwmon/hwmon1/curr2_input", "100\n"),
        ("hwmon/hwmon0/name", "thermal\n"),
    ];

    #[test]
    fn a_rail_gives_the_power_of_the_board_beyond_that_at_rest() {
        let energy = read_of(of(&tree(&ORIN), |runs, put| {
            put("hwmon/hwmon1/curr1_input", if runs % 2 == 0 { "1600" } else { "1608" });
        }));
        assert_eq!(energy.meter, Meter::VddIn);
        assert_eq!(energy.idle.watts, 4.0);
        assert!((8.0..=8.04).contains(&energy.busy.watts), "{energy:?}");
        let seconds = energy.busy.seconds / f64::from(energy.runs);
        assert!((energy.per_run_with_idle_j() - energy.busy.watts * seconds).abs() < 1e-9);
        assert!((energy.per_run_j() - (energy.busy.watts - 4.0) * seconds).abs() < 1e-9);
        assert!(energy.busy.readings >= 3 && energy.runs >= 3);
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
        let energy = read_of(of(&dir, |runs, put| {
            put("powercap/intel-rapl:0/energy_uj", &format!("{}", u64::from(runs) * 1_000_000));
            put("powercap/intel-rapl:1/energy_uj", &format!("{}", 5_000_000 + u64::from(runs + 1) * 500_000));
        }));
        assert_eq!((energy.meter, energy.idle.watts), (Meter::Packages, 0.0));
        assert!((energy.per_run_j() - 1.5).abs() < 1e-9, "{energy:?}");
        assert!(energy.step_j().unwrap() < energy.per_run_j());
    }

    fn phone(status: &str, current: &str) -> tempfile::TempDir {
        tree(&[
            ("power_supply/battery/type", "Battery\n"),
            ("power_supply/battery/status", status),
            ("power_supply/battery/current_now", current),
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
        for sign in ["", "-"] {
            let energy = read_of(of(&phone("Discharging\n", &format!("{sign}250000\n")), |runs, put| {
                put(CURRENT, &format!("{sign}{}", 750_000 + runs % 2 * 1_000));
            }));
            assert_eq!((energy.meter, energy.idle.watts), (Meter::Battery, 1.0));
            assert!((3.0..=3.004).contains(&energy.busy.watts), "{energy:?}");
        }
    }

    #[test]
    fn what_a_battery_cannot_mean_is_refused() {
        let load =
            |runs: u32, put: &dyn Fn(&str, &str)| put(CURRENT, &(-750_000 - i64::from(runs % 2)).to_string());
        let refused = |dir: tempfile::TempDir| of(&dir, load);
        assert_eq!(refused(phone("Charging\n", "-250000")), Metered::Absent(NoEnergy::Plugged));
        assert_eq!(refused(phone("Unknown\n", "-250000")), Metered::Absent(NoEnergy::Plugged));
        let plugged = phone("Discharging\n", "-250000");
        write(&plugged.path().join("sys/class/power_supply/usb/online"), "1\n");
        assert_eq!(refused(plugged), Metered::Absent(NoEnergy::Plugged));
        // In the middle the sign changes: perhaps it was charged for a while.
        assert_eq!(refused(phone("Discharging\n", "250000")), Metered::Absent(NoEnergy::Sign));
        // Milliamperes: no phone takes three thousandths of a watt.
        let milli = of(&phone("Discharging\n", "-250"), |runs, put| {
            put(CURRENT, &(-750 - i64::from(runs % 2)).to_string());
        });
        assert_eq!(milli, Metered::Absent(NoEnergy::Unit));
        // A gauge that is read once a minute.
        let stale = of(&phone("Discharging\n", "-250000"), |_, _| ());
        assert_eq!(stale, Metered::Absent(NoEnergy::Stale));
        let lower = of(&phone("Discharging\n", "-950000"), load);
        assert_eq!(lower, Metered::Absent(NoEnergy::NotAbove));
        let two = phone("Discharging\n", "-250000");
        write(&two.path().join("sys/class/power_supply/second/type"), "Battery\n");
        write(&two.path().join("sys/class/power_supply/second/current_now"), "-1000\n");
        assert_eq!(refused(two), Metered::Absent(NoEnergy::Batteries));
    }

    #[test]
    fn without_a_meter_there_is_no_energy() {
        assert_eq!(of(&tree(&[]), |_, _| ()), Metered::Absent(NoEnergy::NoMeter));
        // A rail that supplies a part of the board only, and a zone of another kind.
        let part = tree(&[
            ("hwmon/hwmon1/name", "ina3221\n"),
            ("hwmon/hwmon1/in1_label", "VDD_CPU_CV\n"),
            ("hwmon/hwmon1/in1_input", "5000\n"),
            ("hwmon/hwmon1/curr1_input", "800\n"),
            ("powercap/intel-rapl:0/name", "psys\n"),
        ]);
        assert_eq!(of(&part, |_, _| ()), Metered::Absent(NoEnergy::NoMeter));
        let locked = tree(&[("powercap/intel-rapl:0/name", "package-0\n")]);
        assert_eq!(of(&locked, |_, _| ()), Metered::Absent(NoEnergy::Unreadable));
    }

    #[test]
    fn a_run_that_fails_ends_it() {
        let failed = measure(tree(&ORIN).path(), &Monotonic::start(), 50_000_000, || Err("no"));
        assert_eq!(failed, Err("no"));
    }
}
