//! Why a link to a phone does not work, and what to do about it.

use super::phone_state::PhoneState;
use std::time::Duration;

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
    NotReady { serial: String, state: PhoneState },
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
    /// Whether only a person can help, so that waiting is useless.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            LinkError::NotReady { state: PhoneState::Unauthorized | PhoneState::NoPermissions { .. }, .. }
        )
    }

    /// Whether the problem may go away by itself, so that the work can go on after a while.
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
fn is_full(reason: &str) -> bool {
    reason.contains("No space left")
}
