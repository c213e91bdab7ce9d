//! The connection that all commands to a board share: a process of `ssh` that stays in the background (`ControlMaster` in the
//! manual ssh_config(5)). Without it, every command would connect and log in anew.

use super::{process, refusal};
use crate::device::remote::{Address, LinkError};
use edgezen_core::foreign::ForeignText;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for the connection.
const CONNECT: Duration = Duration::from_secs(30);

/// Longest wait for an answer of the process in the background.
const SOON: Duration = Duration::from_secs(5);

/// After so many seconds without a command the process in the background ends, if this program was killed.
const IDLE_S: u32 = 600;

/// The longest path of the folder with the socket: those of sockets have at most 108 bytes, and `ssh` appends some.
const LONGEST: usize = 70;

/// The shared connection.
#[derive(Debug)]
pub struct Master {
    host: Address,
    /// The folder that holds its socket, for this user alone. `None`: each command connects by itself.
    folder: Option<TempDir>,
}

impl Master {
    /// None is made yet.
    pub fn new(host: &Address) -> Master {
        let folder = || tempfile::Builder::new().prefix("ez-").tempdir_in(place()).ok();
        Master { host: host.clone(), folder: cfg!(unix).then(folder).flatten() }
    }

    /// The beginning of every command: `ssh` with what all of them share. It never asks for anything, and notices within fifteen
    /// seconds that the other side is gone.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ControlMaster=no",
        ] {
            command.args(["-o", option]);
        }
        let path = self.socket().map_or("none".into(), |path| path.display().to_string());
        command.args(["-o", &format!("ControlPath={path}")]);
        command
    }

    fn socket(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("c"))
    }

    /// Makes the connection, unless it is there.
    ///
    /// # Errors
    /// There is no way to the host, or it lets nobody in.
    pub fn connect(&self) -> Result<(), LinkError> {
        if self.folder.is_none() || self.tell("check") {
            return Ok(());
        }
        let broken = |error: std::io::Error| LinkError::Broken {
            serial: self.host.clone(),
            reason: ForeignText::message(error),
        };
        // A file, and no pipe: the process in the background may keep it open.
        let mut said = tempfile::tempfile().map_err(broken)?;
        let mut command = Command::new("ssh");
        // Before the others: the first value of an option counts.
        command.args([
            "-M",
            "-N",
            "-f",
            "-o",
            "ControlMaster=yes",
            "-o",
            &format!("ControlPersist={IDLE_S}"),
        ]);
        command.args(self.ssh().get_args()).arg("--").arg(self.host.raw());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().map_err(broken)?);
        let mut child = command.spawn().map_err(|error| no_ssh(&error))?;
        let Some(ended) = process::wait(&mut child, Instant::now() + CONNECT) else {
            process::stop(&mut child);
            let what = "the connection".to_owned();
            return Err(LinkError::TooLong { serial: self.host.clone(), what, limit: CONNECT });
        };
        if ended.map_err(broken)?.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        said.rewind().and_then(|()| said.take(1 << 16).read_to_end(&mut text)).map_err(broken)?;
        Err(refusal::error(&self.host, &String::from_utf8_lossy(&text)))
    }

    /// Ends the connection.
    pub fn disconnect(&self) {
        if self.socket().is_some_and(|socket| socket.exists()) {
            self.tell("exit");
        }
    }

    /// Whether the process in the background does what it is told.
    fn tell(&self, word: &str) -> bool {
        if !self.socket().is_some_and(|socket| socket.exists()) {
            return false;
        }
        let mut command = self.ssh();
        command.args(["-O", word, "--"]).arg(self.host.raw());
        process::run(&mut command, Vec::new(), SOON).is_ok_and(|output| output.status.success())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// The error that `ssh` could not be started.
pub fn no_ssh(error: &std::io::Error) -> LinkError {
    LinkError::NoSsh { reason: ForeignText::message(error) }
}

/// Where the folder with the socket is made: for files of this user, if its path is short enough and means itself for `ssh`.
fn place() -> PathBuf {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    given.filter(|dir| dir.is_dir() && suits(dir)).unwrap_or_else(std::env::temp_dir)
}

fn suits(folder: &Path) -> bool {
    let text = folder.to_str();
    text.is_some_and(|text| {
        folder.is_absolute() && text.len() <= LONGEST && !text.contains(['%', '$', '"', ' ', '\\'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_lie_in_folders_that_ssh_takes_literally() {
        assert!(suits(Path::new("/run/user/1000")));
        assert!(!suits(Path::new("/run/%u")) && !suits(Path::new("run")));
        assert!(!suits(Path::new(&format!("/{}", "x".repeat(80)))));
    }
}
