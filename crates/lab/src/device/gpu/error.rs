//! Why a GPU cannot be used, and what to do about it.

/// Why nothing is known of the GPUs, or why the wanted one is not there.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    #[error("nvidia-smi cannot be run: {0}")]
    NoDriver(String),
    #[error("nvidia-smi says something else than expected: {0:?}")]
    Unreadable(String),
    #[error("there is no GPU {index}; nvidia-smi lists {}", if .found.is_empty() { "none".into() } else { .found.join(", ") })]
    None { index: u32, found: Vec<String> },
    /// `nvidia-smi` and CUDA may number the GPUs differently.
    #[error("the GPUs here are of different kinds, and CUDA may count them otherwise than nvidia-smi does")]
    Order,
    #[error("{device} is another GPU than is here: {}", found.join(", "))]
    Other {
        device: String,
        found: Vec<String>,
        /// Names of the devices whose profiles fit the GPUs that are here.
        fitting: Vec<String>,
    },
}

impl GpuError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            GpuError::NoDriver(_) => {
                "install NVIDIA's driver, and try nvidia-smi; without a GPU: --device torch-cpu".into()
            }
            GpuError::Unreadable(_) => "a driver of the last five years".into(),
            GpuError::None { .. } => "one of those, or another CUDA_VISIBLE_DEVICES".into(),
            GpuError::Order => "export CUDA_DEVICE_ORDER=PCI_BUS_ID".into(),
            GpuError::Other { fitting, .. } if fitting.is_empty() => {
                "--device cuda:0, which drafts a profile".into()
            }
            GpuError::Other { fitting, .. } => {
                let names: Vec<String> = fitting.iter().map(|name| format!("--device {name}")).collect();
                names.join(" or ")
            }
        }
    }
}
