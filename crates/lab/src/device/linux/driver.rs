//! The driver of Linux boards: the one that a host names.

use super::facts::title;
use super::status::BoardStatus;
use super::system::LinuxSystem;
use super::{facts, matching};
use crate::device::attached::Attached;
use crate::device::complaint::{Complaint, Severity};
use crate::device::driver::{Driver, Means, Request};
use crate::device::name::DeviceName;
use crate::device::profile::{Kind, Profile, Profiles};
use crate::device::remote::{
    Link, LinkError, Lock, Machine, Reached, Remote, SOON, System, is_measuring, me,
};
use crate::device::ssh::SshLink;
use crate::device::{Device, DeviceError, DriverOptions, Passes, running};
use serde::Serialize;
use std::time::Duration;

/// Measures on Linux boards.
pub struct LinuxDriver;

/// Options of boards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardOptions {
    /// The board as `ssh` knows it: `pi@board`, or a name of the user's configuration. `None`: none is named.
    pub host: Option<String>,
    /// Longest wait for the board after the link to it broke.
    pub patience: Duration,
    /// Whether a board is measured under the name of another one.
    pub other_board: bool,
}

impl Default for BoardOptions {
    fn default() -> BoardOptions {
        BoardOptions { host: None, patience: Duration::from_secs(60), other_board: false }
    }
}

/// What is known of a board beyond what is known of every device.
#[derive(Debug, Default, Serialize)]
pub struct BoardDetails {
    /// Absent where the board could not be asked.
    pub board: Option<Machine>,
    pub status: Option<BoardStatus>,
}

impl Driver for LinuxDriver {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn about(&self) -> &'static str {
        "the CPU of a Linux board, through a runner pushed over ssh, in tract, ONNX Runtime or LiteRT"
    }

    fn kind(&self) -> Kind {
        Kind::LinuxCpu
    }

    fn heeds(&self) -> &'static [Means] {
        &[Means::Host, Means::Pool, Means::Cores, Means::OtherUnit]
    }

    /// The board that the options name; none where they name none.
    fn attached(&self, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        let BoardOptions { host, .. } = options.of();
        host.map_or_else(|| Ok(Vec::new()), |host| Ok(vec![look(&host, profiles)?]))
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        running::configured_remote(profile, name)
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let Request { profile, options, .. } = *request;
        running::check_threads(profile, options.threads)?;
        let board: BoardOptions = options.driver.of();
        let host = board.host.ok_or_else(|| DeviceError::NoHost { device: profile.id.clone() })?;
        let mut link = SshLink::new(&host)?;
        link.await_ready(SOON)?;
        let system = LinuxSystem::default();
        let machine = Machine::read(&mut link, &system.questions())?;
        // A board may have several names for ssh, and has one serial number from its maker.
        let own = system.serial(&machine).or(machine.boot_id.as_ref()).unwrap_or(link.name()).raw();
        let lock = Lock::of_device(own, &format!("board {}", link.name()), &me())?;
        let reached = Reached {
            link: Box::new(link),
            system: Box::new(system),
            machine,
            lock,
            patience: board.patience,
            other: board.other_board,
        };
        let mut remote = Remote::new(reached, profile, options)?;
        remote.check_and_claim()?;
        Ok(Box::new(remote))
    }

    /// A pass is one launch of the runner for each configuration.
    fn usual_passes(&self, profile: &Profile) -> Passes {
        Passes::exactly(profile.measure.launches)
    }

    /// The warm-up, and a third of a second for the runs and the start of the runner.
    fn time_of_pass(&self, profile: &Profile) -> Duration {
        Duration::from_millis(u64::from(profile.measure.warmup_min_ms) + 300)
    }
}

/// The board behind `host`, with what makes it unfit to measure.
fn look(host: &str, profiles: &Profiles) -> Result<Attached, DeviceError> {
    let mut link = SshLink::new(host)?;
    let seen = Attached::ready(host, BoardDetails::default());
    let usable: Vec<Profile> = profiles.usable().collect();
    let asked = ask(&mut link, &usable);
    let (board, status) = match asked {
        Ok(answers) => answers,
        Err(error) => {
            let (finding, remedy) = (error.to_string(), error.remedy());
            let complaints = vec![Complaint { severity: Severity::Unfit, finding, remedy }];
            return Ok(Attached { state: "not reached".into(), complaints, ..seen });
        }
    };
    let known = matching::best(&board, usable.iter());
    let rules = rules(&board, &usable);
    Ok(Attached {
        title: Some(title(&board)),
        profile: known.map(|profile| profile.id.clone()),
        differences: known.map_or_else(Vec::new, |profile| matching::differences(&board, profile)),
        complaints: rules.map_or_else(Vec::new, |profile| status.complaints(&board, profile)),
        in_use_by: status.owner.clone().filter(|owner| is_measuring(owner.raw())),
        details: Box::new(BoardDetails { board: Some(board), status: Some(status) }),
        ..seen
    })
}

/// The profile of the board, or that of any board.
fn rules<'a>(board: &Machine, profiles: &'a [Profile]) -> Option<&'a Profile> {
    let generic = || profiles.iter().find(|profile| profile.id == "linux-generic");
    matching::best(board, profiles.iter()).or_else(generic)
}

fn ask(link: &mut SshLink, profiles: &[Profile]) -> Result<(Machine, BoardStatus), LinkError> {
    link.await_ready(Duration::ZERO)?;
    let board = Machine::read(link, &facts::questions())?;
    // The folder that measuring uses names who measures.
    let dir =
        rules(&board, profiles).map_or_else(String::new, |rules| LinuxSystem::default().dir(&board, rules));
    let status = BoardStatus::read(link, &dir)?;
    Ok((board, status))
}
