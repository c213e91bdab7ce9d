//! A device that measures with libtorch, on the CPU of this computer or on an NVIDIA GPU. Networks run as eager PyTorch
//! runs them: each operation is a kernel of its own.
//!
//! The stopwatch is the one of all devices ([`sampler`]). Its clock waits for the GPU before each reading, so that a
//! sample contains everything that was launched in it. A short kernel is launched many times in a row, in chains of two
//! lengths: the slope of time over length is the latency, and the intercept is recorded as the overhead of a sample.

use super::names;
use crate::device::complaint::{Complaint, Severity};
use crate::device::computer;
use crate::device::driver::Request;
use crate::device::gpu::{self, Gpu};
use crate::device::pinned_core::{self, PinnedCore};
use crate::device::profile::Profile;
use crate::device::{Continuity, Device, DeviceError, Facts, Options, Vigilance, Workload};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_core::plainnet::Graph;
use edgezen_engine::torch::{Torch, TorchModel};
use edgezen_engine::{Engine, EngineError, onnx};
use edgezen_runner::sampler;
use edgezen_runner::sampler::SampleError;
use edgezen_runner::{Clock, Conditions, Measured, Monotonic, Policy, Timing};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tch::Kind as Element;

/// The longer chain has this many times the launches of the shorter one.
const SHORT_CHAIN: u32 = 4;

/// Greatest relative difference between two outputs of one network: some CUDA kernels add in varying order.
const SAME: f64 = 1e-2;

struct LibTorch {
    identity: Identity,
    policy: Policy,
    torch: Torch,
    processor: Processor,
    vigilance: Option<Vigilance>,
    seed: u64,
    notes: Vec<String>,
}

/// What libtorch computes on.
enum Processor {
    Cpu(Box<PinnedCore>),
    Cuda(Box<Gpu>),
}

/// Opens the CPU of this computer.
///
/// # Errors
/// A core that cannot be had.
pub fn open_cpu(request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
    only_one_thread(&request.profile.id, request.options)?;
    no_energy(&request.profile.id, request.options)?;
    let policy = request.options.policy(Policy::HOST);
    tch::set_num_threads(1);
    keep_memory();
    let core = PinnedCore::claim(&request.profile.id, request.options, 1, &policy)?;
    Ok(Box::new(LibTorch::new(request, Processor::Cpu(Box::new(core)), policy, Vec::new())))
}

/// Opens the GPU that the profile describes: number `index`, or the first that the profile fits.
///
/// # Errors
/// Another GPU than the profile's, or a libtorch that cannot use it.
pub fn open_gpu(request: &Request<'_>, index: Option<u32>) -> Result<Box<dyn Device>, DeviceError> {
    let profile = request.profile;
    only_one_thread(&profile.id, request.options)?;
    no_energy(&profile.id, request.options)?;
    if request.options.cold_caches {
        let what = "emptying its caches".to_owned();
        return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
    }
    let gpu = gpu::of(profile, request.profiles, index)?;
    // The draft is written first: it is useful even where libtorch cannot use the GPU yet.
    let draft = if profile.generated { keep_draft(profile, &gpu)? } else { None };
    if let Some(complaint) = unusable(&gpu) {
        return Err(DeviceError::Unfit {
            device: profile.id.clone(),
            findings: std::iter::once(complaint.finding).chain(draft).collect(),
            remedies: vec![complaint.remedy],
        });
    }
    // At the first run with each shape, cuDNN tries its algorithms and keeps the fastest, as in the paper's measurements.
    tch::Cuda::cudnn_set_benchmark(true);
    let policy = request.options.policy(Policy::GPU);
    let notes = draft.into_iter().collect();
    Ok(Box::new(LibTorch::new(request, Processor::Cuda(Box::new(gpu)), policy, notes)))
}

/// Refuses to measure with several threads, on a device whose runtime uses them for a few operations only.
///
/// # Errors
/// More than one thread.
fn only_one_thread(device: &str, options: &Options) -> Result<(), DeviceError> {
    if options.threads == 1 {
        return Ok(());
    }
    let what = format!("measuring with {} threads", options.threads);
    Err(DeviceError::Unsupported { device: device.to_owned(), what })
}

fn no_energy(device: &str, options: &Options) -> Result<(), DeviceError> {
    if options.energy {
        let what = "reading the energy of libtorch".to_owned();
        return Err(DeviceError::Unsupported { device: device.to_owned(), what });
    }
    Ok(())
}

/// Why libtorch cannot use the GPU; `None` where it can.
pub fn unusable(gpu: &Gpu) -> Option<Complaint> {
    let unfit = |finding: String, remedy: &str| {
        Some(Complaint { severity: Severity::Unfit, finding, remedy: remedy.to_owned() })
    };
    if !tch::utils::has_cuda() {
        return unfit(
            "this program was built against a libtorch without CUDA".into(),
            "eval \"$(scripts/setup-libtorch --cuda)\", and build it again",
        );
    }
    let count = tch::Cuda::device_count();
    if i64::from(gpu.index) >= count {
        return unfit(
            format!(
                "libtorch can use {count} GPUs, and {} is not among them (driver {})",
                gpu.name, gpu.driver
            ),
            "a driver for CUDA 13 or later: see the first lines of nvidia-smi",
        );
    }
    None
}

/// Writes the draft of an unknown GPU's profile to the folder in which profiles are found by name.
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

/// Makes the allocator reuse memory of the process for large feature maps. Otherwise the system maps and clears fresh
/// pages for every kernel, which takes longer than many kernels do, and happens at other points in a network than in a
/// kernel on its own.
fn keep_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers by value and touches no memory of ours.
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
        usual_khz: BTreeMap::new(),
        sustained: false,
    }
}

