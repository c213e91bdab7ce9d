//! Changing a phone's settings for measurements, and restoring them.
//!
//! Before any setting is changed, a script that restores the old values is written to the phone. It runs when the device
//! is closed. If this program is killed or the link breaks, the script remains, and the next start runs it first, even
//! from another computer.

use crate::device::adb::{Link, LinkError};
use crate::device::profile::Profile;
use edgezen_core::foreign::shell_word;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time limit of one command.
const LIMIT: Duration = Duration::from_secs(30);

/// Namespace and name of each setting that is changed, in the order of the changes.
const SETTINGS: [(&str, &str); 6] = [
    ("global", "low_power"),
    ("global", "airplane_mode_on"),
    ("global", "stay_on_while_plugged_in"),
    ("system", "screen_off_timeout"),
    ("system", "screen_brightness_mode"),
    ("system", "screen_brightness"),
];

/// The path of the script that restores the settings.
fn undo_script(dir: &str) -> String {
    format!("{dir}/undo.sh")
}

/// Restores the settings that were changed by a run; returns whether there were any.
///
/// # Errors
/// An error of the link, or a script that fails; it then stays on the phone.
pub fn restore(link: &mut dyn Link, dir: &str) -> Result<bool, LinkError> {
    let undo = shell_word(&undo_script(dir));
    let command = format!("[ -f {undo} ] || exit 3; sh {undo} && rm -f {undo}");
    let finished = link.shell(&command, LIMIT)?;
    match finished.status {
        0 => Ok(true),
        3 => Ok(false),
        _ => Err(LinkError::Refused {
            serial: link.name().clone(),
            what: "bringing its settings back".into(),
            reason: finished.complaint(),
        }),
    }
}

/// Changes the settings as `profile` requires. Returns what could not be done, one line each.
///
/// # Errors
/// An error of the link. [`restore`] undoes whatever was changed before it.
pub fn prepare(
    link: &mut dyn Link,
    dir: &str,
    profile: &Profile,
    root: bool,
) -> Result<Vec<String>, LinkError> {
    let mut notes = Vec::new();
    let old = read(link)?;
    if old.is_empty() {
        notes.push(
            "its settings cannot be read: screen, airplane mode and battery saver stay as they are".into(),
        );
    }
    let mut changes = Vec::new();
    let mut undo = Vec::new();
    for (name, value) in wanted(profile, over_network(link.name().raw())) {
        let (space, key) = name;
        let Some(before) = old.get(&name).filter(|before| **before != value) else { continue };
        changes.extend(change(space, key, &value));
        match before.as_str() {
            "null" => undo.push(format!("settings delete {space} {key}")),
            before => undo.extend(change(space, key, before)),
        }
    }
    if !old.is_empty() && profile.require.screen.as_deref().is_some_and(|screen| screen != "off") {
        changes.push("input keyevent KEYCODE_WAKEUP".into());
    }
    if root {
        for cluster in &profile.clusters {
            let Some(khz) = profile.measure.lock_khz.get(&cluster.name) else { continue };
            let cpu = cluster.cpus.first().copied().unwrap_or(0);
            let Some((low, high)) = clocks(link, cpu)? else { continue };
            let set = |bound: &str, khz: u64| {
                format!("echo {khz} > /sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_{bound}_freq")
            };
            // The lower bound must never exceed the upper one: it is lowered first and raised last.
            changes.extend([set("min", low.min(*khz)), set("max", *khz), set("min", *khz)]);
            undo.extend([set("min", low), set("max", high)]);
        }
    } else if !profile.measure.lock_khz.is_empty() {
        notes.push("without root the clock cannot be fixed; it follows load and temperature".into());
    }
    if undo.is_empty() && changes.is_empty() {
        return Ok(notes);
    }
    if !undo.is_empty() {
        undo.reverse();
        // Each line runs even if an earlier one fails.
        let text = shell_word(&format!("{}\nexit 0\n", undo.join("\n")));
        let script = undo_script(dir);
        let (folder, half, whole) =
            (shell_word(dir), shell_word(&format!("{script}.tmp")), shell_word(&script));
        let write = format!("mkdir -p {folder} && printf %s {text} > {half} && mv {half} {whole} && sync");
        let written = link.shell(&write, LIMIT)?;
        if !written.ok() {
            notes.push(format!(
                "settings stay as they are: {script} cannot be written ({})",
                written.complaint()
            ));
            return Ok(notes);
        }
    }
    for change in changes {
        let done = link.shell(&change, LIMIT)?;
        if !done.ok() {
            notes.push(format!("{change:?} failed: {}", done.complaint()));
        }
    }
    Ok(notes)
}

