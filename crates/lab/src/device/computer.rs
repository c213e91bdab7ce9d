//! The computer that this program runs on: what it is, and what makes it unfit to measure on right now.
//!
//! Everything is read from `/proc` and `/sys`. Where a file is missing (another system, a container), the field is
//! absent; it is never guessed.

use super::Facts;
use super::complaint::{Complaint, Severity};
use edgezen_runner::Conditions;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::fs;
use std::path::Path;

/// Where other programs use more than this share of the cores, measurements of one network differ by more than a tenth.
const HALF: f64 = 0.5;
/// Where they use more than this share, no interval of a measurement is narrow enough to be called good
/// (`docs/measuring.md`).
const NOISY: f64 = 0.1;

/// What the operating system reports about the computer at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Computer {
    /// Model name of the CPU.
    pub cpu: Option<String>,
    /// Logical cores that this process may use.
    pub cores: Option<usize>,
    /// Policy of the clock of core 0: `performance`, `powersave`, …
    pub governor: Option<String>,
    /// Whether the clock may rise above its nominal value for a while.
    pub boost: Option<bool>,
    /// Number of runnable tasks, averaged over the last minute.
    pub load: Option<f64>,
    /// Share of the CPU time since boot that other virtual machines took, 0 to 1.
    pub stolen: Option<f64>,
    /// CPU time that the container may use, in cores. Absent: not limited, or not known.
    pub quota_cores: Option<f64>,
    /// Whether it runs on its battery. Absent: it has none.
    pub on_battery: Option<bool>,
}

impl fmt::Display for Computer {
    /// The CPU, its cores and its clock governor in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, clock governor {}",
            self.cpu.as_deref().unwrap_or("unknown CPU"),
            self.cores.map_or("?".into(), |n| n.to_string()),
            self.governor.as_deref().unwrap_or("not readable"),
        )
    }
}

impl Computer {
    /// Reads this computer.
    pub fn read() -> Computer {
        let cores = std::thread::available_parallelism().ok().map(usize::from);
        Computer { cores, ..Computer::read_under(Path::new("/")) }
    }

    /// What the files under `root` say.
    fn read_under(root: &Path) -> Computer {
        let cpu = root.join("sys/devices/system/cpu");
        let cpuinfo = text(&root.join("proc/cpuinfo"));
        Computer {
            cpu: cpuinfo.as_deref().and_then(cpu_model),
            cores: None,
            governor: text(&cpu.join("cpu0/cpufreq/scaling_governor")),
            boost: text(&cpu.join("cpufreq/boost"))
                .map(|flag| flag == "1")
                .or_else(|| text(&cpu.join("intel_pstate/no_turbo")).map(|flag| flag == "0")),
            load: text(&root.join("proc/loadavg")).as_deref().and_then(first_number),
            stolen: text(&root.join("proc/stat")).as_deref().and_then(stolen),
            quota_cores: text(&root.join("sys/fs/cgroup/cpu.max")).as_deref().and_then(quota),
            on_battery: on_battery(&root.join("sys/class/power_supply")),
        }
    }

    /// What makes results of measurements on it wrong, of [`Computer::complaints`].
    pub fn unfit(&self) -> Vec<Complaint> {
        let mut complaints = self.complaints();
        complaints.retain(|complaint| complaint.severity >= Severity::Unfit);
        complaints
    }

