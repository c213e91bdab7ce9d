//! Edgezen: fit an image network into the latency budget of a real device.
//!
//! This package is the program and the face of its parts, which are re-exported here:
//!
//! * `edgezen-core`, values and decisions: [`plainnet`], [`zoo`], [`space`], [`measurement`], [`predictor`],
//!   [`proxy`], [`search`];
//! * `edgezen-engine`, what makes a network run: [`engine`];
//! * `edgezen-runner`, the only stopwatch: [`runner`];
//! * `edgezen-lab`, what an engineer's computer does: [`dataset`], [`fit`], [`device`], [`campaign`], [`runs`],
//!   [`verify`], [`scoring`], [`rescoring`], [`report`], [`prediction`], [`evaluation`], [`experiment`], [`catalogue`];
//! * here: the data files that are [`shipped`], and [`cli`], the only place that prints.

pub mod cli;
mod embedded;
pub mod shipped;

pub use edgezen_core::{
    files as formats, measurement, plainnet, predictor, proxy, search, space, stats, units, zoo,
};
pub use edgezen_engine as engine;
#[cfg(feature = "torch")]
pub use edgezen_lab::train;
pub use edgezen_lab::{
    campaign, catalogue, dataset, device, evaluation, experiment, files, fit, prediction, report, rescoring,
    runs, scoring, verify,
};
pub use edgezen_runner as runner;