/// A clock that waits for all launched kernels before it is read.
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
    fn new(request: &Request<'_>, processor: Processor, policy: Policy, notes: Vec<String>) -> LibTorch {
        let wanted = request.profile.measured_identity();
        let element = match wanted.precision.as_str() {
            "fp16" => Element::Half,
            "bf16" => Element::BFloat16,
            _ => Element::Float,
        };
        let (place, cores, vigilance) = match &processor {
            Processor::Cpu(core) => (tch::Device::Cpu, core.cores.as_deref().map(pinned_core::text), None),
            Processor::Cuda(gpu) => {
                (tch::Device::Cuda(gpu.index as usize), None, Some(vigilance(request.profile)))
            }
        };
        let torch = Torch { place, kind: element, channels_last: wanted.runtime == names::CHANNELS_LAST };
        let identity = Identity {
            runtime_version: Some(torch.version()),
            batch: if request.options.batch > 1 { request.options.batch } else { wanted.batch },
            threads: 1,
            cores,
            thermal_state: None,
            ..wanted
        };
        LibTorch { identity, policy, torch, processor, vigilance, seed: request.options.seed, notes }
    }

    fn conditions(&self) -> Conditions {
        match &self.processor {
            Processor::Cpu(_) => Conditions::observe(),
            Processor::Cuda(gpu) => Conditions { gpu: gpu::state(&gpu.uuid), ..Conditions::observe() },
        }
    }

    fn load(&self, workload: Workload<'_>) -> Result<TorchModel, DeviceError> {
        let (graph, batch) = match workload {
            Workload::Subject(subject) => {
                let graph = eager(subject).map_err(|e| DeviceError::workload(workload, e))?;
                (graph, subject.batch().unwrap_or(self.identity.batch))
            }
            Workload::File(path) | Workload::Written(path) => {
                let bad = |e: onnx::OnnxError| DeviceError::BadFile {
                    path: path.to_owned(),
                    reason: e.to_string(),
                };
                (onnx::read(path).and_then(|read| Ok(read.whole()?)).map_err(bad)?, self.identity.batch)
            }
        };
        TorchModel::new(self.torch, &graph, batch, self.seed).map_err(|e| trouble(workload, &e))
    }

    /// Times chains of launches under `policy`; the stopwatch repeats `launches` of them as one run.
    fn chain(
        &mut self,
        model: &TorchModel,
        policy: &Policy,
        launches: u32,
    ) -> Result<Timing, SampleError<EngineError>> {
        let clock = Synchronised { clock: Monotonic::start(), torch: self.torch };
        let pace = match &mut self.processor {
            Processor::Cpu(core) => Some(&mut core.pace),
            Processor::Cuda(_) => None,
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
            // Reading the output here would be timed as well.
            Ok(0.0)
        })?;
        timing.k *= launches;
        let end = last.map(|output| model.checksum(&output)).transpose().map_err(SampleError::Run)?;
        if let (Some(first), Some(end)) = (first, end) {
            if (first - end).abs() > SAME * first.abs().max(1.0) {
                return Err(SampleError::Inconsistent);
            }
            timing.checksum = Some(first);
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

/// The graph of a subject as this runtime launches it: each operation on its own.
fn eager(subject: &Subject) -> Result<Graph, edgezen_core::measurement::SubjectError> {
    match subject {
        Subject::Kernel(kernel) => Ok(kernel.eager_graph()),
        _ => subject.graph(),
    }
}

/// Turns an error of the engine into one of the workload alone, and for too little memory says what would help.
fn trouble(workload: Workload<'_>, error: &EngineError) -> DeviceError {
    match error {
        EngineError::OutOfMemory { .. } => DeviceError::workload(
            workload,
            format!("{error}; a smaller batch would fit (see measure.batch of the profile)"),
        ),
        _ => DeviceError::workload(workload, error),
    }
}

impl Device for LibTorch {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        let mut facts = computer::facts();
        facts.insert("conditions".into(), json!(self.conditions()));
        facts.insert("libtorch".into(), json!(self.torch.version()));
        facts.insert(
            "memory_format".into(),
            json!(if self.torch.channels_last { "channels_last" } else { "contiguous" }),
        );
        facts.insert("threads".into(), json!(tch::get_num_threads()));
        match &self.processor {
            Processor::Cpu(_) => {
                facts.insert("onednn".into(), json!(tch::utils::has_mkldnn()));
            }
            Processor::Cuda(gpu) => {
                facts.insert("gpu".into(), json!(gpu));
                facts.insert("cudart".into(), json!(tch::utils::version_cudart()));
                facts.insert("cudnn".into(), json!(tch::utils::version_cudnn()));
                facts.insert("cudnn_benchmark".into(), json!(true));
            }
        }
        facts
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let clock = Monotonic::start();
        let model = self.load(workload)?;
        let load_ns = Some(clock.now_ns());
        let before = self.conditions();
        let timing = self.time(&model).map_err(|e| match &e {
            SampleError::Run(error) => trouble(workload, error),
            _ => DeviceError::workload(workload, e),
        })?;
        Ok(Measured {
            timing,
            before,
            after: self.conditions(),
            load_ns,
            peak_bytes: None,
            outputs: None,
            energy: None,
        })
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn settle(&mut self, patience: Duration) {
        if let Processor::Cpu(core) = &mut self.processor {
            core.pace.settle(&Monotonic::start(), patience);
        }
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        match &self.processor {
            Processor::Cpu(core) => Some(core.pace.usual_ns()),
            Processor::Cuda(_) => None,
        }
    }

    fn vigilance(&self) -> Option<Vigilance> {
        self.vigilance.clone()
    }

    fn continuity(&self, earlier: &Facts) -> Continuity {
        let Processor::Cuda(gpu) = &self.processor else { return Continuity::Same };
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
