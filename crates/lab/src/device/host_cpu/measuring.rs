//! One measurement on this computer: the network is loaded, compared with tract, and timed.

use super::NAME;
use crate::device::pinned_core::PinnedCore;
use crate::device::{DeviceError, Workload};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::repeated::Repeated;
use edgezen_engine::agreement::{self, Tolerance};
use edgezen_engine::{Engine, EngineError, Loaded, Tract, onnx};
use edgezen_runner::process;
use edgezen_runner::{Clock, Measured, Monotonic, Outputs, Policy, serve};
use std::path::Path;

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
    let batch = batch_of(workload, settings.batch);
    let failed = |error: EngineError| match workload {
        Workload::Subject(_) => DeviceError::engine(workload, &error),
        Workload::File(path) | Workload::Written(path) => {
            DeviceError::BadFile { path: path.to_owned(), reason: error.to_string() }
        }
    };
    let load = || -> Result<Box<dyn Loaded>, DeviceError> {
        match (&graph, workload) {
            (Some(graph), _) => engine.load(graph, batch, settings.seed),
            (None, Workload::File(path) | Workload::Written(path)) => {
                engine.load_file(path, batch, settings.seed)
            }
            (None, Workload::Subject(_)) => {
                let reason = "it has no graph".to_owned();
                Err(EngineError::Failed { engine: engine.name(), reason })
            }
        }
        .map_err(failed)
    };
    // A network of its own is compared, so that the first run of the one that is timed stays the first.
    if let Some(graph) = graph.as_ref().filter(|_| settings.compare && engine.name() != Tract.name()) {
        let tolerance = Tolerance::of(settings.precision);
        agreement::check(engine, load()?.as_mut(), graph, (batch, settings.seed), tolerance)
            .map_err(failed)?;
    }
    if engine.repeats_kernels()
        && let Some(repeated) = graph.as_ref().and_then(|graph| repeated(workload, graph))
        && let Some(measured) = difference(workload, engine, &repeated, (batch, settings), core)?
    {
        return Ok(measured);
    }
    process::forget_peak();
    let before = process::resident();
    let threads = core.threads();
    let clock = Monotonic::start();
    let mut loaded = load()?;
    let load_ns = Some(clock.now_ns());
    core.spread(&threads);
    let measured = serve::measure(loaded.as_mut(), settings.policy, Some(&mut core.pace));
    let peak_bytes = before.zip(process::resident());
    let peak_bytes = peak_bytes.map(|(before, after)| after.peak_bytes.saturating_sub(before.now_bytes));
    // The threads of the runtime end before the next network starts others.
    drop(loaded);
    core.gather();
    let outputs = Some(outputs(engine, graph.is_some()));
    let measured = measured.map_err(|e| DeviceError::workload(workload, e))?;
    Ok(Measured { load_ns, peak_bytes, outputs, ..measured })
}

/// Refuses a file that is not one of the runtime's own, which end with `.ending`.
///
/// # Errors
/// [`DeviceError::Unsupported`].
pub fn check_file(workload: Workload<'_>, runtime: &str, ending: Option<&str>) -> Result<(), DeviceError> {
    let Workload::File(path) = workload else { return Ok(()) };
    let has = path.extension().and_then(|has| has.to_str());
    if ending.is_some_and(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted))) {
        return Ok(());
    }
    let what =
        format!("{} in {runtime}, which runs .{} files as they are,", path.display(), ending.unwrap_or("no"));
    Err(DeviceError::Unsupported { device: NAME.into(), what })
}

/// What is known of the outputs of a network that was timed. One that came `by_graph` was compared, in this measurement or an
/// earlier one.
fn outputs(engine: &dyn Engine, by_graph: bool) -> Outputs {
    match by_graph {
        _ if engine.name() == Tract.name() => Outputs::Reference,
        true => Outputs::Compared,
        false => Outputs::Unchecked,
    }
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
    let read = |path: &Path| {
        let bad = |reason: String| DeviceError::BadFile { path: path.to_owned(), reason };
        onnx::read(path)
            .map_err(|error| bad(error.to_string()))?
            .whole()
            .map_err(|error| bad(error.to_string()))
    };
    match workload {
        Workload::Subject(subject) => {
            subject.graph().map(Some).map_err(|error| DeviceError::workload(workload, error))
        }
        Workload::File(_) => Ok(None),
        Workload::Written(_) if as_it_is => Ok(None),
        Workload::Written(path) => read(path).map(Some),
    }
}

/// The workload, whose graph is `graph`, repeated; `None` for what is measured alone.
pub fn repeated(workload: Workload<'_>, graph: &Graph) -> Option<Repeated> {
    match workload {
        Workload::Subject(Subject::Kernel(kernel)) => Repeated::kernel(kernel),
        Workload::Subject(Subject::Block { .. }) => Repeated::graph(graph),
        _ => None,
    }
}

/// Times the long and the short graph; what the long one holds more often takes the difference. `None` where that is too
/// small to be seen.
fn difference(
    workload: Workload<'_>,
    engine: &dyn Engine,
    repeated: &Repeated,
    (batch, settings): (u32, Settings<'_>),
    core: &mut PinnedCore,
) -> Result<Option<Measured>, DeviceError> {
    let policy = settings.policy.split(2);
    let mut of = |graph: &Graph| -> Result<Measured, DeviceError> {
        let threads = core.threads();
        let loaded = engine.load(graph, batch, settings.seed);
        let mut loaded = loaded.map_err(|error| DeviceError::engine(workload, &error))?;
        core.spread(&threads);
        let measured = serve::measure(loaded.as_mut(), &policy, Some(&mut core.pace));
        drop(loaded);
        core.gather();
        measured.map_err(|e| DeviceError::workload(workload, e))
    };
    let short = of(&repeated.short)?;
    let long = of(&repeated.long)?;
    let timing = long.timing.clone().repeated(&short.timing, repeated.times);
    let outputs = Some(outputs(engine, true));
    Ok(timing.map(|timing| Measured { timing, before: short.before, outputs, ..long }))
}
