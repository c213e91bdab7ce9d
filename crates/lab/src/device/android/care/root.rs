//! Whether, and how, commands can be run as root.

use crate::device::adb::{Link, LinkError};
use edgezen_core::foreign::shell_word;
use std::time::Duration;

/// How commands are run as root on the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Root {
    /// Not at all.
    #[default]
    Absent,
    /// All commands are: adbd itself runs as root.
    Adbd,
    /// Through the program `su`, of which there are two kinds: Magisk's, and that of Android's own debug builds.
    Su(&'static str),
}

/// What stands before the command, for each kind of `su`.
const FORMS: [&str; 2] = ["su -c", "su 0 sh -c"];

/// Magisk asks the owner of the phone, and refuses by itself after ten seconds.
const LIMIT: Duration = Duration::from_secs(20);

impl Root {
    /// Looks for a way; `uid` is the user that commands run as.
    ///
    /// # Errors
    /// The link broke. A `su` that does not answer is none.
    pub fn find(link: &mut dyn Link, uid: Option<u32>) -> Result<Root, LinkError> {
        if uid == Some(0) {
            return Ok(Root::Adbd);
        }
        for form in FORMS {
            let asked = format!("command -v su >/dev/null || exit 1; {form} 'id -u' </dev/null 2>/dev/null");
            match link.shell(&asked, LIMIT) {
                Ok(said) if said.ok() && said.stdout.trim() == "0" => return Ok(Root::Su(form)),
                Ok(_) => {}
                Err(LinkError::TooLong { .. }) => return Ok(Root::Absent),
                Err(error) => return Err(error),
            }
        }
        Ok(Root::Absent)
    }

    /// The command that runs `command` as root.
    pub fn command(self, command: &str) -> String {
        match self {
            Root::Absent | Root::Adbd => command.to_owned(),
            Root::Su(form) => format!("{form} {}", shell_word(command)),
        }
    }
}
