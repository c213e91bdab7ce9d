//! Preparing a phone for measurements.

use super::plan::Plan;
use super::root::Root;
use super::settings::{LIMIT, Settings};
use super::{radios, undo};
use crate::device::adb::{Link, LinkError, over_network};
use crate::device::android::facts::Phone;
use crate::device::profile::Profile;
use std::collections::BTreeMap;

/// What was done to a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// What could not be done, one line each.
    pub notes: Vec<String>,
    /// Whether anything was changed, so that a script to undo it is on the phone.
    pub undoable: bool,
    /// The clocks in kHz that cores were locked at.
    pub locked_khz: BTreeMap<u32, u64>,
}

/// Changes the phone as `profile` requires, and reads back whether it did what it was told.
///
/// # Errors
/// An error of the link. [`undo::restore`] undoes whatever was changed before it.
pub fn prepare(
    link: &mut dyn Link,
    dir: &str,
    profile: &Profile,
    phone: &Phone,
) -> Result<Prepared, LinkError> {
    let mut notes = Vec::new();
    let settings = Settings::read(link)?;
    if settings.is_empty() {
        notes.push("its settings cannot be read: screen, radios and battery saver stay as they are".into());
    }
    let mut plan = settings.change(profile);
    let radios = profile.require.airplane_mode && !settings.is_empty() && !over_network(link.name().raw());
    if radios {
        plan.then(radios::off(&settings, phone.sdk()));
    }
    if !settings.is_empty() && profile.require.screen.as_deref().is_some_and(|screen| screen != "off") {
        plan.changes.push("input keyevent KEYCODE_WAKEUP".into());
    }
    if profile.measure.fixed_performance {
        let mode = |word: &str| vec![format!("cmd power set-fixed-performance-mode-enabled {word}")];
        plan.then(Plan { changes: mode("true"), undo: mode("false") });
    }
    let root = if profile.measure.lock_khz.is_empty() { Root::Absent } else { Root::find(link, phone.uid)? };
    let clocks = clocks(link, profile, root)?;
    if clocks.is_empty() && !profile.measure.lock_khz.is_empty() {
        notes.push("without root the clock cannot be fixed; it follows load and temperature".into());
    }
    clocks.iter().for_each(|clock| plan.then(clock.plan(root)));
    if plan == Plan::default() {
        return Ok(Prepared { notes, ..Prepared::default() });
    }
    let undoable = !plan.undo.is_empty();
    if undoable {
        let written = undo::keep(link, dir, &plan.undo)?;
        if !written.ok() {
            let reason = written.complaint();
            notes.push(format!("settings stay as they are: {dir}/undo.sh cannot be written ({reason})"));
            return Ok(Prepared { notes, ..Prepared::default() });
        }
    }
    for change in &plan.changes {
        let done = link.shell(change, LIMIT)?;
        if !done.ok() {
            notes.push(format!("{change:?} failed: {}", done.complaint()));
        }
    }
    let now = Settings::read(link)?;
    notes.extend(now.unlike(profile));
    notes.extend(radios::still_on(&now, phone.sdk()).filter(|_| radios));
    let mut locked_khz = BTreeMap::new();
    for clock in clocks {
        match clock.holds(link, root)? {
            true => locked_khz.extend(clock.cpus.iter().map(|&cpu| (cpu, clock.khz))),
            false => notes.push(format!("the clock of cluster {} could not be fixed", clock.cluster)),
        }
    }
    Ok(Prepared { notes, undoable, locked_khz })
}

/// A cluster whose clock is to be locked.
struct Clock {
    cluster: String,
    cpus: Vec<u32>,
    khz: u64,
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

    fn plan(&self, root: Root) -> Plan {
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
    fn holds(&self, link: &mut dyn Link, root: Root) -> Result<bool, LinkError> {
        Ok(bounds(link, &self.cpus, root)? == Some((self.khz, self.khz)))
    }
}

/// The clusters whose clocks `profile` wants to be locked, and which can be.
fn clocks(link: &mut dyn Link, profile: &Profile, root: Root) -> Result<Vec<Clock>, LinkError> {
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
