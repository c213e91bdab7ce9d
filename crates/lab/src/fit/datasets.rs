//! Datasets as a fit takes them: read, of one identity, with what goes into a predictor file.

use crate::dataset::{Dataset, SAMPLES};
use crate::fit::error::{DataError, FitError};
use crate::fit::lender::Lender;
use crate::fit::networks::rows;
use crate::fit::networks::rows::MeasuredNetwork;
use crate::fit::observation::{Level, Observation, observations};
use crate::fit::request::Request;
use edgezen_core::digest::Hasher;
use std::path::{Path, PathBuf};

/// Datasets of one identity, and the request to fit a predictor to them.
pub struct Datasets {
    pub datasets: Vec<Dataset>,
    /// Datasets of other runtimes or devices, to lean on.
    lenders: Vec<Dataset>,
    pub request: Request,
    /// Beginnings of names that were to be left out, and that no name has.
    pub unmatched: Vec<String>,
}

impl Datasets {
    /// Reads folders of datasets of one identity; samples whose names begin with one of `leave_out` are left out.
    ///
    /// # Errors
    /// A folder that is missing or damaged, or datasets of several identities.
    pub fn read(folders: &[PathBuf], leave_out: &[String]) -> Result<Datasets, DataError> {
        Datasets::read_leaning(folders, &[], leave_out)
    }

    /// As [`Datasets::read`], with the folders of `lenders`: datasets of networks on other runtimes or devices, whose sources
    /// and licences are then those of the fit as well.
    ///
    /// # Errors
    /// As [`Datasets::read`].
    pub fn read_leaning(
        folders: &[PathBuf],
        lenders: &[PathBuf],
        leave_out: &[String],
    ) -> Result<Datasets, DataError> {
        let mut datasets: Vec<Dataset> = Vec::new();
        let mut request: Option<Request> = None;
        let mut hash = Hasher::default();
        let mut left_out: Vec<Prefix<'_>> =
            leave_out.iter().map(|text| Prefix { text, is_met: false }).collect();
        for folder in folders {
            let (dataset, notes) = read_without(folder, &mut left_out, &mut hash)?;
            if let Some(at) = datasets.iter().position(|other| is_same(other, &dataset)) {
                return Err(DataError::Twice { first: folders[at].clone(), second: folder.clone() });
            }
            match &mut request {
                None => request = Some(Request { notes, ..Request::of(&dataset) }),
                Some(request) => extend(request, &folders[0], (folder, &dataset), notes)?,
            }
            datasets.push(dataset);
        }
        let mut request = request.ok_or(DataError::NoFolders)?;
        let mut lent: Vec<Dataset> = Vec::new();
        for folder in lenders {
            let (dataset, _) = read_without(folder, &mut left_out, &mut hash)?;
            let all = folders.iter().zip(&datasets).chain(lenders.iter().zip(&lent));
            if let Some((first, _)) = all.into_iter().find(|(_, other)| is_same(other, &dataset)) {
                return Err(DataError::Twice { first: first.clone(), second: folder.clone() });
            }
            credit(&mut request, &dataset);
            lent.push(dataset);
        }
        request.dataset_sha256 = hash.hex();
        let unmatched = left_out.into_iter().filter(|prefix| !prefix.is_met);
        let unmatched = unmatched.map(|prefix| prefix.text.clone()).collect();
        Ok(Datasets { datasets, lenders: lent, request, unmatched })
    }

    /// The datasets to lean on.
    ///
    /// # Errors
    /// A sample that is no network, or that cannot be built.
    pub fn lenders(&self) -> Result<Vec<Lender>, FitError> {
        let lender = |dataset: &Dataset| {
            let rows = observations(dataset)?;
            if let Some(other) = rows.iter().position(|row| row.level != Level::Network) {
                let subject = dataset.samples[other].subject.to_string();
                return Err(FitError::Subject {
                    subject,
                    reason: "a fit leans on whole networks only".into(),
                });
            }
            Ok(Lender { id: dataset.identity.to_string(), rows })
        };
        self.lenders.iter().map(lender).collect()
    }

    /// All samples as observations.
    ///
    /// # Errors
    /// A block or network that cannot be built.
    pub fn observations(&self) -> Result<Vec<Observation>, FitError> {
        let mut all = Vec::new();
        for dataset in &self.datasets {
            all.extend(observations(dataset)?);
        }
        Ok(all)
    }

    /// The samples as whole networks, if all are networks of one space that is priced as a whole.
    pub fn networks(&self) -> Option<Vec<MeasuredNetwork>> {
        let samples = self.datasets.iter().flat_map(|dataset| &dataset.samples);
        let all: Option<Vec<MeasuredNetwork>> = samples.map(MeasuredNetwork::of).collect();
        all.filter(|all| rows::space(all).is_some())
    }
}

/// Whether two datasets hold the same measurements.
fn is_same(one: &Dataset, other: &Dataset) -> bool {
    one.identity == other.identity && one.samples == other.samples
}

/// The beginning of names that are left out.
struct Prefix<'a> {
    text: &'a String,
    /// Whether a name began so.
    is_met: bool,
}

/// Reads a dataset without the samples to `leave_out`, and adds its samples table to `hash`. Also gives its notes, with
/// one on what was left out.
fn read_without(
    folder: &Path,
    leave_out: &mut [Prefix<'_>],
    hash: &mut Hasher,
) -> Result<(Dataset, Vec<String>), DataError> {
    if !folder.is_dir() {
        return Err(DataError::Missing { path: folder.to_owned() });
    }
    let mut dataset = Dataset::read(folder)?;
    let samples = folder.join(SAMPLES);
    hash.update(std::fs::read(&samples).map_err(|error| DataError::Io { path: samples.clone(), error })?);
    let mut left_out = Vec::new();
    dataset.samples.retain(|sample| {
        let name = sample.subject.to_string();
        let mut out = false;
        for prefix in leave_out.iter_mut().filter(|prefix| name.starts_with(prefix.text.as_str())) {
            (out, prefix.is_met) = (true, true);
        }
        if out {
            left_out.push(name);
        }
        !out
    });
    let mut notes = dataset.provenance.notes.clone();
    if !left_out.is_empty() {
        notes.push(format!("Not fitted: {}.", left_out.join(", ")));
    }
    Ok((dataset, notes))
}

/// Adds the further dataset of `folder`, which has the identity of the one in `first`, to a request.
fn extend(
    request: &mut Request,
    first: &Path,
    (folder, dataset): (&Path, &Dataset),
    notes: Vec<String>,
) -> Result<(), DataError> {
    if request.identity != dataset.identity {
        return Err(DataError::MixedIdentities {
            first: first.to_owned(),
            second: folder.to_owned(),
            contrast: dataset.identity.contrast(&request.identity),
        });
    }
    credit(request, dataset);
    let usual = dataset.environment.usual_probe_ns;
    request.usual_probe_ns = request.usual_probe_ns.into_iter().chain(usual).min();
    let usual = dataset.environment.usual_sentinel_ns;
    request.usual_sentinel_ns = request.usual_sentinel_ns.into_iter().chain(usual).min();
    request.notes.extend(notes);
    Ok(())
}

/// Adds the date, licence and source of `dataset` to a request.
fn credit(request: &mut Request, dataset: &Dataset) {
    request.created = request.created.clone().max(dataset.provenance.created.clone());
    if request.licence.split(" AND ").all(|licence| licence != dataset.provenance.licence) {
        request.licence = format!("{} AND {}", request.licence, dataset.provenance.licence);
    }
    if !request.sources.contains(&dataset.provenance.source) {
        request.sources.push(dataset.provenance.source.clone());
    }
}
