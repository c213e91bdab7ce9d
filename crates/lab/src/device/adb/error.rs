//! Why a link to a phone does not work, and what to do about it.

use super::phone_state::{PhoneState, word};
use edgezen_core::foreign::ForeignText;
use std::time::Duration;

/// Why a link does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("no adb server answers at {address}: {reason}")]
    NoServer { address: String, reason: ForeignText },
    #[error("no phone is attached")]
    NoPhone,
    #[error("no phone {serial} is attached{}", among(attached))]
    NotFound { serial: ForeignText, attached: Vec<ForeignText> },
    #[error("phone {serial} is {state}")]
    NotReady { serial: ForeignText, state: PhoneState },
    #[error("the link to {serial} broke: {reason}")]
    Broken { serial: ForeignText, reason: ForeignText },
    #[error("{serial} did not finish {what} within {} s", limit.as_secs())]
    TooLong { serial: ForeignText, what: String, limit: Duration },
    /// More output than the answer to any of this program's commands has.
    #[error("{serial} answers {what} with more than {} MiB", limit >> 20)]
    TooMuch { serial: ForeignText, what: String, limit: usize },
    /// An answer that cannot be true.
    #[error("{serial} answers nonsense: {reason}")]
    Nonsense { serial: ForeignText, reason: ForeignText },
    #[error("{serial}: {what}: {reason}")]
    Refused { serial: ForeignText, what: String, reason: ForeignText },
}

fn among(attached: &[ForeignText]) -> String {
    const MOST: usize = 20;
    let names: Vec<String> = attached.iter().take(MOST).map(ToString::to_string).collect();
    let more = if attached.len() > MOST { ", …" } else { "" };
    if names.is_empty() { String::new() } else { format!(" (attached: {}{more})", names.join(", ")) }
}

impl LinkError {
    /// Whether only a person can help, so that waiting is useless.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            LinkError::NotReady { state: PhoneState::Unauthorized | PhoneState::NoPermissions { .. }, .. }
        )
    }

    /// Whether the problem may go away by itself, so that the work can go on after a while.
    pub fn may_pass(&self) -> bool {
        let is_final = matches!(
            self,
            LinkError::Refused { .. }
                | LinkError::TooLong { .. }
                | LinkError::TooMuch { .. }
                | LinkError::Nonsense { .. }
        );
        !self.needs_a_person() && !is_final
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
                format!("check the cable, then: adb -s {} get-state", word(serial))
            }
            LinkError::TooLong { serial, .. } => {
                format!("see what keeps the phone busy: adb -s {} shell top -n 1", word(serial))
            }
            LinkError::TooMuch { serial, .. } | LinkError::Nonsense { serial, .. } => {
                format!("this is no usual phone; see what it answers: adb -s {} shell getprop", word(serial))
            }
            LinkError::Refused { reason, serial, .. } if is_full(reason) => {
                format!("make room on the phone: adb -s {} shell df -h /data", word(serial))
            }
            LinkError::Refused { serial, .. } => {
                format!("try it by hand: adb -s {} shell ls -ld /data/local/tmp", word(serial))
            }
        }
    }
}

/// Whether a message is that of a full disk.
fn is_full(reason: &ForeignText) -> bool {
    reason.raw().contains("No space left")
}
