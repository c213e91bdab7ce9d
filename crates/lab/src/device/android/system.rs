//! Android as a system to measure on.

use super::care::{self, Care};
use super::status::PhoneStatus;
use super::{facts, matching};
use crate::device::profile::Profile;
use crate::device::remote::{self, Changed, Link, LinkError, Machine, State, System};
use edgezen_core::foreign::ForeignText;
use serde_json::json;
use std::time::Duration;

/// The care of one phone.
#[derive(Clone, Debug, Default)]
pub struct AndroidSystem {
    pub care: Care,
}

impl System for AndroidSystem {
    fn noun(&self) -> &'static str {
        "phone"
    }

    fn questions(&self) -> String {
        facts::questions()
    }

    fn dir(&self, _: &Machine, profile: &Profile) -> String {
        let push_dir = profile.runner.as_ref().map_or("/data/local/tmp", |runner| runner.push_dir.as_str());
        format!("{push_dir}/edgezen")
    }

    fn other(&self, machine: &Machine, profile: &Profile) -> Option<String> {
        matching::other(machine, profile)
    }

    fn differences(&self, machine: &Machine, profile: &Profile) -> Vec<String> {
        matching::differences(machine, profile)
    }

    fn build<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText> {
        machine.properties.get("ro.build.fingerprint")
    }

    fn serial<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText> {
        machine.properties.get("ro.serialno")
    }

    fn state(
        &self,
        link: &mut dyn Link,
        _: &str,
        machine: &Machine,
        profile: &Profile,
    ) -> Result<State, LinkError> {
        let status = PhoneStatus::read(link)?;
        let complaints = status.complaints(machine, profile);
        Ok(State { owner: status.owner.clone(), complaints, facts: json!(status) })
    }

    fn prepare(
        &mut self,
        link: &mut dyn Link,
        dir: &str,
        profile: &Profile,
        machine: &Machine,
    ) -> Result<Vec<String>, LinkError> {
        self.care.prepare(link, dir, profile, machine)
    }

    fn restore(&mut self, link: &mut dyn Link, dir: &str) -> Result<bool, LinkError> {
        let done = remote::restore(link, dir)?;
        self.care = Care::default();
        Ok(done)
    }

    fn mark(&self, _: &str, owner: Option<&str>) -> String {
        care::mark(owner)
    }

    fn before_job(&self, dir: &str, machine: &Machine, limit: Duration) -> String {
        self.care.before_job(dir, machine, limit)
    }

    fn heard(&mut self, stdout: &str) -> Option<String> {
        self.care.changed.heard(stdout);
        None
    }

    fn keep_awake(&mut self, link: &mut dyn Link, profile: &Profile) {
        self.care.keep_awake(link, profile);
    }

    fn changed(&self) -> &Changed {
        &self.care.changed
    }
}
