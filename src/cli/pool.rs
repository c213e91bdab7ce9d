//! Pools of phones and boards: which units a command may use, and the first of them that is free.

use super::failure::{Exit, Failure};
use super::target::Reach;
use crate::shipped;
use edgezen_lab::device::android::PhoneOptions;
use edgezen_lab::device::attached::Attached;
use edgezen_lab::device::linux::BoardOptions;
use edgezen_lab::device::profile::Profiles;
use edgezen_lab::device::{self, DeviceError, DriverOptions};
use edgezen_lab::pool::{Pool, PoolError, Unit};
use std::path::Path;

impl Reach {
    /// The same, with the first free unit of the pool in the place of a serial number or a host, if a pool is given.
    pub fn of_free_unit(&self, name: &str) -> Result<Reach, Failure> {
        let Some(path) = &self.pool else { return Ok(self.clone()) };
        let profiles = shipped::profiles();
        let units = units(path, name, self.tag.as_deref())?;
        let mut reasons = Vec::new();
        for unit in &units {
            match look(unit, &profiles).map(|seen| seen.why_not()) {
                Ok(None) => {
                    return Ok(Reach {
                        serial: unit.serial.clone(),
                        host: unit.host.clone(),
                        pool: None,
                        tag: None,
                        ..self.clone()
                    });
                }
                Ok(Some(reason)) => reasons.push(format!("{}: {reason}", unit.name)),
                Err(error) => reasons.push(format!("{}: {error}", unit.name)),
            }
        }
        Err(Failure::new(
            Exit::Device,
            format!("no unit of {} is free: {}", path.display(), reasons.join("; ")),
        )
        .remedy(format!("wait, or look at: edgezen devices pool {}", path.display())))
    }
}

/// The units of the pool that are of the device called `name`, and have the tag if there is one: at least one.
pub fn units(path: &Path, name: &str, tag: Option<&str>) -> Result<Vec<Unit>, Failure> {
    let profiles = shipped::profiles();
    let (profile, _) = device::find(&profiles, name)?;
    let pool = Pool::read(path)?;
    let is_it = |device: &str| profiles.by_name(device).is_ok_and(|found| found.id == profile.id);
    let units: Vec<Unit> = pool.chosen(is_it, tag).into_iter().cloned().collect();
    if units.is_empty() {
        let tagged = |unit: &Unit| {
            let tags =
                if unit.tags.is_empty() { String::new() } else { format!(" ({})", unit.tags.join(", ")) };
            format!("{}: {}{tags}", unit.name, unit.device)
        };
        let known = pool.units.iter().map(tagged).collect();
        let (device, tag) = (profile.id, tag.map(str::to_owned));
        return Err(PoolError::NoUnit { path: path.to_owned(), device, tag, known }.into());
    }
    Ok(units)
}

/// What the driver of the unit says of it now.
///
/// # Errors
/// It cannot be looked at.
pub fn look(unit: &Unit, profiles: &Profiles) -> Result<Attached, DeviceError> {
    let (_, driver) = device::find(profiles, &unit.device)?;
    let options = DriverOptions::default()
        .with(PhoneOptions { serial: unit.serial.clone(), ..PhoneOptions::default() })
        .with(BoardOptions { host: unit.host.clone(), ..BoardOptions::default() });
    let seen = driver.attached(profiles, &options)?;
    let named = |device: &Attached| unit.serial.as_ref().is_none_or(|serial| *serial == device.name);
    seen.into_iter().find(named).ok_or_else(|| DeviceError::Lost {
        device: unit.name.to_string(),
        reason: format!("nothing answers at {}", unit.place()),
    })
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Failure {
        let message = error.to_string();
        let resume = "the same command with --resume goes on from here";
        match error {
            PoolError::File(error) => error.into(),
            PoolError::BadPool { .. } => Failure::new(Exit::BadFile, message),
            PoolError::NoUnit { .. } => {
                Failure::usage(message).remedy("add a [[unit]] with this device, or leave out --tag; docs/farm.md describes pools")
            }
            PoolError::Unfinished { .. } => {
                Failure::usage(message).remedy("--resume to go on with it, or another folder (-o DIR)")
            }
            PoolError::OtherPlan { .. } => Failure::usage(message)
                .remedy("the options of the first run (--space, --samples, --rounds, --seed), or another folder: -o DIR"),
            PoolError::OtherIdentity { .. } => Failure::usage(message)
                .remedy("units with the same runner and the same cores; a tag chooses those that are alike"),
            PoolError::Incomplete { first, .. } => {
                let exit = first.map_or(Exit::Device, |first| super::profile::failure_of(*first).exit);
                Failure::new(exit, message).remedy(resume)
            }
            PoolError::Campaign(error) => super::profile::failure_of(error),
        }
    }
}
