//! A phone that is a process: Debian's adbd with folders, properties, thermal zones and a battery of its own.

use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ADBD: &str = "/usr/lib/android-sdk/platform-tools/adbd";

/// Programs of Android that a phone's shell finds, each working on files of the phone's folder.
const PROGRAMS: [(&str, &str); 7] = [
    ("getprop", r#"cat "$PHONE/props/$1" 2>/dev/null || echo"#),
    ("setprop", r#"printf '%s\n' "$2" > "$PHONE/props/$1""#),
    ("dumpsys", r#"cat "$PHONE/dumpsys/$1" 2>/dev/null || echo "Can't find service: $1""#),
    (
        "settings",
        r#"file="$PHONE/settings/$2.$3"
case $1 in
get) cat "$file" 2>/dev/null || echo null ;;
put) printf '%s\n' "$4" > "$file" ;;
delete) rm -f "$file" ;;
esac"#,
    ),
    ("input", r#"echo "$@" >> "$PHONE/input.log""#),
    ("cmd", "exit 1"),
    ("svc", "exit 0"),
];

/// Whether the parts are here; says so if not.
pub fn parts_are_here() -> bool {
    let found = Path::new(ADBD).exists()
        && Command::new("adb").arg("version").output().is_ok_and(|output| output.status.success());
    let private = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if found && private {
        return true;
    }
    let message =
        "skipped: no adb, no adbd, or no right to give a phone folders of its own (scripts/setup-adb)";
    assert!(std::env::var_os("EDGEZEN_REQUIRE_ADB").is_none(), "{message}");
    eprintln!("{message}");
    false
}

/// Whether these tests run as root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A port that nobody uses. Those below 5586 the server would take for emulators; these lie far above.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An adb server, and the folder that edgezen runs in.
pub struct Desk {
    pub folder: TempDir,
    pub port: u16,
    server: Option<Child>,
}

/// The program that measures on a device. Cargo builds it beside the others for the tests of the whole workspace.
pub fn runner() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_edgezen")).with_file_name("device-runner");
    assert!(path.is_file(), "{} is missing: run the tests with --workspace", path.display());
    path
}

impl Desk {
    pub fn new() -> Desk {
        let mut desk = Desk { folder: tempfile::tempdir().unwrap(), port: free_port(), server: None };
        std::fs::create_dir(desk.folder.path().join("home")).unwrap();
        desk.start();
        desk
    }

    pub fn start(&mut self) {
        let mut adb = Command::new("adb");
        adb.args(["-P", &self.port.to_string(), "nodaemon", "server"]).env("HOME", self.home());
        adb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(adb.spawn().unwrap());
        let port = self.port;
        wait_for("the adb server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends the server as a kill does.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn adb(&self, arguments: &[&str]) -> Output {
        let mut adb = Command::new("adb");
        adb.args(["-P", &self.port.to_string()]).args(arguments).env("HOME", self.home());
        adb.stdin(Stdio::null()).output().unwrap()
    }

    pub fn edgezen(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("ANDROID_ADB_SERVER_PORT", self.port.to_string());
        command.env("HOME", self.home()).env("XDG_RUNTIME_DIR", self.home());
        command.env("EDGEZEN_RUNNER", runner());
        command.env_remove("ADB_SERVER_SOCKET");
        command.env_remove("ANDROID_SERIAL").env_remove("EDGEZEN_SIMULATE").env_remove("XDG_DATA_HOME");
        command.stdin(Stdio::null());
        command
    }

    /// Runs edgezen, which must end with `code`.
    pub fn run(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.edgezen(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", errors(&output));
        assert!(!errors(&output).contains("panicked"), "{arguments:?}: {}", errors(&output));
        output
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.run(arguments, 0).stdout).unwrap()
    }

    /// The profile of a Pixel 2 that takes milliseconds instead of seconds, and never rests; for the tests
    /// that are about other things.
    pub fn hurry(&self) {
        let shipped = include_str!("../../device-profiles/pixel2.toml");
        let quick = shipped
            .replace("warmup_min_runs = 10", "warmup_min_runs = 3")
            .replace("warmup_min_ms = 500", "warmup_min_ms = 2")
            .replace("\nruns = 30", "\nruns = 9")
            .replace("max_ms = 10000", "max_ms = 30\nplateau = { window_s = 2, within = 0.9, most_s = 60 }")
            .replace("cooldown_s = [30, 60, 120, 300]", "cooldown_s = [0, 0]")
            .replace("sentinel_drift_max = 0.05", "sentinel_drift_max = 0.99");
        assert!(quick.contains("runs = 9") && quick.contains("0.99") && quick.contains("[0, 0]"));
        let folder = self.folder.path().join("device-profiles");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pixel2.toml"), quick).unwrap();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop();
        // While it was away, edgezen may have started one of its own, which would stay for ever.
        if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            self.adb(&["kill-server"]);
        }
    }
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A phone.
pub struct Phone {
    folder: TempDir,
    pub port: u16,
    adbd: Option<Child>,
}

impl Phone {
    /// A Pixel 2 that is switched on, charged and cool.
    pub fn pixel2() -> Phone {
        let folder = tempfile::tempdir().unwrap();
        let phone = Phone { folder, port: free_port(), adbd: None };
        for dir in
            ["bin", "props", "settings", "dumpsys", "data", "thermal/thermal_zone0", "thermal/thermal_zone7"]
        {
            std::fs::create_dir_all(phone.path(dir)).unwrap();
        }
        for (name, text) in PROGRAMS {
            let program = format!("#!/bin/sh\nPHONE={}\n{text}\n", phone.folder.path().display());
            phone.write(&format!("bin/{name}"), &program);
            std::fs::set_permissions(phone.path(&format!("bin/{name}")), PermissionsExt::from_mode(0o755))
                .unwrap();
        }
        for (name, value) in [
            ("ro.product.device", "walleye"),
            ("ro.product.model", "Pixel 2"),
            ("ro.product.manufacturer", "Google"),
            ("ro.board.platform", "msm8998"),
            (
                "ro.build.fingerprint",
                "google/walleye/walleye:11/RP1A.201005.004.A1/6934943:user/release-keys",
            ),
            ("ro.build.version.sdk", "30"),
            ("ro.build.version.release", "11"),
        ] {
            phone.property(name, value);
        }
        phone.property("ro.serialno", &format!("LOOP{}", phone.port));
        phone.battery(85, 283);
        phone.write(
            "dumpsys/thermalservice",
            "IsStatusOverride: false\nThermal Status: 0\nCurrent temperatures from HAL:\n\
             \tTemperature{mValue=31.5, mType=3, mName=skin, mStatus=0}\n",
        );
        phone.write("dumpsys/power", "  mWakefulness=Awake\n");
        phone.write("thermal/thermal_zone0/type", "battery\n");
        phone.write("thermal/thermal_zone0/temp", "28300\n");
        phone.write("thermal/thermal_zone7/type", "msm_therm\n");
        phone.temperature(33.0);
        phone.boot("00000001");
        for (name, value) in [
            ("global.low_power", "0"),
            ("global.airplane_mode_on", "0"),
            ("system.screen_brightness", "180"),
            ("system.screen_brightness_mode", "1"),
            ("system.screen_off_timeout", "60000"),
        ] {
            phone.write(&format!("settings/{name}"), &format!("{value}\n"));
        }
        phone
    }

