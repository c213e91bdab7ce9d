//! Phones that are folders of this computer, with programs that do as Android's do.

use super::Care;
use super::prepare::prepare;
use crate::device::profile::{Profile, Profiles};
use crate::device::remote::fake::LocalLink;
use crate::device::remote::{
    Address, Finished, Link, LinkError, Machine as Facts, PhoneState, UNDONE, restore, sign_of_life,
};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// A `settings` that keeps each value in a file.
const SETTINGS: &str = r#"file=$(dirname "$0")/../values/$2.$3
case $1 in
get) cat "$file" 2>/dev/null || echo null ;;
put) printf '%s\n' "$4" > "$file" ;;
delete) rm -f "$file" ;;
esac"#;

/// `cmd connectivity` of Android 11 and later: AOSP, `ConnectivityService.ShellCmd`.
const CMD_11: &str = r#"[ "$1 $2" = "connectivity airplane-mode" ] || exit 1
case $3 in enable) on=1 ;; disable) on=0 ;; *) exit 1 ;; esac
echo $on > "$(dirname "$0")/../values/global.airplane_mode_on""#;

/// That of Android 9 and 10, where the shell lacks the permission.
const CMD_9: &str = "echo 'Security exception: ConnectivityService: Neither user 2000 nor current process has CONNECTIVITY_INTERNAL' >&2; exit 255";

/// That of Android 8.1 and earlier: AOSP, `Binder.onShellCommand`.
const CMD_8: &str = "echo 'No shell command implementation.'; exit 0";

/// `svc wifi` and `svc data`.
const SVC: &str = r#"case $1 in wifi) key=wifi_on ;; data) key=mobile_data ;; *) exit 1 ;; esac
case $2 in enable) on=1 ;; disable) on=0 ;; *) exit 1 ;; esac
echo $on > "$(dirname "$0")/../values/global.$key""#;

struct Phone {
    folder: tempfile::TempDir,
    link: LocalLink,
    facts: Facts,
}

impl Phone {
    /// One of this API level that is on a cable, with Wi-Fi and mobile data.
    fn new(sdk: u32) -> Phone {
        let mut phone = Phone::without_programs();
        phone.facts.properties.insert("ro.build.version.sdk".into(), sdk.to_string().as_str().into());
        let cmd = match sdk {
            ..28 => CMD_8,
            28..30 => CMD_9,
            _ => CMD_11,
        };
        for (name, text) in [("settings", SETTINGS), ("input", "exit 0"), ("cmd", cmd), ("svc", SVC)] {
            phone.program(name, text);
        }
        for (name, value) in [
            ("global.low_power", "1"),
            ("global.airplane_mode_on", "0"),
            ("global.wifi_on", "1"),
            ("global.mobile_data", "1"),
            ("system.screen_brightness", "180"),
            ("system.something_else", "5"),
        ] {
            phone.set(name, value);
        }
        phone
    }

