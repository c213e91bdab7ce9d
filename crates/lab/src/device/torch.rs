//! libtorch on the CPU of this computer or on an NVIDIA GPU, as eager PyTorch runs a network.
//!
//! The stopwatch is everybody's ([`sampler`]); its clock waits for the GPU before each reading, so that a
//! sample holds all that was launched in it. Short kernels are chains of launches, of two lengths: the slope
//! is the latency, the intercept is kept as what each sample costs beside.

use super::core::{self, Core};
use super::gpu::{self, Gpu};
use super::profile::{Kind, Profile};
use super::{Continuity, Device, DeviceError, Facts, Options, Vigilance, Workload};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_core::plainnet::Graph;
use edgezen_engine::torch::{Torch, TorchModel};
use edgezen_engine::{Engine, EngineError, onnx};
use edgezen_runner::sampler;
use edgezen_runner::sampler::{Clock, SampleError};
use edgezen_runner::{Conditions, Measured, Monotonic, Policy, Timing};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tch::Kind as Element;

/// The longer chain has so many times the launches of the shorter one.
const SHORT_CHAIN: u32 = 4;

/// Outputs of one network may differ by so much, relatively: some CUDA kernels add in any order.
const SAME: f64 = 1e-2;

pub struct LibTorch {
    identity: Identity,
    policy: Policy,
    torch: Torch,
    place: Place,
    vigilance: Option<Vigilance>,
    seed: u64,
    notes: Vec<String>,
}

enum Place {
    Cpu(Box<Core>),
    Cuda(Box<Gpu>),
}

/// Opens the CPU or the GPU that `profile` describes.
///
/// # Errors
/// Another GPU than the profile's, a libtorch without CUDA, a core that cannot be had.
pub fn open(profile: &Profile, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    if options.threads != 1 {
        let what = format!("measuring with {} threads", options.threads);
        return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
    }
    let wanted = profile.measured_identity();
    let kind = match wanted.precision.as_str() {
        "fp16" => Element::Half,
        "bf16" => Element::BFloat16,
        _ => Element::Float,
    };
    let channels_last = wanted.runtime == gpu::RUNTIMES[1];
    let mut notes = Vec::new();
    let (device, place, policy, cores) = match profile.kind {
        Kind::TorchCpu => {
            let policy = options.policy(Policy::HOST);
            tch::set_num_threads(1);
            keep_memory();
            let core = Core::claim(&profile.id, options, &policy)?;
            let cores = core.text();
            (tch::Device::Cpu, Place::Cpu(Box::new(core)), policy, cores)
        }
        _ => {
            let gpu = gpu::of(profile, options.gpu)?;
            // The draft comes first: it is of use where libtorch cannot be used yet.
            let draft = if profile.generated { keep_draft(profile, &gpu)? } else { None };
            if let Err(DeviceError::Unfit { device, mut findings, remedies }) = cuda(&profile.id, &gpu) {
                findings.extend(draft);
                return Err(DeviceError::Unfit { device, findings, remedies });
            }
            notes.extend(draft);
            // The quickest algorithm for each shape is looked for in its first run, as the paper did.
            tch::Cuda::cudnn_set_benchmark(true);
            (
                tch::Device::Cuda(gpu.index as usize),
                Place::Cuda(Box::new(gpu)),
                options.policy(Policy::GPU),
                None,
            )
        }
    };
    let torch = Torch { place: device, kind, channels_last };
    let identity = Identity {
        runtime_version: Some(torch.version()),
        batch: if options.batch > 1 { options.batch } else { wanted.batch },
        threads: 1,
        cores,
        thermal_state: None,
        ..wanted
    };
    let vigilance = matches!(place, Place::Cuda(_)).then(|| vigilance(profile));
    Ok(Box::new(LibTorch { identity, policy, torch, place, vigilance, seed: options.seed, notes }))
}

