//! What a profile of a device writes and reads again: its plan, its journal, what is known of the device.

use super::{Parser, Seeds, as_it_is, files, in_a_file, said};
use edgezen_lab::campaign::{Plan, journal};
use edgezen_lab::dataset::environment::EnvironmentFile;
use std::path::Path;

pub const PARSERS: &[Parser] = &[
    Parser { name: "plan", seeds: plans, seal: as_it_is, parse: plan },
    Parser { name: "journal", seeds: journals, seal: as_it_is, parse: journal },
    Parser { name: "environment", seeds: environments, seal: as_it_is, parse: environment },
];

fn plans() -> Seeds {
    files(&["fuzz/seeds/plan.json"])
}

fn plan(input: &[u8]) -> Result<(), String> {
    Plan::parse(Path::new("plan.json"), input).map(|plan| drop(plan.hash())).map_err(said)
}

fn journals() -> Seeds {
    files(&["fuzz/seeds/journal.jsonl"])
}

fn journal(input: &[u8]) -> Result<(), String> {
    let opened = in_a_file("journal.jsonl", input, journal::read)?;
    opened.map_or(Err("there is nothing whole in it".into()), |opened| {
        opened.finished().count();
        Ok(())
    })
}

fn environments() -> Seeds {
    files(&["fuzz/seeds/environment.json"])
}

fn environment(input: &[u8]) -> Result<(), String> {
    in_a_file("environment.json", input, |path| EnvironmentFile::read(path.parent().unwrap_or(path)))
        .map(drop)
}
