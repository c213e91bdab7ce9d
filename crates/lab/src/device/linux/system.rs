//! Linux as a system to measure on.

use super::prepare::prepare;
use super::status::{BoardStatus, mark};
use super::throttled::Throttled;
use super::{facts, matching};
use crate::device::profile::Profile;
use crate::device::remote::{self, Changed, Link, LinkError, Machine, State, System};
use edgezen_core::foreign::{ForeignText, PlainPath};
use serde_json::json;
use std::time::Duration;

/// The folder for the runner on a board that does not tell where its user's home is.
const ELSEWHERE: &str = "/tmp";

/// The care of one board.
#[derive(Clone, Debug, Default)]
pub struct LinuxSystem {
    changed: Changed,
}

impl System for LinuxSystem {
    fn noun(&self) -> &'static str {
        "board"
    }

    fn questions(&self) -> String {
        facts::questions()
    }

    /// In the user's home, which nobody else may write into; the profile may name another folder.
    fn dir(&self, machine: &Machine, profile: &Profile) -> String {
        if let Some(runner) = &profile.runner
            && runner.push_dir.as_str() != ELSEWHERE
        {
            return format!("{}/edgezen", runner.push_dir);
        }
        let home = machine.property("board.home").and_then(|home| PlainPath::parse(home).ok());
        match home {
            Some(home) => format!("{home}/.cache/edgezen"),
            None => format!("{ELSEWHERE}/edgezen-{}", machine.uid.unwrap_or_default()),
        }
    }

    fn other(&self, machine: &Machine, profile: &Profile) -> Option<String> {
        matching::other(machine, profile)
    }

    fn differences(&self, machine: &Machine, profile: &Profile) -> Vec<String> {
        matching::differences(machine, profile)
    }

    fn build<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText> {
        machine.properties.get("board.kernel")
    }

    fn serial<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText> {
        machine.properties.get("board.serial")
    }

    fn state(
        &self,
        link: &mut dyn Link,
        dir: &str,
        machine: &Machine,
        profile: &Profile,
    ) -> Result<State, LinkError> {
        let status = BoardStatus::read(link, dir)?;
        let complaints = status.complaints(machine, profile);
        Ok(State { owner: status.owner.clone(), complaints, facts: json!(status) })
    }

    fn prepare(
        &mut self,
        link: &mut dyn Link,
        dir: &str,
        profile: &Profile,
        machine: &Machine,
    ) -> Result<Vec<String>, LinkError> {
        let (changed, notes) = Changed::by(prepare(link, dir, profile, machine)?);
        *self = LinuxSystem { changed };
        Ok(notes)
    }

    fn restore(&mut self, link: &mut dyn Link, dir: &str) -> Result<bool, LinkError> {
        let done = remote::restore(link, dir)?;
        *self = LinuxSystem::default();
        Ok(done)
    }

    fn mark(&self, dir: &str, owner: Option<&str>) -> String {
        mark(dir, owner)
    }

    fn before_job(&self, dir: &str, _: &Machine, limit: Duration) -> String {
        let alive = self.changed.sign_of_life(dir, limit);
        format!("{alive}vcgencmd get_throttled 2>/dev/null; ")
    }

    fn heard(&mut self, stdout: &str) -> Option<String> {
        self.changed.heard(stdout);
        let now = Throttled::parse(stdout)?.now();
        (!now.is_empty()).then(|| format!("while it measured, its firmware said: {}", now.join(", ")))
    }

    fn changed(&self) -> &Changed {
        &self.changed
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::pi4;
    use super::*;
    use crate::device::profile::Profiles;
    use crate::device::remote::UNDONE;

    #[test]
    fn the_runner_lies_in_the_user_s_home() {
        let mut profile = Profiles::of_repository().by_name("raspberrypi4").unwrap();
        let system = LinuxSystem::default();
        assert_eq!(system.dir(&pi4(), &profile), "/home/pi/.cache/edgezen");
        let silent = Machine { uid: Some(7), ..Machine::default() };
        assert_eq!(system.dir(&silent, &profile), "/tmp/edgezen-7");
        let mut strange = pi4();
        strange.properties.insert("board.home".into(), "/home/$(reboot)".into());
        assert_eq!(system.dir(&strange, &profile), "/tmp/edgezen-1000");
        profile.runner.as_mut().unwrap().push_dir = PlainPath::parse("/mnt/ssd").unwrap();
        assert_eq!(system.dir(&pi4(), &profile), "/mnt/ssd/edgezen");
    }

    #[test]
    fn what_the_firmware_says_is_heard() {
        let mut system = LinuxSystem { changed: Changed::undoable() };
        assert_eq!(system.heard("throttled=0x50000\n{}"), None);
        assert!(system.heard("throttled=0x4\n{}").unwrap().contains("throttled"));
        assert!(!system.changed().is_undone());
        system.heard(&format!("{UNDONE}\n"));
        assert!(system.changed().is_undone());
    }
}
