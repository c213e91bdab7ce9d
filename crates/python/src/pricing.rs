//! Latencies, scores and samples of many networks, on all cores and without Python's lock.

use crate::raised::raised;
use crate::threads::pool;
use edgezen::catalogue::networks::Overrides;
use edgezen::cli::Failure;
use edgezen::cli::in_process;
use edgezen::files::home::own_folders;
use edgezen::plainnet::Network;
use edgezen::prediction::Many;
use edgezen::predictor::Estimate;
use edgezen::proxy::{self, Mode};
use edgezen::search::{Search, reference};
use edgezen::space;
use edgezen::units::Throughput;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Predictors that are kept for further calls.
const KEPT: usize = 16;

/// What a capsule with a predictor is called.
const PREDICTOR: &CStr = c"edgezen.predictor";

/// What a predictor was asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub device: Option<String>,
    pub predictor: Option<PathBuf>,
    pub batch: Option<u32>,
}

/// A file, its size and the time of its last change: a name may mean another predictor as soon as one of them differs.
type Stamp = (PathBuf, u64, Option<SystemTime>);

/// A predictor that was read, with what a person should know of it.
#[derive(Clone)]
struct Loaded {
    many: Arc<Many>,
    remarks: Vec<String>,
}

/// The predictors that were asked for last, the latest at the end.
static LOADED: Mutex<Vec<(Asked, Vec<Stamp>, Loaded)>> = Mutex::new(Vec::new());

impl Asked {
    /// The files by which the name may get another meaning.
    fn stamps(&self) -> Vec<Stamp> {
        let mut files: Vec<PathBuf> = self.predictor.iter().cloned().collect();
        if self.predictor.is_none() {
            let folders = ["predictors", "device-profiles"].into_iter().flat_map(own_folders);
            for folder in folders.filter_map(|folder| std::path::absolute(folder).ok()) {
                // A folder that cannot be read is an error of the predictor that is looked for there.
                files.extend(folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()));
            }
        }
        files.sort();
        files.into_iter().map(|file| stamp(&file)).collect()
    }

    /// The predictor: the one that was read before, unless a file has changed since.
    fn load(self) -> Result<Loaded, Failure> {
        let stamps = self.stamps();
        let mut known = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., loaded)) = known.iter().find(|(asked, at, _)| *asked == self && *at == stamps) {
            return Ok(loaded.clone());
        }
        let Asked { device, predictor, batch } = self.clone();
        let (many, remarks) = in_process::load(device, predictor, batch)?;
        let loaded = Loaded { many: Arc::new(many), remarks };
        known.retain(|(asked, ..)| *asked != self);
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push((self, stamps, loaded.clone()));
        Ok(loaded)
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = file.metadata().ok();
    let size = found.as_ref().map_or(0, std::fs::Metadata::len);
    (file.to_owned(), size, found.and_then(|found| found.modified().ok()))
}

/// A predictor for further calls: itself, its identity, and the remarks on it.
///
/// # Errors
/// There is none, or its file cannot be used.
pub fn load(py: Python<'_>, asked: Asked) -> PyResult<(Py<PyAny>, String, Vec<String>)> {
    let Loaded { many, remarks } =
        py.detach(|| asked.load()).map_err(|failure| raised(py, "predict", &failure))?;
    let identity = many.identity().to_string();
    let capsule = PyCapsule::new_with_value(py, many, PREDICTOR)?;
    Ok((capsule.into_any().unbind(), identity, remarks))
}

/// The predictor in a capsule of [`load`].
fn predictor(capsule: &Bound<'_, PyCapsule>) -> PyResult<Arc<Many>> {
    let many = capsule.pointer_checked(Some(PREDICTOR))?.cast::<Arc<Many>>();
    // SAFETY: a capsule of this name was made by `load` alone, holds such a value, and lives longer than this borrow.
    Ok(unsafe { many.as_ref() }.clone())
}

