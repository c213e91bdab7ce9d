//! Predictors compiled into the program, and where else predictor files are looked for.

use super::LatencyPredictor;
use super::file::{self, FileError, PredictorFile};
use super::fitted::FittedPredictor;
use super::network::NetworkPredictor;
use crate::dataset::Identity;
use crate::embedded::PREDICTORS;
use std::path::{Path, PathBuf};

/// Where a predictor was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Shipped,
    File(PathBuf),
}

/// A predictor that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `v100@tensorrt@fp16`.
    pub id: String,
    pub origin: Origin,
}

/// A predictor of either kind.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// Of kernels, and so of any network.
    Kernels(Box<FittedPredictor>),
    /// Of whole networks of one space.
    Networks(Box<NetworkPredictor>),
}

impl Loaded {
    /// Reads and checks a predictor file.
    ///
    /// # Errors
    /// See [`PredictorFile::read`].
    pub fn read(path: &Path) -> Result<Loaded, FileError> {
        Loaded::parse(&file::bytes(path)?, path)
    }

    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Loaded, FileError> {
        let value = file::verified(bytes, path)?;
        if NetworkPredictor::is_one(&value) {
            return Ok(Loaded::Networks(Box::new(NetworkPredictor::of(value, path)?)));
        }
        Ok(Loaded::Kernels(Box::new(FittedPredictor::new(PredictorFile::of(value, path)?))))
    }

    pub fn identity(&self) -> &Identity {
        match self {
            Loaded::Kernels(predictor) => predictor.identity(),
            Loaded::Networks(predictor) => &predictor.identity,
        }
    }

    /// The CPU of the computer that was measured, where that was the device.
    pub fn cpu(&self) -> Option<&str> {
        match self {
            Loaded::Kernels(predictor) => predictor.file().provenance.cpu.as_deref(),
            Loaded::Networks(_) => None,
        }
    }
}

impl Entry {
    /// Reads and checks it.
    ///
    /// # Errors
    /// See [`PredictorFile::read`].
    pub fn load(&self) -> Result<Loaded, FileError> {
        match &self.origin {
            Origin::File(path) => Loaded::read(path),
            Origin::Shipped => {
                let text = PREDICTORS.iter().find(|(name, _)| *name == self.id).map_or("", |(_, text)| text);
                Loaded::parse(text.as_bytes(), &PathBuf::from(format!("predictors/{}.json", self.id)))
            }
        }
    }
}

/// All predictors: those in `folders`, in their order, then the shipped ones. An identity may occur
/// several times; the first one counts.
pub fn catalogue(folders: &[PathBuf]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = folders.iter().flat_map(|folder| files(folder)).collect();
    let shipped = |(name, _): &(&str, &str)| Entry { id: (*name).to_owned(), origin: Origin::Shipped };
    entries.extend(PREDICTORS.iter().map(shipped));
    entries
}

/// The predictor files of a folder, by name; none where the folder cannot be read.
fn files(folder: &Path) -> Vec<Entry> {
    let mut entries: Vec<Entry> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            // device@runtime@precision; other files are none of our business.
            (id.split('@').count() == 3).then_some(Entry { id, origin: Origin::File(path) })
        })
        .collect();
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph::Act;
    use crate::plainnet::{Kernel, KernelKind};
    use crate::predictor::Support;
    use crate::predictor::fitted::Bounded;

    #[test]
    fn every_shipped_predictor_keeps_the_contract() {
        for entry in catalogue(&[]) {
            let loaded = entry.load().unwrap_or_else(|e| panic!("{}: {e}", entry.id));
            assert_eq!(loaded.identity().to_string(), entry.id);
            let Loaded::Kernels(predictor) = loaded else { continue };
            for kind in KernelKind::ALL {
                for (c, side, k) in [(1, 1, 1), (8, 7, 3), (64, 56, 3), (512, 14, 5), (4096, 480, 7)] {
                    let depthwise = kind == KernelKind::Dwconv;
                    let kernel = Kernel {
                        kind,
                        batch: 1,
                        in_c: c,
                        out_c: c,
                        in_h: side,
                        in_w: side,
                        kernel: k,
                        stride: 1,
                        groups: if depthwise { c } else { 1 },
                        act: Act::Relu,
                        residual: false,
                    };
                    let Bounded { estimate, lower: low, upper: high } = predictor.bounded(&kernel);
                    let ns = estimate.latency.ns();
                    assert!(ns.is_finite() && ns > 0.0, "{}: {kernel}: {ns}", entry.id);
                    let known = predictor.file().model.kinds.contains_key(&kind);
                    assert_eq!(estimate.support == Support::Bound, !known, "{}: {kernel}", entry.id);
                    assert!(low <= estimate.latency && estimate.latency <= high);
                }
            }
        }
    }

    #[test]
    fn folders_come_first_and_foreign_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["host@tract@fp32.json", "notes.json", "a@b.json", "x@y@z.txt"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let entries = catalogue(&[dir.path().to_owned(), dir.path().join("absent")]);
        assert_eq!(entries[0].id, "host@tract@fp32");
        assert_eq!(entries.len(), 1 + PREDICTORS.len());
        assert!(entries[0].load().is_err());
    }
}
