//! A device that a driver can reach at the moment.

use super::complaint::{Complaint, Severity};
use super::computer::Computer;
use super::profile::{Kind, Profiles};
use edgezen_core::foreign::ForeignText;
use std::fmt;

/// A device that is attached now. One that cannot be measured is listed too, with the reason among its complaints.
#[derive(Debug)]
pub struct Attached {
    /// What distinguishes it from the driver's other devices: `host`, `cuda:0`, the serial number of a phone.
    pub name: String,
    /// `ready`; otherwise why the device cannot be asked about itself, such as `unauthorized`.
    pub state: String,
    /// One line that describes it. `None`: it could not be asked.
    pub title: Option<String>,
    /// Id of the profile that describes it. `None`: no profile does, or it could not be asked.
    pub profile: Option<String>,
    /// Where the device and its profile disagree, one line each.
    pub differences: Vec<String>,
    /// What makes it unfit to measure, the worst first.
    pub complaints: Vec<Complaint>,
    /// The text of a profile that was drafted from what the device says of itself. `None`: it could not be asked, or
    /// drivers of its kind draft none.
    pub draft: Option<String>,
    /// Who measures on it now; `None`: nobody, or it does not tell.
    pub in_use_by: Option<ForeignText>,
    /// What else the driver found out.
    pub details: Box<dyn Details>,
}

/// What a driver found out about an attached device, in a form of its own; it can be serialised and nothing else.
pub trait Details: erased_serde::Serialize + fmt::Debug + Send {}

erased_serde::serialize_trait_object!(Details);

impl<T: serde::Serialize + fmt::Debug + Send> Details for T {}

impl Attached {
    /// A device called `name` that is ready, and of which nothing else is known yet.
    pub fn ready(name: impl Into<String>, details: impl Details + 'static) -> Attached {
        Attached {
            name: name.into(),
            state: "ready".into(),
            title: None,
            profile: None,
            differences: Vec::new(),
            complaints: Vec::new(),
            draft: None,
            in_use_by: None,
            details: Box::new(details),
        }
    }

    /// Whether it can be asked, nobody measures on it, and nothing makes it unfit.
    pub fn is_free(&self) -> bool {
        self.why_not().is_none()
    }

    /// Why it cannot be measured now; `None` where it can.
    pub fn why_not(&self) -> Option<String> {
        let unfit = || self.complaints.iter().find(|complaint| complaint.severity >= Severity::Unfit);
        let in_use = self.in_use_by.as_ref().map(|owner| format!("in use by {owner}"));
        in_use
            .or_else(|| unfit().map(|complaint| complaint.finding.clone()))
            .or_else(|| (self.state != "ready").then(|| self.state.clone()))
    }

    /// This computer as a device called `name`; profiles of this kind describe it.
    pub fn this_computer(name: &str, kind: Kind, profiles: &Profiles) -> Attached {
        let computer = Computer::read();
        Attached {
            title: Some(computer.to_string()),
            profile: profiles.usable().find(|profile| profile.kind == kind).map(|profile| profile.id),
            complaints: computer.complaints(),
            ..Attached::ready(name, computer)
        }
    }
}
