//! The networks of a finished run that are worth measuring.

use crate::runs::FinishedRun;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::plainnet::{Model, notation};

/// The best network of a run, and others spread evenly over its front: `top` in all, or fewer where the front is
/// smaller.
///
/// # Errors
/// A structure in the run's files that cannot be read.
pub fn networks_of(run: &FinishedRun, top: usize) -> Result<Vec<Model>, ParseError> {
    let n = run.front.len();
    let count = top.clamp(1, n.max(1));
    let step = |i: usize| if count == 1 { 0 } else { i * (n - 1) / (count - 1) };
    let mut nets: Vec<&str> = vec![&run.best];
    nets.extend((0..count).map(|i| run.front[n - 1 - step(i)].net.as_str()).filter(|_| n > 0));
    nets.dedup();
    nets.truncate(count);
    let model = |net: &&str| {
        Ok(Model {
            name: None,
            network: notation::parse(net)?,
            resolution: run.manifest.resolution,
            classes: run.manifest.classes,
            se: run.manifest.se,
        })
    };
    nets.iter().map(model).collect()
}
