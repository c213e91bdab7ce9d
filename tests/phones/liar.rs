//! A phone that answers whatever a test wants: a server that speaks the protocol of the real adb server, and gives
//! prepared answers to the commands of this program.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// The phone's exit status after the output of a command.
const ENDED: &str = "__edgezen_status:0\n";

/// What the phone answers. Starting from [`Phone::honest`], a test changes what it lies about.
#[derive(Clone)]
pub struct Phone {
    pub serial: String,
    /// To the question for what does not change while the phone runs.
    pub facts: String,
    /// To the question for its present state.
    pub status: String,
    pub greeting: Value,
    /// To a job, by its id: the lines of the runner after its greeting.
    pub job: fn(&str) -> Vec<u8>,
    /// The same for whole networks, where they are answered in another way.
    pub network: Option<fn(&str) -> Vec<u8>>,
    /// Commands that contain this are answered without end.
    pub flood: Option<&'static str>,
}

impl Phone {
    /// A Pixel 2 whose runner measures 47 µs for everything.
    pub fn honest() -> Phone {
        let mut facts = String::from(
            "prop ro.product.device=walleye\nprop ro.product.model=Pixel 2\nprop ro.product.manufacturer=Google\n\
             prop ro.board.platform=msm8998\nprop ro.product.cpu.abi=arm64-v8a\nprop ro.build.version.sdk=30\n\
             prop ro.build.fingerprint=google/walleye:11\nprop ro.serialno=FA81\nboot 3f1b\nmachine aarch64\n\
             uid 2000\nallowed Cpus_allowed_list:\t0-7\nmemory MemTotal: 3743488 kB\nzone msm_therm\n",
        );
        for core in 0..8 {
            facts += &format!("core {core} {} schedutil\n", if core < 4 { 1_900_800 } else { 2_457_600 });
        }
        let status = "#battery\n  level: 85\n  temperature: 283\n#thermal\nThermal Status: 0\n#power\n\
                      mWakefulness=Awake\n#low_power\n0\n#airplane\n1\n#load\n0.5 0.4 0.3 1/1 1\n\
                      #zones\n33000 msm_therm\n#owner\n\n";
        Phone {
            serial: "S1".into(),
            facts,
            status: status.into(),
            greeting: json!({
                "reply": "ready", "protocol": 4, "runner_version": "0.1.0",
                "runtimes": [{"name": "tract", "version": "0.23.9"}],
                "target": "aarch64-android", "cores": [4, 5, 6, 7]
            }),
            job: |id| done(id, |_| {}),
            network: None,
            flood: None,
        }
    }

    /// Runs edgezen in `dir` with this phone attached; gives what it printed, and the commands that reached the phone.
    pub fn edgezen(&self, dir: &Path, arguments: &[&str]) -> (Output, Vec<String>) {
        self.run(dir, Command::new(env!("CARGO_BIN_EXE_edgezen")).args(arguments))
    }

    /// The same with at most so many KiB of memory.
    pub fn edgezen_within(&self, kib: u32, dir: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_edgezen")]);
        self.run(dir, command.args(arguments)).0
    }

    fn run(&self, dir: &Path, command: &mut Command) -> (Output, Vec<String>) {
        let runner = dir.join("runner-of-the-test");
        std::fs::write(&runner, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&runner, PermissionsExt::from_mode(0o755)).unwrap();
        let (port, log) = self.serve(edgezen_core::digest::sha256(b"#!/bin/sh\n"));
        command.current_dir(dir).env("ANDROID_ADB_SERVER_PORT", port.to_string()).env("PATH", "");
        command.env("XDG_RUNTIME_DIR", dir).env("XDG_DATA_HOME", dir).env("EDGEZEN_RUNNER", &runner);
        let output = command.env_remove("ANDROID_SERIAL").env_remove("ADB_SERVER_SOCKET").output().unwrap();
        let commands = log.lock().unwrap().clone();
        (output, commands)
    }

    fn serve(&self, runner: String) -> (u16, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (phone, shared) = (self.clone(), Arc::clone(&log));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (phone, log, runner) = (phone.clone(), Arc::clone(&shared), runner.clone());
                std::thread::spawn(move || phone.answer(stream, &runner, &log));
            }
        });
        (port, log)
    }

    /// Answers the requests of one connection. `None`: the other side has gone.
    fn answer(&self, mut stream: TcpStream, runner: &str, log: &Mutex<Vec<String>>) -> Option<()> {
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length).ok()?;
            let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
            let mut request = vec![0; length];
            stream.read_exact(&mut request).ok()?;
            let request = String::from_utf8(request).ok()?;
            let text = |text: &str| format!("OKAY{:04x}{text}", text.len());
            if request == "host:devices" {
                return stream.write_all(text(&format!("{}\tdevice\n", self.serial)).as_bytes()).ok();
            }
            if request.contains("features") {
                return stream.write_all(text("").as_bytes()).ok();
            }
            stream.write_all(b"OKAY").ok()?;
            if let Some(command) = request.strip_prefix("shell:") {
                log.lock().unwrap().push(command.to_owned());
                if self.flood.is_some_and(|word| command.contains(word)) {
                    let part = vec![b'A'; 1 << 20];
                    while stream.write_all(&part).is_ok() {}
                    return None;
                }
                return stream.write_all(&self.says(command, runner)).ok();
            }
        }
    }

    fn says(&self, command: &str, runner: &str) -> Vec<u8> {
        let mut answer = if command.contains("for p in ro.") {
            self.facts.clone().into_bytes()
        } else if command.contains("#battery") {
            self.status.clone().into_bytes()
        } else if command.contains("sha256sum") {
            format!("{runner}  x\n").into_bytes()
        } else if command.contains("--jobs /dev/null") {
            format!("{}\n", self.greeting).into_bytes()
        } else if let Some((_, job)) = command.split_once(" --job '") {
            let (_, id) = job.split_once("\"id\":\"").unwrap();
            let mut answer = format!("{}\n", self.greeting).into_bytes();
            let is_network = job.contains("\"type\":\"network\"");
            let reply = self.network.filter(|_| is_network).unwrap_or(self.job);
            answer.extend(reply(id.split('"').next().unwrap()));
            answer
        } else if command.contains("exit 3") {
            return b"__edgezen_status:3\n".to_vec();
        } else {
            Vec::new()
        };
        answer.extend(ENDED.as_bytes());
        answer
    }
}

/// The reply to job `id`, after `change` has made a lie of what was measured.
pub fn done(id: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut measured = json!({
        "timing": {
            "first_ns": 365_756, "warmup_runs": 3, "k": 1, "samples_ns": vec![47_171; 30], "probes_ns": [],
            "usual_probe_ns": null, "checksum": 50.9, "noisy_half_width": 0.05
        },
        "before": {"cores": [4, 5, 6, 7]},
        "after": {"cores": [4, 5, 6, 7]}
    });
    change(&mut measured);
    format!("{}\n", json!({"reply": "done", "id": id, "measured": measured})).into_bytes()
}
