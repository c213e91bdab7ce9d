//! All attached phones at once: for lists and diagnoses.

use super::facts::Phone;
use super::matching;
use super::status::Status;
use crate::device::adb::{AdbLink, Attached, LinkError, Server, State};
use crate::device::computer::{Complaint, Severity};
use crate::device::profile::{Profile, Profiles};
use serde::Serialize;

/// A phone that the adb server knows of.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub serial: String,
    /// `ready`, `unauthorized`, …
    pub state: String,
    pub title: Option<String>,
    /// The profile that knows it.
    pub profile: Option<String>,
    /// What it says otherwise than its profile.
    pub differences: Vec<String>,
    /// What makes it unfit to measure, the worst first.
    pub complaints: Vec<Complaint>,
    /// Absent where it could not be asked.
    pub phone: Option<Phone>,
    pub status: Option<Status>,
}

/// All attached phones, or the one called `serial`.
///
/// # Errors
/// No adb server, or a phone of that name is not attached.
pub fn phones(profiles: &Profiles, serial: Option<&str>) -> Result<Vec<Seen>, LinkError> {
    let server = Server::from_environment()?;
    let mut attached = server.attached()?;
    if let Some(serial) = serial {
        let all: Vec<String> = attached.iter().map(|phone| phone.serial.clone()).collect();
        attached.retain(|phone| phone.serial == serial);
        if attached.is_empty() {
            return Err(LinkError::NotFound { serial: serial.to_owned(), attached: all });
        }
    }
    let profiles: Vec<Profile> = profiles.usable().collect();
    Ok(attached.iter().map(|phone| look(server, phone, &profiles)).collect())
}

fn look(server: Server, attached: &Attached, profiles: &[Profile]) -> Seen {
    let mut seen = Seen {
        serial: attached.serial.clone(),
        state: attached.state.to_string(),
        title: None,
        profile: None,
        differences: Vec::new(),
        complaints: Vec::new(),
        phone: None,
        status: None,
    };
    if attached.state != State::Ready {
        seen.complaints.push(Complaint {
            severity: Severity::Unfit,
            finding: attached.state.to_string(),
            remedy: attached.state.remedy(&attached.serial),
        });
        return seen;
    }
    let mut link = AdbLink::new(server, &attached.serial);
    let asked = Phone::read(&mut link).and_then(|phone| Ok((phone, Status::read(&mut link)?)));
    let (phone, status) = match asked {
        Ok(answers) => answers,
        Err(error) => {
            let (finding, remedy) = (error.to_string(), error.remedy());
            seen.complaints.push(Complaint { severity: Severity::Unfit, finding, remedy });
            return seen;
        }
    };
    seen.title = Some(phone.title());
    let known = matching::best(&phone, profiles.iter());
    let generic = || profiles.iter().find(|profile| profile.id == "android-generic");
    if let Some(profile) = known {
        seen.profile = Some(profile.id.clone());
        seen.differences = matching::differences(&phone, profile);
    }
    if let Some(profile) = known.or_else(generic) {
        seen.complaints = status.complaints(&phone, profile);
    }
    seen.phone = Some(phone);
    seen.status = Some(status);
    seen
}
