//! Devices that are measured with libtorch: the CPU of this computer, and its NVIDIA GPUs.
//!
//! A build without the cargo feature `torch` still lists these devices and understands their names, but cannot open them.

#[cfg(feature = "torch")]
mod libtorch;
mod names;

use super::attached::Attached;
use super::complaint::{Complaint, Severity};
use super::computer;
use super::driver::{Driver, Means, Request};
use super::gpu::{self, Gpu};
use super::profile::{Kind, Profile, Profiles};
use super::{Device, DeviceError, DeviceName, DriverOptions};

#[cfg(not(feature = "torch"))]
use without_libtorch as libtorch;

/// Measures on the CPU of this computer.
pub struct TorchCpuDriver;

/// Measures on the NVIDIA GPUs of this computer.
pub struct CudaDriver;

/// The cargo feature, where this build lacks it.
const MISSING: Option<&str> = if cfg!(feature = "torch") { None } else { Some("torch") };

impl Driver for TorchCpuDriver {
    fn name(&self) -> &'static str {
        "torch-cpu"
    }

    fn about(&self) -> &'static str {
        "the CPU of this computer, through libtorch"
    }

    fn kind(&self) -> Kind {
        Kind::TorchCpu
    }

    fn heeds(&self) -> &'static [Means] {
        &[Means::Cores]
    }

    fn unfit(&self) -> Vec<Complaint> {
        computer::Computer::read().unfit()
    }

    fn missing_feature(&self) -> Option<&'static str> {
        MISSING
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        names::configured(profile, name)
    }

    fn attached(&self, profiles: &Profiles, _: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        let mut computer = Attached::this_computer(self.name(), self.kind(), profiles);
        computer.complaints.splice(0..0, not_built());
        Ok(vec![computer])
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        libtorch::open_cpu(request)
    }
}

impl Driver for CudaDriver {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn about(&self) -> &'static str {
        "an NVIDIA GPU of this computer, through libtorch"
    }

    fn kind(&self) -> Kind {
        Kind::NvidiaGpu
    }

    fn missing_feature(&self) -> Option<&'static str> {
        MISSING
    }

    fn profile_of(&self, name: DeviceName<'_>, profiles: &Profiles) -> Result<Option<Profile>, DeviceError> {
        names::gpu_index(name).map(|index| gpu::profile(profiles, index)).transpose()
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        names::configured(profile, name)
    }

    fn attached(&self, profiles: &Profiles, _: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        Ok(gpu::list()?.into_iter().map(|gpu| attached_gpu(gpu, profiles)).collect())
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        libtorch::open_gpu(request, names::gpu_index(request.name))
    }
}

fn attached_gpu(gpu: Gpu, profiles: &Profiles) -> Attached {
    let profile = gpu::fitting(profiles, &gpu.name).into_iter().next();
    let throttled = gpu.state.throttled_by().map(|reason| Complaint {
        severity: Severity::Caution,
        finding: format!("its clocks are held down: {reason}"),
        remedy: "let it cool down, and see nvidia-smi -q -d PERFORMANCE".into(),
    });
    Attached {
        title: Some(gpu.name.clone()),
        draft: profile.is_none().then(|| gpu::draft(&gpu)),
        profile,
        complaints: not_built().or_else(|| libtorch::unusable(&gpu)).into_iter().chain(throttled).collect(),
        ..Attached::ready(format!("cuda:{}", gpu.index), gpu)
    }
}

/// What a build without libtorch has to say of every device here.
fn not_built() -> Option<Complaint> {
    MISSING.map(|feature| Complaint {
        severity: Severity::Unfit,
        finding: "this program was built without libtorch".into(),
        remedy: format!(
            "eval \"$(scripts/setup-libtorch)\", then cargo build --release --features {feature}"
        ),
    })
}

/// What stands in for libtorch in a build without it.
#[cfg(not(feature = "torch"))]
mod without_libtorch {
    use super::{Complaint, Device, DeviceError, Gpu, Request};

    pub fn open_cpu(request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let profile = request.profile;
        Err(DeviceError::NotMeasured { name: profile.id.clone(), kind: profile.kind, known: Vec::new() })
    }

    pub fn open_gpu(request: &Request<'_>, _: Option<u32>) -> Result<Box<dyn Device>, DeviceError> {
        open_cpu(request)
    }

    pub fn unusable(_: &Gpu) -> Option<Complaint> {
        None
    }
}
