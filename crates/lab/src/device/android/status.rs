//! The state that a phone is in right now, and what in it disturbs measurements.

use crate::device::complaint::{Complaint, Severity};
use crate::device::profile::Profile;
use crate::device::remote::{Link, LinkError, Machine};
use edgezen_core::foreign::ForeignText;
use edgezen_runner::Conditions;
use edgezen_runner::android;
use edgezen_runner::android::Battery;
use edgezen_runner::conditions::celsius;
use edgezen_runner::held_down::HeldDown;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// More thermal zones than any phone has; what follows is not read.
const MOST_ZONES: usize = 1024;

/// Facts that change while the phone runs. Absent: the phone does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PhoneStatus {
    pub battery: Option<Battery>,
    /// Android's thermal status, 0 (none) to 6.
    pub thermal_status: Option<u32>,
    /// Temperature of the surface, in °C.
    pub skin_c: Option<f64>,
    pub temperatures_c: BTreeMap<String, f64>,
    /// The highest clocks that the system allows now, by core.
    pub max_clocks_khz: BTreeMap<u32, u64>,
    pub screen_on: Option<bool>,
    pub power_save: Option<bool>,
    pub airplane_mode: Option<bool>,
    /// Number of runnable tasks, averaged over the last minute.
    pub load: Option<f64>,
    /// Who measures on the phone, as the measuring program recorded it there.
    pub owner: Option<ForeignText>,
}

/// The command that asks for everything. Each section of its output begins with a line that names it.
const SCRIPT: &str = "echo '#battery'; dumpsys battery 2>/dev/null
    echo '#thermal'; dumpsys thermalservice 2>/dev/null
    echo '#power'; dumpsys power 2>/dev/null | grep mWakefulness=
    echo '#low_power'; settings get global low_power 2>/dev/null
    echo '#airplane'; settings get global airplane_mode_on 2>/dev/null
    echo '#load'; cat /proc/loadavg 2>/dev/null
    echo '#zones'
    for z in /sys/class/thermal/thermal_zone*; do
        echo \"$(cat $z/temp 2>/dev/null || echo -) $(cat $z/type 2>/dev/null)\"
    done
    echo '#clocks'
    for c in /sys/devices/system/cpu/cpu[0-9]*; do
        echo \"${c##*/cpu} $(cat $c/cpufreq/scaling_max_freq 2>/dev/null)\"
    done
    echo '#owner'; getprop debug.edgezen.owner 2>/dev/null";

impl PhoneStatus {
    /// Asks the phone behind `link`.
    ///
    /// # Errors
    /// The link's.
    pub fn read(link: &mut dyn Link) -> Result<PhoneStatus, LinkError> {
        Ok(PhoneStatus::parse(&link.shell(SCRIPT, Duration::from_secs(30))?.stdout))
    }

    fn parse(text: &str) -> PhoneStatus {
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        let mut name = "";
        for line in text.lines() {
            match line.strip_prefix('#') {
                Some(section) => name = section.trim(),
                None => *sections.entry(name).or_default() += &format!("{line}\n"),
            }
        }
        let section = |name: &str| sections.get(name).map_or("", String::as_str);
        let flag = |name: &str| match section(name).trim() {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        };
        let zone = |line: &str| {
            let (temperature, kind) = line.split_once(' ')?;
            let raw = temperature.parse::<f64>().ok()?;
            let kind = ForeignText::beginning(kind.trim(), 100);
            // Files and profiles know a zone by its name as it is.
            (!kind.is_empty()).then_some((String::from(kind), celsius(raw)?))
        };
        let clock = |line: &str| {
            let (core, khz) = line.split_once(' ')?;
            Some((core.parse().ok()?, khz.trim().parse().ok()?))
        };
        let thermal = android::parse_thermal(section("thermal"));
        PhoneStatus {
            battery: android::parse_battery(section("battery")),
            thermal_status: thermal.status,
            skin_c: thermal.skin_c,
            temperatures_c: section("zones").lines().take(MOST_ZONES).filter_map(zone).collect(),
            max_clocks_khz: section("clocks").lines().take(MOST_ZONES).filter_map(clock).collect(),
            screen_on: section("power")
                .lines()
                .find_map(|line| line.trim().strip_prefix("mWakefulness="))
                .map(|word| word == "Awake"),
            power_save: flag("low_power"),
            airplane_mode: flag("airplane"),
            load: section("load")
                .split_whitespace()
                .next()
                .and_then(|load| load.parse().ok())
                .filter(|load: &f64| load.is_finite()),
            owner: Some(ForeignText::beginning(section("owner").trim(), 200))
                .filter(|owner| !owner.is_empty()),
        }
    }

