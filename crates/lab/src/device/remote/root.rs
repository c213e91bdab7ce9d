//! Whether, and how, commands can be run as root.

use super::{Link, LinkError};
use edgezen_core::foreign::shell_word;
use std::time::Duration;

/// How commands are run as root on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Root {
    /// Not at all.
    #[default]
    Absent,
    /// All commands are: the shell itself belongs to root.
    Itself,
    /// Through a program, with these words before the command.
    Through(&'static str),
}

/// Magisk asks the owner of the phone, and refuses by itself after ten seconds.
const LIMIT: Duration = Duration::from_secs(20);

impl Root {
    /// Looks for a way; `uid` is the user that commands run as. `forms` are the words before a command that may run it as root.
    ///
    /// # Errors
    /// The link broke. A program that does not answer is no way.
    pub fn find(link: &mut dyn Link, uid: Option<u32>, forms: &[&'static str]) -> Result<Root, LinkError> {
        if uid == Some(0) {
            return Ok(Root::Itself);
        }
        for &form in forms {
            let program = form.split(' ').next().unwrap_or_default();
            let asked =
                format!("command -v {program} >/dev/null || exit 1; {form} 'id -u' </dev/null 2>/dev/null");
            match link.shell(&asked, LIMIT) {
                Ok(said) if said.ok() && said.stdout.trim() == "0" => return Ok(Root::Through(form)),
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
            Root::Absent | Root::Itself => command.to_owned(),
            Root::Through(form) => format!("{form} {}", shell_word(command)),
        }
    }
}
