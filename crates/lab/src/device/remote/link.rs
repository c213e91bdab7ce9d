//! A link to a device: it runs commands, moves files, and gets the device back after the connection broke.

use super::address::Address;
use super::error::LinkError;
use super::state::PhoneState;
use edgezen_core::foreign::ForeignText;
use std::time::{Duration, Instant};

/// What a command printed, and how it ended.
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

    /// The last line that the command printed, from its error output if there is one, and its exit status.
    pub fn complaint(&self) -> ForeignText {
        let last = |text: &str| {
            let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
            Some(ForeignText::beginning(line, 300))
        };
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
        ForeignText::message(format_args!("{said}; exit status {}{meaning}", self.status))
    }
}

/// A connection to one device.
pub trait Link: Send {
    /// The device's serial number, or its address in the network.
    fn name(&self) -> &Address;

    /// The device's state.
    ///
    /// # Errors
    /// No server answers, or the device is not attached, or does not answer.
    fn state(&mut self) -> Result<PhoneState, LinkError>;

    /// Runs `command` in a shell on the device. It is no error if the command fails; see [`Finished::status`].
    ///
    /// # Errors
    /// The link broke before the command ended, or the command took longer than `limit`.
    fn shell(&mut self, command: &str, limit: Duration) -> Result<Finished, LinkError>;

    /// Writes `bytes` to the file `remote` and makes it executable. Missing folders are created.
    ///
    /// # Errors
    /// The link broke, or the file cannot be written, for example because there is no space.
    fn push(&mut self, bytes: &[u8], remote: &str, limit: Duration) -> Result<(), LinkError>;

    /// Reads the file `remote`.
    ///
    /// # Errors
    /// The link broke, or there is no such file.
    fn pull(&mut self, remote: &str, limit: Duration) -> Result<Vec<u8>, LinkError>;

    /// Tries to get a lost device back from this side.
    fn revive(&mut self) {}

    /// Waits until the device is ready, at most for `patience`.
    ///
    /// # Errors
    /// Immediately where only a person can help (unauthorized, no permissions); otherwise when the time is up.
    fn await_ready(&mut self, patience: Duration) -> Result<(), LinkError> {
        let start = Instant::now();
        loop {
            let problem = match self.state() {
                Ok(PhoneState::Ready) => return Ok(()),
                Ok(state) => LinkError::NotReady { serial: self.name().clone(), state },
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

/// Marks the end of a command's output; the exit status follows it.
const MARK: &str = "__edgezen_status:";

/// `command`, followed by one that prints its exit status, because the library of adb loses the status, and `ssh` has one of its own.
pub fn marked(command: &str) -> String {
    format!("( {command}\n); echo \"{MARK}$?\"")
}

/// Separates the output of a command from its exit status. `None`: the mark is missing, so the link broke before the
/// command ended.
pub fn unmarked(stdout: &[u8], stderr: &[u8]) -> Option<Finished> {
    let stdout = String::from_utf8_lossy(stdout);
    let (before, after) = stdout.rsplit_once(MARK)?;
    // Without a newline after it, the number may be incomplete.
    let status = after.strip_suffix('\n')?.trim_end_matches('\r').parse().ok()?;
    let stderr = String::from_utf8_lossy(stderr).into_owned();
    Some(Finished { stdout: before.to_owned(), stderr, status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::foreign::shell_word;

    #[test]
    fn the_status_comes_with_the_output() {
        let all = b"a line\nno end__edgezen_status:3\n";
        let finished = unmarked(all, b"oh\n").unwrap();
        assert_eq!((finished.stdout.as_str(), finished.status), ("a line\nno end", 3));
        assert_eq!(finished.complaint(), "oh; exit status 3");
        let long = Finished { stderr: format!("\u{1b}{}\n", "x".repeat(1 << 20)), ..finished };
        let complaint = long.complaint().to_string();
        assert!(complaint.len() < 400 && complaint.starts_with(r"\u{1b}x"), "{complaint}");
        assert!(complaint.ends_with("…; exit status 3"), "{complaint}");
        for cut in 0..all.len() {
            assert_eq!(unmarked(&all[..cut], b""), None, "cut at {cut}");
        }
        // A command that prints the mark itself does not end itself.
        let twice = b"__edgezen_status:0\nmore__edgezen_status:1\r\n";
        assert_eq!(unmarked(twice, b"").unwrap().status, 1);
    }

    #[test]
    fn words_stay_whole() {
        let echo = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf %s {}", shell_word("a'b \"$x\" `")))
            .output();
        assert_eq!(echo.unwrap().stdout, b"a'b \"$x\" `");
    }
}
