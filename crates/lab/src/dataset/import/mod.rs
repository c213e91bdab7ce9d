//! Foreign measurements turned into datasets.
//!
//! An [`Importer`] knows one published format. A new format is one file, and one line in [`registry`].

mod accel_nasbench;
mod aihub;
mod column;
mod efficientnet_lite;
mod hailo;
pub mod networks;
mod neusight;
mod paddlelite;
mod rknn;
mod tinynas;
pub mod trtexec;

pub use aihub::COPIES;

use super::table::{NetworkTableError, Select};
use super::{Dataset, DatasetError, Environment, Provenance};
use column::Column;
use edgezen_core::foreign::NameError;
use edgezen_core::measurement::{Identity, Sample};
use edgezen_core::plainnet::Model;
use edgezen_core::predictor::roofline::Roofline;
use std::path::{Path, PathBuf};
use trtexec::TrtexecError;

/// Reads one published format.
pub trait Importer: Sync {
    /// The value of `dataset import --format`.
    fn name(&self) -> &'static str;

    /// One line for people: what is in it, and which options it needs.
    fn about(&self) -> &'static str;

    /// Whether each file is given together with the network that it is of, and the device by its profile.
    fn files_name_networks(&self) -> bool {
        false
    }

    /// Makes a dataset of the files.
    ///
    /// # Errors
    /// Files that are not of this format, by row and column; a request that does not say which part of them is meant.
    fn import(&self, request: &Request<'_>) -> Result<Dataset, ImportError>;
}

/// All formats, in the order in which the command line lists them.
pub fn registry() -> impl Iterator<Item = &'static dyn Importer> {
    let kernels: [&'static dyn Importer; 2] = [&tinynas::TinyNas, &neusight::NeuSight];
    let networks = networks::SOURCES.iter().map(|source| source as &'static dyn Importer);
    let exports: [&'static dyn Importer; 1] = [&trtexec::Trtexec];
    kernels.into_iter().chain(networks).chain(exports)
}

/// The format of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Importer> {
    registry().find(|importer| importer.name() == name)
}

/// What is imported.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub files: Vec<Input>,
    /// Which of the identities in the files is meant.
    pub select: Select,
    /// The table of architectures, for tables that only number them.
    pub archs: Option<PathBuf>,
    /// What the profile of the device says, for formats that do not say it themselves.
    pub profile: Option<Identity>,
    /// Date of the import, RFC 3339.
    pub created: &'a str,
}

/// A file, and the network that it is of where the format does not say it.
#[derive(Clone, Debug)]
pub struct Input {
    pub path: PathBuf,
    pub network: Option<Model>,
}

impl Input {
    pub fn table(path: &Path) -> Input {
        Input { path: path.to_owned(), network: None }
    }
}

impl Request<'_> {
    /// A request without files.
    pub fn new(created: &str) -> Request<'_> {
        Request { files: Vec::new(), select: Select::default(), archs: None, profile: None, created }
    }

    /// The file of a format that has one.
    fn single(&self) -> Result<&Path, ImportError> {
        match self.files.as_slice() {
            [file] => Ok(&file.path),
            files => Err(ImportError::Tables { found: files.len() }),
        }
    }
}

/// Why files could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Table(#[from] DatasetError),
    #[error(transparent)]
    Networks(#[from] NetworkTableError),
    #[error(transparent)]
    Trtexec(#[from] TrtexecError),
    #[error("{path}: no row of the table could be used")]
    NoRows { path: PathBuf },
    #[error("{found} tables, while this format has one")]
    Tables { found: usize },
    #[error("this format holds several devices: choose one of {}", known.join(", "))]
    Device { known: Vec<String> },
    #[error("--device is needed: it is not in the files")]
    NoDevice,
    /// A runtime or precision that cannot be part of an identity.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What an importer of kernels has made of the table at `path`.
fn dataset(
    path: &Path,
    identity: Identity,
    provenance: Provenance,
    roofline: Roofline,
    samples: Vec<Sample>,
) -> Result<Dataset, ImportError> {
    if samples.is_empty() {
        return Err(ImportError::NoRows { path: path.to_owned() });
    }
    let environment = Environment { roofline: Some(roofline), ..Environment::default() };
    Ok(Dataset { identity, samples, provenance, environment })
}
