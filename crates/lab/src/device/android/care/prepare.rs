//! Preparing a phone for measurements.

use super::settings::Settings;
use super::{mark, radios};
use crate::device::adb::over_network;
use crate::device::android::facts::sdk;
use crate::device::profile::Profile;
use crate::device::remote::{self, LIMIT, Link, LinkError, Machine, Plan, Prepared, Root, clocks_to_lock};
use std::collections::BTreeMap;

/// What stands before a command that is run as root, for each kind of `su`: Magisk's, and that of Android's own debug builds.
const SU: [&str; 2] = ["su -c", "su 0 sh -c"];

/// Changes the phone as `profile` requires, and reads back whether it did what it was told.
///
/// # Errors
/// An error of the link. [`remote::restore`] undoes whatever was changed before it.
pub fn prepare(
    link: &mut dyn Link,
    dir: &str,
    profile: &Profile,
    phone: &Machine,
) -> Result<Prepared, LinkError> {
    let mut notes = Vec::new();
    let settings = Settings::read(link)?;
    if settings.is_empty() {
        notes.push("its settings cannot be read: screen, radios and battery saver stay as they are".into());
    }
    let mut plan = settings.change(profile);
    let radios = profile.require.airplane_mode && !settings.is_empty() && !over_network(link.name().raw());
    if radios {
        plan.then(radios::off(&settings, sdk(phone)));
    }
    if !settings.is_empty() && profile.require.screen.as_deref().is_some_and(|screen| screen != "off") {
        plan.changes.push("input keyevent KEYCODE_WAKEUP".into());
    }
    if profile.measure.fixed_performance {
        let mode = |word: &str| vec![format!("cmd power set-fixed-performance-mode-enabled {word}")];
        plan.then(Plan { changes: mode("true"), undo: mode("false") });
    }
    let root =
        if profile.measure.lock_khz.is_empty() { Root::Absent } else { Root::find(link, phone.uid, &SU)? };
    let clocks = clocks_to_lock(link, profile, root)?;
    if clocks.is_empty() && !profile.measure.lock_khz.is_empty() {
        notes.push("without root the clock cannot be fixed; it follows load and temperature".into());
    }
    clocks.iter().for_each(|clock| plan.then(clock.plan(root)));
    if plan == Plan::default() {
        return Ok(Prepared { notes, ..Prepared::default() });
    }
    let undoable = !plan.undo.is_empty();
    if undoable {
        let written = remote::keep(link, dir, &plan.undo, &mark(None))?;
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
    notes.extend(radios::still_on(&now, sdk(phone)).filter(|_| radios));
    let mut locked_khz = BTreeMap::new();
    for clock in clocks {
        match clock.holds(link, root)? {
            true => locked_khz.extend(clock.cpus.iter().map(|&cpu| (cpu, clock.khz))),
            false => notes.push(format!("the clock of cluster {} could not be fixed", clock.cluster)),
        }
    }
    Ok(Prepared { notes, undoable, locked_khz })
}
