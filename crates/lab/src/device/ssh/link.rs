//! A link to a board through `ssh`.

use super::master::{Master, no_ssh};
use super::{process, refusal};
use crate::device::DeviceError;
use crate::device::remote::{
    Address, Finished, Link, LinkError, MOST_BYTES, PhoneState, Way, marked, unmarked,
};
use edgezen_core::foreign::{ForeignText, shell_word};
use std::time::Duration;

/// Longest wait for a command that does nothing.
const NOTHING: Duration = Duration::from_secs(15);

/// A board behind `ssh`.
#[derive(Debug)]
pub struct SshLink {
    host: Address,
    master: Master,
}

impl SshLink {
    /// A link to `host`, as `ssh` knows it; nothing is sent yet.
    ///
    /// # Errors
    /// [`DeviceError::BadHost`]: what would be an option of `ssh`, or holds blanks.
    pub fn new(host: &str) -> Result<SshLink, DeviceError> {
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        if host.is_empty() || host.starts_with('-') || host.len() > 300 || !host.chars().all(plain) {
            return Err(DeviceError::BadHost { host: ForeignText::beginning(host, 100) });
        }
        let host = Address::new(host, Way::Ssh);
        Ok(SshLink { master: Master::new(&host), host })
    }

    /// Runs `script` in the board's shell, with `input` as its standard input; gives what it printed.
    fn run(
        &self,
        script: &str,
        input: Vec<u8>,
        limit: Duration,
        what: &str,
    ) -> Result<process::Output, LinkError> {
        let mut command = self.master.ssh();
        // The user's own shell may be any.
        command.arg("-T").arg("--").arg(self.host.raw()).arg(format!("sh -c {}", shell_word(script)));
        let serial = || self.host.clone();
        process::run(&mut command, input, limit).map_err(|failure| match failure {
            process::Failure::Start(error) => no_ssh(&error),
            process::Failure::TooLong => {
                LinkError::TooLong { serial: serial(), what: what.to_owned(), limit }
            }
            process::Failure::TooMuch => {
                LinkError::TooMuch { serial: serial(), what: what.to_owned(), limit: MOST_BYTES }
            }
            process::Failure::Io(error) => {
                LinkError::Broken { serial: serial(), reason: ForeignText::message(error) }
            }
        })
    }

    /// The same, with the exit status of the script.
    fn finished(
        &self,
        script: &str,
        input: Vec<u8>,
        limit: Duration,
        what: &str,
    ) -> Result<Finished, LinkError> {
        let output = self.run(&marked(script), input, limit, what)?;
        // Without the mark the connection ended before the script did.
        unmarked(&output.stdout, &output.stderr)
            .ok_or_else(|| refusal::error(&self.host, &String::from_utf8_lossy(&output.stderr)))
    }

    fn refused(&self, what: String, finished: &Finished) -> LinkError {
        LinkError::Refused { serial: self.host.clone(), what, reason: finished.complaint() }
    }
}

impl Link for SshLink {
    fn name(&self) -> &Address {
        &self.host
    }

    fn state(&mut self) -> Result<PhoneState, LinkError> {
        self.master.connect()?;
        self.shell("true", NOTHING)?;
        Ok(PhoneState::Ready)
    }

    fn shell(&mut self, command: &str, limit: Duration) -> Result<Finished, LinkError> {
        self.finished(command, Vec::new(), limit, "a command")
    }

    fn push(&mut self, bytes: &[u8], remote: &str, limit: Duration) -> Result<(), LinkError> {
        let (what, file) = (format!("writing {remote}"), shell_word(remote));
        let folder = remote.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let script = format!("mkdir -p {} && cat > {file} && chmod 755 {file}", shell_word(folder));
        let finished = self.finished(&script, bytes.to_vec(), limit, &what)?;
        if finished.ok() { Ok(()) } else { Err(self.refused(what, &finished)) }
    }

    fn pull(&mut self, remote: &str, limit: Duration) -> Result<Vec<u8>, LinkError> {
        let what = format!("reading {remote}");
        let output = self.run(&format!("cat {}", shell_word(remote)), Vec::new(), limit, &what)?;
        match output.status.code() {
            Some(0) => Ok(output.stdout),
            // The status of ssh itself.
            Some(255) | None => Err(refusal::error(&self.host, &String::from_utf8_lossy(&output.stderr))),
            Some(status) => {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(self.refused(what, &Finished { stdout: String::new(), stderr, status }))
            }
        }
    }

    fn revive(&mut self) {
        self.master.disconnect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "-oProxyCommand=reboot", "a b", "a\nb", &"x".repeat(301)] {
            assert!(matches!(SshLink::new(bad), Err(DeviceError::BadHost { .. })), "{bad}");
        }
        assert_eq!(SshLink::new("pi@board.local").unwrap().name().raw(), "pi@board.local");
    }
}
