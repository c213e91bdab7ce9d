//! All attached phones, for lists and diagnoses.

use super::facts::{questions, title};
use super::status::PhoneStatus;
use super::{describe, matching};
use crate::device::adb::{AdbLink, AttachedPhone, Server};
use crate::device::attached::Attached;
use crate::device::complaint::{Complaint, Severity};
use crate::device::profile::{Profile, Profiles};
use crate::device::remote::{LinkError, Machine, PhoneState, is_measuring};
use edgezen_core::foreign::ForeignText;
use serde::Serialize;

/// What is known of an attached phone beyond what is known of every device.
#[derive(Debug, Default, Serialize)]
pub struct PhoneDetails {
    /// Absent where the phone could not be asked.
    pub phone: Option<Machine>,
    pub status: Option<PhoneStatus>,
}

/// All attached phones, or the one called `serial`.
///
/// # Errors
/// There is no adb server, or no phone with this serial number is attached.
pub fn phones(profiles: &Profiles, serial: Option<&str>) -> Result<Vec<Attached>, LinkError> {
    let server = Server::from_environment()?;
    let mut attached = server.attached()?;
    if let Some(serial) = serial {
        let all: Vec<ForeignText> = attached.iter().map(|phone| phone.serial.clone()).collect();
        attached.retain(|phone| phone.serial == serial);
        if attached.is_empty() {
            return Err(LinkError::NotFound { serial: serial.into(), attached: all });
        }
    }
    let profiles: Vec<Profile> = profiles.usable().collect();
    Ok(attached.iter().map(|phone| look(server, phone, &profiles)).collect())
}

fn look(server: Server, attached: &AttachedPhone, profiles: &[Profile]) -> Attached {
    let seen = Attached {
        state: attached.state.to_string(),
        ..Attached::ready(attached.serial.raw(), PhoneDetails::default())
    };
    let unfit = |finding: String, remedy: String| Complaint { severity: Severity::Unfit, finding, remedy };
    if attached.state != PhoneState::Ready {
        let complaint = unfit(attached.state.to_string(), attached.state.remedy(&attached.serial));
        return Attached { complaints: vec![complaint], ..seen };
    }
    let mut link = AdbLink::new(server, &attached.serial);
    let asked =
        Machine::read(&mut link, &questions()).and_then(|phone| Ok((phone, PhoneStatus::read(&mut link)?)));
    let (phone, status) = match asked {
        Ok(answers) => answers,
        Err(error) => {
            let complaint = unfit(error.to_string(), error.remedy());
            return Attached { complaints: vec![complaint], ..seen };
        }
    };
    let known = matching::best(&phone, profiles.iter());
    let generic = || profiles.iter().find(|profile| profile.id == "android-generic");
    let rules = known.or_else(generic);
    Attached {
        title: Some(title(&phone)),
        profile: known.map(|profile| profile.id.clone()),
        differences: known.map_or_else(Vec::new, |profile| matching::differences(&phone, profile)),
        complaints: rules.map_or_else(Vec::new, |profile| status.complaints(&phone, profile)),
        draft: Some(describe::draft(&phone)),
        in_use_by: status.owner.clone().filter(|owner| is_measuring(owner.raw())),
        details: Box::new(PhoneDetails { phone: Some(phone), status: Some(status) }),
        ..seen
    }
}
