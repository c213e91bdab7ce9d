//! Facts that a device reports about itself and that do not change while it runs.

use super::{Link, LinkError};
use edgezen_core::foreign::ForeignText;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Properties that identify the device and its software: those of Android by its own names, and those of boards.
pub const PROPERTIES: [&str; 15] = [
    "ro.product.device",
    "ro.product.model",
    "ro.product.manufacturer",
    "ro.board.platform",
    "ro.soc.model",
    "ro.product.cpu.abi",
    "ro.build.fingerprint",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.serialno",
    "board.model",
    "board.serial",
    "board.system",
    "board.kernel",
    "board.home",
];

/// More cores, or thermal zones, than any device has.
const MOST_PARTS: usize = 1024;

/// What a device reports about itself. Absent: the device does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    pub properties: BTreeMap<String, ForeignText>,
    /// Changes whenever the device is restarted.
    pub boot_id: Option<ForeignText>,
    /// `uname -m`.
    pub machine: Option<ForeignText>,
    /// User that commands run as; 0 is root.
    pub uid: Option<u32>,
    /// Cores that commands may run on.
    pub allowed: Vec<u32>,
    pub cores: Vec<Core>,
    pub memory_kib: Option<u64>,
    /// Types of the thermal zones.
    pub zones: Vec<ForeignText>,
    /// The group of cores that commands are in: `/foreground`.
    pub cpuset: Option<ForeignText>,
    /// Most of a core's speed that commands are given, in per cent, where the group that they are in bounds it.
    pub uclamp_max_percent: Option<f64>,
}

/// A core, as `/sys` and `/proc/cpuinfo` describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Core {
    pub id: u32,
    pub max_khz: Option<u64>,
    pub governor: Option<ForeignText>,
    /// Implementer and part: `0x51/0x800`.
    pub midr: Option<ForeignText>,
}

impl Machine {
    /// Asks the device behind `link`; `questions` are those of its system.
    ///
    /// # Errors
    /// The link's; an answer that no device gives.
    pub fn read(link: &mut dyn Link, questions: &str) -> Result<Machine, LinkError> {
        let answer = link.shell(&script(questions), Duration::from_secs(20))?.stdout;
        Machine::parse(&answer).map_err(|reason| LinkError::Nonsense { serial: link.name().clone(), reason })
    }

    /// The value of a property, if the device has it, as the device gives it: for comparisons, not for messages.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(ForeignText::raw)
    }

    /// Architectures of the programs that the device can run, as Rust's target names spell them.
    pub fn architectures(&self) -> Vec<&'static str> {
        let of = |word: &str| match word {
            "arm64-v8a" | "aarch64" | "armv8l" => Some("aarch64"),
            "x86_64" | "amd64" => Some("x86_64"),
            "armeabi-v7a" | "armv7l" => Some("armv7"),
            _ => None,
        };
        let abi = self.property("ro.product.cpu.abi").and_then(of);
        let machine = self.machine.as_ref().map(ForeignText::raw).and_then(of);
        let mut found: Vec<&str> = abi.into_iter().chain(machine).collect();
        found.dedup();
        found
    }

    /// Reads the answer to [`script`].
    ///
    /// # Errors
    /// More cores or zones than any device has, or a text of thousands of letters; the error says which.
    fn parse(text: &str) -> Result<Machine, ForeignText> {
        let mut machine = Machine::default();
        let mut processor = None;
        let mut implementers = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let whole = |what: &str, text: &str| {
                ForeignText::whole(text).map_err(|e| ForeignText::message(format_args!("{what} is {e}")))
            };
            let given = || match rest.trim() {
                "" => Ok(None),
                rest => whole(word, rest).map(Some),
            };
            match word {
                "prop" => {
                    let asked = |(name, value): &(&str, &str)| PROPERTIES.contains(name) && !value.is_empty();
                    if let Some((name, value)) = rest.split_once('=').filter(asked) {
                        machine.properties.insert(name.to_owned(), whole(name, value)?);
                    }
                }
                "boot" => machine.boot_id = given()?,
                "machine" => machine.machine = given()?,
                "uid" => machine.uid = rest.parse().ok(),
                "zone" => machine.zones.extend(given()?),
                "cpuset" => machine.cpuset = given()?,
                // `max` is no bound.
                "uclamp" => {
                    machine.uclamp_max_percent =
                        rest.trim().parse().ok().filter(|percent| (0.0..100.0).contains(percent));
                }
                "allowed" => machine.allowed = cores(rest)?,
                "memory" => {
                    machine.memory_kib = rest.split_whitespace().find_map(|word| word.parse().ok());
                }
                "core" => machine.cores.extend(core(rest)),
                // Lines of /proc/cpuinfo.
                _ => {
                    let Some((key, value)) = line.split_once(':') else { continue };
                    match (key.trim(), value.trim(), processor) {
                        ("processor", number, _) => processor = number.parse::<u32>().ok(),
                        ("CPU implementer", value, Some(id)) => {
                            implementers.insert(id, value);
                        }
                        ("CPU part", part, Some(id)) => {
                            let midr = implementers.get(&id).map(|maker| format!("{maker}/{part}"));
                            let midr = midr.map(|midr| whole("a core's design", &midr)).transpose()?;
                            if let Some(core) = machine.cores.iter_mut().find(|core| core.id == id) {
                                core.midr = midr;
                            }
                        }
                        _ => {}
                    }
                }
            }
            for (what, count) in [("cores", machine.cores.len()), ("thermal zones", machine.zones.len())] {
                if count > MOST_PARTS {
                    return Err(format!("more than {MOST_PARTS} {what}").as_str().into());
                }
            }
            if let Some(core) = machine.cores.last().filter(|core| core.id as usize >= MOST_PARTS) {
                return Err(format!("a core number {}", core.id).as_str().into());
            }
        }
        machine.cores.sort_by_key(|core| core.id);
        machine.zones.sort();
        machine.zones.dedup();
        Ok(machine)
    }
}

