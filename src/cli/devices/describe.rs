//! `edgezen devices describe`: a profile drafted from an attached phone.

use super::seen;
use crate::cli::{Exit, Failure, Global};
use edgezen_lab::device::DeviceError;
use edgezen_lab::device::profile::Profiles;
use edgezen_lab::device::remote::LinkError;
use edgezen_lab::files::Destination;
use serde::Serialize;

#[derive(Serialize)]
struct Described {
    serial: String,
    profile: String,
    /// Where it was written.
    file: Option<String>,
}

/// Writes the draft to `output`, or prints it.
pub fn run(
    profiles: &Profiles,
    serial: Option<String>,
    output: Option<&Destination>,
    global: Global,
) -> Result<(), Failure> {
    let named = serial.is_some();
    let mut phones = seen::phones(profiles, serial)?;
    // A phone that cannot be asked says why, unless another one can be.
    if !named && phones.iter().any(|phone| phone.draft.is_some()) {
        phones.retain(|phone| phone.draft.is_some());
    }
    let phone = match &phones[..] {
        [] => return Err(DeviceError::Link(LinkError::NoPhone).into()),
        [phone] => phone,
        several => {
            let serials = several.iter().map(|phone| phone.name.as_str().to_owned()).collect();
            return Err(DeviceError::Several { serials }.into());
        }
    };
    let Some(profile) = phone.draft.clone() else {
        let complaint = phone.complaints.first();
        let message = match complaint.filter(|_| phone.state == "ready") {
            Some(complaint) => complaint.finding.clone(),
            None => format!("{} is {}", phone.name, phone.state),
        };
        let remedy = complaint.map(|complaint| complaint.remedy.clone());
        return Err(Failure { exit: Exit::Device, message, remedy });
    };
    if let Some(profile) = &phone.profile {
        global.output().note(format!("note: this phone has a profile already: {profile}"));
    }
    if let Some(place) = output {
        place.write(profile.as_bytes())?;
    }
    let file = output.filter(|place| !place.is_stdout()).map(|place| place.path().display().to_string());
    if output.is_some() && file.is_none() {
        return Ok(());
    }
    let described = Described { serial: phone.name.as_str().to_owned(), profile, file };
    global.output().result(&described, || match &described.file {
        Some(file) => format!("written to {file}; as device-profiles/<id>.toml here it is found by its id"),
        None => described.profile.clone(),
    })
}