/// What differs from the networks' own input.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Side of the images, or height and width, as 320x480.
    pub resolution: Option<String>,
    pub classes: Option<u32>,
    pub se: bool,
}

impl Input {
    fn overrides(&self) -> Result<Overrides, Failure> {
        let resolution = self.resolution.as_deref().map(str::parse).transpose().map_err(Failure::usage)?;
        Ok(Overrides { resolution, classes: self.classes, se: self.se })
    }
}

/// What of a latency an array holds.
type Column = fn(&Estimate) -> f64;

/// The latencies of `nets` by a predictor of [`load`]: arrays of numbers in double precision, by name. Milliseconds are per image.
///
/// # Errors
/// The failure of the first network that has no latency.
pub fn latencies<'py>(
    py: Python<'py>,
    capsule: &Bound<'py, PyCapsule>,
    nets: Vec<String>,
    input: Input,
    partial: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let many = predictor(capsule)?;
    let work = || pool()?.install(|| in_process::latencies(&many, &nets, input.overrides()?, partial));
    let estimates = py.detach(work).map_err(|failure| raised(py, "predict", &failure))?;
    let columns: [(&str, Column); 5] = [
        ("ms", |estimate| estimate.latency.ms()),
        ("lower_ms", |estimate| estimate.lower.ms()),
        ("upper_ms", |estimate| estimate.upper.ms()),
        ("charged_ms", |estimate| estimate.charged.ms()),
        ("coverage", |estimate| estimate.coverage),
    ];
    let arrays = PyDict::new(py);
    for (name, of) in columns {
        arrays.set_item(name, array(py, estimates.iter().map(of)))?;
    }
    if many.identity().is_throughput() {
        let rates = estimates.iter().map(|estimate| Throughput::of(estimate.latency).0);
        arrays.set_item("images_per_s", array(py, rates))?;
    }
    Ok(arrays)
}

/// Numbers in double precision, one behind the other, as this computer stores them.
fn array<'py>(py: Python<'py>, numbers: impl Iterator<Item = f64>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &numbers.flat_map(f64::to_ne_bytes).collect::<Vec<u8>>())
}

/// The proxies that have a closed form.
pub fn closed_forms() -> Vec<&'static str> {
    proxy::registry().iter().filter(|entry| entry.with_batch.is_none()).map(|entry| entry.name).collect()
}

/// The scores of `nets` in closed form, as an array of numbers in double precision.
///
/// # Errors
/// The failure of the first network that has no score.
pub fn scores<'py>(
    py: Python<'py>,
    nets: Vec<String>,
    proxy: &str,
    mode: &str,
    seed: u64,
    input: Input,
) -> PyResult<Bound<'py, PyBytes>> {
    let work = || {
        let mode: Mode = mode.parse().map_err(Failure::usage)?;
        pool()?.install(|| in_process::scores(&nets, proxy, mode, seed, input.overrides()?))
    };
    let scores = py.detach(work).map_err(|failure| raised(py, "score", &failure))?;
    Ok(array(py, scores.into_iter()))
}

/// `count` structures of a search space by a walk at random, as a search with this seed ranks scores among.
///
/// # Errors
/// A space that is not known.
pub fn sample(py: Python<'_>, space: &str, count: usize, seed: u64) -> PyResult<Vec<String>> {
    let work = || {
        let known = space::by_name(space).ok_or_else(|| {
            let names: Vec<&str> = space::registry().iter().map(|space| space.name()).collect();
            Failure::usage(format!("unknown search space {space:?}"))
                .remedy(format!("known spaces: {}", names.join(", ")))
        })?;
        let search = Search::new(known).seed(seed).with_depth_limit()?;
        Ok(reference::networks(&search, count)?)
    };
    let drawn = py.detach(work).map_err(|failure: Failure| raised(py, "sample", &failure))?;
    Ok(drawn.iter().map(|blocks| Network::from(&blocks[..]).to_string()).collect())
}
