//! A link to a device: run a command, push and pull a file, get it back when it broke.

use super::server::State;
use std::time::{Duration, Instant};

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub stdout: String,
    pub stderr: String,
    /// Exit status of the shell.
    pub status: i32,
}

impl Finished {
    pub fn ok(&self) -> bool {
        self.status == 0
    }

    /// The last line of what it complained about, for messages.
    pub fn complaint(&self) -> String {
        let last = |text: &str| text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
        let said =
            last(&self.stderr).or_else(|| last(&self.stdout)).unwrap_or_else(|| "it said nothing".into());
        let meaning = match self.status {
            126 => " (cannot be executed)",
            127 => " (not found)",
            137 => " (killed)",
            142 => " (took too long)",
            139 => " (crashed)",
            _ => "",
        };
        format!("{said}; exit status {}{meaning}", self.status)
    }
}

/// A way to one device.
pub trait Link: Send {
    /// Serial number, or what stands for it.
    fn name(&self) -> &str;

    /// The device's state as the other side of the link sees it.
    ///
    /// # Errors
    /// Nobody to ask, or a device that is not there at all.
    fn state(&mut self) -> Result<State, LinkError>;

    /// Runs `command` in a shell on the device; any exit status is a success here.
    ///
    /// # Errors
    /// A link that broke before the command ended, or a command that took longer than `limit`.
    fn shell(&mut self, command: &str, limit: Duration) -> Result<Finished, LinkError>;

    /// Writes `bytes` to the file `remote`, executable; folders are made.
    ///
    /// # Errors
    /// A broken link; a file that cannot be written, also for want of space.
    fn push(&mut self, bytes: &[u8], remote: &str, limit: Duration) -> Result<(), LinkError>;

    /// Reads the file `remote`.
    ///
    /// # Errors
    /// A broken link; a file that is not there.
    fn pull(&mut self, remote: &str, limit: Duration) -> Result<Vec<u8>, LinkError>;

    /// Does what can be done from here to get a lost device back.
    fn revive(&mut self) {}

    /// Waits until the device is ready, at most so long.
    ///
    /// # Errors
    /// At once where only a person can help (unauthorized, no permissions); else when the time is up.
    fn await_ready(&mut self, patience: Duration) -> Result<(), LinkError> {
        let start = Instant::now();
        loop {
            let problem = match self.state() {
                Ok(State::Ready) => return Ok(()),
                Ok(state) => LinkError::NotReady { serial: self.name().to_owned(), state },
                Err(error) => error,
            };
            if problem.needs_a_person() || start.elapsed() >= patience {
                return Err(problem);
            }
            self.revive();
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Why a link does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("no adb server answers at {address}: {reason}")]
    NoServer { address: String, reason: String },
    #[error("no phone is attached")]
    NoPhone,
    #[error("no phone {serial} is attached{}", among(attached))]
    NotFound { serial: String, attached: Vec<String> },
    #[error("phone {serial} is {state}")]
    NotReady { serial: String, state: State },
    #[error("the link to {serial} broke: {reason}")]
    Broken { serial: String, reason: String },
    #[error("{serial} did not finish {what} within {} s", limit.as_secs())]
    TooLong { serial: String, what: String, limit: Duration },
    #[error("{serial}: {what}: {reason}")]
    Refused { serial: String, what: String, reason: String },
}

fn among(attached: &[String]) -> String {
    if attached.is_empty() { String::new() } else { format!(" (attached: {})", attached.join(", ")) }
}

impl LinkError {
    /// Whether waiting cannot help.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, LinkError::NotReady { state: State::Unauthorized | State::NoPermissions { .. }, .. })
    }

    /// Whether it may be gone after a while, and the work can go on then.
    pub fn may_pass(&self) -> bool {
        !self.needs_a_person() && !matches!(self, LinkError::Refused { .. } | LinkError::TooLong { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            LinkError::NoServer { .. } => {
                "install Android's platform tools (Debian: apt install adb), then: adb start-server".into()
            }
            LinkError::NoPhone | LinkError::NotFound { .. } => {
                "attach the phone, switch on USB debugging in its developer options, and look at: \
                 edgezen devices; over the network: adb connect ADDRESS:PORT"
                    .into()
            }
            LinkError::NotReady { serial, state } => state.remedy(serial),
            LinkError::Broken { serial, .. } => {
                format!("check the cable, then: adb -s {serial} get-state")
            }
            LinkError::TooLong { serial, .. } => {
                format!("see what keeps the phone busy: adb -s {serial} shell top -n 1")
            }
            LinkError::Refused { reason, serial, .. } if is_full(reason) => {
                format!("make room on the phone: adb -s {serial} shell df -h /data")
            }
            LinkError::Refused { serial, .. } => {
                format!("try it by hand: adb -s {serial} shell ls -ld /data/local/tmp")
            }
        }
    }
}

/// Whether a message is that of a full disk.
pub fn is_full(reason: &str) -> bool {
    reason.contains("No space left")
}

/// `text` as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Word that ends a command's output, with its exit status behind it.
const MARK: &str = "__edgezen_status:";

/// `command`, followed by a line with its exit status: the adb client library loses the real one.
pub(super) fn marked(command: &str) -> String {
    format!("( {command}\n); echo \"{MARK}$?\"")
}

/// Splits the marked output of a command; `None` where the mark is missing, so that the command did not
/// end while the link held.
pub(super) fn unmarked(stdout: &[u8], stderr: &[u8]) -> Option<Finished> {
    let stdout = String::from_utf8_lossy(stdout);
    let (before, after) = stdout.rsplit_once(MARK)?;
    // Without the end of the line the number may be cut.
    let status = after.strip_suffix('\n')?.trim_end_matches('\r').parse().ok()?;
    let stderr = String::from_utf8_lossy(stderr).into_owned();
    Some(Finished { stdout: before.to_owned(), stderr, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_comes_with_the_output() {
        let all = b"a line\nno end__edgezen_status:3\n";
        let finished = unmarked(all, b"oh\n").unwrap();
        assert_eq!((finished.stdout.as_str(), finished.status), ("a line\nno end", 3));
        assert_eq!(finished.complaint(), "oh; exit status 3");
        for cut in 0..all.len() {
            assert_eq!(unmarked(&all[..cut], b""), None, "cut at {cut}");
        }
        // A command that prints the mark itself does not end itself.
        let twice = b"__edgezen_status:0\nmore__edgezen_status:1\r\n";
        assert_eq!(unmarked(twice, b"").unwrap().status, 1);
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(quoted("it's"), "'it'\\''s'");
        let echo = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf %s {}", quoted("a'b \"$x\" `")))
            .output();
        assert_eq!(echo.unwrap().stdout, b"a'b \"$x\" `");
    }
}
