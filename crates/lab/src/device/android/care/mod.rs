//! The care of Android: what is changed on a phone for measurements, and how it comes back. Everything here needs a link, a
//! profile and what the phone says of itself, and nothing of jobs, runners and results.

mod prepare;
mod radios;
mod settings;
#[cfg(test)]
mod tests;

use crate::device::profile::Profile;
use crate::device::remote::{Changed, Link, LinkError, Machine};
use edgezen_core::foreign::shell_word;
use std::time::{Duration, Instant};

/// The property on the phone that tells other computers who measures on it.
const OWNER: &str = "debug.edgezen.owner";

/// How often a phone is kept from falling asleep.
const WAKE_EVERY: Duration = Duration::from_secs(600);

/// Time limit of the command that does.
const SOON: Duration = Duration::from_secs(5);

/// Moves the shell, and what it starts, to the group of the program that is on the screen, whose cores are not held back (AOSP,
/// `init.rc` and `task_profiles.json`). Only root may.
const TO_THE_FOREGROUND: &str =
    "for g in cpuset cpuctl; do { echo 0 > /dev/$g/top-app/cgroup.procs; } 2>/dev/null; done; ";

/// The command that says on the phone who measures on it.
pub fn mark(owner: Option<&str>) -> String {
    format!("setprop {OWNER} {} 2>/dev/null", shell_word(owner.unwrap_or_default()))
}

/// The care of one phone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Care {
    pub changed: Changed,
    /// When the phone was last kept from falling asleep.
    awake_since: Option<Instant>,
}

impl Care {
    /// Changes the phone as `profile` requires; `dir` is a folder of it. Gives what could not be done, one line each.
    ///
    /// # Errors
    /// An error of the link. [`restore`](crate::device::remote::restore) undoes whatever was changed before it.
    pub fn prepare(
        &mut self,
        link: &mut dyn Link,
        dir: &str,
        profile: &Profile,
        phone: &Machine,
    ) -> Result<Vec<String>, LinkError> {
        let (changed, notes) = Changed::by(prepare::prepare(link, dir, profile, phone)?);
        *self = Care { changed, awake_since: Some(Instant::now()) };
        Ok(notes)
    }

    /// What a shell does before a job that takes `limit` at most.
    pub fn before_job(&self, dir: &str, phone: &Machine, limit: Duration) -> String {
        let foreground = if phone.uid == Some(0) { TO_THE_FOREGROUND } else { "" };
        format!("{foreground}{}", self.changed.sign_of_life(dir, limit))
    }

    /// Keeps the screen of a phone on that `profile` wants to be awake, whatever the phone makes of its settings.
    pub fn keep_awake(&mut self, link: &mut dyn Link, profile: &Profile) {
        let Some(since) = self.awake_since else { return };
        let wanted = profile.require.screen.as_deref().is_some_and(|screen| screen != "off");
        if wanted && since.elapsed() >= WAKE_EVERY {
            self.awake_since = Some(Instant::now());
            // A link that breaks now breaks in the job, too, where the phone is regained.
            let _ = link.shell("input keyevent KEYCODE_WAKEUP", SOON);
        }
    }

    /// One whose script is on the phone.
    #[cfg(test)]
    pub fn undoable() -> Care {
        Care { changed: Changed::undoable(), ..Care::default() }
    }
}
