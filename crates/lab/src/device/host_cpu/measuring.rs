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
use edgezen_runner::{Clock, Measured, Monotonic, Policy, serve};
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
    let graph = graph_of(workload, engine)?;
    let batch = match workload {
        Workload::Subject(subject) => subject.batch().unwrap_or(settings.batch),
        Workload::File(_) | Workload::Written(_) => settings.batch,
    };
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
    if let Some(repeated) = repeated(workload, graph.as_ref(), engine)
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
    Ok(Measured { load_ns, peak_bytes, ..measured.map_err(|e| DeviceError::workload(workload, e))? })
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

/// The graph that a runtime is to run; `None` for a file that it runs as it is.
fn graph_of(workload: Workload<'_>, engine: &dyn Engine) -> Result<Option<Graph>, DeviceError> {
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
        // tract and ONNX Runtime run the file as it is; it may hold operations that a graph has only to be predicted.
        Workload::Written(_) if engine.file_ending() == Some("onnx") => Ok(None),
        Workload::Written(path) => read(path).map(Some),
    }
}

/// The workload repeated, where the runtime needs that.
fn repeated(workload: Workload<'_>, graph: Option<&Graph>, engine: &dyn Engine) -> Option<Repeated> {
    match workload {
        Workload::Subject(Subject::Kernel(kernel)) if engine.repeats_kernels() => Repeated::kernel(kernel),
        Workload::Subject(Subject::Block { .. }) if engine.repeats_kernels() => Repeated::graph(graph?),
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
    Ok(timing.map(|timing| Measured { timing, before: short.before, ..long }))
}
