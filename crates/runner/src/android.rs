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

/// What the system says of heat now.
pub fn thermal() -> Thermal {
    dumpsys("thermalservice").map(|text| parse_thermal(&text)).unwrap_or_default()
}

/// What Android's thermal service says. Absent: it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thermal {
    /// 0 (none) to 6 (shutdown).
    pub status: Option<u32>,
    /// Temperature of the surface, in °C: the highest of the sensors of the skin, by which phones decide on throttling.
    pub skin_c: Option<f64>,
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

/// The heading of the readings that are not out of date, in the answer of `dumpsys thermalservice`.
const CURRENT: &str = "Current temperatures from HAL:";

/// Android's number for the sensors of the surface (`Temperature.TYPE_SKIN`).
const SKIN: &str = "3";

/// What a surface that is held in hands can have, in °C. A sensor that is not there reads -99.9.
const SURFACE: std::ops::RangeInclusive<f64> = -40.0..=100.0;

/// The answer of `dumpsys thermalservice`, as AOSP's `ThermalManagerService` prints it since Android 10. Samsung numbers the
/// sensors differently, so that their names come first.
pub fn parse_thermal(text: &str) -> Thermal {
    let status = text.lines().find_map(|line| line.trim().strip_prefix("Thermal Status:"));
    let readings = |text: &str| -> Vec<Sensor> {
        let rows = text.lines().map(str::trim).take_while(|line| line.starts_with("Temperature{"));
        rows.filter_map(Sensor::read).collect()
    };
    let current = text.split_once(CURRENT).map(|(_, after)| readings(after.trim_start()));
    // Android 10 without a vendor's service has the cached ones only.
    let cached = || text.split_once("Cached temperatures:").map(|(_, after)| readings(after.trim_start()));
    let sensors = current.filter(|sensors| !sensors.is_empty()).or_else(cached).unwrap_or_default();
    let highest = |is: &dyn Fn(&Sensor) -> bool| {
        let found = sensors.iter().filter(|sensor| is(sensor) && SURFACE.contains(&sensor.celsius));
        found.map(|sensor| sensor.celsius).max_by(f64::total_cmp)
    };
    let named = highest(&|sensor| sensor.name.contains("skin"));
    let numbered = || highest(&|sensor| sensor.kind == SKIN && !sensor.name.contains("bat"));
    Thermal { status: status.and_then(|status| status.trim().parse().ok()), skin_c: named.or_else(numbered) }
}

/// A line `Temperature{mValue=25.3, mType=3, mName=skin, mStatus=0}`.
struct Sensor {
    celsius: f64,
    kind: String,
    /// In small letters.
    name: String,
}

impl Sensor {
    fn read(line: &str) -> Option<Sensor> {
        let fields = line.strip_prefix("Temperature{")?.strip_suffix('}')?;
        let field = |name: &str| {
            let pairs = fields.split(", ").filter_map(|field| field.split_once('='));
            pairs.into_iter().find_map(|(key, value)| (key == name).then(|| value.to_owned()))
        };
        let celsius = field("mValue")?.parse::<f64>().ok().filter(|celsius| celsius.is_finite())?;
        Some(Sensor { celsius, kind: field("mType")?, name: field("mName")?.to_lowercase() })
    }
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
        let status = |text| parse_thermal(text).status;
        assert_eq!(status("IsStatusOverride: false\nThermal Status: 2\nCached:\n"), Some(2));
        assert_eq!(status("Thermal Status: hot"), None);
        assert_eq!(parse_thermal(""), Thermal::default());
    }

    /// Shortened; the form is that of AOSP's `ThermalManagerService.dumpInternal` and `Temperature.toString`.
    fn thermalservice(current: &str) -> String {
        format!(
            "IsStatusOverride: false\nThermal Status: 0\nCached temperatures:\n\
             \tTemperature{{mValue=47.0, mType=3, mName=VIRTUAL-SKIN, mStatus=1}}\n\
             HAL Ready: true\nHAL connection:\n\tThermalHAL 2.0 connected: yes\n\
             Current temperatures from HAL:\n{current}\
             Current cooling devices from HAL:\n\tCoolingDevice{{mValue=0, mType=2, mName=cpu0}}\n\
             Temperature static thresholds from HAL:\n\
             \tTemperatureThreshold{{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0]}}\n"
        )
    }

    #[test]
    fn the_skin_is_that_of_now() {
        let skin = |current: &str| parse_thermal(&thermalservice(current)).skin_c;
        // As a Pixel answers.
        let pixel = "\tTemperature{mValue=28.3, mType=2, mName=battery, mStatus=0}\n\
            \tTemperature{mValue=31.5, mType=3, mName=quiet_therm, mStatus=0}\n\
            \tTemperature{mValue=33.25, mType=3, mName=VIRTUAL-SKIN, mStatus=0}\n\
            \tTemperature{mValue=58.0, mType=0, mName=BIG, mStatus=0}\n";
        assert_eq!(skin(pixel), Some(33.25));
        // As a Samsung answers: 3 is the battery, 4 the skin, and what is not there has -99.9.
        let samsung = "\tTemperature{mValue=24.0, mType=1, mName=TYPE_CPU, mStatus=0}\n\
            \tTemperature{mValue=24.4, mType=3, mName=TYPE_BATTERY, mStatus=0}\n\
            \tTemperature{mValue=25.3, mType=4, mName=TYPE_SKIN, mStatus=0}\n\
            \tTemperature{mValue=-99.9, mType=6, mName=TYPE_POWER_AMPLIFIER, mStatus=0}\n";
        assert_eq!(skin(samsung), Some(25.3));
        // Only a sensor with another name.
        assert_eq!(skin("\tTemperature{mValue=31.5, mType=3, mName=quiet_therm, mStatus=0}\n"), Some(31.5));
        assert_eq!(skin("\tTemperature{mValue=-99.9, mType=3, mName=skin, mStatus=0}\n"), None);
        assert_eq!(skin("\tTemperature{mValue=NaN, mType=3, mName=skin, mStatus=0}\n"), Some(47.0));
        assert_eq!(skin(""), Some(47.0), "cached");
    }
}
