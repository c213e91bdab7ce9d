//! Networks in files, which are measured on a device as they are.

use super::open::Remote;
use super::pushing::{LocalFile, push_file};
use crate::device::{DeviceError, Workload};
use edgezen_core::foreign::Name;
use edgezen_core::plainnet::Graph;
use edgezen_engine::{onnx, tflite};
use edgezen_runner::Work;
use std::path::{Path, PathBuf};

/// The graph of the network, as far as this computer can tell it: a file of the user's may hold what only its runtime knows.
pub fn known_graph(workload: Workload<'_>) -> Result<Option<Graph>, DeviceError> {
    let of_onnx = |path: &Path| onnx::read(path).ok()?.whole().ok();
    let of_tflite = |path: &Path| tflite::read(path).ok()?.whole().ok();
    Ok(match workload {
        Workload::Subject(subject) => {
            Some(subject.graph().map_err(|error| DeviceError::workload(workload, error))?)
        }
        Workload::File(path) | Workload::Written(path) => of_onnx(path).or_else(|| of_tflite(path)),
    })
}

impl Remote {
    /// The same workload on the device: a file is copied there, under a name that tells its content.
    pub fn brought(&mut self, workload: Workload<'_>) -> Result<Work, DeviceError> {
        let (path, there): (&Path, fn(PathBuf) -> Work) = match workload {
            Workload::Subject(_) => return Ok(workload.to_work()),
            Workload::File(path) => (path, Work::File),
            Workload::Written(path) => (path, Work::Written),
        };
        let bad =
            |error: std::io::Error| DeviceError::BadFile { path: path.to_owned(), reason: error.to_string() };
        let file = LocalFile::read(path).map_err(bad)?;
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("onnx");
        let remote = format!("{}/network-{}.{}", self.dir, &file.sha256[..12], Name::resembling(ending));
        push_file(&mut *self.link, &file, &remote)?;
        Ok(there(remote.into()))
    }
}
