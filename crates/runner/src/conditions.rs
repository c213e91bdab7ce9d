//! The conditions of a measurement: load, clocks, temperatures, and the cores that it was pinned to.
//!
//! They are read from `/proc` and `/sys` of Linux and Android. A value that cannot be read is absent, never guessed.

use super::android::{self, Battery, Thermal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The conditions at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Mean number of programs that were running or waiting to run, over the last 1, 5 and 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average: Option<[f64; 3]>,
    /// The policy by which the system sets the clock of the first pinned core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// The clocks of the pinned cores, by number of the core.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_core")]
    pub clocks_khz: BTreeMap<u32, u64>,
    /// The highest clocks that the system allows at this moment. A fall of these is the clearest sign of throttling.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_core")]
    pub max_clocks_khz: BTreeMap<u32, u64>,
    /// The highest clocks that the cores are made for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_core")]
    pub hardware_clocks_khz: BTreeMap<u32, u64>,
    /// Temperatures in °C, by the type of the thermal zone. The numbers of zones differ between devices; their types are
    /// the stable names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub temperatures_c: BTreeMap<String, f64>,
    /// Cores that this thread may run on, as the system reports them after pinning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<u32>,
    /// The core that this thread ran on at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<u32>,
    /// How this thread competes for its core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<CpuTime>,
    /// As `cpu_time`, of all cores of the machine together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_time: Option<CpuTime>,
    /// Android's thermal status, 0 (none) to 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal_status: Option<u32>,
    /// Temperature of the surface of an Android device, in °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skin_c: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery: Option<Battery>,
    /// The GPU that was measured, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuState>,
}

/// Reads clocks by the number of the core. The keys of JSON are text, and within a reply or a line of a journal serde does not
/// make numbers of them by itself.
fn by_core<'de, D: serde::Deserializer<'de>>(input: D) -> Result<BTreeMap<u32, u64>, D::Error> {
    let by_text = BTreeMap::<String, u64>::deserialize(input)?;
    let number = |(core, khz): (String, u64)| Ok((core.parse().map_err(serde::de::Error::custom)?, khz));
    by_text.into_iter().map(number).collect()
}

/// The state of a GPU at one moment, as its driver reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GpuState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_mhz: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mhz: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<f64>,
    /// The driver's reasons why the clocks are below the highest: `sw_power_cap`, `hw_thermal_slowdown`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_down_by: Vec<String>,
}

impl GpuState {
    /// The reason, if any, for which heat or a lack of power holds the clocks down. A measurement under such a reason
    /// does not show what the GPU can do. The power cap is not among these reasons: small GPUs always run against it.
    pub fn throttled_by(&self) -> Option<&str> {
        const THROTTLING: [&str; 4] =
            ["hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown"];
        self.held_down_by.iter().map(String::as_str).find(|reason| THROTTLING.contains(reason))
    }
}

/// Processor times since the system, or this process, started; two of them are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuTime {
    /// Time that the cores together spent on work of any program.
    pub busy_ms: f64,
    /// Time that the cores together spent on work or idle.
    pub total_ms: f64,
    /// Time that this process worked, and those that it started and that have ended.
    pub own_ms: f64,
}

/// Two readings must lie further apart than this, because the system counts in ticks of ten milliseconds.
const SHORTEST_MS: f64 = 300.0;

impl CpuTime {
    /// Share of the cores' time that other programs used between `before` and this reading; `None` if too little time
    /// lies between them.
    pub fn taken_by_others(&self, before: &CpuTime) -> Option<f64> {
        let total = self.total_ms - before.total_ms;
        let others = (self.busy_ms - before.busy_ms) - (self.own_ms - before.own_ms);
        (total >= SHORTEST_MS).then(|| (others / total).max(0.0))
    }
}

impl Conditions {
    /// The conditions now.
    pub fn observe() -> Conditions {
        let cores = affinity().unwrap_or_default();
        let (core, scheduling) = (system::current_core(), scheduling());
        let files = Conditions::read(Path::new("/"), &cores);
        let Thermal { status: thermal_status, skin_c } = android::thermal();
        let battery = android::battery();
        Conditions { cores, core, scheduling, thermal_status, skin_c, battery, ..files }
    }

