//! Facts that a phone reports about itself and that do not change while it runs.

use crate::device::adb::{Link, LinkError};
use edgezen_core::foreign::ForeignText;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
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

/// More cores, or thermal zones, than any phone has.
const MOST_PARTS: usize = 1024;

/// What a phone reports about itself. Absent: the phone does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Phone {
    pub properties: BTreeMap<String, ForeignText>,
    /// Changes whenever the phone is restarted.
    pub boot_id: Option<ForeignText>,
    /// `uname -m`.
    pub machine: Option<ForeignText>,
    /// User that commands run as; 0 is root.
    pub uid: Option<u32>,
    /// Cores that commands may run on.
    pub allowed: Vec<u32>,
    pub cores: Vec<PhoneCore>,
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
pub struct PhoneCore {
    pub id: u32,
    pub max_khz: Option<u64>,
    pub governor: Option<ForeignText>,
    /// Implementer and part: `0x51/0x800`.
    pub midr: Option<ForeignText>,
}

impl Phone {
    /// Asks the phone behind `link`.
    ///
    /// # Errors
    /// The link's; an answer that no phone gives.
    pub fn read(link: &mut dyn Link) -> Result<Phone, LinkError> {
        let answer = link.shell(&script(), Duration::from_secs(20))?.stdout;
        Phone::parse(&answer).map_err(|reason| LinkError::Nonsense { serial: link.name().clone(), reason })
    }

    /// The value of a property, if the phone has it, as the phone gives it: for comparisons, not for messages.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(ForeignText::raw)
    }

    /// The device name, by which profiles recognise the phone.
    pub fn device(&self) -> Option<&str> {
        self.property("ro.product.device")
    }

    /// The API level of its Android: 30 for Android 11.
    pub fn sdk(&self) -> Option<u32> {
        self.property("ro.build.version.sdk")?.parse().ok()
    }

    /// One line that describes the phone, which can be printed.
    pub fn title(&self) -> String {
        let text = |name: &str| self.properties.get(name).map(ToString::to_string);
        let words: Vec<String> =
            ["ro.product.manufacturer", "ro.product.model"].into_iter().filter_map(text).collect();
        match (words.is_empty(), text("ro.product.device")) {
            (false, Some(device)) => format!("{} ({device})", words.join(" ")),
            (false, None) => words.join(" "),
            (true, Some(device)) => device,
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
        let machine = self.machine.as_ref().map(ForeignText::raw).and_then(of);
        let mut found: Vec<&str> = abi.into_iter().chain(machine).collect();
        found.dedup();
        found
    }

    /// Reads the answer to [`script`].
    ///
    /// # Errors
    /// More cores or zones than any phone has, or a text of thousands of letters; the error says which.
    fn parse(text: &str) -> Result<Phone, ForeignText> {
        let mut phone = Phone::default();
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
                        phone.properties.insert(name.to_owned(), whole(name, value)?);
                    }
                }
                "boot" => phone.boot_id = given()?,
                "machine" => phone.machine = given()?,
                "uid" => phone.uid = rest.parse().ok(),
                "zone" => phone.zones.extend(given()?),
                "cpuset" => phone.cpuset = given()?,
                // `max` is no bound.
                "uclamp" => {
                    phone.uclamp_max_percent =
                        rest.trim().parse().ok().filter(|percent| (0.0..100.0).contains(percent));
                }
                "allowed" => phone.allowed = cores(rest)?,
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
                            implementers.insert(id, value);
                        }
                        ("CPU part", part, Some(id)) => {
                            let midr = implementers.get(&id).map(|maker| format!("{maker}/{part}"));
                            let midr = midr.map(|midr| whole("a core's design", &midr)).transpose()?;
                            if let Some(core) = phone.cores.iter_mut().find(|core| core.id == id) {
                                core.midr = midr;
                            }
                        }
                        _ => {}
                    }
                }
            }
            for (what, count) in [("cores", phone.cores.len()), ("thermal zones", phone.zones.len())] {
                if count > MOST_PARTS {
                    return Err(format!("more than {MOST_PARTS} {what}").as_str().into());
                }
            }
            if let Some(core) = phone.cores.last().filter(|core| core.id as usize >= MOST_PARTS) {
                return Err(format!("a core number {}", core.id).as_str().into());
            }
        }
        phone.cores.sort_by_key(|core| core.id);
        phone.zones.sort();
        phone.zones.dedup();
        Ok(phone)
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
        echo \"cpuset $(cat /proc/self/cpuset 2>/dev/null)\"
        g=$(sed -n 's/^[0-9]*:cpu[^:s]*://p' /proc/self/cgroup 2>/dev/null | head -n 1)
        echo \"uclamp $(cat /dev/cpuctl$g/cpu.uclamp.max 2>/dev/null)\"
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
    let governor = words.next().filter(|&word| word != "-").map(|word| ForeignText::beginning(word, 100));
    Some(PhoneCore { id, max_khz, governor, midr: None })
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
        let phone = pixel2();
        assert_eq!(phone.title(), "Google Pixel 2 (walleye)");
        assert_eq!(phone.architectures(), ["aarch64"]);
        assert_eq!((phone.uid, phone.memory_kib), (Some(2000), Some(3_743_488)));
        assert_eq!(phone.allowed, (0..8).collect::<Vec<_>>());
        assert_eq!(phone.property("ro.soc.model"), None);
        let gold =
            PhoneCore { id: 7, max_khz: Some(2_457_600), governor: None, midr: Some("0x51/0x800".into()) };
        assert_eq!(phone.cores[7], gold);
        assert_eq!(phone.cores[0].midr, Some("0x51/0x801".into()));
        assert_eq!(phone.zones, ["battery", "msm_therm"]);
    }

    #[test]
    fn nothing_is_guessed() {
        let phone = Phone::parse("prop ro.product.device=\nallowed \nboot \nmachine riscv64\n").unwrap();
        assert_eq!(phone, Phone { machine: Some("riscv64".into()), ..Phone::default() });
        assert!(phone.architectures().is_empty());
        assert!(phone.title().contains("does not tell"));
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
            let error = Phone::parse(answer).unwrap_err().to_string();
            assert!(error.contains(word) && error.len() < 200, "{word}: {error}");
        }
        assert_eq!(cores("Cpus_allowed_list: 0-4095").unwrap().len(), 1024);
        // A property that nobody asked for is not taken over.
        assert_eq!(Phone::parse("prop a.b=c\n").unwrap(), Phone::default());
    }

    #[test]
    fn what_a_phone_calls_itself_is_printed_harmlessly() {
        let answer = "prop ro.product.device=wall\u{1b}]0;PWNED\u{7}\nprop ro.product.model=Pix\u{9b}2Jel\n";
        let title = Phone::parse(answer).unwrap().title();
        assert_eq!(title, r"Pix\u{9b}2Jel (wall\u{1b}]0;PWNED\u{7})");
    }

    /// For other tests.
    pub fn pixel2() -> Phone {
        Phone::parse(&pixel2_answer()).unwrap()
    }
}
