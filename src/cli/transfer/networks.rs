//! Predictors of whole networks, adapted to another device of the same table.

use super::super::failure::Failure;
use super::super::{Global, fit, training_data};
use super::{Args, Report, report};
use edgezen_core::measurement::Subject;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::zoo::Encoded;
use edgezen_lab::catalogue;
use edgezen_lab::dataset::import::networks as published;
use edgezen_lab::dataset::table::NetworkTable;
use edgezen_lab::dataset::{Dataset, KernelTable};
use edgezen_lab::fit::networks::{Design, Row};
use edgezen_lab::fit::transfer::choose;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::Path;

pub fn run(args: &Args, sources: &[NetworkPredictor], global: Global) -> Result<(), Failure> {
    let Some(data) = &args.data else {
        return Err(Failure::usage("predictors of whole networks are adapted from a table: --data TABLE"));
    };
    let dataset = read(args, data, &sources[0])?;
    let rows: Vec<Row> = dataset
        .samples
        .iter()
        .filter_map(|sample| match &sample.subject {
            Subject::Encoded { code, .. } => Some(Row { network: code.0.clone(), latency: sample.median }),
            _ => None,
        })
        .filter(|row| row.network.space() == sources[0].space())
        .collect();
    let count = args.samples as usize;
    if rows.len() < count {
        let message = format!(
            "{}: {} networks of {}, {count} samples were asked for",
            data.display(),
            rows.len(),
            sources[0].space()
        );
        return Err(Failure::usage(message));
    }
    let mut request = training_data::of(&dataset);
    let networks: Vec<&Encoded> = rows.iter().map(|row| &row.network).collect();
    let design = Design::of(&networks, request.identity.batch, &request.identity.precision)?;
    // The rows are chosen by what the sources say; only then is a latency looked at.
    let said = |network: &Encoded| -> f64 {
        let each = sources.iter().filter_map(|source| source.predict(network));
        each.map(|estimate| estimate.latency.ns().ln()).sum::<f64>()
    };
    let predicted: Vec<f64> =
        networks.iter().map(|network| (said(network) / sources.len() as f64).exp()).collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(global.seed);
    let chosen = choose(&design.values, &predicted, count, &mut rng);
    let taken: Vec<Row> = chosen.iter().map(|&row| rows[row].clone()).collect();
    request.notes.push(format!("Adapted from {count} networks, chosen by what the sources say of them."));
    request.dataset_sha256 = training_data::sha256_of(&taken.iter().map(describe).collect::<Vec<_>>());
    let references: Vec<&NetworkPredictor> = sources.iter().collect();
    let predictor = edgezen_lab::fit::networks::fit(&taken, request, &references)?;
    let path = fit::destination(args.output.clone(), &predictor.id)?;
    catalogue::predictors::write(&path, predictor.text())?;
    let mut seen = chosen.iter().copied().peekable();
    let unseen: Vec<Row> = rows
        .iter()
        .enumerate()
        .filter(|(i, _)| seen.next_if_eq(i).is_none())
        .map(|(_, row)| row.clone())
        .collect();
    report(
        &Report {
            predictor: predictor.id.clone(),
            file: path.display().to_string(),
            from: sources.iter().map(|source| source.id.clone()).collect(),
            samples: count,
            chosen: taken.iter().map(|row| row.network.to_string()).collect(),
            before: judge(&sources[0], &taken),
            scaled: predictor.metrics.before,
            after: predictor.metrics.networks,
            unseen: judge(&predictor, &unseen),
        },
        global,
    )
}

fn describe(row: &Row) -> String {
    format!("{} {}", row.network, row.latency.ns())
}

/// Errors of a predictor on rows, whatever batch they are of.
fn judge(predictor: &NetworkPredictor, rows: &[Row]) -> Option<Metrics> {
    let batch = f64::from(predictor.identity.batch);
    let pair = |row: &Row| {
        let estimate = predictor.predict(&row.network)?;
        let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
        Some(Pair { predicted: estimate.latency.ns() * batch, interval, measured: row.latency.ns() })
    };
    Metrics::of(&rows.iter().filter_map(pair).collect::<Vec<_>>())
}

/// The target's data: a dataset, or a table of a source that its columns tell.
pub fn read(args: &Args, data: &Path, source: &NetworkPredictor) -> Result<Dataset, Failure> {
    if data.is_dir() {
        return Ok(Dataset::read(data)?);
    }
    let table = KernelTable::read(data)?;
    if !NetworkTable::is_one(table.columns()) {
        return Err(Failure::bad_file(data, "not a table of networks")
            .remedy("edgezen dataset import --help says what tables there are"));
    }
    let mut select = args.select();
    let guessed = published::guess(&table, source.space());
    if guessed.name == "networks" {
        select.runtime = select.runtime.or_else(|| Some(source.identity.runtime.clone()));
        select.precision = select.precision.or_else(|| Some(source.identity.precision.clone()));
    }
    Ok(published::import(guessed, data, args.archs.as_deref(), &select, &source.created)?)
}
