//! Jobs for a runner, and its replies.

use super::{Parser, Seeds, as_it_is, files, said, text};
use edgezen_core::plainnet::Graph;
use edgezen_engine::runtimes::{Opening, Runtime};
use edgezen_engine::{Engine, EngineError, Loaded};
use edgezen_runner::engines::Engines;
use edgezen_runner::pinning::Cores;
use edgezen_runner::protocol::Reply;
use edgezen_runner::serve;

pub const PARSERS: &[Parser] = &[
    Parser { name: "protocol", seeds: jobs, seal: as_it_is, parse: answered },
    Parser { name: "replies", seeds: replies, seal: as_it_is, parse: understood },
];

fn jobs() -> Seeds {
    files(&["fuzz/seeds/job-kernel.json", "fuzz/seeds/job-block.json"])
}

/// An engine that reads everything and runs nothing: what is tried is what comes before.
struct Unwilling;

impl Engine for Unwilling {
    fn name(&self) -> &'static str {
        "unwilling"
    }

    fn version(&self) -> String {
        "1".into()
    }

    fn load(&self, _: &Graph, _: u32, _: u64) -> Result<Box<dyn Loaded>, EngineError> {
        Err(EngineError::Unsupported { engine: "unwilling", what: "anything".into() })
    }
}

impl Runtime for Unwilling {
    /// As the jobs call it.
    fn name(&self) -> &'static str {
        "tract"
    }

    fn about(&self) -> &'static str {
        "runs nothing"
    }

    fn open(&self, _: &Opening<'_>) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(Unwilling))
    }
}

/// Every line has its answer. Accepted is what got as far as the engine.
fn answered(input: &[u8]) -> Result<(), String> {
    let mut output = Vec::new();
    let mut engines = Engines::of(&[&Unwilling], Vec::new());
    serve::serve(&mut engines, &Cores::default(), input, &mut output, None).map_err(said)?;
    let lines = text(input)?.lines().filter(|line| !line.trim().is_empty()).count();
    let answers = text(&output)?.lines().count() - 1;
    assert_eq!(answers, lines, "as many answers as jobs");
    if text(&output)?.contains("unwilling does not support") {
        Ok(())
    } else {
        Err("no line was a job".into())
    }
}

fn replies() -> Seeds {
    files(&["fuzz/seeds/replies.jsonl"])
}

fn understood(input: &[u8]) -> Result<(), String> {
    for line in text(input)?.lines() {
        serde_json::from_str::<Reply>(line).map_err(said)?;
    }
    Ok(())
}
