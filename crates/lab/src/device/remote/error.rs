//! Why a link to a device does not work, and what to do about it.

use super::address::{Address, Way, word};
use super::state::PhoneState;
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
    NotReady { serial: Address, state: PhoneState },
    /// `ssh` cannot be started on this computer.
    #[error("ssh cannot be started: {reason}")]
    NoSsh { reason: ForeignText },
    /// The host does not let this user in, is not the one that it was, or is not known by its name.
    #[error("no connection to {serial}: {reason}")]
    Denied { serial: Address, reason: ForeignText },
    #[error("the link to {serial} broke: {reason}")]
    Broken { serial: Address, reason: ForeignText },
    #[error("{serial} did not finish {what} within {} s", limit.as_secs())]
    TooLong { serial: Address, what: String, limit: Duration },
    /// More output than the answer to any of this program's commands has.
    #[error("{serial} answers {what} with more than {} MiB", limit >> 20)]
    TooMuch { serial: Address, what: String, limit: usize },
    /// An answer that cannot be true.
    #[error("{serial} answers nonsense: {reason}")]
    Nonsense { serial: Address, reason: ForeignText },
    #[error("{serial}: {what}: {reason}")]
    Refused { serial: Address, what: String, reason: ForeignText },
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
                | LinkError::NoSsh { .. }
                | LinkError::Denied { .. }
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
            LinkError::NoSsh { .. } => "install OpenSSH's client (Debian: apt install openssh-client)".into(),
            LinkError::Denied { serial, .. } => format!(
                "{} must work without asking for anything: accept the host's key once, and give it yours with ssh-copy-id",
                serial.by_hand("true")
            ),
            LinkError::Broken { serial, .. } => match serial.way {
                Way::Adb => format!("check the cable, then: adb -s {} get-state", word(serial)),
                Way::Ssh => {
                    format!("see whether the board is on and in the network: {}", serial.by_hand("true"))
                }
            },
            LinkError::TooLong { serial, .. } => {
                format!("see what keeps it busy: {}", serial.by_hand("top -b -n 1"))
            }
            LinkError::TooMuch { serial, .. } | LinkError::Nonsense { serial, .. } => match serial.way {
                Way::Adb => {
                    format!("this is no usual phone; see what it answers: {}", serial.by_hand("getprop"))
                }
                Way::Ssh => format!(
                    "this is no usual board; see what it answers, and what its shell prints by itself: {}",
                    serial.by_hand("uname -a")
                ),
            },
            LinkError::Refused { reason, serial, .. } if is_full(reason) => match serial.way {
                Way::Adb => format!("make room on the phone: {}", serial.by_hand("df -h /data")),
                Way::Ssh => format!("make room on the board: {}", serial.by_hand("df -h")),
            },
            LinkError::Refused { serial, .. } => match serial.way {
                Way::Adb => format!("try it by hand: {}", serial.by_hand("ls -ld /data/local/tmp")),
                Way::Ssh => format!("try it by hand: {}", serial.by_hand("ls -la .cache")),
            },
        }
    }
}

/// Whether a message is that of a full disk.
fn is_full(reason: &ForeignText) -> bool {
    reason.raw().contains("No space left")
}
