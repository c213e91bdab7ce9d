//! Datasets as commands that fit take them: read, of one identity, with what goes into a predictor file.

use super::failure::Failure;
use edgezen_core::digest::{Hasher, sha256};
use edgezen_core::measurement::{Sample, Subject};
use edgezen_lab::dataset::{Dataset, SAMPLES};
use edgezen_lab::fit::Request;
use edgezen_lab::fit::families::FitError;
use edgezen_lab::fit::networks::{Row, space};
use std::path::PathBuf;

pub struct Data {
    pub datasets: Vec<Dataset>,
    pub request: Request,
}

impl Data {
    /// The rows, if all are networks of one space that is priced as a whole.
    pub fn networks(&self) -> Option<Vec<Row>> {
        let rows: Option<Vec<Row>> =
            self.datasets.iter().flat_map(|dataset| &dataset.samples).map(row).collect();
        rows.filter(|rows| space(rows).is_some())
    }
}

fn row(sample: &Sample) -> Option<Row> {
    match &sample.subject {
        Subject::Encoded { code, .. } => Some(Row { network: code.0.clone(), latency: sample.median }),
        _ => None,
    }
}

/// Reads folders of datasets of one identity; samples whose names begin with one of `leave_out` are left
/// out.
pub fn read(folders: &[PathBuf], leave_out: &[String]) -> Result<Data, Failure> {
    let mut datasets = Vec::new();
    let mut request: Option<Request> = None;
    let mut hash = Hasher::default();
    for folder in folders {
        if !folder.is_dir() {
            return Err(Failure::usage(format!("{}: there is no such dataset", folder.display()))
                .remedy("edgezen profile measures one, edgezen dataset import takes one from a table"));
        }
        let mut dataset = Dataset::read(folder)?;
        let samples = folder.join(SAMPLES);
        hash.update(std::fs::read(&samples).map_err(|e| Failure::io(&samples, &e))?);
        let mut left_out = Vec::new();
        dataset.samples.retain(|sample| {
            let name = sample.subject.to_string();
            let out = leave_out.iter().any(|prefix| name.starts_with(prefix.as_str()));
            if out {
                left_out.push(name);
            }
            !out
        });
        let mut notes = dataset.provenance.notes.clone();
        if !left_out.is_empty() {
            notes.push(format!("Not fitted: {}.", left_out.join(", ")));
        }
        match &mut request {
            None => request = Some(Request { notes, ..of(&dataset) }),
            Some(request) => {
                if request.identity != dataset.identity {
                    let names = [&request.identity, &dataset.identity].map(|id| {
                        format!("{id} (batch {}, {} threads, {:?})", id.batch, id.threads, id.runtime_version)
                    });
                    let [first, second] = names;
                    return Err(FitError::MixedIdentities(first, second).into());
                }
                request.created = request.created.clone().max(dataset.provenance.created.clone());
                if request.licence != dataset.provenance.licence {
                    request.licence = format!("{} AND {}", request.licence, dataset.provenance.licence);
                }
                if !request.sources.contains(&dataset.provenance.source) {
                    request.sources.push(dataset.provenance.source.clone());
                }
                let usual = dataset.environment.usual_probe_ns;
                request.usual_probe_ns = request.usual_probe_ns.into_iter().chain(usual).min();
                request.notes.extend(notes);
            }
        }
        datasets.push(dataset);
    }
    let Some(mut request) = request else { return Err(Failure::usage("--data is needed")) };
    request.dataset_sha256 = hash.hex();
    Ok(Data { datasets, request })
}

/// SHA-256 of some lines.
pub fn sha256_of(lines: &[String]) -> String {
    sha256(lines.join("\n"))
}

/// What a predictor file says of `dataset`.
pub fn of(dataset: &Dataset) -> Request {
    Request {
        roofline: dataset.environment.roofline.clone(),
        identity: dataset.identity.clone(),
        created: dataset.provenance.created.clone(),
        licence: dataset.provenance.licence.clone(),
        sources: vec![dataset.provenance.source.clone()],
        notes: dataset.provenance.notes.clone(),
        usual_probe_ns: dataset.environment.usual_probe_ns,
        cpu: dataset.environment.cpu.clone(),
        dataset_sha256: String::new(),
    }
}
