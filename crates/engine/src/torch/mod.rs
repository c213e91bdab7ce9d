//! [libtorch](https://pytorch.org) through tch, as eager PyTorch runs a network: every batch
//! normalisation, activation, sum and pooling is a kernel of its own. CPU and CUDA through the same code.

mod model;
pub mod ops;
pub mod proxies;
mod unscored;
pub mod zen;

pub use model::TorchModel;

use super::{Engine, EngineError, Loaded, Tensor};
use edgezen_core::plainnet::Graph;
use tch::{Device, Kind, TchError};

const NAME: &str = "torch";

/// The libtorch that tch is bound to; the build refuses any other.
const VERSION: &str = "2.13.0";

/// Where and in which form libtorch computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Torch {
    pub place: Device,
    pub kind: Kind,
    /// Channels next to one another in memory (NHWC), which tensor cores prefer.
    pub channels_last: bool,
}

impl Torch {
    /// f32 on the CPU.
    pub const CPU: Torch = Torch { place: Device::Cpu, kind: Kind::Float, channels_last: false };

    /// `values` as a tensor on this device, in this type and layout.
    ///
    /// # Errors
    /// What libtorch reports, usually too little memory.
    pub fn tensor(&self, shape: &[usize], values: &[f32]) -> Result<tch::Tensor, EngineError> {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let tensor = tch::Tensor::f_from_slice(values)
            .and_then(|tensor| tensor.f_reshape(shape))
            .and_then(|tensor| tensor.f_to_kind(self.kind))
            .and_then(|tensor| tensor.f_to_device(self.place))
            .map_err(failed)?;
        if self.channels_last && tensor.dim() == 4 {
            let nhwc = tensor.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous());
            return nhwc.and_then(|t| t.f_permute([0, 3, 1, 2])).map_err(failed);
        }
        Ok(tensor)
    }

    /// Checks that memory for so many values can be had, before they are drawn; a failing allocation would end the
    /// program.
    fn fits(&self, count: u64) -> Result<(), EngineError> {
        let none = |reason: String| EngineError::OutOfMemory { engine: NAME, reason };
        let count = usize::try_from(count).map_err(|e| none(e.to_string()))?;
        Vec::<f32>::new().try_reserve_exact(count).map_err(|e| none(e.to_string()))?;
        let room = tch::Tensor::f_empty([count as i64], (self.kind, self.place));
        room.map(drop).map_err(failed)
    }

    /// `fp32`, `fp16` or `bf16`, as in identities.
    pub fn precision(&self) -> &'static str {
        match self.kind {
            Kind::Half => "fp16",
            Kind::BFloat16 => "bf16",
            _ => "fp32",
        }
    }

    /// Waits until everything that was launched is done.
    pub fn synchronize(&self) {
        if let Device::Cuda(index) = self.place {
            tch::Cuda::synchronize(index as i64);
        }
    }
}

impl Engine for Torch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        super::check(graph, NAME)?;
        Ok(Box::new(TorchModel::new(*self, graph, batch.max(1), seed)?))
    }
}

/// The message of libtorch, without its C++ backtrace.
pub fn reason(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

/// An error of libtorch as an error of this engine.
pub fn failed(error: TchError) -> EngineError {
    let reason = reason(&error);
    // The words are those of PyTorch's allocators for CUDA and for the CPU.
    if reason.contains("out of memory") || reason.contains("can't allocate memory") {
        return EngineError::OutOfMemory { engine: NAME, reason };
    }
    EngineError::Failed { engine: NAME, reason }
}

fn read(tensor: &tch::Tensor) -> Result<Tensor, TchError> {
    let shape = tensor.size().iter().map(|&n| n.unsigned_abs() as usize).collect();
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    Ok(Tensor { shape, data: Vec::<f32>::try_from(flat)? })
}
