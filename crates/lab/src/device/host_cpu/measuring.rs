//! One measurement on this computer.

use crate::device::pinned_core::PinnedCore;
use crate::device::{DeviceError, Workload};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::repeated::Repeated;
use edgezen_engine::Engine;
use edgezen_runner::trial::{self, Network, Trial, TrialError};
use edgezen_runner::{Measured, Policy, WorkError};

/// How a workload is run and timed.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub batch: u32,
    pub seed: u64,
    pub precision: &'a str,
    pub policy: &'a Policy,
    /// Whether the runtime's outputs are compared with tract's before anything is timed.
    pub compare: bool,
}

/// Loads `workload` into `engine` and times it on `core`.
///
/// # Errors
/// A workload that cannot be loaded or run, or of which the runtime computes something else than tract does.
pub fn measure(
    workload: Workload<'_>,
    engine: &dyn Engine,
    settings: Settings<'_>,
    core: &mut PinnedCore,
) -> Result<Measured, DeviceError> {
    // tract and ONNX Runtime run an ONNX file as it is; it may hold operations that a graph has only to be predicted. In integers
    // it has to be written anew.
    let as_it_is = engine.file_ending() == Some("onnx") && settings.precision == "fp32";
    let graph = graph_of(workload, as_it_is)?;
    let network = match (&graph, workload) {
        (Some(graph), _) => Network::Graph(graph),
        (None, Workload::File(path) | Workload::Written(path)) => Network::File(path),
        (None, Workload::Subject(_)) => return Err(DeviceError::workload(workload, "it has no graph")),
    };
    let subject = match workload {
        Workload::Subject(subject) => Some(subject),
        Workload::File(_) | Workload::Written(_) => None,
    };
    let batch = batch_of(workload, settings.batch);
    let Settings { seed, precision, policy, compare, .. } = settings;
    let cores = core.cores.as_deref().unwrap_or_default();
    let trial = Trial { engine, network, subject, batch, seed, precision, policy, compare, cores };
    trial.measure(Some(&mut core.pace)).map_err(|error| match (error, workload) {
        (TrialError::Load(error), Workload::File(path) | Workload::Written(path)) => {
            DeviceError::BadFile { path: path.to_owned(), reason: error.to_string() }
        }
        (error, _) => DeviceError::workload(workload, error),
    })
}

/// Images per run; `usual` where the workload does not say.
pub fn batch_of(workload: Workload<'_>, usual: u32) -> u32 {
    match workload {
        Workload::Subject(subject) => subject.batch().unwrap_or(usual),
        Workload::File(_) | Workload::Written(_) => usual,
    }
}

/// The graph to run; `None` for a file that is run as it is: one of the user's, and one that this program wrote where the
/// runtime takes such files `as_it_is`.
///
/// # Errors
/// A subject without a graph, and a file that cannot be read.
pub fn graph_of(workload: Workload<'_>, as_it_is: bool) -> Result<Option<Graph>, DeviceError> {
    workload.to_work().graph(as_it_is).map_err(|error| match (error, workload) {
        (WorkError::File(reason), Workload::File(path) | Workload::Written(path)) => {
            DeviceError::BadFile { path: path.to_owned(), reason }
        }
        (error, _) => DeviceError::workload(workload, error),
    })
}

/// The workload, whose graph is `graph`, repeated; `None` for what is measured alone.
pub fn repeated(workload: Workload<'_>, graph: &Graph) -> Option<Repeated> {
    match workload {
        Workload::Subject(subject) => trial::repeated(subject, graph, true),
        Workload::File(_) | Workload::Written(_) => None,
    }
}