    /// What violates the requirements of `profile`, the worst first. What profiling itself corrects beforehand is only a
    /// caution.
    pub fn complaints(&self, phone: &Machine, profile: &Profile) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |severity, finding: String, remedy: &str| {
            complaints.push(Complaint { severity, finding, remedy: remedy.to_owned() });
        };
        let require = &profile.require;
        let battery = self.battery.unwrap_or_default();
        if let (Some(percent), Some(least)) = (battery.percent, require.battery_min_pct)
            && percent < least
        {
            let finding = format!("battery at {percent} %: below {least} % phones lower their clocks");
            complain(Severity::Unfit, finding, "charge it, then let it cool down");
        }
        if battery.plugged == Some(true) && require.charging.as_deref() == Some("forbidden") {
            complain(
                Severity::Unfit,
                "it is charging, which heats it".into(),
                "use a cable that does not charge",
            );
        }
        if let (Some(status), Some(most)) = (self.thermal_status, require.thermal_status_max)
            && status > most
        {
            let finding = format!("thermal status {status}: Android holds the clocks down");
            complain(
                Severity::Unfit,
                finding,
                "let it cool down: screen off, out of the sun, off the charger",
            );
        }
        let warm = [(self.skin_c, "its surface has"), (battery.temperature_c, "its battery has")];
        for (celsius, what) in warm {
            if let (Some(hot), Some(most)) = (celsius, require.start_temp_max_c)
                && hot > most
            {
                let finding = format!("{what} {hot:.0} °C; measurements begin at {most:.0} °C or less");
                complain(Severity::Unfit, finding, "let it cool down for some minutes");
            }
        }
        // A die at rest may have 50 °C: only what the profile says to be too hot for measurements counts.
        let zones = profile.thermal.as_ref().map_or(&[][..], |thermal| &thermal.zones_by_type);
        let limit = profile.thermal.as_ref().and_then(|thermal| thermal.abort_c);
        let observed = Conditions { temperatures_c: self.temperatures_c.clone(), ..Conditions::default() };
        if let (Some(hot), Some(most)) = (observed.hottest_c(zones), limit)
            && hot > most
        {
            let finding = format!("its chip has {hot:.0} °C; measurements end at {most:.0} °C");
            complain(Severity::Unfit, finding, "let it cool down for some minutes");
        }
        if let Some(held) = self.held_down(phone, profile) {
            complain(
                Severity::Caution,
                format!("{held}: measurements with such a clock count as throttled"),
                "let it cool down, battery saver off; where this is its usual clock, name it in a profile (max_khz of the cluster)",
            );
        }
        if let Some(set) = phone.cpuset.as_ref().filter(|set| is_of_the_background(set.raw())) {
            complain(
                Severity::Caution,
                format!("commands are in the group {set}, whose cores are slow"),
                "start the phone anew; with root: adb root",
            );
        }
        if let Some(percent) = phone.uclamp_max_percent {
            let finding = format!("commands get at most {percent:.0} % of a core's speed (uclamp)");
            complain(Severity::Caution, finding, "start the phone anew; with root: adb root");
        }
        if self.power_save == Some(true) {
            let remedy = "profiling switches it off meanwhile; by hand: Settings, Battery, Battery Saver";
            complain(Severity::Caution, "battery saver is on: the clocks are held down".into(), remedy);
        }
        if self.screen_on == Some(false) && require.screen.as_deref().is_some_and(|wanted| wanted != "off") {
            let remedy = "profiling wakes it up and keeps it dim; by hand: press the power button";
            complain(Severity::Caution, "the screen is off: cores sleep".into(), remedy);
        }
        if self.airplane_mode == Some(false) && require.airplane_mode {
            let remedy =
                "profiling switches it on meanwhile where the phone lets it; by hand: quick settings";
            complain(
                Severity::Caution,
                "airplane mode is off: the radio takes time and heats".into(),
                remedy,
            );
        }
        let governor = phone.cores.iter().rev().find_map(|core| core.governor.as_ref());
        match governor.map(|governor| (governor.raw(), governor)) {
            Some(("powersave", _)) => complain(
                Severity::Unfit,
                "clock governor powersave: the clock stays at its lowest".into(),
                "with root: echo schedutil > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
            ),
            Some(("performance" | "userspace", _)) | None => {}
            Some((_, governor)) => complain(
                Severity::Caution,
                format!("clock governor {governor}: the clock follows the load"),
                "nothing without root: the warm-up brings the clock up; with root the profile's lock_khz is set",
            ),
        }
        let cores = phone.cores.len().max(1) as f64;
        if let Some(load) = self.load
            && load > cores / 2.0
        {
            let finding = format!("load average {load:.1} on {cores:.0} cores: other programs are running");
            complain(
                Severity::Caution,
                finding,
                "close apps, wait until updates are done, or start the phone anew",
            );
        }
        complaints.sort_by_key(|complaint| std::cmp::Reverse(complaint.severity));
        complaints
    }
}