/// The settings for measurements, with their values.
fn wanted(profile: &Profile, over_network: bool) -> Vec<((&'static str, &'static str), String)> {
    let require = &profile.require;
    let set = |name: &str, value: &str| {
        SETTINGS.iter().find(|(_, key)| *key == name).map(|&name| (name, value.to_owned()))
    };
    let mut wanted = vec![set("low_power", "0")];
    if require.airplane_mode && !over_network {
        wanted.push(set("airplane_mode_on", "1"));
    }
    if let Some(screen) = require.screen.as_deref().filter(|&screen| screen != "off") {
        // 7 stands for every source of power. A phone that is not plugged in keeps its screen on for half an hour.
        wanted.push(set("stay_on_while_plugged_in", "7"));
        wanted.push(set("screen_off_timeout", "1800000"));
        if screen == "on-dim" {
            wanted.push(set("screen_brightness_mode", "0"));
            wanted.push(set("screen_brightness", "10"));
        }
    }
    wanted.into_iter().flatten().collect()
}

/// Whether the phone is reached through the network; airplane mode would then cut it off.
fn over_network(serial: &str) -> bool {
    serial.contains(':')
}

/// Commands that change a setting.
fn change(space: &str, key: &str, value: &str) -> Vec<String> {
    let put = format!("settings put {space} {key} {}", shell_word(value));
    if key != "airplane_mode_on" {
        return vec![put];
    }
    // Since Android 11 the shell may switch airplane mode. Before, only the setting can be changed, and without root that
    // has no effect on the radios.
    let word = if value == "1" { "enable" } else { "disable" };
    vec![format!("cmd connectivity airplane-mode {word} 2>/dev/null || {put}")]
}

/// The present values of the settings; empty where the phone has no program `settings`.
fn read(link: &mut dyn Link) -> Result<BTreeMap<(&'static str, &'static str), String>, LinkError> {
    let lines: Vec<String> =
        SETTINGS.iter().map(|(space, key)| format!("echo \"{key}=$(settings get {space} {key})\"")).collect();
    let command = format!("command -v settings >/dev/null || exit 0\n{}", lines.join("\n"));
    let finished = link.shell(&command, LIMIT)?;
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let name = SETTINGS.iter().find(|(_, known)| *known == key)?;
        // Anything else is an error message.
        let plain = value == "null" || value.parse::<f64>().is_ok_and(f64::is_finite);
        plain.then(|| (*name, value.to_owned()))
    };
    Ok(finished.stdout.lines().filter_map(|line| value(line.trim())).collect())
}