    pub fn serial(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn property(&self, name: &str, value: &str) {
        self.write(&format!("props/{name}"), &format!("{value}\n"));
    }

    /// What it says of its processor: the name of Android and that of the kernel.
    pub fn architecture(&self, abi: &str, machine: &str) {
        self.property("ro.product.cpu.abi", abi);
        let uname = format!("#!/bin/sh\n[ \"$1\" = -m ] && echo {machine} || exec /bin/uname \"$@\"\n");
        self.write("bin/uname", &uname);
        std::fs::set_permissions(self.path("bin/uname"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn battery(&self, percent: u32, tenths: u32) {
        let text = format!(
            "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  level: {percent}\n  \
             scale: 100\n  temperature: {tenths}\n"
        );
        self.write("dumpsys/battery", &text);
    }

    /// Of the zone that a Pixel 2 is watched by.
    pub fn temperature(&self, celsius: f64) {
        self.write("thermal/thermal_zone7/temp", &format!("{:.0}\n", celsius * 1e3));
    }

    /// The boot id of the next start.
    pub fn boot(&self, start: &str) {
        self.write("boot_id", &format!("{start}-0000-4000-8000-000000000000\n"));
    }

    /// All settings by name.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let files = std::fs::read_dir(self.path("settings")).unwrap().flatten();
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        files.map(|file| (file.file_name().into_string().unwrap(), read(file.path()))).collect()
    }

    /// Starts adbd, with the phone's own folders in the place of this computer's.
    pub fn start(&mut self) {
        let script = format!(
            "mount --make-rprivate / && mkdir -p /data && mount --bind {0}/data /data &&
             if [ -d /sys/class/thermal ]; then mount --bind {0}/thermal /sys/class/thermal; fi &&
             mount --bind {0}/boot_id /proc/sys/kernel/random/boot_id && exec {ADBD}",
            self.folder.path().display()
        );
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display());
        let mut adbd = Command::new("unshare");
        adbd.args(["-m", "sh", "-c", &script]).env("PATH", path).env("ADBD_PORT", self.port.to_string());
        adbd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.adbd = Some(adbd.spawn().unwrap());
        let port = self.port;
        wait_for("adbd", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    pub fn kill(&mut self) {
        if let Some(mut adbd) = self.adbd.take() {
            let _ = adbd.kill();
            let _ = adbd.wait();
        }
    }

    /// Connects it to the server of `desk`, and waits until it is ready.
    pub fn plug_in(&self, desk: &Desk) {
        wait_for("the phone", || {
            desk.adb(&["connect", &self.serial()]);
            String::from_utf8_lossy(&desk.adb(&["-s", &self.serial(), "get-state"]).stdout).trim() == "device"
        });
    }

    /// Process ids of the runners that work on this phone.
    pub fn runners(&self) -> Vec<u32> {
        let mine = self.path("data").display().to_string();
        let of_this_phone = |pid: &u32| {
            let read =
                |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            // The phone's folder shows in the list of what is mounted for the process. A loader that starts the runner gives
            // it its own name.
            (read("comm").starts_with("device-runner") || read("comm").starts_with("ld-linux"))
                && read("mountinfo").contains(mine.trim_start_matches("/tmp"))
        };
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(of_this_phone).collect()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.kill();
        for pid in self.runners() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// A desk with one phone on it.
pub fn desk_with_phone() -> (Desk, Phone) {
    let (desk, mut phone) = (Desk::new(), Phone::pixel2());
    phone.start();
    phone.plug_in(&desk);
    (desk, phone)
}
