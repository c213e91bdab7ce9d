//! A board that is a process: Debian's sshd with a configuration and keys of its own, and folders of the test.

use crate::phones::loopback::{errors, free_port, runner, wait_for};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// Whether the parts are here; says so if not.
pub fn parts_are_here() -> bool {
    let runs = |program: &str| Command::new(program).arg("-V").output().is_ok();
    // Where sshd is started by root, it wants this folder.
    let folder = !crate::phones::loopback::is_root() || Path::new("/run/sshd").is_dir();
    if Path::new(SSHD).exists() && runs("ssh") && folder {
        return true;
    }
    let message = "skipped: no sshd, no ssh, or no /run/sshd (scripts/setup-sshd)";
    assert!(std::env::var_os("EDGEZEN_REQUIRE_SSHD").is_none(), "{message}");
    eprintln!("{message}");
    false
}

/// Whether a process can be given another boot id, as another computer has.
pub fn has_files_of_its_own() -> bool {
    Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success())
}

/// A board, and the folder that edgezen runs in.
pub struct Board {
    pub folder: TempDir,
    /// What ssh calls it.
    name: &'static str,
    port: u16,
    sshd: Option<Child>,
}

impl Board {
    /// One that is switched on, that ssh knows as `board`, and whose profile is called `board` too.
    pub fn new() -> Board {
        Board::called("board")
    }

