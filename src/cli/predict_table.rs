//! `edgezen predict --kernels TABLE` and `--networks TABLE`: a table in, the same table with predictions out.

use super::Global;
use super::failure::{Exit, Failure};
use super::predictors;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::fitted::{Bounded, FittedPredictor};
use edgezen_core::predictor::loaded::Loaded;
use edgezen_core::predictor::{LatencyPredictor, Support};
use edgezen_core::units::Latency;
use edgezen_core::zoo::Encoded;
use edgezen_lab::dataset::KernelTable;
use edgezen_lab::dataset::table::NetworkTable;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Serialize)]
struct TableReport {
    device: String,
    rows: usize,
    inside: usize,
    /// Kinds of kernel that the predictor has no model for: their rows hold a bound. Of networks, names that
    /// are not known: their rows hold nothing.
    unknown: Vec<String>,
    output: String,
}

/// A row's prediction for the whole batch.
struct Row {
    latency: Latency,
    lower: Latency,
    upper: Latency,
    inside: bool,
}

/// A table of kernels.
pub fn kernels(
    loaded: &Loaded,
    input: &Path,
    output: &Path,
    strict: bool,
    global: Global,
) -> Result<(), Failure> {
    let predictor = match loaded {
        Loaded::Kernels(predictor) => predictor,
        Loaded::Networks(predictor) => {
            return Err(predictors::foreign(predictor, "a table of kernels is not for it"));
        }
    };
    let table = KernelTable::read(input)?;
    let kernels = table.kernels(&predictor.identity().precision)?;
    let bounded = predictor.bounded_many(&kernels);
    let row = |b: &Bounded| {
        let inside = b.estimate.support == Support::Inside;
        Some(Row { latency: b.estimate.latency, lower: b.lower, upper: b.upper, inside })
    };
    let rows: Vec<Option<Row>> = bounded.iter().map(row).collect();
    let bounds = kernels.iter().zip(&bounded).filter(|(_, b)| b.estimate.support == Support::Bound);
    let kinds: BTreeSet<KernelKind> = bounds.map(|(kernel, _)| kernel.kind).collect();
    let unknown = kinds.into_iter().map(|kind| kind.name().to_owned()).collect();
    let name = |at: usize| kernels[at].to_string();
    finish(table, &rows, unknown, &name, &Job { loaded, input, output, strict, global })
}

/// A table of networks.
pub fn networks(
    loaded: &Loaded,
    input: &Path,
    archs: Option<&Path>,
    output: &Path,
    strict: bool,
    global: Global,
) -> Result<(), Failure> {
    let NetworkTable { table, networks, unknown } = NetworkTable::read(input, archs)?;
    let mut rows = Vec::with_capacity(networks.len());
    for (at, network) in networks.iter().enumerate() {
        rows.push(match network {
            Some(network) => {
                Some(whole(loaded, network, batch(&table, at)).ok_or_else(|| wrong(loaded, network))?)
            }
            None => None,
        });
    }
    let name = |at: usize| networks[at].as_ref().map_or(String::new(), Encoded::to_string);
    finish(table, &rows, unknown, &name, &Job { loaded, input, output, strict, global })
}

/// Images per run of a row, where the table says so.
fn batch(table: &KernelTable, row: usize) -> Option<u32> {
    let at = table.columns().iter().position(|column| column == "batch")?;
    table.row(row)[at].trim().parse().ok().filter(|&batch| batch > 0)
}

fn wrong(loaded: &Loaded, network: &Encoded) -> Failure {
    match loaded {
        Loaded::Networks(predictor) => {
            predictors::foreign(predictor, &format!("{network} is of another space"))
        }
        Loaded::Kernels(predictor) => {
            Failure::usage(format!("{} cannot take {network}", predictor.identity()))
        }
    }
}

/// The prediction of a whole network, if the predictor takes it.
fn whole(loaded: &Loaded, network: &Encoded, batch: Option<u32>) -> Option<Row> {
    let (estimate, batch) = match loaded {
        Loaded::Networks(predictor) => (predictor.predict(network)?, predictor.identity.batch),
        Loaded::Kernels(predictor) => {
            let batch = batch.unwrap_or(predictor.identity().batch);
            (of_kernels(&predictor.with_batch(batch), network), batch)
        }
    };
    let times = f64::from(batch);
    Some(Row {
        latency: estimate.latency * times,
        lower: estimate.lower * times,
        upper: estimate.upper * times,
        inside: estimate.coverage >= 0.9,
    })
}

/// A network by its kernels.
fn of_kernels(predictor: &FittedPredictor, network: &Encoded) -> edgezen_core::predictor::Estimate {
    let lowering = predictor.lowering();
    let kernels: Vec<_> = network.parts().iter().flat_map(|part| lowering.kernels(&part.graph)).collect();
    predictor.predict(&kernels)
}

struct Job<'a> {
    loaded: &'a Loaded,
    input: &'a Path,
    output: &'a Path,
    strict: bool,
    global: Global,
}

/// Writes the table with its new columns.
fn finish(
    mut table: KernelTable,
    rows: &[Option<Row>],
    unknown: Vec<String>,
    name: &dyn Fn(usize) -> String,
    job: &Job,
) -> Result<(), Failure> {
    if job.strict
        && let Some(row) = rows.iter().position(|row| row.as_ref().is_none_or(|row| !row.inside))
    {
        let message =
            format!("{}: row {}: {} lies outside the domain", job.input.display(), row + 1, name(row));
        return Err(
            Failure::new(Exit::OutsideDomain, message).remedy("leave out --strict to predict it anyway")
        );
    }
    // Milliseconds to the nanosecond's thousandth: more digits would only look exact.
    let ms = |latency: Option<Latency>| latency.map_or(String::new(), |l| format!("{:.9}", l.ms()));
    let column = |of: fn(&Row) -> Latency| rows.iter().map(move |row| ms(row.as_ref().map(of)));
    let (predicted, lower, upper) = (column(|r| r.latency), column(|r| r.lower), column(|r| r.upper));
    let inside = rows.iter().map(|row| row.as_ref().map_or(String::new(), |row| row.inside.to_string()));
    table.set_column("predicted_ms", predicted);
    table.set_column("lower_ms", lower);
    table.set_column("upper_ms", upper);
    table.set_column("in_domain", inside);
    table.write(job.output)?;
    let report = TableReport {
        device: job.loaded.identity().to_string(),
        rows: table.len(),
        inside: rows.iter().flatten().filter(|row| row.inside).count(),
        unknown,
        output: job.output.display().to_string(),
    };
    job.global.output().result(&report, || {
        let mut text = format!(
            "{} rows, {} inside the domain of {}: {}",
            report.rows, report.inside, report.device, report.output
        );
        if !report.unknown.is_empty() {
            text += &format!("\nwithout a model: {}", report.unknown.join(", "));
        }
        text
    })
}