    /// The part that is read from files under `root`.
    fn read(root: &Path, cores: &[u32]) -> Conditions {
        let text =
            |path: String| std::fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned());
        let frequency =
            |core: u32, name: &str| text(format!("sys/devices/system/cpu/cpu{core}/cpufreq/{name}"));
        let frequencies = |name: &str| {
            let khz = |&core: &u32| Some((core, frequency(core, name)?.parse().ok()?));
            cores.iter().filter_map(khz).collect()
        };
        let stat = text("proc/stat".into());
        Conditions {
            load_average: text("proc/loadavg".into()).and_then(|line| load_average(&line)),
            governor: cores.first().and_then(|&core| frequency(core, "scaling_governor")),
            clocks_khz: frequencies("scaling_cur_freq"),
            max_clocks_khz: frequencies("scaling_max_freq"),
            hardware_clocks_khz: frequencies("cpuinfo_max_freq"),
            temperatures_c: temperatures(&root.join("sys/class/thermal")),
            cpu_time: stat.as_deref().and_then(|stat| cpu_time(stat, |core| cores.contains(&core))),
            machine_time: stat.as_deref().and_then(|stat| cpu_time(stat, |_| true)),
            ..Conditions::default()
        }
    }

    /// Whether any of the cores may clock lower than `before`.
    pub fn throttled_since(&self, before: &Conditions) -> bool {
        let lower = |(core, khz): (&u32, &u64)| before.max_clocks_khz.get(core).is_some_and(|was| khz < was);
        self.max_clocks_khz.iter().any(lower)
    }

    /// The temperature of the GPU, where one was measured; otherwise that of the hottest zone whose type is in `zones`. A
    /// `*` at the end of an entry of `zones` stands for any text.
    pub fn hottest_c(&self, zones: &[String]) -> Option<f64> {
        if let Some(gpu) = &self.gpu {
            return gpu.temperature_c;
        }
        let matches = |kind: &str| {
            zones.iter().any(|zone| match zone.strip_suffix('*') {
                Some(start) => kind.starts_with(start),
                None => kind == zone,
            })
        };
        let found = self.temperatures_c.iter().filter(|(kind, _)| matches(kind)).map(|(_, &c)| c);
        found.max_by(f64::total_cmp)
    }
}

/// `/proc/stat` has a line for each core: `cpu4 user nice system idle iowait irq softirq steal …`.
fn cpu_time(stat: &str, counts: impl Fn(u32) -> bool) -> Option<CpuTime> {
    let (mut busy, mut total) = (0.0, 0.0);
    for line in stat.lines() {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        let core = name.strip_prefix("cpu").and_then(|number| number.parse::<u32>().ok());
        if !core.is_some_and(&counts) {
            continue;
        }
        let ticks: Vec<f64> = rest.split_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
        let all: f64 = ticks.iter().sum();
        total += all;
        busy += all - ticks.get(3).unwrap_or(&0.0) - ticks.get(4).unwrap_or(&0.0);
    }
    let tick_ms = system::tick_ms().filter(|_| total > 0.0)?;
    Some(CpuTime { busy_ms: busy * tick_ms, total_ms: total * tick_ms, own_ms: system::own_ms()? })
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
        let Ok(raw) = value.trim().parse::<f64>() else { continue };
        if let Some(celsius) = celsius(raw) {
            found.insert(kind.trim().to_owned(), celsius);
        }
    }
    found
}

/// What a die, a board or a battery can have, in °C.
const ZONE: std::ops::RangeInclusive<f64> = -40.0..=150.0;

/// The temperature in °C for which a thermal zone has the value `raw`, in millidegrees as Linux's
/// `Documentation/driver-api/thermal/sysfs-api.rst` says. `None`: a value that is no temperature, as of sensors that are
/// switched off, and a value below 1000. Such zones give degrees, tenths of a degree (`tsens_tz_sensor` of the Pixel 2), or no
/// temperature at all (`soc` of Qualcomm's battery monitor is the charge in per cent), and nothing tells which.
pub fn celsius(raw: f64) -> Option<f64> {
    Some(raw / 1_000.0).filter(|celsius| raw.abs() >= 1_000.0 && ZONE.contains(celsius))
}

/// Whether a sensor of a device can read `celsius`, in °C.
pub fn is_temperature(celsius: f64) -> bool {
    (-100.0..=300.0).contains(&celsius)
}

/// Why a thread could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("cannot pin to cores {cores:?}: {error}")]
    Refused { cores: Vec<u32>, error: std::io::Error },
    #[error("there is no core {}: this computer has cores {}", list(absent), list(there))]
    Absent { absent: Vec<u32>, there: Vec<u32> },
    #[error("asked for cores {asked:?}, the system gave {got:?}")]
    Ignored { asked: Vec<u32>, got: Vec<u32> },
    #[error("{threads} threads need as many cores; there are {}", cores.len())]
    Few { threads: u32, cores: Vec<u32> },
    #[error("this system cannot pin threads to cores")]
    Unsupported,
}

