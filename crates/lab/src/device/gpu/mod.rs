//! NVIDIA GPUs of this computer: what their driver says of them, and the profiles that describe them.

mod error;
mod profiles;
mod smi;

pub use error::GpuError;
pub use profiles::{draft, fitting, of, profile};
pub use smi::{Gpu, list, state};