    fn without_programs() -> Phone {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(folder.path().join("values")).unwrap();
        std::fs::create_dir_all(&bin).unwrap();
        let link = LocalLink::new(&bin);
        Phone { folder, link, facts: Facts { uid: Some(2000), ..Facts::default() } }
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.folder.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
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

    fn prepare(&mut self) -> Vec<String> {
        let dir = self.dir();
        prepare(&mut self.link, &dir, &pixel2(), &self.facts).unwrap().notes
    }

    fn restore(&mut self) -> bool {
        let dir = self.dir();
        restore(&mut self.link, &dir).unwrap()
    }
}

/// Without a clock to lock.
fn pixel2() -> Profile {
    let mut profile = Profiles::of_repository().by_name("pixel2").unwrap();
    profile.measure.lock_khz.clear();
    profile
}

#[test]
fn settings_come_back_as_they_were() {
    let mut phone = Phone::new(30);
    let before = phone.values();
    assert!(!phone.restore());
    assert_eq!(phone.prepare(), [] as [String; 0]);
    let now = phone.values();
    assert_eq!((now["global.low_power"].as_str(), now["global.airplane_mode_on"].as_str()), ("0", "1"));
    assert_eq!((now["system.screen_brightness"].as_str(), now["global.wifi_on"].as_str()), ("10", "1"));
    assert_eq!(now["global.stay_on_while_plugged_in"], "7");
    // A phone that hangs on no cable keeps its screen on, too.
    assert_eq!(now["system.screen_off_timeout"], "2147483647");
    // The script on the phone is enough to restore them; this process is not needed.
    assert!(phone.restore());
    assert_eq!(phone.values(), before);
    assert!(!phone.restore());
}

#[test]
fn radios_are_off_on_every_android() {
    for sdk in [26, 27, 28, 29] {
        let mut phone = Phone::new(sdk);
        let before = phone.values();
        assert_eq!(phone.prepare(), [] as [String; 0], "{sdk}");
        let now = phone.values();
        assert_eq!((now["global.wifi_on"].as_str(), now["global.mobile_data"].as_str()), ("0", "0"), "{sdk}");
        // The setting without the radios would be a lie.
        assert_eq!(now["global.airplane_mode_on"], "0", "{sdk}");
        assert!(phone.restore());
        assert_eq!(phone.values(), before, "{sdk}");
    }
}

#[test]
fn what_was_set_is_read_back() {
    // A vendor without these commands.
    let mut phone = Phone::new(33);
    phone.program("cmd", CMD_8);
    let before = phone.values();
    let notes = phone.prepare();
    assert!(notes.iter().any(|note| note.contains("airplane mode could not")), "{notes:?}");
    phone.restore();
    assert_eq!(phone.values(), before);
    let mut phone = Phone::new(27);
    phone.program("svc", "exit 0");
    let notes = phone.prepare();
    assert!(notes.iter().any(|note| note.contains("wifi, data")), "{notes:?}");
    // A setting that another program puts back at once.
    let mut phone = Phone::new(33);
    phone.program("settings", &SETTINGS.replace("put)", "put) [ $3 = low_power ] ||"));
    let notes = phone.prepare();
    assert!(notes.iter().any(|note| note.contains("low_power stays at 1")), "{notes:?}");
}

#[test]
fn a_second_start_does_not_take_the_changed_for_the_old() {
    let mut phone = Phone::new(30);
    let before = phone.values();
    phone.prepare();
    // The program is killed here. The next one restores first.
    assert!(phone.restore());
    phone.prepare();
    phone.restore();
    assert_eq!(phone.values(), before);
}

#[test]
fn a_phone_without_settings_is_left_alone() {
    let mut phone = Phone::without_programs();
    let notes = phone.prepare();
    assert!(notes[0].contains("cannot be read"), "{notes:?}");
    assert!(!phone.restore());
}

#[test]
fn nothing_is_changed_without_a_way_back() {
    let mut phone = Phone::new(30);
    let before = phone.values();
    let prepared = prepare(&mut phone.link, "/proc/nowhere", &pixel2(), &phone.facts).unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("cannot be written")), "{prepared:?}");
    assert!(!prepared.undoable);
    assert_eq!(phone.values(), before);
}

#[test]
fn fixed_performance_is_asked_for_and_undone() {
    let mut phone = Phone::new(33);
    // AOSP, `PowerManagerShellCommand`.
    let cmd = format!(
        r#"if [ "$1 $2" = "power set-fixed-performance-mode-enabled" ]; then
echo $3 > "$(dirname "$0")/../values/fixed"; exit 0; fi
{CMD_11}"#
    );
    phone.program("cmd", &cmd);
    let mut profile = pixel2();
    profile.measure.fixed_performance = true;
    let dir = phone.dir();
    assert_eq!(prepare(&mut phone.link, &dir, &profile, &phone.facts).unwrap().notes, [] as [String; 0]);
    assert_eq!(phone.values()["fixed"], "true");
    phone.restore();
    assert_eq!(phone.values()["fixed"], "false");
    phone.program("cmd", CMD_11);
    let notes = prepare(&mut phone.link, &dir, &profile, &phone.facts).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("fixed-performance")), "{notes:?}");
    phone.restore();
}

#[test]
fn a_phone_on_the_network_keeps_its_radio() {
    struct Named(Address, LocalLink);
    impl Link for Named {
        fn name(&self) -> &Address {
            &self.0
        }
        fn state(&mut self) -> Result<PhoneState, LinkError> {
            self.1.state()
        }
        fn shell(&mut self, command: &str, limit: Duration) -> Result<Finished, LinkError> {
            self.1.shell(command, limit)
        }
        fn push(&mut self, bytes: &[u8], remote: &str, limit: Duration) -> Result<(), LinkError> {
            self.1.push(bytes, remote, limit)
        }
        fn pull(&mut self, remote: &str, limit: Duration) -> Result<Vec<u8>, LinkError> {
            self.1.pull(remote, limit)
        }
    }
    for serial in ["192.168.0.7:5555", "adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp"] {
        for sdk in [27, 33] {
            let phone = Phone::new(sdk);
            let dir = phone.dir();
            let mut link = Named(serial.into(), LocalLink::new(&phone.folder.path().join("bin")));
            assert_eq!(prepare(&mut link, &dir, &pixel2(), &phone.facts).unwrap().notes, [] as [String; 0]);
            let now = phone.values();
            assert_eq!((now["global.airplane_mode_on"].as_str(), now["global.wifi_on"].as_str()), ("0", "1"));
            assert_eq!(now["global.low_power"], "0");
            restore(&mut link, &dir).unwrap();
        }
    }
}

