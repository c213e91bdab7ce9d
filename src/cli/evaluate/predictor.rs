//! The half of `edgezen evaluate` that judges a predictor.

use crate::cli::failure::Failure;
use crate::cli::force::{Force, has_ending};
use crate::cli::{Global, fit, predictors};
use edgezen_core::predictor::metrics::Metrics;
use edgezen_lab::dataset;
use edgezen_lab::dataset::table::NetworkTableError;
use edgezen_lab::evaluation::kernels::KernelEvaluation;
use edgezen_lab::evaluation::networks::NetworkEvaluation;
use edgezen_lab::evaluation::{Evaluation, EvaluationError, PartMetrics, evaluate, scatter};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[group(id = "judging a predictor", multiple = true, conflicts_with = "judging a trained network")]
pub struct Args {
    /// Predictor file, device or identity
    #[arg(long, value_name = "P")]
    pub predictor: Option<String>,
    /// Architectures of a table of networks that has only arch_id [default: archs.csv.gz beside it]
    #[arg(long, value_name = "TABLE")]
    archs: Option<PathBuf>,
    /// Draws predicted over measured into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Judges the predictor called `name` by `data`.
pub fn run(name: &str, args: &Args, data: &Path, force: Force, global: Global) -> Result<(), Failure> {
    let mut inputs = dataset::files_of(data);
    inputs.extend([data.to_owned(), PathBuf::from(name)]);
    inputs.extend(args.archs.clone());
    if let Some(svg) = &args.svg {
        has_ending(svg, &["svg"], "a drawing in SVG")?;
    }
    let svg = args.svg.as_ref().map(|path| force.place(path, &inputs)).transpose()?;
    let predictor = predictors::by_name_or_file(name, global.output())?;
    let evaluation = evaluate(&predictor, data, args.archs.as_deref())?;
    let in_words = predictor.identity().in_words();
    let (predictor, data) = (predictor.identity().to_string(), data.display().to_string());
    if let Some(place) = &svg {
        let svg = scatter::draw(&format!("{in_words} on {data}"), evaluation.pairs());
        place.write(svg.as_bytes())?;
    }
    match evaluation {
        Evaluation::Kernels(evaluation) => {
            let report = KernelReport::new(predictor, data, evaluation);
            global.output().result(&report, || report.text(&in_words))
        }
        Evaluation::Networks(evaluation) => {
            let report = NetworkReport::new(predictor, data, evaluation);
            global.output().result(&report, || report.text(&in_words))
        }
    }
}

/// What `--json` prints of kernels and blocks.
#[derive(Serialize)]
struct KernelReport {
    predictor: String,
    data: String,
    rows: u32,
    /// Of the kernels; of the networks where there are no kernels.
    metrics: Option<Metrics>,
    blocks: Option<Metrics>,
    networks: Option<Metrics>,
    parts: Vec<PartMetrics>,
    baseline_flops: Option<Metrics>,
    baseline_roofline: Option<Metrics>,
}

impl KernelReport {
    fn new(predictor: String, data: String, evaluation: KernelEvaluation) -> KernelReport {
        let KernelEvaluation {
            rows,
            kernels,
            blocks,
            networks,
            parts,
            baseline_flops,
            baseline_roofline,
            ..
        } = evaluation;
        let metrics = kernels.or(networks);
        KernelReport {
            predictor,
            data,
            rows,
            metrics,
            blocks,
            networks,
            parts,
            baseline_flops,
            baseline_roofline,
        }
    }

    fn text(&self, predictor: &str) -> String {
        let mut rows: Vec<(String, &Metrics)> = Vec::new();
        rows.extend(self.metrics.iter().map(|m| ("all".to_owned(), m)));
        rows.extend(self.blocks.iter().map(|m| ("blocks".to_owned(), m)));
        rows.extend(self.networks.iter().map(|m| ("networks".to_owned(), m)));
        rows.extend(after(&self.parts, &self.baseline_flops, &self.baseline_roofline));
        format!("{predictor} on {}\n{}", self.data, fit::table(&rows))
    }
}

/// What `--json` prints of whole networks.
#[derive(Serialize)]
struct NetworkReport {
    predictor: String,
    data: String,
    rows: u32,
    /// Names that are not known here: their rows are left out.
    left_out: Vec<String>,
    metrics: Option<Metrics>,
    networks: Option<Metrics>,
    parts: Vec<PartMetrics>,
    baseline_flops: Option<Metrics>,
    baseline_roofline: Option<Metrics>,
}

impl NetworkReport {
    fn new(predictor: String, data: String, evaluation: NetworkEvaluation) -> NetworkReport {
        let NetworkEvaluation { rows, left_out, networks, parts, baseline_flops, baseline_roofline, .. } =
            evaluation;
        let metrics = networks;
        NetworkReport {
            predictor,
            data,
            rows,
            left_out,
            metrics,
            networks,
            parts,
            baseline_flops,
            baseline_roofline,
        }
    }

    fn text(&self, predictor: &str) -> String {
        let mut rows: Vec<(String, &Metrics)> = Vec::new();
        rows.extend(self.networks.iter().map(|m| ("networks".to_owned(), m)));
        rows.extend(after(&self.parts, &self.baseline_flops, &self.baseline_roofline));
        let mut out = format!("{predictor} on {}\n{}", self.data, fit::table(&rows));
        if !self.left_out.is_empty() {
            out += &format!("left out, structure not known: {}\n", self.left_out.join(", "));
        }
        out
    }
}

/// Rows of both tables: the parts, then the baselines.
fn after<'a>(
    parts: &'a [PartMetrics],
    flops: &'a Option<Metrics>,
    roofline: &'a Option<Metrics>,
) -> impl Iterator<Item = (String, &'a Metrics)> {
    let parts = parts.iter().map(|part| (part.part.clone(), &part.metrics));
    let flops = flops.iter().map(|m| ("FLOPs only".to_owned(), m));
    parts.chain(flops).chain(roofline.iter().map(|m| ("roofline".to_owned(), m)))
}

impl From<EvaluationError> for Failure {
    fn from(error: EvaluationError) -> Failure {
        let message = error.to_string();
        match error {
            EvaluationError::Dataset(error) => error.into(),
            // What is meant is the predictor's identity: no option here chooses another.
            EvaluationError::Table(NetworkTableError::NoLatencies { .. }) => Failure::usage(message).remedy(
                "--predictor of the identity that the table holds (edgezen predictors list), or a table of this predictor's",
            ),
            EvaluationError::Table(NetworkTableError::Mixed { .. } | NetworkTableError::Name { .. }) => {
                Failure::usage(message).remedy("leave the rows of one identity in the table")
            }
            EvaluationError::Table(error) => error.into(),
            EvaluationError::Observation(error) => error.into(),
            EvaluationError::Subject { .. } => Failure::runtime(message),
            EvaluationError::OtherIdentity(error) => error.into(),
            EvaluationError::Foreign { space, .. } => Failure::usage(message).remedy(format!(
                "give it a code like {}, or choose another predictor (edgezen predictors list)",
                space.example()
            )),
        }
    }
}
