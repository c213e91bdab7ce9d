//! The conditions of a measurement: load, clocks, temperatures, the cores it was pinned to.
//!
//! Read from `/proc` and `/sys` of Linux and Android; what is not readable is absent, never guessed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Averages over 1, 5 and 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average: Option<[f64; 3]>,
    /// Of the first pinned core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_khz: Option<u64>,
    /// A drop of this is the clearest sign of throttling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_clock_khz: Option<u64>,
    /// °C by the zone's type; zones are numbered differently on every device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub temperatures_c: BTreeMap<String, f64>,
    /// Cores that this thread may run on, read back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<u32>,
    /// How this thread competes for its core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
}

impl Conditions {
    /// The conditions now.
    pub fn observe() -> Conditions {
        let cores = affinity().unwrap_or_default();
        let files = Conditions::read(Path::new("/"), cores.first().copied());
        Conditions { cores, scheduling: scheduling(), ..files }
    }

    /// The part that is read from files under `root`.
    fn read(root: &Path, core: Option<u32>) -> Conditions {
        let text =
            |path: String| std::fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned());
        let frequency = |name: &str| {
            let core = core?;
            text(format!("sys/devices/system/cpu/cpu{core}/cpufreq/{name}"))
        };
        Conditions {
            load_average: text("proc/loadavg".into()).and_then(|line| load_average(&line)),
            governor: frequency("scaling_governor"),
            clock_khz: frequency("scaling_cur_freq").and_then(|khz| khz.parse().ok()),
            max_clock_khz: frequency("scaling_max_freq").and_then(|khz| khz.parse().ok()),
            temperatures_c: temperatures(&root.join("sys/class/thermal")),
            cores: Vec::new(),
            scheduling: None,
        }
    }
}

fn load_average(line: &str) -> Option<[f64; 3]> {
    let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

fn temperatures(dir: &Path) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for zone in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(zone.path().join(name)).ok();
        let (Some(kind), Some(value)) = (read("type"), read("temp")) else { continue };
        // Millidegrees nearly everywhere; some zones give degrees.
        let Ok(raw) = value.trim().parse::<f64>() else { continue };
        found.insert(kind.trim().to_owned(), if raw.abs() > 1_000.0 { raw / 1_000.0 } else { raw });
    }
    found
}

/// Why a thread could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("cannot pin to cores {cores:?}: {error}")]
    Refused { cores: Vec<u32>, error: std::io::Error },
    #[error("asked for cores {asked:?}, the system gave {got:?}")]
    Ignored { asked: Vec<u32>, got: Vec<u32> },
    #[error("this system cannot pin threads to cores")]
    Unsupported,
}

/// Pins the calling thread to `cores` and reads back where it may run.
///
/// # Errors
/// Cores that do not exist or are not allowed; a system that ignores the wish.
pub fn pin(cores: &[u32]) -> Result<(), PinError> {
    system::set(cores)?;
    let mut asked = cores.to_vec();
    asked.sort_unstable();
    asked.dedup();
    let got = affinity()?;
    if got == asked { Ok(()) } else { Err(PinError::Ignored { asked, got }) }
}

/// Cores that the calling thread may run on, ascending.
///
/// # Errors
/// A system that does not tell.
pub fn affinity() -> Result<Vec<u32>, PinError> {
    system::get()
}

/// How a thread competes with others for its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduling {
    /// In turns with everybody else.
    Shared,
    /// Ahead of all ordinary programs.
    Realtime,
}

/// How the calling thread is scheduled, where the system tells.
pub fn scheduling() -> Option<Scheduling> {
    system::scheduling()
}

