//! The CPU of this computer, measured by a tool: a program of others that runs the network and times it itself.

use super::measuring;
use super::{NAME, identity};
use crate::device::pinned_core::PinnedCore;
use crate::device::profile::Plateau;
use crate::device::tool::{Session, Subject, Tool, ToolError};
use crate::device::{Device, DeviceError, Facts, Options, Workload, computer, format};
use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::{Graph, Shape};
use edgezen_engine::model_file::{Content, ModelFormat};
use edgezen_engine::precision::Precision;
use edgezen_engine::{onnx, tflite};
use edgezen_runner::{Measured, Policy, Running};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tempfile::NamedTempFile;

/// What the writer of files calls itself in errors.
const WRITER: &str = "the writer of its file";

pub struct ByTool {
    identity: Identity,
    session: Session,
    precision: Precision,
    /// The thread stays on these cores, and the tool inherits them.
    _core: PinnedCore,
    seed: u64,
    /// How long each measurement goes on calling.
    time: Duration,
    noisy_half_width: f64,
    /// Whether a call has given a latency: what fails then concerns one workload, and not the tool.
    worked: bool,
    notes: Vec<String>,
    /// Where it is measured in the sustained state.
    plateau: Option<Plateau>,
}

impl ByTool {
    /// Pins the calling thread until the device is dropped.
    ///
    /// # Errors
    /// The tool's program is absent or does not tell its version; cores that are refused.
    pub fn open(
        tool: Tool,
        running: &Running,
        options: &Options,
        plateau: Option<Plateau>,
    ) -> Result<ByTool, DeviceError> {
        if options.cold_caches {
            let what = format!("emptying caches while {} measures", tool.description.id);
            return Err(DeviceError::Unsupported { device: NAME.into(), what });
        }
        if options.energy {
            let what = format!("reading the energy while {} measures", tool.description.id);
            return Err(DeviceError::Unsupported { device: NAME.into(), what });
        }
        let (id, file) = (tool.description.id.to_string(), tool.file.clone());
        let session = Session::open(tool, running.threads).map_err(|error| DeviceError::Tool {
            tool: id.clone(),
            workload: None,
            description: file,
            error: Box::new(error),
        })?;
        let cores = PinnedCore::choose(options.cores.as_deref(), running.threads)
            .and_then(|cores| PinnedCore::learning(cores.as_deref(), None, Duration::ZERO))
            .map_err(|error| DeviceError::Pin { device: NAME.into(), error })?;
        let runs = session.tool.description.runs;
        Ok(ByTool {
            identity: identity(
                running,
                session.version.clone(),
                options.batch,
                cores.cores.as_deref(),
                plateau,
            ),
            session,
            precision: Precision::by_name(&running.precision).unwrap_or(Precision::Fp32),
            _core: cores,
            seed: options.seed,
            time: options.time.unwrap_or_default() / options.rounds.max(1),
            noisy_half_width: options.policy.unwrap_or(Policy::HOST).noisy_half_width,
            worked: false,
            plateau,
            notes: vec![format!(
                "{id} times itself: each of its calls is one sample of {runs} runs; its outputs are unchecked"
            )],
        })
    }

    fn format(&self) -> ModelFormat {
        self.session.tool.description.format.into()
    }

    /// What a failure of the tool at `workload` means.
    fn failed(&self, workload: Workload<'_>, error: ToolError) -> DeviceError {
        if self.worked {
            return DeviceError::workload(workload, error);
        }
        let Tool { description, file } = &self.session.tool;
        DeviceError::Tool {
            tool: description.id.to_string(),
            workload: Some(workload.to_string()),
            description: file.clone(),
            error: Box::new(error),
        }
    }

    /// Times the network in a file.
    fn timed(
        &mut self,
        workload: Workload<'_>,
        model: &Path,
        batch: u32,
        input: Option<Shape>,
    ) -> Result<Measured, DeviceError> {
        let side = |side: u32| side as usize;
        let model = std::path::absolute(model).map_err(|error| DeviceError::workload(workload, error))?;
        let subject = Subject {
            model: &model,
            batch,
            sizes: input.map(|input| [side(input.c), side(input.h), side(input.w)]),
            time: self.time,
            noisy_half_width: self.noisy_half_width,
        };
        let measured = self.session.measure(&subject).map_err(|error| self.failed(workload, error))?;
        self.worked = true;
        Ok(measured)
    }

    /// Writes `graph` as a file of the tool's, and times it.
    fn timed_graph(
        &mut self,
        workload: Workload<'_>,
        graph: &Graph,
        batch: u32,
    ) -> Result<Measured, DeviceError> {
        let content = Content { batch, seed: self.seed, precision: self.precision };
        let file = self.format().write(WRITER, graph, content);
        let file = file.map_err(|error| DeviceError::workload(workload, error))?;
        let written = self.written(&file.bytes).map_err(|error| DeviceError::workload(workload, error))?;
        drop(file);
        let input = graph.nodes.first().map(|node| node.shape);
        self.timed(workload, written.path(), batch, input)
    }

    /// A file with this content, which exists as long as the result.
    fn written(&self, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
        let ending = format!(".{}", self.format().ending());
        let mut file = tempfile::Builder::new().suffix(&ending).tempfile()?;
        file.write_all(bytes)?;
        file.flush()?;
        Ok(file)
    }

    /// The shape of the first input of the network in a file, where the description asks for it.
    fn input_of(&self, path: &Path) -> Result<Option<Shape>, DeviceError> {
        if !self.session.tool.description.needs_sizes() {
            return Ok(None);
        }
        let bad = |reason: String| DeviceError::BadFile { path: path.to_owned(), reason };
        let imported = match self.format() {
            ModelFormat::Onnx => onnx::read(path).map_err(|error| bad(error.to_string()))?,
            ModelFormat::Tflite => tflite::read(path).map_err(|error| bad(error.to_string()))?,
        };
        Ok(imported.graph.nodes.first().map(|node| node.shape))
    }
}

impl Device for ByTool {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        let description = &self.session.tool.description;
        let mut facts = computer::facts();
        let tool = json!({
            "about": description.about,
            "command": description.command,
            "runs_per_call": description.runs,
            "outputs": "unchecked",
        });
        facts.insert("timed_by_tool".into(), tool);
        facts
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let format = self.format();
        let id = self.session.tool.description.id.to_string();
        format::check_file(NAME, workload, &id, Some(format.ending()))?;
        // A network that was written as ONNX, in floats, is such a file already.
        let as_it_is = format == ModelFormat::Onnx && self.precision == Precision::Fp32;
        let Some(graph) = measuring::graph_of(workload, as_it_is)? else {
            let (Workload::File(path) | Workload::Written(path)) = workload else {
                return Err(DeviceError::workload(workload, "it has no graph"));
            };
            let input = self.input_of(path)?;
            return self.timed(workload, path, self.identity.batch, input);
        };
        let batch = measuring::batch_of(workload, self.identity.batch);
        // Around a single kernel a tool, as a runtime, does what a network needs once.
        if let Some(repeated) = measuring::repeated(workload, &graph) {
            let short = self.timed_graph(workload, &repeated.short, batch)?;
            let long = self.timed_graph(workload, &repeated.long, batch)?;
            if let Some(timing) = long.timing.clone().repeated(&short.timing, repeated.times) {
                let before = short.before;
                return Ok(Measured { timing, before, load_ns: None, peak_bytes: None, ..long });
            }
        }
        self.timed_graph(workload, &graph, batch)
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn plateau(&self) -> Option<Plateau> {
        self.plateau
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
