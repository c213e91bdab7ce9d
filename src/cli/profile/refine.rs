//! `edgezen profile --refine DIR`: what a dataset leaves open.

use crate::cli::failure::Failure;
use edgezen_core::measurement::Identity;
use edgezen_lab::campaign::plan::Judged;
use edgezen_lab::fit;
use edgezen_lab::fit::Datasets;
use std::path::{Path, PathBuf};

/// The kernels of the dataset, with the error of predictors that had not seen them.
///
/// # Errors
/// No dataset, one of another identity, or one that no predictor can be fitted to.
pub fn judged(dir: &Path, identity: &Identity) -> Result<Vec<Judged>, Failure> {
    let data = Datasets::read(&[dir.to_owned()], &[])?;
    if data.request.identity != *identity {
        let difference = data.request.identity.difference(identity);
        return Err(Failure::usage(format!("--refine {}: of another identity: {difference}", dir.display())));
    }
    let observations = data.observations()?;
    let held_out = fit::held_out_ns(&observations, &data.request)?;
    let judged = observations.iter().zip(held_out).filter_map(|(observation, predicted)| {
        let error = (predicted / observation.latency.ns() - 1.0).abs();
        Some(Judged { kernel: *observation.single()?, error })
    });
    Ok(judged.collect())
}

/// The folder of what is measured in addition: beside the dataset.
pub fn beside(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    dir.with_file_name(format!("{name}-refined"))
}