/// Lower and upper bound of a core's clock in kHz; `None` where they cannot be changed.
fn clocks(link: &mut dyn Link, cpu: u32) -> Result<Option<(u64, u64)>, LinkError> {
    let dir = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq");
    let command = format!(
        "[ -w {dir}/scaling_min_freq ] && [ -w {dir}/scaling_max_freq ] && cat {dir}/scaling_min_freq {dir}/scaling_max_freq"
    );
    let finished = link.shell(&command, LIMIT)?;
    let numbers: Vec<u64> = finished.stdout.split_whitespace().filter_map(|khz| khz.parse().ok()).collect();
    Ok(match numbers[..] {
        [low, high] if finished.ok() => Some((low, high)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::adb::fake::LocalLink;
    use crate::device::profile::Profiles;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// A `settings` that keeps each value in a file.
    const SETTINGS_PROGRAM: &str = r#"#!/bin/sh
file=$(dirname "$0")/../values/$2.$3
case $1 in
get) cat "$file" 2>/dev/null || echo null ;;
put) printf '%s\n' "$4" > "$file" ;;
delete) rm -f "$file" ;;
esac
"#;

    struct Phone {
        folder: tempfile::TempDir,
        link: LocalLink,
    }

    impl Phone {
        fn new(programs: bool) -> Phone {
            let folder = tempfile::tempdir().unwrap();
            let bin = folder.path().join("bin");
            std::fs::create_dir_all(folder.path().join("values")).unwrap();
            std::fs::create_dir_all(&bin).unwrap();
            if programs {
                for (name, text) in [("settings", SETTINGS_PROGRAM), ("input", "#!/bin/sh\n")] {
                    std::fs::write(bin.join(name), text).unwrap();
                    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
                }
            }
            let link = LocalLink::new(&bin);
            Phone { folder, link }
        }

        fn dir(&self) -> String {
            self.folder.path().join("tmp").display().to_string()
        }

        fn set(&self, name: &str, value: &str) {
            std::fs::write(self.folder.path().join("values").join(name), format!("{value}\n")).unwrap();
        }

        fn values(&self) -> BTreeMap<String, String> {
            let files = std::fs::read_dir(self.folder.path().join("values")).unwrap().flatten();
            let read = |path: &Path| std::fs::read_to_string(path).unwrap().trim().to_owned();
            files.map(|file| (file.file_name().into_string().unwrap(), read(&file.path()))).collect()
        }
    }

    fn pixel2() -> Profile {
        Profiles::of_repository().by_name("pixel2").unwrap()
    }

    #[test]
    fn settings_come_back_as_they_were() {
        let mut phone = Phone::new(true);
        phone.set("global.low_power", "1");
        phone.set("global.airplane_mode_on", "0");
        phone.set("system.screen_brightness", "180");
        phone.set("system.something_else", "5");
        let before = phone.values();
        let dir = phone.dir();
        assert!(!restore(&mut phone.link, &dir).unwrap());
        prepare(&mut phone.link, &dir, &pixel2(), false).unwrap();
        let now = phone.values();
        assert_eq!(now["global.low_power"], "0");
        assert_eq!(now["global.airplane_mode_on"], "1");
        assert_eq!(now["system.screen_brightness"], "10");
        assert_eq!(now["global.stay_on_while_plugged_in"], "7");
        // The script on the phone is enough to restore them; this process is not needed.
        assert!(restore(&mut phone.link, &dir).unwrap());
        assert_eq!(phone.values(), before);
        assert!(!restore(&mut phone.link, &dir).unwrap());
    }

    #[test]
    fn a_second_start_does_not_take_the_changed_for_the_old() {
        let mut phone = Phone::new(true);
        phone.set("system.screen_brightness", "180");
        let before = phone.values();
        let dir = phone.dir();
        prepare(&mut phone.link, &dir, &pixel2(), false).unwrap();
        // The program is killed here. The next one restores first.
        assert!(restore(&mut phone.link, &dir).unwrap());
        prepare(&mut phone.link, &dir, &pixel2(), false).unwrap();
        restore(&mut phone.link, &dir).unwrap();
        assert_eq!(phone.values(), before);
    }

    #[test]
    fn a_phone_without_settings_is_left_alone() {
        let mut phone = Phone::new(false);
        let dir = phone.dir();
        let notes = prepare(&mut phone.link, &dir, &pixel2(), false).unwrap();
        assert!(notes[0].contains("cannot be read"), "{notes:?}");
        assert!(!restore(&mut phone.link, &dir).unwrap());
    }

    #[test]
    fn nothing_is_changed_without_a_way_back() {
        let mut phone = Phone::new(true);
        phone.set("system.screen_brightness", "180");
        let before = phone.values();
        let notes = prepare(&mut phone.link, "/proc/nowhere", &pixel2(), false).unwrap();
        assert!(notes.iter().any(|note| note.contains("cannot be written")), "{notes:?}");
        assert_eq!(phone.values(), before);
    }

    #[test]
    fn a_phone_on_the_network_keeps_its_radio() {
        let airplane =
            |network| wanted(&pixel2(), network).iter().any(|((_, key), _)| *key == "airplane_mode_on");
        assert!(airplane(false) && !airplane(true));
    }
}
