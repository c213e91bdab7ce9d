//! The settings of Android: their values now, those for measurements, and the way from one to the other.

use crate::device::profile::Profile;
use crate::device::remote::{LIMIT, Link, LinkError, Plan};
use edgezen_core::foreign::shell_word;
use std::collections::BTreeMap;

/// Namespace and name of each setting that is read. Those of the radios are changed by other commands.
const SETTINGS: [(&str, &str); 8] = [
    ("global", "low_power"),
    ("global", "stay_on_while_plugged_in"),
    ("system", "screen_off_timeout"),
    ("system", "screen_brightness_mode"),
    ("system", "screen_brightness"),
    ("global", "airplane_mode_on"),
    ("global", "wifi_on"),
    ("global", "mobile_data"),
];

/// The values of settings, by namespace and name. Empty: the phone has no program `settings`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<(&'static str, &'static str), String>,
}

impl Settings {
    /// Asks the phone.
    ///
    /// # Errors
    /// The link's.
    pub fn read(link: &mut dyn Link) -> Result<Settings, LinkError> {
        let ask = |(space, key): &(&str, &str)| format!("echo \"{key}=$(settings get {space} {key})\"");
        let lines: Vec<String> = SETTINGS.iter().map(ask).collect();
        let command = format!("command -v settings >/dev/null || exit 0\n{}", lines.join("\n"));
        let finished = link.shell(&command, LIMIT)?;
        let value = |line: &str| {
            let (key, value) = line.split_once('=')?;
            let name = SETTINGS.iter().find(|(_, known)| *known == key)?;
            // Anything else is an error message.
            let plain = value == "null" || value.parse::<f64>().is_ok_and(f64::is_finite);
            plain.then(|| (*name, value.to_owned()))
        };
        Ok(Settings { values: finished.stdout.lines().filter_map(|line| value(line.trim())).collect() })
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a setting; `null` where it was never set.
    pub fn get(&self, space: &str, key: &str) -> Option<&str> {
        let found = self.values.iter().find(|((s, k), _)| *s == space && *k == key);
        found.map(|(_, value)| value.as_str())
    }

    /// What changes these values into those that `profile` wants.
    pub fn change(&self, profile: &Profile) -> Plan {
        let mut plan = Plan::default();
        for ((space, key), value) in wanted(profile) {
            let Some(before) = self.get(space, key).filter(|before| *before != value) else { continue };
            let put = |value: &str| format!("settings put {space} {key} {}", shell_word(value));
            let undo = match before {
                "null" => format!("settings delete {space} {key}"),
                before => put(before),
            };
            plan.then(Plan { changes: vec![put(value)], undo: vec![undo] });
        }
        plan
    }

    /// The settings that are not as `profile` wants them, one line each.
    pub fn unlike(&self, profile: &Profile) -> Vec<String> {
        let say = |((space, key), value): ((&str, &str), &str)| {
            let now = self.get(space, key).filter(|now| *now != value)?;
            Some(format!("the setting {key} stays at {now}; {value} was set"))
        };
        wanted(profile).into_iter().filter_map(say).collect()
    }
}

/// The settings for measurements, with their values.
fn wanted(profile: &Profile) -> Vec<((&'static str, &'static str), &'static str)> {
    let mut wanted = vec![(("global", "low_power"), "0")];
    if let Some(screen) = profile.require.screen.as_deref().filter(|&screen| screen != "off") {
        // 7 stands for every source of power; a phone that has none, as one that is reached through the air, keeps its screen
        // on for as long as there is a number for.
        wanted.push((("global", "stay_on_while_plugged_in"), "7"));
        wanted.push((("system", "screen_off_timeout"), "2147483647"));
        if screen == "on-dim" {
            wanted.push((("system", "screen_brightness_mode"), "0"));
            wanted.push((("system", "screen_brightness"), "10"));
        }
    }
    wanted
}