/// Asks for another scheduling of the calling thread and gives what it has afterwards: only privileged
/// users may go ahead of others. Where it is granted, a measurement does not share its core; the system
/// still keeps a few per cent for the rest.
pub fn schedule(scheduling: Scheduling) -> Option<Scheduling> {
    system::schedule(scheduling);
    system::scheduling()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::{PinError, Scheduling};

    pub fn set(cores: &[u32]) -> Result<(), PinError> {
        let refused = |error| PinError::Refused { cores: cores.to_vec(), error };
        if let Some(&core) = cores.iter().find(|&&core| core >= libc::CPU_SETSIZE as u32) {
            return Err(refused(std::io::Error::other(format!("there is no core {core}"))));
        }
        // SAFETY: an all-zero `cpu_set_t` is an empty set, `CPU_SET` stays below `CPU_SETSIZE`, and the
        // kernel only reads the set.
        let status = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            for &core in cores {
                libc::CPU_SET(core as usize, &mut set);
            }
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
        };
        if status == 0 { Ok(()) } else { Err(refused(std::io::Error::last_os_error())) }
    }

    pub fn scheduling() -> Option<Scheduling> {
        // SAFETY: takes a plain number; 0 is the calling thread.
        match unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK {
            libc::SCHED_FIFO | libc::SCHED_RR => Some(Scheduling::Realtime),
            policy if policy >= 0 => Some(Scheduling::Shared),
            _ => None,
        }
    }

    pub fn schedule(scheduling: Scheduling) {
        let (policy, priority) = match scheduling {
            Scheduling::Shared => (libc::SCHED_OTHER, 0),
            // Threads started meanwhile compete as usual.
            Scheduling::Realtime => (libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1),
        };
        // SAFETY: an all-zero `sched_param` is valid, and the kernel only reads it. A refusal shows when
        // the scheduling is read back.
        unsafe {
            let mut parameters: libc::sched_param = std::mem::zeroed();
            parameters.sched_priority = priority;
            libc::sched_setscheduler(0, policy, &raw const parameters);
        }
    }

    pub fn get() -> Result<Vec<u32>, PinError> {
        // SAFETY: as above; the kernel writes at most the size given.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
                return Err(PinError::Refused { cores: vec![], error: std::io::Error::last_os_error() });
            }
            Ok((0..libc::CPU_SETSIZE as u32).filter(|&core| libc::CPU_ISSET(core as usize, &set)).collect())
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::{PinError, Scheduling};

    pub fn set(_: &[u32]) -> Result<(), PinError> {
        Err(PinError::Unsupported)
    }
    pub fn get() -> Result<Vec<u32>, PinError> {
        Err(PinError::Unsupported)
    }
    pub fn scheduling() -> Option<Scheduling> {
        None
    }
    pub fn schedule(_: Scheduling) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/loadavg", "0.50 1.25 2.00 1/93 11273\n");
        write("sys/devices/system/cpu/cpu4/cpufreq/scaling_governor", "schedutil\n");
        write("sys/devices/system/cpu/cpu4/cpufreq/scaling_cur_freq", "2035200\n");
        write("sys/class/thermal/thermal_zone9/type", "msm_therm\n");
        write("sys/class/thermal/thermal_zone9/temp", "41500\n");
        write("sys/class/thermal/thermal_zone1/type", "battery\n");
        write("sys/class/thermal/thermal_zone1/temp", "not a number\n");
        let found = Conditions::read(dir.path(), Some(4));
        assert_eq!(found.load_average, Some([0.5, 1.25, 2.0]));
        assert_eq!(found.governor.as_deref(), Some("schedutil"));
        assert_eq!((found.clock_khz, found.max_clock_khz), (Some(2_035_200), None));
        assert_eq!(found.temperatures_c, BTreeMap::from([("msm_therm".to_owned(), 41.5)]));
        assert_eq!(Conditions::read(&dir.path().join("nowhere"), None), Conditions::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn pinning_is_read_back() {
        // In a thread of its own: the test runner's threads keep their cores.
        std::thread::spawn(|| {
            let allowed = affinity().unwrap();
            let last = *allowed.last().unwrap();
            pin(&[last]).unwrap();
            assert_eq!(affinity().unwrap(), [last]);
            assert!(matches!(pin(&[100_000]), Err(PinError::Refused { .. })));
            // Going ahead of others may be refused, going back is not.
            schedule(Scheduling::Realtime);
            assert_eq!(schedule(Scheduling::Shared), Some(Scheduling::Shared));
            assert_eq!(Conditions::observe().scheduling, Some(Scheduling::Shared));
        })
        .join()
        .unwrap();
    }
}
