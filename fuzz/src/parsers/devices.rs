//! Device profiles, pools, and what phones and boards say of themselves.

use super::{Parser, Seeds, as_it_is, files, said, text};
use edgezen_lab::device::android::status::PhoneStatus;
use edgezen_lab::device::android::{describe, facts};
use edgezen_lab::device::linux::{self, status::BoardStatus};
use edgezen_lab::device::profile::Profile;
use edgezen_lab::device::remote::{Address, Finished, Link, LinkError, Machine, PhoneState};
use edgezen_lab::device::tool::Description;
use edgezen_lab::pool::Pool;
use edgezen_runner::android::{parse_battery, parse_thermal};
use std::path::Path;
use std::time::Duration;

pub const PARSERS: &[Parser] = &[
    Parser { name: "profile", seeds: profiles, seal: as_it_is, parse: profile },
    Parser { name: "tool", seeds: tools, seal: as_it_is, parse: tool },
    Parser { name: "phone", seeds: phones, seal: as_it_is, parse: phone },
    Parser { name: "board", seeds: boards, seal: as_it_is, parse: board },
    Parser { name: "pool", seeds: pools, seal: as_it_is, parse: pool },
];

fn pools() -> Seeds {
    files(&["examples/pool.toml"])
}

fn pool(input: &[u8]) -> Result<(), String> {
    Pool::parse(Path::new("damaged.toml"), text(input)?).map(drop).map_err(said)
}

fn boards() -> Seeds {
    files(&["fuzz/seeds/board.txt", "fuzz/seeds/board-status.txt"])
}

fn board(input: &[u8]) -> Result<(), String> {
    let mut link = Parrot { name: "parrot".into(), said: String::from_utf8_lossy(input).into_owned() };
    let status = BoardStatus::read(&mut link, "/tmp").map_err(said)?;
    drop(format!("{status:?}"));
    let board = Machine::read(&mut link, &linux::facts::questions()).map_err(said)?;
    drop(linux::facts::title(&board));
    Ok(())
}

fn profiles() -> Seeds {
    files(&["device-profiles/pixel2.toml", "device-profiles/v100.toml", "device-profiles/host.toml"])
}

fn profile(input: &[u8]) -> Result<(), String> {
    Profile::parse(text(input)?, "damaged.toml").map(drop).map_err(said)
}

fn tools() -> Seeds {
    files(&["examples/runtimes/benchncnn.toml", "examples/runtimes/litert+python.toml"])
}

fn tool(input: &[u8]) -> Result<(), String> {
    Description::parse(Path::new("damaged.toml"), text(input)?).map(drop).map_err(said)
}

fn phones() -> Seeds {
    files(&["fuzz/seeds/phone.txt", "fuzz/seeds/phone-status.txt"])
}

/// A phone that answers every command with the same text.
struct Parrot {
    name: Address,
    said: String,
}

impl Link for Parrot {
    fn name(&self) -> &Address {
        &self.name
    }

    fn state(&mut self) -> Result<PhoneState, LinkError> {
        Ok(PhoneState::Ready)
    }

    fn shell(&mut self, _: &str, _: Duration) -> Result<Finished, LinkError> {
        Ok(Finished { stdout: self.said.clone(), stderr: String::new(), status: 0 })
    }

    fn push(&mut self, _: &[u8], _: &str, _: Duration) -> Result<(), LinkError> {
        Ok(())
    }

    fn pull(&mut self, _: &str, _: Duration) -> Result<Vec<u8>, LinkError> {
        Ok(self.said.clone().into_bytes())
    }
}

fn phone(input: &[u8]) -> Result<(), String> {
    let said_by_phone = String::from_utf8_lossy(input).into_owned();
    parse_battery(&said_by_phone);
    parse_thermal(&said_by_phone);
    let mut link = Parrot { name: "parrot".into(), said: said_by_phone };
    let status = PhoneStatus::read(&mut link).map_err(said)?;
    drop(format!("{status:?}"));
    let phone = Machine::read(&mut link, &facts::questions()).map_err(said)?;
    drop(facts::title(&phone));
    // What is drafted of a phone is a profile, or the message says why it is none.
    Profile::parse(&describe::draft(&phone), "draft.toml").map(drop).or(Ok(()))
}
