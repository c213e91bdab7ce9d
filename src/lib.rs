//! Edgezen: fit an image network into the latency budget of a real device.
//!
//! This package is the program and the face of its parts, which are re-exported here:
//!
//! * `edgezen-core`, values and decisions: [`foreign`], [`plainnet`], [`zoo`], [`space`], [`measurement`], [`predictor`],
//!   [`proxy`], [`search`];
//! * `edgezen-engine`, what makes a network run: [`engine`];
//! * `edgezen-runner`, the only stopwatch: [`runner`];
//! * `edgezen-lab`, what an engineer's computer does: [`dataset`], [`fit`], [`device`], [`campaign`], [`runs`],
//!   [`verify`], [`scoring`], [`rescoring`], [`report`], [`prediction`], [`evaluation`], [`experiment`], [`catalogue`], [`jobs`];
//! * here: the data files that are [`shipped`], and [`cli`], the only place that prints.
//!
//! `docs/architecture.md` is the map. The rooms of this package, lowest first; a room imports only rooms with a smaller
//! number, as `tests/architecture` checks:
//!
//! 1. `embedded`: device profiles and predictors, compiled in
//! 2. `shipped`: the same with the user's own files
//! 3. `cli`: the commands

pub mod cli;
mod embedded;
pub mod shipped;

pub use edgezen_core::{
    accuracy, files as formats, foreign, measurement, plainnet, predictor, proxy, random, search, space,
    stats, units, zoo,
};
pub use edgezen_engine as engine;
#[cfg(feature = "torch")]
pub use edgezen_lab::train;
pub use edgezen_lab::{
    campaign, catalogue, dataset, device, evaluation, experiment, files, fit, images, jobs, prediction,
    report, rescoring, runs, scoring, trainings, transfer, verify,
};
pub use edgezen_runner as runner;