impl PhoneStatus {
    /// A core whose clock is held below the highest one that it has and that `profile` expects of it.
    fn held_down(&self, phone: &Machine, profile: &Profile) -> Option<HeldDown> {
        let hardware = phone.cores.iter().filter_map(|core| Some((core.id, core.max_khz?)));
        let clusters = profile.clusters.iter().filter_map(|cluster| Some((cluster, cluster.max_khz?)));
        let usual = clusters.flat_map(|(cluster, khz)| cluster.cpus.iter().map(move |&cpu| (cpu, khz)));
        let now = Conditions {
            max_clocks_khz: self.max_clocks_khz.clone(),
            hardware_clocks_khz: hardware.collect(),
            ..Conditions::default()
        };
        now.held_down(&usual.collect())
    }
}

/// Whether a group of cores is one of those for programs that nobody looks at (AOSP, `task_profiles.json`).
fn is_of_the_background(cpuset: &str) -> bool {
    let last = cpuset.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    ["background", "system-background", "restricted"].contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;
    use crate::device::remote::machine::tests::pixel2;

    const ANSWER: &str = "#battery\nCurrent Battery Service state:\n  USB powered: true\n  level: 85\n  scale: 100\n  \
        temperature: 283\n#thermal\nThermal Status: 0\nCurrent temperatures from HAL:\n\
        \tTemperature{mValue=31.5, mType=3, mName=skin, mStatus=0}\n#power\n  mWakefulness=Awake\n#low_power\n0\n#airplane\n1\n\
        #load\n0.50 0.4 0.3 1/900 77\n#zones\n33000 msm_therm\n- broken\n29 battery\n#owner\n\n";

    fn findings(answer: &str) -> Vec<(Severity, String)> {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let complaints = PhoneStatus::parse(answer).complaints(&pixel2(), &profile);
        assert!(complaints.iter().all(|complaint| !complaint.remedy.is_empty()));
        complaints.into_iter().map(|complaint| (complaint.severity, complaint.finding)).collect()
    }

    #[test]
    fn a_phone_at_rest() {
        let status = PhoneStatus::parse(ANSWER);
        assert_eq!(status.battery.unwrap().percent, Some(85));
        assert_eq!((status.thermal_status, status.skin_c), (Some(0), Some(31.5)));
        assert_eq!(status.screen_on, Some(true));
        assert_eq!((status.power_save, status.airplane_mode), (Some(false), Some(true)));
        // 29 may be degrees, and may be the charge in per cent.
        assert_eq!(status.temperatures_c, BTreeMap::from([("msm_therm".into(), 33.0)]));
        assert_eq!(status.owner, None);
        // A sensor that is switched off has no temperature.
        for off in ["2147483647", "-2147483648", "inf", "NaN", "1e300"] {
            let status = PhoneStatus::parse(&ANSWER.replace("33000 msm", &format!("{off} msm")));
            assert_eq!(status.temperatures_c.len(), 0, "{off}");
        }
        let owned = ANSWER.replace("#owner\n", "#owner\nevil\u{1b}[31m");
        assert_eq!(PhoneStatus::parse(&owned).owner.unwrap().to_string(), r"evil\u{1b}[31m");
        // Only the governor is left.
        let findings = findings(ANSWER);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].1.contains("schedutil"));
    }

    #[test]
    fn everything_that_can_be_wrong() {
        for (from, to, severity, word) in [
            ("level: 85", "level: 12", Severity::Unfit, "battery at 12 %"),
            ("Status: 0", "Status: 3", Severity::Unfit, "thermal status 3"),
            ("33000 msm", "81000 msm", Severity::Unfit, "chip has 81 °C"),
            ("mValue=31.5", "mValue=44.2", Severity::Unfit, "surface has 44 °C"),
            ("temperature: 283", "temperature: 451", Severity::Unfit, "battery has 45 °C"),
            ("#low_power\n0", "#low_power\n1", Severity::Caution, "saver"),
            ("=Awake", "=Asleep", Severity::Caution, "screen"),
            ("#airplane\n1", "#airplane\n0", Severity::Caution, "airplane"),
            ("0.50 0.4", "7.50 0.4", Severity::Caution, "load average 7.5"),
        ] {
            assert!(ANSWER.contains(from));
            let findings = findings(&ANSWER.replace(from, to));
            assert!(
                findings.iter().any(|(s, text)| *s == severity && text.contains(word)),
                "{word}: {findings:?}"
            );
        }
    }

    #[test]
    fn healthy_phones_are_not_refused() {
        let unfit = |answer: &str, profile: &str| {
            let profile = Profiles::of_repository().by_name(profile).unwrap();
            let complaints = PhoneStatus::parse(answer).complaints(&pixel2(), &profile);
            complaints.into_iter().filter(|c| c.severity == Severity::Unfit).collect::<Vec<_>>()
        };
        for zone in [
            // The charge in per cent: AOSP, drivers/power/supply/qcom/bcl_soc.c.
            "85 soc",
            // Tenths of a degree: AOSP, device/google/wahoo, `tsens_tz_sensor` with the multiplier 0.1.
            "352 cpu-tsens_tz_sensor4",
            // A die at rest.
            "46000 cpu-0-0-usr",
            "-99900 soc_therm",
        ] {
            let answer = ANSWER.replace("33000 msm_therm", zone);
            for profile in ["android-generic", "pixel2"] {
                assert_eq!(unfit(&answer, profile), [], "{zone}, {profile}");
            }
        }
    }

    #[test]
    fn a_cap_is_told_before_anything_is_measured() {
        let mut profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let clocks = |khz: u64| ANSWER.replace("#owner", &format!("#clocks\n0 1900800\n4 {khz}\n5 \n#owner"));
        let said = |answer: &str, profile: &Profile| {
            let complaints = PhoneStatus::parse(answer).complaints(&pixel2(), profile);
            complaints.into_iter().map(|complaint| complaint.finding).collect::<Vec<_>>().join("\n")
        };
        assert!(!said(&clocks(2_457_600), &profile).contains("held down"));
        let held = said(&clocks(1_056_000), &profile);
        assert!(held.contains("core 4 is held down to 1.06 of 2.46 GHz"), "{held}");
        profile.clusters[0].max_khz = Some(1_056_000);
        assert!(!said(&clocks(1_056_000), &profile).contains("held down"));
    }

    #[test]
    fn slow_groups_are_told() {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let of = |cpuset: &str, uclamp_max_percent| {
            let phone = Machine { cpuset: Some(cpuset.into()), uclamp_max_percent, ..pixel2() };
            let complaints = PhoneStatus::parse(ANSWER).complaints(&phone, &profile);
            complaints.into_iter().map(|complaint| complaint.finding).collect::<Vec<_>>().join("\n")
        };
        assert!(
            of("/background", None).contains("/background") && !of("/foreground", None).contains("group")
        );
        assert!(of("/", Some(50.0)).contains("50 % of a core's speed"));
    }

    #[test]
    fn a_phone_that_tells_nothing_is_not_accused() {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        assert_eq!(PhoneStatus::parse("#battery\n#thermal\n#zones\n"), PhoneStatus::default());
        assert_eq!(PhoneStatus::default().complaints(&Machine::default(), &profile), []);
    }
}