#[test]
fn clocks_are_locked_as_root_of_every_kind() {
    // The commands that would change this computer's clocks are only written down.
    let magisk = r#"[ "$1" = -c ] || exit 1; [ "$2" = "id -u" ] && { echo 0; exit; }
echo "$2" >> "$(dirname "$0")/../values/su"; case $2 in *"cat "*) cat "$(dirname "$0")/../values/bounds" ;; esac"#;
    let debug = magisk.replace(r#"[ "$1" = -c ]"#, r#"[ "$1 $2" = "0 sh" ] && shift 2 && [ "$1" = -c ]"#);
    for su in [magisk, &debug] {
        let mut phone = Phone::new(33);
        phone.program("su", su);
        phone.set("bounds", "300000 2457600");
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let dir = phone.dir();
        let prepared = prepare(&mut phone.link, &dir, &profile, &phone.facts).unwrap();
        let asked = phone.values()["su"].clone();
        for words in ["echo 300000 > ", "echo 2035200 > ", "cpu4/cpufreq/scaling_max_freq"] {
            assert!(asked.contains(words), "{words}: {asked}");
        }
        // What is read back is not what was asked for: nothing counts as locked.
        assert!(prepared.locked_khz.is_empty());
        assert!(prepared.notes.iter().any(|note| note.contains("gold could not be fixed")), "{prepared:?}");
        phone.restore();
        assert!(phone.values()["su"].contains("echo 2457600 > "));
        phone.set("bounds", "2035200 2035200");
        let prepared = prepare(&mut phone.link, &dir, &profile, &phone.facts).unwrap();
        assert_eq!(prepared.locked_khz, BTreeMap::from([4, 5, 6, 7].map(|cpu| (cpu, 2_035_200))));
        phone.restore();
    }
    let mut phone = Phone::new(33);
    phone.program("su", "echo 'Permission denied' >&2; exit 13");
    let profile = Profiles::of_repository().by_name("pixel2").unwrap();
    let dir = phone.dir();
    let notes = prepare(&mut phone.link, &dir, &profile, &phone.facts).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("without root")), "{notes:?}");
    phone.restore();
}

#[test]
fn a_sign_of_life_tells_whether_all_is_as_it_was_prepared() {
    let mut phone = Phone::new(30);
    phone.prepare();
    let dir = phone.dir();
    let ask = sign_of_life(&dir, Duration::from_secs(1));
    let said = |phone: &mut Phone| phone.link.shell(&ask, Duration::from_secs(5)).unwrap().stdout;
    assert_eq!(said(&mut phone), "");
    phone.restore();
    assert_eq!(said(&mut phone).trim(), UNDONE);
}

#[test]
fn what_stands_before_a_job() {
    let mut phone = Phone::new(30);
    let (dir, limit) = (phone.dir(), Duration::from_secs(1));
    let mut care = Care::default();
    assert_eq!(care.before_job(&dir, &phone.facts, limit), "");
    assert_eq!(care.prepare(&mut phone.link, &dir, &pixel2(), &phone.facts).unwrap(), [] as [String; 0]);
    assert!(care.before_job(&dir, &phone.facts, limit).starts_with("if [ -f "));
    care.changed.heard("{}\n");
    assert!(!care.changed.is_undone());
    phone.restore();
    let said = phone.link.shell(&(care.before_job(&dir, &phone.facts, limit) + "echo {}"), limit).unwrap();
    assert_eq!(said.stdout, format!("{UNDONE}\n{{}}\n"));
    care.changed.heard(&said.stdout);
    assert!(care.changed.is_undone());
    // As root the shell leaves the group that it is in; where there are no groups, nothing is said.
    phone.facts.uid = Some(0);
    let before = Care::default().before_job(&dir, &phone.facts, limit);
    assert!(before.contains("/top-app/cgroup.procs"), "{before}");
    let said = phone.link.shell(&(before + "echo {}"), limit).unwrap();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("{}\n", ""));
}