/// Whether libtorch can use the GPU.
fn cuda(device: &str, gpu: &Gpu) -> Result<(), DeviceError> {
    let unfit = |finding: String, remedy: &str| DeviceError::Unfit {
        device: device.to_owned(),
        findings: vec![finding],
        remedies: vec![remedy.to_owned()],
    };
    if !tch::utils::has_cuda() {
        return Err(unfit(
            "this program was built against a libtorch without CUDA".into(),
            "eval \"$(scripts/setup-libtorch --cuda)\", and build it again",
        ));
    }
    let count = tch::Cuda::device_count();
    if i64::from(gpu.index) >= count {
        return Err(unfit(
            format!(
                "libtorch can use {count} GPUs, and {} is not among them (driver {})",
                gpu.name, gpu.driver
            ),
            "a driver for CUDA 13 or later: see the first lines of nvidia-smi",
        ));
    }
    Ok(())
}

/// Keeps the draft of an unknown GPU where it is found by its name.
fn keep_draft(profile: &Profile, gpu: &Gpu) -> Result<Option<String>, DeviceError> {
    let path = PathBuf::from("device-profiles").join(format!("{}.toml", profile.id));
    if path.exists() {
        return Ok(None);
    }
    let failed = |reason: String| DeviceError::BadFile { path: path.clone(), reason };
    std::fs::create_dir_all("device-profiles").map_err(|e| failed(e.to_string()))?;
    crate::files::write_atomically(&path, gpu::draft(gpu).as_bytes()).map_err(|e| failed(e.to_string()))?;
    Ok(Some(format!(
        "no profile knows {}; {} is a draft, and --device {} means this GPU from now on",
        gpu.name,
        path.display(),
        profile.id
    )))
}

/// Large maps come from memory that the process has already: otherwise the system clears pages anew for every
/// kernel, which takes longer than many kernels, and at other places in a network than alone.
fn keep_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain numbers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 256 << 20);
    }
}

fn vigilance(profile: &Profile) -> Vigilance {
    let drift = profile.require.sentinel_drift_max.unwrap_or(0.05);
    let thermal = profile.thermal.as_ref();
    let rests = thermal.map_or_else(|| vec![30, 60, 120], |thermal| thermal.cooldown_s.clone());
    Vigilance {
        drift,
        throttled: 2.0 * drift,
        rests: rests.into_iter().map(|s| Duration::from_secs(u64::from(s))).collect(),
        retries: 2,
        too_hot_c: thermal.and_then(|thermal| thermal.abort_c),
        cool_c: profile.require.start_temp_max_c,
        zones: Vec::new(),
        thermal_status: None,
    }
}

/// A clock that is read when everything launched is done.
struct Synchronised {
    clock: Monotonic,
    torch: Torch,
}

impl Clock for Synchronised {
    fn now_ns(&self) -> u64 {
        self.torch.synchronize();
        self.clock.now_ns()
    }
}

impl LibTorch {
    fn conditions(&self) -> Conditions {
        match &self.place {
            Place::Cpu(_) => Conditions::observe(),
            Place::Cuda(gpu) => Conditions { gpu: gpu::state(&gpu.uuid), ..Conditions::observe() },
        }
    }

    fn load(&self, workload: Workload<'_>) -> Result<TorchModel, DeviceError> {
        let (graph, batch) = match workload {
            Workload::Subject(subject) => {
                let graph = eager(subject).map_err(|e| DeviceError::workload(workload, e))?;
                (graph, subject.batch().unwrap_or(self.identity.batch))
            }
            Workload::Onnx(path) => {
                let bad = |e: onnx::OnnxError| DeviceError::BadFile {
                    path: path.to_owned(),
                    reason: e.to_string(),
                };
                (onnx::read(path).and_then(onnx::Imported::whole).map_err(bad)?, self.identity.batch)
            }
        };
        TorchModel::new(self.torch, &graph, batch, self.seed).map_err(|e| trouble(workload, &e))
    }

