//! `edgezen calibrate`: from accuracies of trained networks to a file that foretells those of others.

use super::force::{Force, has_ending};
use super::output::{self, Output};
use super::{Exit, Failure, Global};
use edgezen_core::accuracy::calibration::{self, Calibrated, Calibration, CalibrationError, HeldOut};
use edgezen_core::digest;
use edgezen_lab::accuracy::trained::{self, KnowError};
use edgezen_lab::accuracy::{AccuracyTable, AccuracyTableError, Calibrating, FitError, LeftOut};
use edgezen_lab::files;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trained networks: a table (.csv, .csv.gz, .parquet) with the columns net (anything that NET takes) and accuracy
    /// (percent)
    #[arg(long, value_name = "TABLE")]
    accuracies: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Networks to fit to, drawn by --seed; the others show how well they are ranked [default: all]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Table of architectures, where TABLE has arch_id alone
    #[arg(long, value_name = "FILE")]
    archs: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

/// Larger tables have no checksum in the calibration.
const MOST_BYTES: u64 = 256 << 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    table: String,
    /// Networks that were fitted to, and those of the table that were not drawn.
    networks: usize,
    not_drawn: usize,
    /// Ranks inside the sample, each network by a fit to the others.
    held_out: &'a [HeldOut],
    /// Ranks of the networks that were not drawn; empty where all were.
    others: &'a [HeldOut],
    left_out: &'a [LeftOut],
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    has_ending(&args.output, &["json"], "a calibration in JSON")?;
    let place = args.force.place(&args.output, &[&args.accuracies])?;
    let table = AccuracyTable::read(&args.accuracies, args.archs.as_deref())?;
    let (networks, mut left_out) = trained::of_table(&table);
    left_out.extend(networks.iter().filter(|network| network.known.features.is_none()).map(|network| {
        LeftOut { net: network.net.clone(), reason: "it is no chain of convolutions with a Zen-Score".into() }
    }));
    tell(&left_out, out);
    let calibrating = Calibrating {
        networks: &networks,
        samples: args.samples,
        seed: global.seed,
        table: args.accuracies.display().to_string(),
        table_sha256: files::read_at_most(&args.accuracies, MOST_BYTES).ok().map(digest::sha256),
    };
    let outcome = calibrating.run().map_err(|error| refusal(&error, &left_out))?;
    let text = serde_json::to_vec(&outcome.calibration)
        .map_err(|e| Failure::runtime(format!("cannot write the calibration as JSON: {e}")))?;
    place.write(&text)?;
    let report = Report {
        file: args.output.display().to_string(),
        table: calibrating.table.clone(),
        networks: outcome.calibration.networks,
        not_drawn: outcome.others.first().map_or(0, |first| first.networks),
        held_out: &outcome.calibration.held_out,
        others: &outcome.others,
        left_out: &left_out,
    };
    out.result(&report, || written(&report))
}

fn written(report: &Report<'_>) -> String {
    let rows = report.held_out.iter().map(|held| {
        let other = report.others.iter().find(|other| other.score == held.score);
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        vec![
            held.score.clone(),
            number(Some(held.spearman)),
            number(Some(held.kendall)),
            number(other.map(|other| other.spearman)),
            number(other.map(|other| other.kendall)),
        ]
    });
    let header = ["score", "Spearman", "Kendall", "not drawn: Spearman", "Kendall"];
    let table = output::table(&header, &rows.collect::<Vec<_>>());
    format!(
        "{table}\nfitted to {} networks, each ranked by a fit to the others; {} were not drawn\n{}",
        report.networks, report.not_drawn, report.file
    )
}

/// Says what of a table is not used.
pub fn tell(left_out: &[LeftOut], out: Output) {
    if let Some(LeftOut { net, reason }) = left_out.first() {
        let what = if net.is_empty() { "one without a known name" } else { net };
        out.note(format!(
            "{} networks of the table are left out; the first is {what}: {reason}",
            left_out.len()
        ));
    }
}

fn refusal(error: &FitError, left_out: &[LeftOut]) -> Failure {
    let failure = Failure::usage(error.to_string());
    match (error, left_out) {
        (FitError::TooFew { .. }, [first, ..]) => failure.remedy(format!(
            "{} networks were left out; the first is {:?}: {}",
            left_out.len(),
            first.net,
            first.reason
        )),
        (FitError::TooFew { .. }, []) => failure.remedy("train a few more networks of the search space"),
        (FitError::TooManySamples { found, .. }, _) => failure.remedy(format!("--samples {found}")),
        (FitError::Alike | FitError::Unsolvable, _) => failure,
    }
}

/// Reads a calibration file and checks it.
pub fn read(path: &Path) -> Result<(Calibration, Calibrated), Failure> {
    let bytes = files::read(&calibration::FORMAT, path)?;
    // Predictor files have versions too, and greater ones.
    let other = "edgezen calibrate TABLE -o FILE writes a calibration";
    let is_one = calibration::FORMAT.check_kind(path, &bytes, "intercept");
    is_one.map_err(|error| Failure::from(error).remedy_for_bad_file(other))?;
    let calibration: Calibration = calibration::FORMAT.parse(path, &bytes)?;
    let ready = calibration.ready().map_err(|error| match error {
        CalibrationError::UnknownFeature(_) => {
            Failure::bad_file(path, error.to_string()).remedy("update edgezen")
        }
        CalibrationError::Damaged(reason) => Failure::bad_file(path, reason),
    })?;
    Ok((calibration, ready))
}

impl From<AccuracyTableError> for Failure {
    fn from(error: AccuracyTableError) -> Failure {
        let message = error.to_string();
        match error {
            AccuracyTableError::Table(error) => error.into(),
            AccuracyTableError::Networks(error) => error.into(),
            AccuracyTableError::NoAccuracies { .. } | AccuracyTableError::NotPercent { .. } => {
                Failure::new(Exit::BadFile, message)
                    .remedy("a table has the columns net and accuracy, the accuracy in percent")
            }
            AccuracyTableError::NoColumn { .. } => Failure::usage(message),
        }
    }
}

impl From<KnowError> for Failure {
    fn from(error: KnowError) -> Failure {
        match error {
            KnowError::Network(error) => error.into(),
            KnowError::Shape(error) => error.into(),
            KnowError::Chain(error) => Failure::new(Exit::OutsideDomain, error.to_string())
                .remedy("a calibration speaks of chains of convolutions only"),
            KnowError::Score(error) => error.into(),
        }
    }
}
