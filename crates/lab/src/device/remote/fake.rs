//! Links for tests: one that really runs commands, on this computer, and one that gives prepared answers.

use super::address::Address;
use super::error::LinkError;
use super::link::{Finished, Link, marked, unmarked};
use super::state::PhoneState;
use edgezen_core::foreign::ForeignText;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// This computer as a phone: commands run in a shell here, and find programs in `bin` first.
pub struct LocalLink {
    name: Address,
    bin: PathBuf,
    /// Commands so far.
    pub log: Vec<String>,
}

impl LocalLink {
    pub fn new(bin: &Path) -> LocalLink {
        LocalLink { name: "local".into(), bin: bin.to_owned(), log: Vec::new() }
    }
}

impl Link for LocalLink {
    fn name(&self) -> &Address {
        &self.name
    }

    fn state(&mut self) -> Result<PhoneState, LinkError> {
        Ok(PhoneState::Ready)
    }

    fn shell(&mut self, command: &str, _: Duration) -> Result<Finished, LinkError> {
        self.log.push(command.to_owned());
        let path = format!("{}:/usr/bin:/bin", self.bin.display());
        let output = Command::new("sh").arg("-c").arg(marked(command)).env("PATH", path).output();
        let broken = |reason: String| LinkError::Broken {
            serial: "local".into(),
            reason: ForeignText::message(reason),
        };
        let output = output.map_err(|e| broken(e.to_string()))?;
        unmarked(&output.stdout, &output.stderr).ok_or_else(|| broken("it did not end".into()))
    }

    fn push(&mut self, bytes: &[u8], remote: &str, _: Duration) -> Result<(), LinkError> {
        use std::os::unix::fs::PermissionsExt;
        let write = || -> std::io::Result<()> {
            if let Some(parent) = Path::new(remote).parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(remote, bytes)?;
            std::fs::set_permissions(remote, std::fs::Permissions::from_mode(0o777))
        };
        write().map_err(|e| LinkError::Refused {
            serial: "local".into(),
            what: format!("writing {remote}"),
            reason: ForeignText::message(e),
        })
    }

    fn pull(&mut self, remote: &str, _: Duration) -> Result<Vec<u8>, LinkError> {
        std::fs::read(remote).map_err(|e| LinkError::Refused {
            serial: "local".into(),
            what: format!("reading {remote}"),
            reason: ForeignText::message(e),
        })
    }
}

/// A phone with prepared answers, one for each command.
pub struct ScriptedLink {
    pub name: Address,
    pub states: VecDeque<Result<PhoneState, LinkError>>,
    pub answers: VecDeque<Result<Finished, LinkError>>,
    pub revived: u32,
}

impl Default for ScriptedLink {
    fn default() -> ScriptedLink {
        let (states, answers) = (VecDeque::new(), VecDeque::new());
        ScriptedLink { name: "scripted".into(), states, answers, revived: 0 }
    }
}

impl Link for ScriptedLink {
    fn name(&self) -> &Address {
        &self.name
    }

    fn state(&mut self) -> Result<PhoneState, LinkError> {
        self.states.pop_front().unwrap_or(Ok(PhoneState::Ready))
    }

    fn shell(&mut self, _: &str, _: Duration) -> Result<Finished, LinkError> {
        let nothing = Finished { stdout: String::new(), stderr: String::new(), status: 0 };
        self.answers.pop_front().unwrap_or(Ok(nothing))
    }

    fn push(&mut self, _: &[u8], _: &str, _: Duration) -> Result<(), LinkError> {
        Ok(())
    }

    fn pull(&mut self, _: &str, _: Duration) -> Result<Vec<u8>, LinkError> {
        Ok(Vec::new())
    }

    fn revive(&mut self) {
        self.revived += 1;
    }
}

#[test]
fn waiting_ends_where_only_a_person_can_help() {
    let lost = || LinkError::NotFound { serial: "scripted".into(), attached: vec![] };
    let mut link = ScriptedLink::default();
    link.states.extend([Err(lost()), Ok(PhoneState::Offline), Ok(PhoneState::Connecting)]);
    link.await_ready(Duration::from_secs(9)).unwrap();
    assert_eq!(link.revived, 3);
    link.states.extend([Ok(PhoneState::Offline), Ok(PhoneState::Unauthorized)]);
    let error = link.await_ready(Duration::from_secs(9)).unwrap_err();
    assert!(error.needs_a_person() && error.remedy().contains("accept"), "{error}");
    link.states.push_back(Err(lost()));
    assert_eq!(link.await_ready(Duration::ZERO), Err(lost()));
}
