//! Facts that a phone reports about itself and that do not change while it runs.

use crate::device::adb::{Link, LinkError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Properties that identify the phone and its software.
const PROPERTIES: [&str; 10] = [
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
];

/// What a phone reports about itself. Absent: the phone does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phone {
    pub properties: BTreeMap<String, String>,
    /// Changes whenever the phone is restarted.
    pub boot_id: Option<String>,
    /// `uname -m`.
    pub machine: Option<String>,
    /// User that commands run as; 0 is root.
    pub uid: Option<u32>,
    /// Cores that commands may run on.
    pub allowed: Vec<u32>,
    pub cores: Vec<PhoneCore>,
    pub memory_kib: Option<u64>,
    /// Types of the thermal zones.
    pub zones: Vec<String>,
}

/// A core, as `/sys` and `/proc/cpuinfo` describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PhoneCore {
    pub id: u32,
    pub max_khz: Option<u64>,
    pub governor: Option<String>,
    /// Implementer and part: `0x51/0x800`.
    pub midr: Option<String>,
}

impl Phone {
    /// Asks the phone behind `link`.
    ///
    /// # Errors
    /// The link's.
    pub fn read(link: &mut dyn Link) -> Result<Phone, LinkError> {
        Ok(Phone::parse(&link.shell(&script(), Duration::from_secs(20))?.stdout))
    }

    /// The value of a property, if the phone has it.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// The device name, by which profiles recognise the phone.
    pub fn device(&self) -> Option<&str> {
        self.property("ro.product.device")
    }

    /// One line that describes the phone.
    pub fn title(&self) -> String {
        let words: Vec<&str> = ["ro.product.manufacturer", "ro.product.model"]
            .iter()
            .filter_map(|name| self.property(name))
            .collect();
        match (words.is_empty(), self.device()) {
            (false, Some(device)) => format!("{} ({device})", words.join(" ")),
            (false, None) => words.join(" "),
            (true, Some(device)) => device.to_owned(),
            (true, None) => "a phone that does not tell its model".to_owned(),
        }
    }

    /// Architectures of the programs that the phone can run, as Rust's target names spell them.
    pub fn architectures(&self) -> Vec<&'static str> {
        let of = |word: &str| match word {
            "arm64-v8a" | "aarch64" | "armv8l" => Some("aarch64"),
            "x86_64" | "amd64" => Some("x86_64"),
            "armeabi-v7a" | "armv7l" => Some("armv7"),
            _ => None,
        };
        let abi = self.property("ro.product.cpu.abi").and_then(of);
        let machine = self.machine.as_deref().and_then(of);
        let mut found: Vec<&str> = abi.into_iter().chain(machine).collect();
        found.dedup();
        found
    }

    fn parse(text: &str) -> Phone {
        let mut phone = Phone::default();
        let mut processor = None;
        let mut implementers = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let given = || Some(rest.trim().to_owned()).filter(|text| !text.is_empty());
            match word {
                "prop" => {
                    let pair = rest.split_once('=').filter(|(_, value)| !value.is_empty());
                    phone.properties.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                "boot" => phone.boot_id = given(),
                "machine" => phone.machine = given(),
                "uid" => phone.uid = rest.parse().ok(),
                "zone" => phone.zones.extend(given()),
                "allowed" => phone.allowed = cores(rest),
                "memory" => {
                    phone.memory_kib = rest.split_whitespace().find_map(|word| word.parse().ok());
                }
                "core" => phone.cores.extend(core(rest)),
                // Lines of /proc/cpuinfo.
                _ => {
                    let Some((key, value)) = line.split_once(':') else { continue };
                    match (key.trim(), value.trim(), processor) {
                        ("processor", number, _) => processor = number.parse::<u32>().ok(),
                        ("CPU implementer", value, Some(id)) => {
                            implementers.insert(id, value.to_owned());
                        }
                        ("CPU part", part, Some(id)) => {
                            let midr = implementers.get(&id).map(|maker| format!("{maker}/{part}"));
                            if let Some(core) = phone.cores.iter_mut().find(|core| core.id == id) {
                                core.midr = midr;
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        phone.cores.sort_by_key(|core| core.id);
        phone.zones.sort();
        phone.zones.dedup();
        phone
    }
}

/// One command that asks for everything, because every command to a real phone takes a while.
fn script() -> String {
    format!(
        "for p in {}; do echo \"prop $p=$(getprop $p 2>/dev/null)\"; done
        echo \"boot $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)\"
        echo \"machine $(uname -m)\"
        echo \"uid $(id -u)\"
        echo \"allowed $(grep Cpus_allowed_list /proc/self/status)\"
        echo \"memory $(grep MemTotal /proc/meminfo)\"
        for c in /sys/devices/system/cpu/cpu[0-9]*; do
            echo \"core ${{c##*/cpu}} $(cat $c/cpufreq/cpuinfo_max_freq 2>/dev/null || echo -) \\
                $(cat $c/cpufreq/scaling_governor 2>/dev/null || echo -)\"
        done
        for z in /sys/class/thermal/thermal_zone*; do echo \"zone $(cat $z/type 2>/dev/null)\"; done
        cat /proc/cpuinfo",
        PROPERTIES.join(" ")
    )
}

/// Reads `4 2457600 schedutil`: number, highest clock and governor, with `-` for what is not known.
fn core(line: &str) -> Option<PhoneCore> {
    let mut words = line.split_whitespace();
    let id = words.next()?.parse().ok()?;
    let max_khz = words.next().and_then(|khz| khz.parse().ok());
    let governor = words.next().filter(|&word| word != "-").map(str::to_owned);
    Some(PhoneCore { id, max_khz, governor, midr: None })
}

/// Reads the cores of `Cpus_allowed_list: 0-3,6`.
fn cores(line: &str) -> Vec<u32> {
    let list = line.rsplit(|c: char| c == ':' || c.is_whitespace()).next().unwrap_or_default();
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>())
            && last < 4096
        {
            cores.extend(first..=last);
        }
    }
    cores
}

#[cfg(test)]
pub(super) mod tests {
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
            zone msm_therm\nzone battery\nzone battery\n",
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
        let phone = pixel2();
        assert_eq!(phone.title(), "Google Pixel 2 (walleye)");
        assert_eq!(phone.architectures(), ["aarch64"]);
        assert_eq!((phone.uid, phone.memory_kib), (Some(2000), Some(3_743_488)));
        assert_eq!(phone.allowed, (0..8).collect::<Vec<_>>());
        assert_eq!(phone.property("ro.soc.model"), None);
        let gold =
            PhoneCore { id: 7, max_khz: Some(2_457_600), governor: None, midr: Some("0x51/0x800".into()) };
        assert_eq!(phone.cores[7], gold);
        assert_eq!(phone.cores[0].midr.as_deref(), Some("0x51/0x801"));
        assert_eq!(phone.zones, ["battery", "msm_therm"]);
    }

    #[test]
    fn nothing_is_guessed() {
        let phone = Phone::parse("prop ro.product.device=\nallowed \nboot \nmachine riscv64\n");
        assert_eq!(phone, Phone { machine: Some("riscv64".into()), ..Phone::default() });
        assert!(phone.architectures().is_empty());
        assert!(phone.title().contains("does not tell"));
        assert_eq!(cores("Cpus_allowed_list: 0-1,4,x,6-5"), [0, 1, 4]);
    }

    /// For other tests.
    pub fn pixel2() -> Phone {
        Phone::parse(&pixel2_answer())
    }
}
