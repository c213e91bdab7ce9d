//! Clocks of cores that are locked while something is measured.

use super::undo::LIMIT;
use super::{Link, LinkError, Plan, Root};
use crate::device::profile::Profile;

/// A cluster whose clock is to be locked.
pub struct Clock {
    pub cluster: String,
    pub cpus: Vec<u32>,
    pub khz: u64,
    /// The bounds before.
    low: u64,
    high: u64,
}

impl Clock {
    /// The folder that holds the bounds of the cluster.
    fn dir(cpus: &[u32]) -> String {
        let cpu = cpus.first().copied().unwrap_or(0);
        format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq")
    }

    /// What locks it, and what undoes that.
    pub fn plan(&self, root: Root) -> Plan {
        let dir = Clock::dir(&self.cpus);
        let set = |bound: &str, khz: u64| root.command(&format!("echo {khz} > {dir}/scaling_{bound}_freq"));
        let Clock { khz, low, high, .. } = *self;
        // The lower bound must never exceed the upper one: it is lowered first and raised last, and the upper one is undone first.
        Plan {
            changes: vec![set("min", low.min(khz)), set("max", khz), set("min", khz)],
            undo: vec![set("min", low), set("max", high)],
        }
    }

    /// Whether it is locked now.
    ///
    /// # Errors
    /// The link's.
    pub fn holds(&self, link: &mut dyn Link, root: Root) -> Result<bool, LinkError> {
        Ok(bounds(link, &self.cpus, root)? == Some((self.khz, self.khz)))
    }
}

/// The clusters whose clocks `profile` wants to be locked, and which can be.
///
/// # Errors
/// The link's.
pub fn clocks_to_lock(link: &mut dyn Link, profile: &Profile, root: Root) -> Result<Vec<Clock>, LinkError> {
    let mut found = Vec::new();
    if root == Root::Absent {
        return Ok(found);
    }
    for cluster in &profile.clusters {
        let Some(&khz) = profile.measure.lock_khz.get(&cluster.name) else { continue };
        if let Some((low, high)) = bounds(link, &cluster.cpus, root)? {
            let (cluster, cpus) = (cluster.name.clone(), cluster.cpus.clone());
            found.push(Clock { cluster, cpus, khz, low, high });
        }
    }
    Ok(found)
}

/// Lower and upper bound of the clock of these cores, in kHz; `None` where they cannot be changed.
fn bounds(link: &mut dyn Link, cpus: &[u32], root: Root) -> Result<Option<(u64, u64)>, LinkError> {
    let dir = Clock::dir(cpus);
    let (min, max) = (format!("{dir}/scaling_min_freq"), format!("{dir}/scaling_max_freq"));
    let ask = format!("[ -w {min} ] && [ -w {max} ] && cat {min} {max}");
    let finished = link.shell(&root.command(&ask), LIMIT)?;
    let numbers: Vec<u64> = finished.stdout.split_whitespace().filter_map(|khz| khz.parse().ok()).collect();
    Ok(match numbers[..] {
        [low, high] if finished.ok() => Some((low, high)),
        _ => None,
    })
}