fn list(cores: &[u32]) -> String {
    cores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// Refuses cores that are not among those of this computer that are switched on; a system that does not list them refuses
/// nothing here.
///
/// # Errors
/// A core that is not there.
pub fn are_there(cores: &[u32]) -> Result<(), PinError> {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online");
    match online.ok().and_then(|text| ranges(&text)) {
        Some(there) => all_of(cores, there),
        None => Ok(()),
    }
}

fn all_of(cores: &[u32], there: Vec<u32>) -> Result<(), PinError> {
    let absent: Vec<u32> = cores.iter().copied().filter(|core| !there.contains(core)).collect();
    if absent.is_empty() { Ok(()) } else { Err(PinError::Absent { absent, there }) }
}

/// Numbers as the system lists them: `0-3,6`. `None` where it is no such list.
fn ranges(text: &str) -> Option<Vec<u32>> {
    /// More cores than any computer has.
    const MOST: u32 = 1 << 16;
    let mut numbers = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// Pins the calling thread to `cores` and reads back where it may run.
///
/// # Errors
/// Cores that do not exist or are not allowed; a system that does not do what it was asked.
pub fn pin(cores: &[u32]) -> Result<(), PinError> {
    system::set(CALLING, cores)?;
    let mut asked = cores.to_vec();
    asked.sort_unstable();
    asked.dedup();
    let got = affinity()?;
    if got == asked { Ok(()) } else { Err(PinError::Ignored { asked, got }) }
}

/// What stands for the calling thread.
const CALLING: u32 = 0;

/// Asks that the calling thread runs on `cores`, and does not look what became of it.
///
/// # Errors
/// Cores that do not exist or are not allowed.
pub fn ask_for(cores: &[u32]) -> Result<(), PinError> {
    system::set(CALLING, cores)
}

/// Pins a thread of this process, by its number, to one core.
///
/// # Errors
/// As [`pin`]; a thread that is not there any more.
pub fn pin_thread(thread: u32, core: u32) -> Result<(), PinError> {
    system::set(thread, &[core])
}

/// Numbers of the threads of this process, ascending; empty where the system does not list them.
pub fn threads() -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut threads: Vec<u32> = tasks.flatten().filter_map(number).collect();
    threads.sort_unstable();
    threads
}

/// Cores that the calling thread may run on, ascending.
///
/// # Errors
/// A system that does not report it.
pub fn affinity() -> Result<Vec<u32>, PinError> {
    system::get()
}

/// How a thread competes with others for its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduling {
    /// It takes turns with all other programs.
    Shared,
    /// It runs before all ordinary programs.
    Realtime,
}

/// How the calling thread is scheduled, where the system reports it.
pub fn scheduling() -> Option<Scheduling> {
    system::scheduling()
}

