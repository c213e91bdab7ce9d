//! The `NET` argument and its options. What a text stands for is decided in [`edgezen_lab::catalogue::networks`].

use super::failure::{Exit, Failure};
use edgezen_core::plainnet::{Model, Network, published};
use edgezen_core::zoo::Encoded;
use edgezen_engine::onnx::Size;
use edgezen_lab::accuracy::trained;
use edgezen_lab::catalogue::networks::{self, NetworkError, Overrides};

pub use edgezen_lab::catalogue::networks::is_onnx;

/// How to run a structure whose resolution, classes and SE are not part of its name.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct NetOptions {
    /// Side of the square input image [default: the network's own, else 224; 32 for CIFAR networks]. Of
    /// .onnx files that leave them open, also height and width, as 320x480
    #[arg(long, value_name = "R")]
    pub resolution: Option<Size>,
    /// Classes of the classifier [default: the network's own, else 1000]
    #[arg(long, value_name = "K")]
    pub classes: Option<u32>,
    /// Squeeze-excite in the residual super blocks [default: as published]
    #[arg(long)]
    pub se: bool,
}

impl From<NetOptions> for Overrides {
    fn from(NetOptions { resolution, classes, se }: NetOptions) -> Overrides {
        Overrides { resolution, classes, se }
    }
}

impl NetOptions {
    /// The side that is asked for, of a square image.
    pub fn side(self) -> Result<Option<u32>, Failure> {
        Ok(Overrides::from(self).side()?)
    }
}

/// Reads a NET argument that must be a PlainNet.
pub fn model(net: &str, options: NetOptions) -> Result<Model, Failure> {
    Ok(networks::model(net, options.into())?)
}

/// Reads a NET argument as what a zero-shot score looks at, with its name: a PlainNet, or the chain of convolutions of a
/// network of another search space.
pub fn scored(net: &str, options: NetOptions) -> Result<(String, Model), Failure> {
    if !Encoded::is_code(net) {
        let model = model(net, options)?;
        return Ok((networks::name(&model), model));
    }
    let network = networks::any(net, options.into())?;
    let chain = trained::chain(&network).map_err(|error| Failure::usage(error.to_string()))?;
    Ok((network.name(), chain.vanilla()))
}

/// Reads a NET argument as a structure alone.
pub fn structure(net: &str) -> Result<Network, Failure> {
    Ok(networks::structure(net)?)
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Failure {
        let message = error.to_string();
        match error {
            NetworkError::Unknown(_) => {
                let known: Vec<_> = published::names().collect();
                Failure::usage(message).remedy(format!("known names: {}", known.join(", ")))
            }
            NetworkError::Structure(error) => error.into(),
            NetworkError::Shape(error) => error.into(),
            NetworkError::Code(_)
            | NetworkError::NoClasses
            | NetworkError::NotSquare(_)
            | NetworkError::Resolution { .. } => Failure::usage(message),
            NetworkError::Shapes { .. } => Failure::new(Exit::OutsideDomain, message),
            NetworkError::Io { path, error } => Failure::io(&path, &error),
            NetworkError::Damaged { path, reason } => Failure::bad_file(&path, reason),
        }
    }
}
