//! Networks in files, which are measured on a device as they are.

use super::Link;
use super::open::Remote;
use super::pushing::{LocalFile, push_file, push_folder};
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

/// Copies the file of a network into the folder `dir` on the device, with the files that hold its weights, if it has such beside
/// it. Gives its path there, which tells its content.
fn push_network(link: &mut dyn Link, dir: &str, path: &Path) -> Result<String, DeviceError> {
    let bad = |path: &Path, reason: String| DeviceError::BadFile { path: path.to_owned(), reason };
    let read = |path: &Path| LocalFile::read(path).map_err(|error| bad(path, error.to_string()));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("onnx");
    let file = read(path)?;
    // What is no ONNX file holds all of itself; whatever is wrong with one that is, its runtime says.
    let beside = if ending.eq_ignore_ascii_case("onnx") { onnx::files_beside(path) } else { Ok(Vec::new()) };
    let beside = beside.unwrap_or_default();
    if beside.is_empty() {
        let remote = format!("{dir}/network-{}.{}", &file.sha256[..12], Name::resembling(ending));
        push_file(link, &file, &remote)?;
        return Ok(remote);
    }
    let name = format!("network.{}", Name::resembling(ending));
    let mut files = vec![LocalFile { name: name.clone(), ..file }];
    for weights in &beside {
        let here = path.parent().unwrap_or(Path::new(".")).join(weights);
        // The name comes from the file, and becomes a path on the device.
        if Name::parse(weights).is_err() || *weights == name {
            let reason =
                format!("it holds weights of {}, under a name that is none on a device", path.display());
            return Err(bad(&here, reason));
        }
        files.push(read(&here)?);
    }
    let folder = push_folder(link, &files, dir, "network")?;
    Ok(format!("{}/{name}", folder.path))
}

impl Remote {
    /// The same workload on the device: a file is copied there, under a name that tells its content, and its weights beside it.
    pub fn brought(&mut self, workload: Workload<'_>) -> Result<Work, DeviceError> {
        let (path, there): (&Path, fn(PathBuf) -> Work) = match workload {
            Workload::Subject(_) => return Ok(workload.to_work()),
            Workload::File(path) => (path, Work::File),
            Workload::Written(path) => (path, Work::Written),
        };
        let remote = push_network(&mut *self.link, &self.dir, path)?;
        Ok(there(remote.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::LocalLink;
    use super::*;

    fn case(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/onnx_cases").join(name)
    }

    #[test]
    fn weights_beside_a_network_come_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("machine").display().to_string();
        let mut link = LocalLink::new(folder.path());
        let there = push_network(&mut link, &dir, &case("85_external_data.onnx")).unwrap();
        let there = Path::new(&there);
        assert!(there.starts_with(&dir) && onnx::load(there, 1, 0).is_ok(), "{}", there.display());
        let weights = std::fs::read(there.with_file_name("85_external_data.onnx.data")).unwrap();
        assert_eq!(weights, std::fs::read(case("85_external_data.onnx.data")).unwrap());
        // Others are copied alone, and without their weights there is nothing to measure.
        let alone = push_network(&mut link, &dir, &case("75_conv_head.onnx")).unwrap();
        assert_eq!(Path::new(&alone).parent(), Some(Path::new(&dir)));
        let lonely = folder.path().join("lonely.onnx");
        std::fs::copy(case("85_external_data.onnx"), &lonely).unwrap();
        let refused = push_network(&mut link, &dir, &lonely).unwrap_err();
        assert!(refused.to_string().contains("85_external_data.onnx.data"), "{refused}");
    }
}
