//! Feeding measurements back: into the dataset that a predictor came from, and from there into a new predictor.

use crate::dataset;
use crate::dataset::Dataset;
use crate::fit;
use crate::fit::datasets::Datasets;
use crate::fit::error::{DataError, FitError};
use edgezen_core::measurement::Sample;
use edgezen_core::predictor::fitted::FittedPredictor;
use std::path::Path;

/// Why measurements could not be fed back.
#[derive(Debug, thiserror::Error)]
pub enum RefitError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// Adds `samples` to `dataset`, which is that of the folder `dir`, writes it there, and fits a predictor to all of it. A
/// sample of a subject that the dataset has takes the place of the one that was there.
///
/// # Errors
/// Whatever the disk says, or a failure of the fit.
pub fn refit(dir: &Path, mut dataset: Dataset, samples: Vec<Sample>) -> Result<FittedPredictor, RefitError> {
    for sample in samples {
        match dataset.samples.iter().position(|known| known.subject == sample.subject) {
            Some(at) => dataset.samples[at] = sample,
            None => dataset.samples.push(sample),
        }
    }
    dataset::write(dir, &dataset).map_err(DataError::from)?;
    // What was written also says what goes into the predictor file.
    let request = Datasets::read(&[dir.to_owned()], &[])?.request;
    Ok(fit::fit(&fit::observations(&dataset)?, request)?)
}