    /// Times chains under `policy`, each of at least `launches`.
    fn chain(
        &mut self,
        model: &TorchModel,
        policy: &Policy,
        launches: u32,
    ) -> Result<Timing, SampleError<EngineError>> {
        let clock = Synchronised { clock: Monotonic::start(), torch: self.torch };
        let pace = match &mut self.place {
            Place::Cpu(core) => Some(&mut core.pace),
            Place::Cuda(_) => None,
        };
        let (mut first, mut last) = (None, None);
        let mut timing = sampler::sample(&clock, policy, pace, || {
            for _ in 1..launches {
                drop(model.launch()?);
            }
            let output = model.launch()?;
            if first.is_none() {
                first = Some(model.checksum(&output)?);
            }
            last = Some(output);
            // Reading the output would be timed as well.
            Ok(0.0)
        })?;
        timing.k *= launches;
        let end = last.map(|output| model.checksum(&output)).transpose().map_err(SampleError::Run)?;
        if let (Some(first), Some(end)) = (first, end) {
            if (first - end).abs() > SAME * first.abs().max(1.0) {
                return Err(SampleError::Inconsistent);
            }
            timing.checksum = first;
        }
        Ok(timing)
    }

    fn time(&mut self, model: &TorchModel) -> Result<Timing, SampleError<EngineError>> {
        let policy = self.policy;
        let long = self.chain(model, &policy, 1)?;
        if long.k < SHORT_CHAIN {
            return Ok(long);
        }
        let shorter = Policy {
            min_sample_ns: 0,
            warmup_min_runs: 3,
            warmup_min_ns: 0,
            max_ns: policy.max_ns / u64::from(SHORT_CHAIN),
            ..policy
        };
        let short = self.chain(model, &shorter, long.k / SHORT_CHAIN)?;
        Ok(long.less_overhead_of(&short))
    }
}

/// The graph of a subject as this runtime launches it: a kernel is one operation.
fn eager(subject: &Subject) -> Result<Graph, edgezen_core::measurement::SubjectError> {
    match subject {
        Subject::Kernel(kernel) => Ok(kernel.eager_graph()),
        _ => subject.graph(),
    }
}

/// A workload that needs more memory than there is concerns nothing but itself.
fn trouble(workload: Workload<'_>, error: &EngineError) -> DeviceError {
    match error {
        EngineError::OutOfMemory { .. } => DeviceError::workload(
            workload,
            format!("{error}; a smaller batch would fit (see measure.batch of the profile)"),
        ),
        _ => DeviceError::engine(workload, error),
    }
}

impl Device for LibTorch {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        let mut facts = core::facts();
        facts.insert("conditions".into(), json!(self.conditions()));
        facts.insert("libtorch".into(), json!(self.torch.version()));
        facts.insert(
            "memory_format".into(),
            json!(if self.torch.channels_last { "channels_last" } else { "contiguous" }),
        );
        facts.insert("threads".into(), json!(tch::get_num_threads()));
        match &self.place {
            Place::Cpu(_) => {
                facts.insert("onednn".into(), json!(tch::utils::has_mkldnn()));
            }
            Place::Cuda(gpu) => {
                facts.insert("gpu".into(), json!(gpu));
                facts.insert("cudart".into(), json!(tch::utils::version_cudart()));
                facts.insert("cudnn".into(), json!(tch::utils::version_cudnn()));
                facts.insert("cudnn_benchmark".into(), json!(true));
            }
        }
        facts
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let model = self.load(workload)?;
        let before = self.conditions();
        let timing = self.time(&model).map_err(|e| match &e {
            SampleError::Run(error) => trouble(workload, error),
            _ => DeviceError::workload(workload, e),
        })?;
        Ok(Measured { timing, before, after: self.conditions() })
    }

    fn settle(&mut self, patience: Duration) {
        if let Place::Cpu(core) = &mut self.place {
            core.pace.settle(&Monotonic::start(), patience);
        }
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        match &self.place {
            Place::Cpu(core) => Some(core.pace.usual_ns()),
            Place::Cuda(_) => None,
        }
    }

    fn vigilance(&self) -> Option<Vigilance> {
        self.vigilance.clone()
    }

    fn continuity(&self, earlier: &Facts) -> Continuity {
        let Place::Cuda(gpu) = &self.place else { return Continuity::Same };
        let theirs =
            |name: &str| earlier.get("gpu").and_then(|gpu| gpu.get(name)).and_then(|value| value.as_str());
        for (name, ours) in [("uuid", &gpu.uuid), ("driver", &gpu.driver)] {
            if let Some(theirs) = theirs(name)
                && theirs != ours
            {
                return Continuity::Other(format!("the GPU's {name} was {theirs}, and is {ours}"));
            }
        }
        Continuity::Same
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
