//! Taking a device for measuring: the check that it is fit and free, the change of its settings, and the way back.

use super::LinkError;
use super::open::{Remote, SOON};
use crate::device::DeviceError;
use crate::device::complaint::Severity;
use edgezen_core::foreign::shell_word;
use serde_json::json;

/// The name of this process for other processes and computers.
pub fn me() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("another computer").to_owned();
    format!("{host}, process {}", std::process::id())
}

/// Whether the process that a device names as its user, by [`me`], may still measure: one of another computer, or one of this
/// computer that runs. A process that was killed leaves its name behind.
pub fn is_measuring(owner: &str) -> bool {
    let (ours, theirs) = (me(), owner.rsplit_once(", process "));
    let (host, _) = ours.rsplit_once(", process ").unwrap_or_default();
    match theirs {
        Some((there, process)) if there == host => process
            .trim()
            .parse::<u32>()
            .is_ok_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()),
        _ => true,
    }
}

impl Remote {
    /// Checks that the device is fit and that nobody uses it; then changes its settings, after writing down how to restore
    /// them.
    pub fn check_and_claim(&mut self) -> Result<(), DeviceError> {
        let status = self.system.state(&mut *self.link, &self.dir, &self.machine, &self.profile)?;
        let host = me();
        let host = host.split(',').next().unwrap_or_default();
        if let Some(owner) = status.owner.as_ref().filter(|owner| !owner.raw().starts_with(host)) {
            return Err(DeviceError::Busy { device: self.name(), owner: owner.to_string() });
        }
        if self.system.restore(&mut *self.link, &self.dir)? {
            self.notes.push("an earlier run had left its settings changed; they are back".into());
        }
        let unfit: Vec<_> = status.complaints.iter().filter(|c| c.severity == Severity::Unfit).collect();
        if !unfit.is_empty() {
            return Err(DeviceError::Unfit {
                device: self.name(),
                findings: unfit.iter().map(|complaint| complaint.finding.clone()).collect(),
                remedies: unfit.iter().map(|complaint| complaint.remedy.clone()).collect(),
            });
        }
        self.facts.insert("status_at_start".into(), status.facts);
        self.claimed = true;
        self.prepare()?;
        // Results and runners that are older than a month are removed.
        let old =
            format!("find {} -type f -mtime +30 ! -name undo.sh -delete 2>/dev/null", shell_word(&self.dir));
        self.link.shell(&old, SOON)?;
        Ok(())
    }

    /// Changes the device's settings for measurements, and marks it as used by this process.
    pub fn prepare(&mut self) -> Result<(), LinkError> {
        let notes = self.system.prepare(&mut *self.link, &self.dir, &self.profile, &self.machine)?;
        self.facts.insert("not_prepared".into(), json!(notes));
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.link.shell(&self.system.mark(&self.dir, Some(&me())), SOON)?;
        Ok(())
    }

    /// Restores the device's settings and marks it as free.
    pub fn release(&mut self) -> Result<(), LinkError> {
        if !self.claimed {
            return Ok(());
        }
        self.system.restore(&mut *self.link, &self.dir)?;
        self.link.shell(&self.system.mark(&self.dir, None), SOON)?;
        self.claimed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_process_of_this_computer_does_not_measure() {
        assert!(is_measuring(&me()));
        assert!(is_measuring("another computer of somebody, process 1"));
        let (host, _) = me().rsplit_once(", process ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        // No process has a number beyond those of the kernel.
        assert!(!is_measuring(&format!("{host}, process 4294967295")));
        assert!(!is_measuring(&format!("{host}, process x")));
    }
}
