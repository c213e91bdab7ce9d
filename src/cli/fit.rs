//! `edgezen fit`: datasets in, predictor file out.

use super::failure::{Exit, Failure};
use super::{Global, output};
use crate::dataset::Dataset;
use crate::dataset::folder::SAMPLES;
use crate::device::Facts;
use crate::plainnet::KernelKind;
use crate::predictor::evaluate::Metrics;
use crate::predictor::families::FitError;
use crate::predictor::file::FitMetrics;
use crate::predictor::fit::{self, Request};
use crate::predictor::fitted::FittedPredictor;
use crate::predictor::training::Roofline;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of datasets of one identity
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Predictor file [default: predictors/<device>@<runtime>@<precision>.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Networks that are not fitted, by the beginning of their names
    #[arg(long, value_name = "NAME")]
    leave_out: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    predictor: String,
    file: String,
    rows: u32,
    metrics: FitMetrics,
    baseline_flops: Option<Metrics>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let predictor = fit(&args)?;
    let file = predictor.file();
    let path = args.output.unwrap_or_else(|| Path::new("predictors").join(format!("{}.json", file.id)));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io(folder, &e))?;
    }
    file.write(&path)?;
    let p = &file.provenance;
    let report = Report {
        predictor: file.id.clone(),
        file: path.display().to_string(),
        rows: p.kernels + p.blocks + p.networks,
        metrics: file.metrics.clone(),
        baseline_flops: file.metrics.baseline_flops,
    };
    global.output().result(&report, || {
        format!("{}\n\n{} written to {}", metrics_table(&report.metrics), report.predictor, report.file)
    })
}

fn fit(args: &Args) -> Result<FittedPredictor, Failure> {
    let mut observations = Vec::new();
    let mut request: Option<Request> = None;
    let mut hash = Sha256::new();
    for folder in &args.data {
        let mut dataset = Dataset::read(folder)?;
        let samples = folder.join(SAMPLES);
        hash.update(std::fs::read(&samples).map_err(|e| Failure::io(&samples, &e))?);
        let mut left_out = Vec::new();
        dataset.samples.retain(|sample| {
            let name = sample.subject.to_string();
            let out = args.leave_out.iter().any(|prefix| name.starts_with(prefix.as_str()));
            if out {
                left_out.push(name);
            }
            !out
        });
        observations.extend(fit::observations(&dataset)?);
        let mut notes = dataset.provenance.notes.clone();
        if !left_out.is_empty() {
            notes.push(format!("Not fitted: {}.", left_out.join(", ")));
        }
        match &mut request {
            None => {
                request = Some(Request {
                    roofline: roofline(&dataset, folder)?,
                    identity: dataset.identity,
                    created: dataset.provenance.created,
                    licence: dataset.provenance.licence,
                    sources: vec![dataset.provenance.source],
                    notes,
                    usual_probe_ns: usual_probe_ns(&dataset.environment),
                    dataset_sha256: String::new(),
                });
            }
            Some(request) => {
                if request.identity != dataset.identity {
                    let names = [&request.identity, &dataset.identity].map(|id| {
                        format!("{id} (batch {}, {} threads, {:?})", id.batch, id.threads, id.runtime_version)
                    });
                    let [first, second] = names;
                    return Err(FitError::MixedIdentities(first, second).into());
                }
                request.created = request.created.clone().max(dataset.provenance.created);
                if request.licence != dataset.provenance.licence {
                    request.licence = format!("{} AND {}", request.licence, dataset.provenance.licence);
                }
                if !request.sources.contains(&dataset.provenance.source) {
                    request.sources.push(dataset.provenance.source);
                }
                let usual = usual_probe_ns(&dataset.environment);
                request.usual_probe_ns = request.usual_probe_ns.into_iter().chain(usual).min();
                request.notes.extend(notes);
            }
        }
    }
    let Some(mut request) = request else { return Err(Failure::usage("--data is needed")) };
    request.dataset_sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(fit::fit(&observations, request)?)
}

/// Length of a probe at the usual speed of the core, where the pace was probed.
fn usual_probe_ns(environment: &Facts) -> Option<u64> {
    environment.get("usual_probe_ns")?.as_u64()
}

/// The device's own figures, if the dataset has them.
fn roofline(dataset: &Dataset, folder: &Path) -> Result<Option<Roofline>, Failure> {
    let parse = |value: &serde_json::Value| {
        serde_json::from_value(value.clone())
            .map_err(|e| Failure::bad_file(&folder.join("environment.json"), format!("roofline: {e}")))
    };
    dataset.environment.get("roofline").map(parse).transpose()
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Failure {
        let exit = match error {
            FitError::MixedIdentities(..) => Exit::Usage,
            FitError::NoData | FitError::TooFew { .. } | FitError::Subject { .. } => Exit::BadFile,
            FitError::Solver(_) => Exit::Runtime,
        };
        Failure::new(exit, error.to_string())
    }
}

/// Held-out errors as a table.
pub fn metrics_table(metrics: &FitMetrics) -> String {
    let mut rows: Vec<(String, &Metrics)> = Vec::new();
    let levels =
        [("kernels", &metrics.kernels), ("blocks", &metrics.blocks), ("networks", &metrics.networks)];
    for (name, level) in levels {
        rows.extend(level.iter().map(|m| (name.to_owned(), m)));
        if name == "kernels" {
            let kinds = KernelKind::ALL.into_iter().filter_map(|kind| metrics.by_kind.get_key_value(&kind));
            rows.extend(kinds.map(|(kind, m)| (format!("  {kind}"), m)));
        }
    }
    rows.extend(metrics.baseline_flops.iter().map(|m| ("FLOPs only".to_owned(), m)));
    rows.extend(metrics.baseline_roofline.iter().map(|m| ("roofline".to_owned(), m)));
    format!("held-out error ({} folds)\n", metrics.folds) + &table(&rows)
}

/// One row of figures for each set.
pub fn table(rows: &[(String, &Metrics)]) -> String {
    let cells = |(name, m): &(String, &Metrics)| {
        let rank = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        vec![
            name.clone(),
            m.rows.to_string(),
            format!("{:.1} %", m.mape_percent),
            format!("{:.1} %", m.median_percent),
            format!("{:.0} %", m.within_5_percent),
            format!("{:.0} %", m.within_10_percent),
            rank(m.spearman),
            rank(m.kendall),
            m.coverage_percent.map_or("-".to_owned(), |c| format!("{c:.0} %")),
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["", "rows", "MAPE", "median", "≤5 %", "≤10 %", "Spearman", "Kendall", "in interval"];
    output::table(&header, &cells)
}