    /// One that is switched on, that ssh knows by this name, and whose profile is called `board`.
    pub fn called(name: &'static str) -> Board {
        let folder = tempfile::tempdir().unwrap();
        let mut board = Board { folder, name, port: free_port(), sshd: None };
        for dir in ["bin", "run", "home", "device-profiles"] {
            std::fs::create_dir(board.path(dir)).unwrap();
        }
        for key in ["host_key", "user_key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(board.path(key));
            assert!(keygen.status().unwrap().success());
        }
        std::fs::copy(board.path("user_key.pub"), board.path("authorized_keys")).unwrap();
        let host_key = std::fs::read_to_string(board.path("host_key.pub")).unwrap();
        board.write("known_hosts", &format!("[127.0.0.1]:{} {host_key}", board.port));
        let at = |name: &str| board.path(name).display().to_string();
        let server = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nSetEnv HOME={}\n",
            board.port,
            at("host_key"),
            at("authorized_keys"),
            at("home"),
        );
        board.write("sshd_config", &server);
        board.write("ssh_config", &board.client());
        // The real ssh, with this configuration in the place of the user's.
        board.program("ssh", &format!("exec /usr/bin/ssh -F {} \"$@\"", at("ssh_config")));
        board.write("device-profiles/board.toml", &profile(&at("board")));
        board.boot("00000001");
        board.start();
        board
    }

    /// What ssh has to know of it.
    fn client(&self) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        format!(
            "Host {}\nHostName 127.0.0.1\nPort {}\nIdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n",
            self.name,
            self.port,
            at("user_key"),
            at("known_hosts"),
        )
    }

    /// Lets the ssh of this board's folder reach another one, too. Both have their runner in the homes of their users.
    pub fn beside(&self, other: &Board) {
        self.write("ssh_config", &(self.client() + &other.client()));
        let profile = std::fs::read_to_string(self.path("device-profiles/board.toml")).unwrap();
        let own = self.path("board").display().to_string();
        self.write("device-profiles/board.toml", &profile.replace(&own, "/tmp"));
    }

    /// The boot id of the next start, where the tests may give a process files of its own.
    pub fn boot(&self, start: &str) {
        self.write("boot_id", &format!("{start}-0000-4000-8000-{:012x}\n", self.port));
    }

    /// Ends the program that measures on it, if one does.
    pub fn kill_runner(&self) {
        let _ = Command::new("kill").arg("-9").args(self.runners()).stderr(Stdio::null()).status();
    }

    /// Numbers of the processes that measure on it.
    fn runners(&self) -> Vec<String> {
        let board = self.path("board/edgezen").display().to_string();
        let is_runner = |pid: &String| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).starts_with(&board)
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_runner).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A program that is found before the others.
    fn program(&self, name: &str, text: &str) {
        let name = format!("bin/{name}");
        self.write(&name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(self.path(&name), PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn start(&mut self) {
        let config = self.path("sshd_config").display().to_string();
        let mut sshd = match has_files_of_its_own() {
            true => {
                let mut unshare = Command::new("unshare");
                let script = format!(
                    "mount --make-rprivate / && mount --bind {}/boot_id /proc/sys/kernel/random/boot_id && exec {SSHD} -D -f {config}",
                    self.folder.path().display()
                );
                unshare.args(["-m", "sh", "-c", &script]);
                unshare
            }
            false => {
                let mut sshd = Command::new(SSHD);
                sshd.args(["-D", "-f", &config]);
                sshd
            }
        };
        sshd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.sshd = Some(sshd.spawn().unwrap());
        let port = self.port;
        wait_for("sshd", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Switches it off, as far as ssh can see.
    pub fn stop(&mut self) {
        self.cut();
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    /// Ends all connections. What runs on the board goes on.
    pub fn cut(&self) {
        let Some(sshd) = &self.sshd else { return };
        for pid in sessions(sshd.id()) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    pub fn edgezen(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(arguments).current_dir(self.folder.path());
        // Only the ssh of this board: an adb would be started, and stay.
        command.env("PATH", self.path("bin"));
        command.env("HOME", self.path("home")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("EDGEZEN_RUNNER", runner()).env("ANDROID_ADB_SERVER_PORT", "1");
        command.env_remove("ADB_SERVER_SOCKET").env_remove("ANDROID_SERIAL");
        command.env_remove("EDGEZEN_SIMULATE").env_remove("XDG_DATA_HOME");
        command.stdin(Stdio::null());
        command
    }

    /// Runs edgezen, which must end with one of `codes`.
    pub fn run(&self, arguments: &[&str], codes: &[i32]) -> Output {
        let output = self.edgezen(arguments).output().unwrap();
        let code = output.status.code();
        assert!(
            code.is_some_and(|code| codes.contains(&code)),
            "{arguments:?}: {code:?} {}",
            errors(&output)
        );
        assert!(!errors(&output).contains("panicked"), "{arguments:?}: {}", errors(&output));
        output
    }

    pub fn json(&self, arguments: &[&str], codes: &[i32]) -> Value {
        serde_json::from_slice(&self.run(arguments, codes).stdout).unwrap()
    }

    /// Names of the files in the folder on the board.
    pub fn left(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("board/edgezen")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The shipped profile of any Linux board, quick, and with a folder of its own.
fn profile(push_dir: &str) -> String {
    let shipped = include_str!("../../device-profiles/linux-generic.toml");
    let quick = shipped
        .replace("id = \"linux-generic\"", "id = \"board\"")
        .replace("\"/tmp\"", &format!("{push_dir:?}"))
        .replace(
            "launches = 3\n",
            "launches = 3\nwarmup_min_runs = 3\nwarmup_min_ms = 2\nruns = 9\nmax_ms = 30\n\
             plateau = { window_s = 2, within = 0.9, most_s = 60 }\n",
        )
        .replace("cooldown_s = [30, 60, 120, 300]", "cooldown_s = [0, 0]")
        .replace("sentinel_drift_max = 0.05", "sentinel_drift_max = 0.99")
        .replace("aarch64-unknown-linux-gnu", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    assert!(quick.contains("id = \"board\"") && quick.contains("runs = 9") && quick.contains("[0, 0]"));
    quick
}

/// Processes of sshd that serve a connection: those that the daemon started, and those that these did.
fn sessions(daemon: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![daemon];
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (comm, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            comm.starts_with("sshd").then_some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid);
        let children: Vec<u32> = children.collect();
        found.extend(&children);
        parents.extend(children);
    }
    found
}