    /// What is wrong with it for measuring, the worst first.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |severity, finding: String, remedy: &str| {
            complaints.push(Complaint { severity, finding, remedy: remedy.to_owned() });
        };
        if let (Some(load), Some(cores)) = (self.load, self.cores) {
            let remedy = "stop other programs, or wait until they are done";
            let share = load / cores.max(1) as f64;
            if share > HALF {
                complain(
                    Severity::Unfit,
                    format!(
                        "load average {load:.2} on {cores} cores: other programs use more than half of them"
                    ),
                    remedy,
                );
            } else if share > NOISY {
                complain(
                    Severity::Caution,
                    format!(
                        "load average {load:.2} on {cores} cores: networks measured now are called noisy"
                    ),
                    remedy,
                );
            } else if load > 0.5 {
                complain(
                    Severity::Caution,
                    format!("load average {load:.2}: other programs are running"),
                    remedy,
                );
            }
        }
        if self.on_battery == Some(true) {
            complain(
                Severity::Unfit,
                "running on battery: the clock is held down".into(),
                "plug in the charger",
            );
        }
        if let (Some(quota), Some(cores)) = (self.quota_cores, self.cores)
            && quota < cores as f64
        {
            complain(
                if quota < 1.5 { Severity::Unfit } else { Severity::Caution },
                format!(
                    "the container may use {quota:.1} of {cores} cores, and is halted when it used them up"
                ),
                "give the container whole cores (a cpuset) instead of a quota",
            );
        }
        if let Some(stolen) = self.stolen
            && stolen > 0.02
        {
            complain(
                Severity::Caution,
                format!("other virtual machines took {:.0} % of the CPU time", 100.0 * stolen),
                "measure on a machine of your own, or at a quieter time",
            );
        }
        match self.governor.as_deref() {
            Some("performance" | "userspace") => {}
            Some(governor) => complain(
                Severity::Caution,
                format!("clock governor {governor}: the clock changes with the load"),
                "sudo cpupower frequency-set -g performance (and back to what it was afterwards)",
            ),
            None => complain(
                Severity::Caution,
                "the clock governor cannot be read (virtual machine, container, or not Linux)".into(),
                "nothing to do here; on bare Linux this line goes away",
            ),
        }
        if self.boost == Some(true) {
            complain(
                Severity::Caution,
                "clock boost is on: the clock falls when the chip gets warm".into(),
                "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost, or measure warm",
            );
        }
        match self.cores {
            Some(1) => complain(
                Severity::Unfit,
                "one core: the measurement shares it with everything else".into(),
                "measure on a computer with more cores",
            ),
            Some(cores @ 2..=3) => complain(
                Severity::Caution,
                format!("{cores} cores: little room beside the measurement"),
                "start nothing else meanwhile, and measure with one thread",
            ),
            _ => {}
        }
        complaints.sort_by_key(|complaint| std::cmp::Reverse(complaint.severity));
        complaints
    }
}

/// The trimmed text of a file; nothing where it cannot be read.
fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// This computer's CPU, as precisely as the system names it.
pub fn cpu() -> Option<String> {
    text(Path::new("/proc/cpuinfo")).as_deref().and_then(cpu_model)
}

/// Facts about this computer and its conditions at the moment, for the environment of a dataset.
pub fn facts() -> Facts {
    let mut facts = Facts::new();
    facts.insert("os".into(), json!(std::env::consts::OS));
    facts.insert("architecture".into(), json!(std::env::consts::ARCH));
    let line = |path: &str| std::fs::read_to_string(path).ok();
    if let Some(kernel) = line("/proc/sys/kernel/osrelease") {
        facts.insert("kernel".into(), json!(kernel.trim()));
    }
    if let Some(cpu) = cpu() {
        facts.insert("cpu".into(), json!(cpu));
    }
    if let Ok(count) = std::thread::available_parallelism() {
        facts.insert("logical_cores".into(), json!(count.get()));
    }
    facts.insert("conditions".into(), json!(Conditions::observe()));
    facts
}

/// The CPU by the fields of `/proc/cpuinfo`: on x86 `model name`, which is vague in virtual machines, with family and
/// model number; on Arm boards `Model` or `Hardware`, otherwise the numbers of implementer and part.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        cpuinfo.lines().find_map(value)
    };
    let numbers = || Some(format!("CPU {}/{}", field("CPU implementer")?, field("CPU part")?));
    let x86 = || {
        let name = field("model name")?;
        let design = field("cpu family").zip(field("model"));
        Some(
            design.map_or(name.clone(), |(family, model)| format!("{name} (family {family}, model {model})")),
        )
    };
    x86().or_else(|| field("Model")).or_else(|| field("Hardware")).or_else(numbers)
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Share of steal time in the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq
/// steal …`; the two guest columns are contained in user and nice.
fn stolen(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
    let total: f64 = ticks.iter().sum();
    ticks.get(7).filter(|_| total > 0.0).map(|steal| steal / total)
}

