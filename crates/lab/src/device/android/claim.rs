//! Taking a phone for measuring: the check that it is fit and free, the change of its settings, and the way back.

use super::care::{self, Care};
use super::open_phone::{Android, SOON};
use super::status::PhoneStatus;
use crate::device::DeviceError;
use crate::device::adb::LinkError;
use crate::device::complaint::Severity;
use edgezen_core::foreign::shell_word;
use serde_json::json;

/// The property on the phone that tells other computers who measures on it.
const OWNER: &str = "debug.edgezen.owner";

/// The name of this process for other processes and computers.
pub(super) fn me() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("another computer").to_owned();
    format!("{host}, process {}", std::process::id())
}

impl Android {
    /// Checks that the phone is fit and that nobody uses it; then changes its settings, after writing down how to restore
    /// them.
    pub fn check_and_claim(&mut self) -> Result<(), DeviceError> {
        let status = PhoneStatus::read(&mut *self.link)?;
        let host = me();
        let host = host.split(',').next().unwrap_or_default();
        if let Some(owner) = status.owner.as_ref().filter(|owner| !owner.raw().starts_with(host)) {
            return Err(DeviceError::Busy { device: self.name(), owner: owner.to_string() });
        }
        if care::restore(&mut *self.link, &self.dir)? {
            self.notes.push("an earlier run had left its settings changed; they are back".into());
        }
        let complaints = status.complaints(&self.phone, &self.profile);
        let unfit: Vec<_> = complaints.iter().filter(|c| c.severity == Severity::Unfit).collect();
        if !unfit.is_empty() {
            return Err(DeviceError::Unfit {
                device: self.name(),
                findings: unfit.iter().map(|complaint| complaint.finding.clone()).collect(),
                remedies: unfit.iter().map(|complaint| complaint.remedy.clone()).collect(),
            });
        }
        self.facts.insert("status_at_start".into(), json!(status));
        self.claimed = true;
        self.prepare()?;
        // Results and runners that are older than a month are removed.
        let old =
            format!("find {} -type f -mtime +30 ! -name undo.sh -delete 2>/dev/null", shell_word(&self.dir));
        self.link.shell(&old, SOON)?;
        Ok(())
    }

    /// Changes the phone's settings for measurements, and marks it as used by this process.
    pub fn prepare(&mut self) -> Result<(), LinkError> {
        let notes = self.care.prepare(&mut *self.link, &self.dir, &self.profile, &self.phone)?;
        self.facts.insert("not_prepared".into(), json!(notes));
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.link.shell(&format!("setprop {OWNER} {} 2>/dev/null", shell_word(&me())), SOON)?;
        Ok(())
    }

    /// Restores the phone's settings and marks it as free.
    pub fn release(&mut self) -> Result<(), LinkError> {
        if !self.claimed {
            return Ok(());
        }
        care::restore(&mut *self.link, &self.dir)?;
        self.link.shell(&format!("setprop {OWNER} '' 2>/dev/null"), SOON)?;
        self.claimed = false;
        self.care = Care::default();
        Ok(())
    }
}
