//! The states of a phone that the adb server distinguishes, and what to do about each.

use super::address::word;
use edgezen_core::foreign::ForeignText;
use std::fmt;

/// The state of a phone, as the adb server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneState {
    Ready,
    /// The phone asks its owner whether it may trust this computer.
    Unauthorized,
    /// The connection is being set up.
    Connecting,
    Offline,
    /// The operating system does not let the server open the USB device.
    NoPermissions {
        says: ForeignText,
    },
    /// The phone runs something other than Android: recovery, sideload, bootloader or rescue mode.
    NotAndroid {
        mode: ForeignText,
    },
    Other(ForeignText),
}

impl PhoneState {
    /// The state for which the server has this word.
    pub fn parse(word: &str) -> PhoneState {
        match word {
            "device" => PhoneState::Ready,
            "unauthorized" => PhoneState::Unauthorized,
            "offline" | "detached" => PhoneState::Offline,
            "connecting" | "authorizing" => PhoneState::Connecting,
            "recovery" | "sideload" | "bootloader" | "rescue" => PhoneState::NotAndroid { mode: word.into() },
            word if word.starts_with("no permissions") => PhoneState::NoPermissions { says: word.into() },
            word => PhoneState::Other(word.into()),
        }
    }

    /// What makes the phone `serial` ready.
    pub fn remedy(&self, serial: &ForeignText) -> String {
        let serial = word(serial);
        match self {
            PhoneState::Ready => "nothing to do".into(),
            PhoneState::Unauthorized => {
                "unlock the phone and accept this computer's key (Allow USB debugging); if nothing is asked: \
                 revoke the authorizations in the developer options, and plug the cable in again"
                    .into()
            }
            PhoneState::Connecting => "wait a moment; unlock the phone if it asks".into(),
            PhoneState::Offline => format!(
                "plug the cable in again, or: adb -s {serial} reconnect; if that does not help, start the phone anew"
            ),
            PhoneState::NoPermissions { .. } => {
                "let your user open the USB device: sudo apt install android-sdk-platform-tools-common (udev \
                 rules), be in the group plugdev, plug the cable in again, then: adb kill-server"
                    .into()
            }
            PhoneState::NotAndroid { .. } => format!("start Android: adb -s {serial} reboot"),
            PhoneState::Other(_) => format!("look at: adb -s {serial} get-state"),
        }
    }
}

impl fmt::Display for PhoneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhoneState::Ready => f.write_str("ready"),
            PhoneState::Unauthorized => f.write_str("unauthorized"),
            PhoneState::Connecting => f.write_str("still connecting"),
            PhoneState::Offline => f.write_str("offline"),
            PhoneState::NoPermissions { says } => write!(f, "{says}"),
            PhoneState::NotAndroid { mode } => write!(f, "in {mode} mode"),
            PhoneState::Other(word) => write!(f, "in state {word:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_remedy() {
        for (word, state) in [
            ("device", PhoneState::Ready),
            ("unauthorized", PhoneState::Unauthorized),
            ("authorizing", PhoneState::Connecting),
            ("offline", PhoneState::Offline),
            ("recovery", PhoneState::NotAndroid { mode: "recovery".into() }),
            ("weird", PhoneState::Other("weird".into())),
        ] {
            assert_eq!(PhoneState::parse(word), state);
            assert!(!state.remedy(&"S".into()).is_empty());
        }
        let row = "no permissions (missing udev rules? user is in the plugdev group); see [http://x]";
        let state = PhoneState::parse(row);
        assert!(matches!(state, PhoneState::NoPermissions { .. }));
        assert!(state.to_string().contains("udev") && state.remedy(&"S".into()).contains("plugdev"));
    }
}