/// `cpu.max` of a control group: `150000 100000` is one and a half cores, `max 100000` no limit.
fn quota(cpu_max: &str) -> Option<f64> {
    let (quota, period) = cpu_max.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

fn on_battery(supplies: &Path) -> Option<bool> {
    let mut battery = None;
    for entry in fs::read_dir(supplies).ok()?.flatten() {
        let supply = entry.path();
        // A mouse has a battery too; its scope is `Device`.
        let of_the_system = text(&supply.join("scope")).is_none_or(|scope| scope != "Device");
        if of_the_system && text(&supply.join("type")).as_deref() == Some("Battery") {
            let discharging = text(&supply.join("status")).as_deref() == Some("Discharging");
            battery = Some(battery.unwrap_or(false) || discharging);
        }
    }
    battery
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn reads_a_laptop() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/cpuinfo", "processor\t: 0\nmodel name\t: Example CPU @ 2.00GHz\n");
        write(root, "proc/loadavg", "3.75 1.00 0.50 1/85 10841\n");
        write(root, "proc/stat", "cpu  10 0 10 70 0 0 0 10 0 0\ncpu0 1 1\n");
        write(root, "sys/fs/cgroup/cpu.max", "max 100000\n");
        write(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        write(root, "sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
        write(root, "sys/class/power_supply/BAT0/type", "Battery\n");
        write(root, "sys/class/power_supply/BAT0/status", "Discharging\n");
        write(root, "sys/class/power_supply/mouse/type", "Battery\n");
        write(root, "sys/class/power_supply/mouse/scope", "Device\n");
        let computer = Computer { cores: Some(4), ..Computer::read_under(root) };
        assert_eq!(
            computer,
            Computer {
                cpu: Some("Example CPU @ 2.00GHz".into()),
                cores: Some(4),
                governor: Some("powersave".into()),
                boost: Some(true),
                load: Some(3.75),
                stolen: Some(0.1),
                quota_cores: None,
                on_battery: Some(true),
            }
        );
        let complaints = computer.complaints();
        assert_eq!(complaints.iter().filter(|c| c.severity == Severity::Unfit).count(), 2, "{complaints:?}");
        assert_eq!(complaints.len(), 5, "{complaints:?}");
        assert_eq!(complaints[0].severity, Severity::Unfit);
        assert_eq!(computer.unfit(), complaints[..2]);
    }

    #[test]
    fn load_is_judged_by_the_number_of_cores() {
        let says = |load: f64, cores: usize| {
            let computer = Computer { cores: Some(cores), load: Some(load), ..Computer::default() };
            let complaints = computer.complaints();
            let about_load = complaints.iter().find(|c| c.finding.starts_with("load average"));
            about_load.map(|complaint| (complaint.severity, complaint.finding.clone()))
        };
        assert!(says(2.5, 4).is_some_and(|(severity, _)| severity == Severity::Unfit));
        assert!(
            says(1.0, 4)
                .is_some_and(|(severity, text)| severity == Severity::Caution && text.contains("noisy"))
        );
        assert!(says(1.0, 16).is_some_and(|(_, text)| !text.contains("noisy")));
        assert_eq!(says(0.1, 4), None);
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Computer::read_under(root.path()), Computer::default());
    }

    #[test]
    fn a_quiet_server_gives_no_complaint() {
        let computer = Computer {
            cores: Some(16),
            governor: Some("performance".into()),
            boost: Some(false),
            load: Some(0.1),
            stolen: Some(0.0),
            ..Computer::default()
        };
        assert_eq!(computer.complaints(), []);
    }

    #[test]
    fn reads_quotas_and_arm_cores() {
        assert_eq!(quota("150000 100000"), Some(1.5));
        assert_eq!(quota("max 100000"), None);
        assert_eq!(cpu_model(""), None);
        assert_eq!(cpu_model("processor : 0\nmodel name\t: A CPU\n").as_deref(), Some("A CPU"));
        let design = "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n";
        assert_eq!(cpu_model(design).as_deref(), Some("AMD EPYC (family 25, model 17)"));
        assert_eq!(cpu_model("CPU implementer\t: 0x41\nCPU part\t: 0xd08\n"), Some("CPU 0x41/0xd08".into()));
    }
}
