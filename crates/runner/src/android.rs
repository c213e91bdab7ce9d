//! The battery and the thermal status of an Android device, as its program `dumpsys` reports them. On systems without
//! that program both are unknown, and asking takes no time.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Battery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Whether a charger or a computer feeds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugged: Option<bool>,
}

/// The battery as it is now.
pub fn battery() -> Option<Battery> {
    parse_battery(&dumpsys("battery")?)
}

/// Android's thermal status now: 0 (none) to 6 (shutdown).
pub fn thermal_status() -> Option<u32> {
    parse_thermal_status(&dumpsys("thermalservice")?)
}

/// The answer of `dumpsys battery`; `None` where it says nothing that we know.
pub fn parse_battery(text: &str) -> Option<Battery> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let number = |name: &str| field(name)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let percent = || {
        let share = number("level")? / number("scale").filter(|&scale| scale > 0.0).unwrap_or(100.0);
        Some((share * 100.0).round())
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(|percent| percent as u32)
    };
    let sources = ["AC powered", "USB powered", "Wireless powered", "Dock powered"];
    let powered: Vec<bool> = sources.iter().filter_map(|name| Some(field(name)? == "true")).collect();
    let battery = Battery {
        percent: percent(),
        // Tenths of a degree.
        temperature_c: number("temperature")
            .map(|tenths| tenths / 10.0)
            .filter(|c| (-100.0..=300.0).contains(c)),
        plugged: (!powered.is_empty()).then(|| powered.contains(&true)),
    };
    (battery != Battery::default()).then_some(battery)
}

/// The answer of `dumpsys thermalservice`.
pub fn parse_thermal_status(text: &str) -> Option<u32> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("Thermal Status:"))?;
    value.trim().parse().ok()
}

fn dumpsys(service: &str) -> Option<String> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join("dumpsys")).find(|file| file.is_file())
    });
    ask(program.as_deref()?, service)
}

fn ask(program: &Path, service: &str) -> Option<String> {
    let output = Command::new(program).arg(service).stdin(Stdio::null()).stderr(Stdio::null()).output();
    String::from_utf8(output.ok()?.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATTERY: &str = "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  \
        Wireless powered: false\n  status: 2\n  level: 85\n  scale: 100\n  voltage: 4200\n  temperature: 283\n";

    #[test]
    fn batteries() {
        let battery = parse_battery(BATTERY).unwrap();
        assert_eq!(battery, Battery { percent: Some(85), temperature_c: Some(28.3), plugged: Some(true) });
        let half =
            BATTERY.replace("scale: 100", "scale: 200").replace("USB powered: true", "USB powered: false");
        let battery = parse_battery(&half).unwrap();
        assert_eq!((battery.percent, battery.plugged), (Some(43), Some(false)));
        let wild =
            BATTERY.replace("level: 85", "level: 1e300").replace("temperature: 283", "temperature: inf");
        let battery = parse_battery(&wild).unwrap();
        assert_eq!((battery.percent, battery.temperature_c), (None, None));
        assert_eq!(parse_battery("Can't find service: battery\n"), None);
        assert_eq!(parse_battery(""), None);
    }

    #[test]
    fn thermal_states() {
        assert_eq!(parse_thermal_status("IsStatusOverride: false\nThermal Status: 2\nCached:\n"), Some(2));
        assert_eq!(parse_thermal_status("Thermal Status: hot"), None);
        assert_eq!(parse_thermal_status(""), None);
    }
}