/// Asks for another scheduling of the calling thread, and returns the one that it has afterwards: only privileged users
/// get [`Scheduling::Realtime`]. Where it is granted, a measurement does not share its core, except for a few per cent of
/// the time that the system keeps for other programs.
pub fn schedule(scheduling: Scheduling) -> Option<Scheduling> {
    system::schedule(scheduling);
    system::scheduling()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::{PinError, Scheduling};

    pub fn set(thread: u32, cores: &[u32]) -> Result<(), PinError> {
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
            libc::sched_setaffinity(thread as libc::pid_t, size_of::<libc::cpu_set_t>(), &raw const set)
        };
        if status == 0 { Ok(()) } else { Err(refused(std::io::Error::last_os_error())) }
    }

    pub fn current_core() -> Option<u32> {
        // SAFETY: takes nothing, gives a number.
        u32::try_from(unsafe { libc::sched_getcpu() }).ok()
    }

    pub fn tick_ms() -> Option<f64> {
        // SAFETY: takes a plain number.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        (per_second > 0).then(|| 1e3 / per_second as f64)
    }

    pub fn own_ms() -> Option<f64> {
        Some(used_ms(libc::RUSAGE_SELF)? + used_ms(libc::RUSAGE_CHILDREN)?)
    }

    fn used_ms(whose: libc::c_int) -> Option<f64> {
        // SAFETY: an all-zero `rusage` is valid, and the kernel writes no more than one.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::getrusage(whose, &raw mut usage) == 0).then_some(usage)?
        };
        let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
        Some(ms(usage.ru_utime) + ms(usage.ru_stime))
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

    pub fn set(_: u32, _: &[u32]) -> Result<(), PinError> {
        Err(PinError::Unsupported)
    }
    pub fn get() -> Result<Vec<u32>, PinError> {
        Err(PinError::Unsupported)
    }
    pub fn current_core() -> Option<u32> {
        None
    }
    pub fn tick_ms() -> Option<f64> {
        None
    }
    pub fn own_ms() -> Option<f64> {
        None
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
    fn cores_that_are_not_there_are_named_with_those_that_are() {
        assert_eq!(ranges("0-3,6\n"), Some(vec![0, 1, 2, 3, 6]));
        for bad in ["", "0-", "3-1", "a", "0-99999999"] {
            assert_eq!(ranges(bad), None, "{bad}");
        }
        assert!(all_of(&[1], vec![0, 1]).is_ok());
        let said = all_of(&[1, 77], vec![0, 1]).unwrap_err().to_string();
        assert_eq!(said, "there is no core 77: this computer has cores 0, 1");
    }

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
        write("sys/devices/system/cpu/cpu4/cpufreq/cpuinfo_max_freq", "2457600\n");
        write("sys/class/thermal/thermal_zone9/type", "msm_therm\n");
        write("sys/class/thermal/thermal_zone9/temp", "41500\n");
        write("sys/class/thermal/thermal_zone1/type", "battery\n");
        write("sys/class/thermal/thermal_zone1/temp", "not a number\n");
        write("sys/class/thermal/thermal_zone2/type", "cpu-0-1\n");
        write("sys/class/thermal/thermal_zone2/temp", "38000\n");
        write("proc/stat", "cpu  9 9 9 9\ncpu4 10 0 10 70 10 0 0 0 0 0\ncpu5 1 1 1 1 1 1 1 1 1 1\n");
        let found = Conditions::read(dir.path(), &[4, 6]);
        assert_eq!(found.load_average, Some([0.5, 1.25, 2.0]));
        assert_eq!(found.governor.as_deref(), Some("schedutil"));
        assert_eq!(found.clocks_khz, BTreeMap::from([(4, 2_035_200)]));
        assert!(found.max_clocks_khz.is_empty());
        assert_eq!(found.hardware_clocks_khz, BTreeMap::from([(4, 2_457_600)]));
        let zones = [("cpu-0-1".to_owned(), 38.0), ("msm_therm".to_owned(), 41.5)];
        assert_eq!(found.temperatures_c, BTreeMap::from(zones));
        let hottest =
            |zones: &[&str]| found.hottest_c(&zones.iter().map(|&z| z.to_owned()).collect::<Vec<_>>());
        assert_eq!(hottest(&["cpu*"]), Some(38.0));
        assert_eq!(hottest(&["cpu*", "msm_therm"]), Some(41.5));
        assert_eq!(hottest(&["cpu", "gpu*"]), None);
        let time = found.cpu_time.unwrap();
        assert_eq!(time.busy_ms / time.total_ms, 0.2);
        // Core 5 was busy in six of eight ticks.
        let machine = found.machine_time.unwrap();
        assert_eq!(machine.busy_ms / machine.total_ms, 26.0 / 108.0);
        assert_eq!(Conditions::read(&dir.path().join("nowhere"), &[]), Conditions::default());
    }

    #[test]
    fn others_are_what_was_busy_and_not_we() {
        let before = CpuTime { busy_ms: 1000.0, total_ms: 5000.0, own_ms: 200.0 };
        let after = CpuTime { busy_ms: 1900.0, total_ms: 6000.0, own_ms: 1000.0 };
        assert_eq!(after.taken_by_others(&before), Some(0.1));
        assert_eq!(CpuTime { total_ms: 5100.0, ..after }.taken_by_others(&before), None);
    }

    #[test]
    fn a_lower_limit_of_the_clock_is_throttling() {
        let at = |khz| Conditions { max_clocks_khz: BTreeMap::from([(4, khz)]), ..Conditions::default() };
        assert!(at(1_900_800).throttled_since(&at(2_457_600)));
        assert!(!at(2_457_600).throttled_since(&at(1_900_800)));
        assert!(!at(1_900_800).throttled_since(&Conditions::default()));
    }

    #[test]
    fn zones_give_millidegrees_or_nothing() {
        assert_eq!((celsius(33_000.0), celsius(-5_000.0)), (Some(33.0), Some(-5.0)));
        // Degrees, tenths of a degree, per cent: nobody knows which.
        for unknown in [33.0, 352.0, 85.0, 0.0, 999.0] {
            assert_eq!(celsius(unknown), None, "{unknown}");
        }
        for nonsense in [2_147_483_647.0, -274_000.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(celsius(nonsense), None, "{nonsense}");
        }
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