/// One command that asks for everything, because every command to a real device takes a while.
fn script(questions: &str) -> String {
    format!(
        "{questions}
        echo \"boot $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)\"
        echo \"machine $(uname -m)\"
        echo \"uid $(id -u)\"
        echo \"allowed $(grep Cpus_allowed_list /proc/self/status)\"
        echo \"memory $(grep MemTotal /proc/meminfo)\"
        for c in /sys/devices/system/cpu/cpu[0-9]*; do
            echo \"core ${{c##*/cpu}} $(cat $c/cpufreq/cpuinfo_max_freq 2>/dev/null || echo -) \\
                $(cat $c/cpufreq/scaling_governor 2>/dev/null || echo -)\"
        done
        echo \"cpuset $(cat /proc/self/cpuset 2>/dev/null)\"
        g=$(sed -n 's/^[0-9]*:cpu[^:s]*://p' /proc/self/cgroup 2>/dev/null | head -n 1)
        echo \"uclamp $(cat /dev/cpuctl$g/cpu.uclamp.max 2>/dev/null)\"
        for z in /sys/class/thermal/thermal_zone*; do echo \"zone $(cat $z/type 2>/dev/null)\"; done
        cat /proc/cpuinfo"
    )
}

/// Reads `4 2457600 schedutil`: number, highest clock and governor, with `-` for what is not known.
fn core(line: &str) -> Option<Core> {
    let mut words = line.split_whitespace();
    let id = words.next()?.parse().ok()?;
    let max_khz = words.next().and_then(|khz| khz.parse().ok());
    let governor = words.next().filter(|&word| word != "-").map(|word| ForeignText::beginning(word, 100));
    Some(Core { id, max_khz, governor, midr: None })
}

/// Reads the cores of `Cpus_allowed_list: 0-3,6`, in ascending order. Linux lists numbers that no core has, too.
///
/// # Errors
/// A list of more parts than there can be cores.
fn cores(line: &str) -> Result<Vec<u32>, ForeignText> {
    let list = line.rsplit(|c: char| c == ':' || c.is_whitespace()).next().unwrap_or_default();
    if list.split(',').count() > MOST_PARTS {
        return Err(format!("a list of more than {MOST_PARTS} cores").as_str().into());
    }
    let mut cores = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            cores.extend(first..=last.min(MOST_PARTS as u32 - 1));
        }
    }
    Ok(cores.into_iter().collect())
}

