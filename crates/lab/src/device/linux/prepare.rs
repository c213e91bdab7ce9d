//! Preparing a board for measurements: the governor of its clocks, and clocks that are locked.

use super::status::mark;
use crate::device::profile::Profile;
use crate::device::remote::{self, LIMIT, Link, LinkError, Machine, Plan, Prepared, Root, clocks_to_lock};
use edgezen_core::foreign::shell_word;
use std::collections::BTreeMap;

/// What stands before a command that is run as root: `sudo`, where it asks for no password.
const SUDO: [&str; 1] = ["sudo -n sh -c"];

/// The governor that keeps clocks at their highest.
const PERFORMANCE: &str = "performance";

/// Changes the board as `profile` requires, and reads back whether it did what it was told.
///
/// # Errors
/// An error of the link. [`remote::restore`] undoes whatever was changed before it.
pub fn prepare(
    link: &mut dyn Link,
    dir: &str,
    profile: &Profile,
    board: &Machine,
) -> Result<Prepared, LinkError> {
    let mut notes = Vec::new();
    let governors = governors(link)?;
    let wrong: Vec<&Governor> = governors.iter().filter(|found| found.name != PERFORMANCE).collect();
    if wrong.is_empty() && profile.measure.lock_khz.is_empty() {
        return Ok(Prepared::default());
    }
    let root = Root::find(link, board.uid, &SUDO)?;
    if root == Root::Absent {
        notes.push(
            "it gives no root without a password: its clock follows load and temperature (governor stays)"
                .into(),
        );
        return Ok(Prepared { notes, ..Prepared::default() });
    }
    let mut plan = Plan::default();
    wrong.iter().for_each(|governor| plan.then(governor.plan(root)));
    let clocks = clocks_to_lock(link, profile, root)?;
    clocks.iter().for_each(|clock| plan.then(clock.plan(root)));
    if plan == Plan::default() {
        notes.push("its clocks cannot be locked".into());
        return Ok(Prepared { notes, ..Prepared::default() });
    }
    let written = remote::keep(link, dir, &plan.undo, &mark(dir, None))?;
    if !written.ok() {
        let reason = written.complaint();
        notes.push(format!("its clocks stay as they are: {dir}/undo.sh cannot be written ({reason})"));
        return Ok(Prepared { notes, ..Prepared::default() });
    }
    for change in &plan.changes {
        let done = link.shell(change, LIMIT)?;
        if !done.ok() {
            notes.push(format!("{change:?} failed: {}", done.complaint()));
        }
    }
    let still = self::governors(link)?.into_iter().filter(|found| found.name != PERFORMANCE);
    notes.extend(still.map(|found| format!("the governor of {} stays {}", found.policy, found.name)));
    let mut locked_khz = BTreeMap::new();
    for clock in clocks {
        match clock.holds(link, root)? {
            true => locked_khz.extend(clock.cpus.iter().map(|&cpu| (cpu, clock.khz))),
            false => notes.push(format!("the clock of cluster {} could not be fixed", clock.cluster)),
        }
    }
    Ok(Prepared { notes, undoable: true, locked_khz })
}

/// The governor of a group of cores.
struct Governor {
    /// The name of the group: `policy0`.
    policy: String,
    name: String,
}

impl Governor {
    fn plan(&self, root: Root) -> Plan {
        let file = format!("/sys/devices/system/cpu/cpufreq/{}/scaling_governor", self.policy);
        let set = |name: &str| vec![root.command(&format!("echo {} > {file}", shell_word(name)))];
        Plan { changes: set(PERFORMANCE), undo: set(&self.name) }
    }
}

/// The governors of all groups of cores that can have another one.
fn governors(link: &mut dyn Link) -> Result<Vec<Governor>, LinkError> {
    let ask = "cd /sys/devices/system/cpu/cpufreq 2>/dev/null || exit 0
        for p in policy[0-9]*; do
            grep -qw performance $p/scaling_available_governors 2>/dev/null && echo \"$p $(cat $p/scaling_governor)\"
        done; true";
    let said = link.shell(ask, LIMIT)?.stdout;
    let governor = |line: &str| {
        let (policy, name) = line.split_once(' ')?;
        let number = policy.strip_prefix("policy")?;
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let plain = number.parse::<u16>().is_ok() && !name.is_empty() && name.chars().all(is_name);
        plain.then(|| Governor { policy: policy.to_owned(), name: name.to_owned() })
    };
    Ok(said.lines().take(1024).filter_map(|line| governor(line.trim())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::pi4;
    use super::*;
    use crate::device::profile::Profiles;
    use crate::device::remote::Finished;
    use crate::device::remote::fake::ScriptedLink;

    fn says(stdout: &str) -> Result<Finished, LinkError> {
        Ok(Finished { stdout: stdout.into(), stderr: String::new(), status: 0 })
    }

    fn prepared(answers: &[&str]) -> Prepared {
        let answers = answers.iter().map(|answer| says(answer)).collect();
        let mut link = ScriptedLink { answers, ..ScriptedLink::default() };
        let profile = Profiles::of_repository().by_name("raspberrypi4").unwrap();
        prepare(&mut link, "/home/pi/.cache/edgezen", &profile, &pi4()).unwrap()
    }

    #[test]
    fn the_governor_is_set_where_the_board_lets_it() {
        // Governors, sudo, script, watchdog, change, governors.
        let done = prepared(&["policy0 ondemand\n", "0\n", "", "", "", "policy0 performance\n"]);
        assert_eq!(done, Prepared { undoable: true, ..Prepared::default() });
        let stays = prepared(&["policy0 ondemand\n", "0\n", "", "", "", "policy0 ondemand\n"]);
        assert_eq!(stays.notes, ["the governor of policy0 stays ondemand"]);
        let without = prepared(&["policy0 ondemand\n", "sudo: a password is required"]);
        assert!(!without.undoable && without.notes[0].contains("no root without a password"));
        // Nothing to do, and a board that has no such files.
        assert_eq!(prepared(&["policy0 performance\n"]), Prepared::default());
        assert_eq!(prepared(&[""]), Prepared::default());
        // What is no governor is not written back.
        assert_eq!(prepared(&["policy0 x; reboot\n../x y\n"]), Prepared::default());
    }

    #[test]
    fn a_governor_comes_back_as_it_was() {
        let governor = Governor { policy: "policy4".into(), name: "schedutil".into() };
        let plan = governor.plan(Root::Through(SUDO[0]));
        let file = "/sys/devices/system/cpu/cpufreq/policy4/scaling_governor";
        let whole = |name: &str| format!("sudo -n sh -c {}", shell_word(&format!("echo '{name}' > {file}")));
        assert_eq!((plan.changes, plan.undo), (vec![whole("performance")], vec![whole("schedutil")]));
    }
}
