//! The best network of a run as files: its structure, and an ONNX file with random weights.

use super::{BEST, RunError};
use crate::files::{write_atomically, write_atomically_with};
use edgezen_core::files::FileError;
use edgezen_core::plainnet::{Model, ShapeError};
use edgezen_core::units::Bytes;
use edgezen_engine::onnx::{self, OnnxError};
use edgezen_engine::weights::Weights;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

const ONNX: &str = "best.onnx";
/// The weights, where the ONNX file itself cannot hold them.
const DATA: &str = "best.onnx.data";

/// Random weights that take more are not written unasked; `export` writes them.
const MOST_BYTES: u64 = 8 << 30;

/// Why there is no ONNX file of the best network. The run is whole without it, unless the disk did not take it
/// ([`NotExported::File`]).
#[derive(Debug, thiserror::Error)]
pub enum NotExported {
    #[error("best.onnx was not written: its weights would take {}; edgezen export writes them", Bytes(*bytes as f64))]
    Large { bytes: u64 },
    #[error("best.onnx was not written: {0}")]
    Shape(#[from] ShapeError),
    #[error("best.onnx was not written: {0}")]
    Onnx(#[from] OnnxError),
    /// It could be expressed, and was not written.
    #[error("best.onnx was not written: {0}")]
    File(#[from] FileError),
}

/// Writes the structure and the ONNX file of the best network into `dir`; `seed` is that of its weights. Gives the reason
/// where there is no ONNX file.
///
/// # Errors
/// The structure cannot be written.
pub fn write_best(dir: &Path, best: &Model, seed: u64) -> Result<Option<NotExported>, RunError> {
    write_atomically(&dir.join(BEST), format!("{}\n", best.network).as_bytes())?;
    let Err(reason) = write_onnx(dir, best, seed) else { return Ok(None) };
    // The file of another network must not stand beside this structure.
    for name in [ONNX, DATA] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(()) => {}
            // What kept it from being written says more than what keeps it from being removed.
            Err(_) if matches!(reason, NotExported::File(_)) => {}
            Err(error) => return Err(FileError::io(&path)(error).into()),
        }
    }
    Ok(Some(reason))
}

fn write_onnx(dir: &Path, best: &Model, seed: u64) -> Result<(), NotExported> {
    let graph = best.graph()?;
    let export = onnx::Export::network(&graph, 1, Weights::new(&graph, seed))?;
    let bytes = export.value_bytes();
    if bytes > MOST_BYTES {
        return Err(NotExported::Large { bytes });
    }
    if export.fits_one_file() {
        let write = |file: &mut File| export.write(&mut BufWriter::new(file));
        return Ok(write_atomically_with(&dir.join(ONNX), write)?);
    }
    write_atomically_with(&dir.join(DATA), |file| export.write_values(&mut BufWriter::new(file)))?;
    let write = |file: &mut File| export.write_referring(DATA, &mut BufWriter::new(file));
    Ok(write_atomically_with(&dir.join(ONNX), write)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::notation;

    fn model(structure: &str) -> Model {
        let network = notation::parse(structure).unwrap();
        Model { name: None, network, resolution: 32, classes: 10, se: false }
    }

    #[test]
    fn a_network_that_is_too_large_is_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let small = model("SuperConvK3BNRELU(3,8,1,1)");
        assert!(write_best(dir.path(), &small, 0).unwrap().is_none());
        assert!(dir.path().join(ONNX).exists());
        let huge = model("SuperConvK3BNRELU(3,65536,2,1)SuperConvK3BNRELU(65536,65536,2,1)");
        let reason = write_best(dir.path(), &huge, 0).unwrap().unwrap().to_string();
        assert!(reason.contains("edgezen export"), "{reason}");
        assert!(!dir.path().join(ONNX).exists(), "the ONNX file of another network was left");
        assert!(fs::read_to_string(dir.path().join(BEST)).unwrap().contains("65536,65536"));
    }

    #[test]
    fn an_onnx_file_that_the_disk_does_not_take_is_told_from_one_that_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(ONNX)).unwrap();
        let reason = write_best(dir.path(), &model("SuperConvK3BNRELU(3,8,1,1)"), 0).unwrap();
        assert!(matches!(reason, Some(NotExported::File(_))), "{reason:?}");
        assert!(dir.path().join(BEST).exists());
    }
}
