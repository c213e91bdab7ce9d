//! The name of a device, with the way that leads to it.

use edgezen_core::foreign::{ForeignText, Name, shell_word};
use std::fmt;
use std::ops::Deref;

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the Android Debug Bridge.
    Adb,
    /// Through the system's `ssh`.
    Ssh,
}

/// The serial number of a phone, or a host for `ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    name: ForeignText,
    pub way: Way,
}

impl Address {
    pub fn new(name: impl Into<ForeignText>, way: Way) -> Address {
        Address { name: name.into(), way }
    }

    /// What a person types in to run `command` there.
    pub fn by_hand(&self, command: &str) -> String {
        let name = word(&self.name);
        match self.way {
            Way::Adb => format!("adb -s {name} shell {command}"),
            Way::Ssh => format!("ssh {name} {command}"),
        }
    }
}

impl Deref for Address {
    type Target = ForeignText;

    fn deref(&self) -> &ForeignText {
        &self.name
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// The serial number of a phone.
impl From<&str> for Address {
    fn from(serial: &str) -> Address {
        Address::new(serial, Way::Adb)
    }
}

/// The name of a device as a word of a command that a person may type in.
pub(super) fn word(name: &ForeignText) -> String {
    let is_plain = |text: &str| text.split([':', '@']).all(|part| Name::parse(part).is_ok());
    if is_plain(name.raw()) { name.to_string() } else { shell_word(name.raw()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_a_remedy() {
        assert_eq!(word(&"127.0.0.1:5555".into()), "127.0.0.1:5555");
        assert_eq!(word(&"pi@board.local".into()), "pi@board.local");
        assert_eq!(word(&"S1; rm -rf ~".into()), "'S1; rm -rf ~'");
        assert_eq!(word(&"-s".into()), "'-s'");
        assert_eq!(Address::from("S1").by_hand("df -h"), "adb -s S1 shell df -h");
        assert_eq!(Address::new("pi@board", Way::Ssh).by_hand("df -h"), "ssh pi@board df -h");
    }
}
