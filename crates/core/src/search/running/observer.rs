//! What a search asks of the world around it, and what it tells it.

use super::checkpoint::Checkpoint;
use super::progress::SearchProgress;
use std::time::Duration;

/// What the observer wants a search to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    GoOn,
    /// Hand out a checkpoint, then go on.
    Save,
    /// Hand out a checkpoint, then stop with what was found.
    Stop,
}

/// What a search asks of the world around it.
pub trait Observer: Sync {
    /// Time since some moment; only differences matter.
    fn now(&self) -> Duration;

    /// Called every [`super::REPORT_EVERY`] iterations and at the end.
    fn progress(&self, progress: SearchProgress);

    /// Asked between rounds, often: must be quick.
    fn instruction(&self) -> Instruction {
        Instruction::GoOn
    }

    /// Receives a checkpoint: one that was asked for, or the last one of the search.
    fn save(&self, _checkpoint: &Checkpoint) {}
}

/// Observes nothing and asks for nothing; the phases of the search are not timed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn progress(&self, _: SearchProgress) {}
}