#[cfg(test)]
pub(in crate::device) mod tests {
    use super::*;

    /// A Pixel 2 as its shell answers, shortened.
    pub fn pixel2_answer() -> String {
        let mut text = String::from(
            "prop ro.product.device=walleye\nprop ro.product.model=Pixel 2\n\
            prop ro.product.manufacturer=Google\nprop ro.board.platform=msm8998\nprop ro.soc.model=\n\
            prop ro.product.cpu.abi=arm64-v8a\nprop ro.build.version.sdk=30\nprop ro.serialno=FA81\n\
            prop ro.build.fingerprint=google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys\n\
            boot 3f1b0c2e-0000-4000-8000-000000000001\nmachine aarch64\nuid 2000\n\
            allowed Cpus_allowed_list:\t0-7\nmemory MemTotal:        3743488 kB\n\
            cpuset /foreground\nuclamp max\nzone msm_therm\nzone battery\nzone battery\n",
        );
        for id in 0..8 {
            let khz = if id < 4 { 1_900_800 } else { 2_457_600 };
            text += &format!("core {id} {khz} {}\n", if id < 7 { "schedutil" } else { "-" });
        }
        for id in 0..8 {
            let part = if id < 4 { "0x801" } else { "0x800" };
            text += &format!("processor\t: {id}\nCPU implementer\t: 0x51\nCPU part\t: {part}\n\n");
        }
        text
    }

    #[test]
    fn a_phone_describes_itself() {
        let machine = pixel2();
        assert_eq!(machine.architectures(), ["aarch64"]);
        assert_eq!((machine.uid, machine.memory_kib), (Some(2000), Some(3_743_488)));
        assert_eq!(machine.allowed, (0..8).collect::<Vec<_>>());
        assert_eq!(machine.property("ro.soc.model"), None);
        let gold = Core { id: 7, max_khz: Some(2_457_600), governor: None, midr: Some("0x51/0x800".into()) };
        assert_eq!(machine.cores[7], gold);
        assert_eq!(machine.cores[0].midr, Some("0x51/0x801".into()));
        assert_eq!(machine.zones, ["battery", "msm_therm"]);
    }

    #[test]
    fn nothing_is_guessed() {
        let machine = Machine::parse("prop ro.product.device=\nallowed \nboot \nmachine riscv64\n").unwrap();
        assert_eq!(machine, Machine { machine: Some("riscv64".into()), ..Machine::default() });
        assert!(machine.architectures().is_empty());
        assert_eq!(cores("Cpus_allowed_list: 0-1,4,x,6-5").unwrap(), [0, 1, 4]);
    }

    #[test]
    fn a_phone_that_lies_about_its_size_is_not_believed() {
        let many: String = (0..200_000).map(|i| format!("core {i} {} schedutil\n", 2_457_600 + i)).collect();
        let endless = format!("prop ro.product.model={}\n", "A".repeat(5_000_000));
        let zones: String = (0..5000).map(|i| format!("zone z{i}\n")).collect();
        for (answer, word) in [
            (many.as_str(), "1024 cores"),
            ("core 4294967295 1 schedutil\n", "core number 4294967295"),
            (&endless, "ro.product.model is a text of 5000000 bytes"),
            (&zones, "1024 thermal zones"),
            (
                &format!("allowed Cpus_allowed_list:\t{}\n", ["0-4095"; 20_000].join(",")),
                "list of more than 1024",
            ),
        ] {
            let error = Machine::parse(answer).unwrap_err().to_string();
            assert!(error.contains(word) && error.len() < 200, "{word}: {error}");
        }
        assert_eq!(cores("Cpus_allowed_list: 0-4095").unwrap().len(), 1024);
        // A property that nobody asked for is not taken over.
        assert_eq!(Machine::parse("prop a.b=c\n").unwrap(), Machine::default());
    }

    /// For other tests.
    pub fn pixel2() -> Machine {
        read(&pixel2_answer())
    }

    /// What a device is that answers so.
    pub fn read(answer: &str) -> Machine {
        Machine::parse(answer).unwrap()
    }
}
