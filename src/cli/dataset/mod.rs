//! `edgezen dataset`: what a dataset holds; foreign tables in, our tables out; datasets of one identity
//! put together.

mod accuracies;
mod export;
mod merge;

use super::examples;
use super::failure::{Exit, Failure};
use super::force::Force;
use super::rows::WhichRows;
use super::{Global, output};
use crate::shipped;
use edgezen_core::measurement::Identity;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_lab::dataset;
use edgezen_lab::dataset::import::trtexec::TrtexecError;
use edgezen_lab::dataset::import::{self, ImportError, Importer, Input, Request};
use edgezen_lab::dataset::table::NetworkTableError;
use edgezen_lab::dataset::{Dataset, Provenance};
use edgezen_lab::files::{is_date, rfc3339};
use edgezen_lab::spelling;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What a dataset holds and where it comes from
    #[command(after_help = examples::DATASET_INFO)]
    Info {
        /// Folder of the dataset
        dir: PathBuf,
    },
    /// Makes a dataset of a published table
    #[command(after_help = examples::DATASET_IMPORT)]
    Import {
        /// Format of the table
        #[arg(long, value_name = "FORMAT", value_parser = formats())]
        format: String,
        /// Tables: .csv or .csv.gz
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Device, as the table calls it
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        #[command(flatten)]
        which: WhichRows,
        /// Folder of the dataset
        #[arg(short, long, alias = "out", value_name = "DIR")]
        output: PathBuf,
        /// Date of the import, RFC 3339: 2026-03-01 or 2026-03-01T12:00:00Z [default: now]
        #[arg(long, value_name = "DATE", value_parser = date)]
        created: Option<String>,
        #[command(flatten)]
        force: Force,
    },
    /// Makes a table of networks with their accuracies of a published one
    #[command(after_help = examples::DATASET_ACCURACIES)]
    Accuracies(accuracies::Args),
    /// Writes a dataset as a table that other programs read
    #[command(after_help = examples::DATASET_EXPORT)]
    Export(export::Args),
    /// Puts datasets of one identity together
    #[command(after_help = examples::DATASET_MERGE)]
    Merge(merge::Args),
}

fn formats() -> clap::builder::PossibleValuesParser {
    let value =
        |importer: &dyn Importer| clap::builder::PossibleValue::new(importer.name()).help(importer.about());
    import::registry().map(value).collect::<Vec<_>>().into()
}

/// A date, as it is written down.
fn date(text: &str) -> Result<String, String> {
    if is_date(text) {
        return Ok(text.to_owned());
    }
    Err("a date is a day or a moment of RFC 3339, as 2026-03-01 or 2026-03-01T12:00:00Z".to_owned())
}

#[derive(Serialize)]
struct Info {
    dir: String,
    id: String,
    identity: Identity,
    provenance: Provenance,
    kernels: usize,
    blocks: usize,
    networks: usize,
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
    quality: Vec<(&'static str, usize)>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let dir = match args.action {
        Action::Info { dir } => dataset::find(&dir),
        Action::Accuracies(args) => return accuracies::run(&args, global),
        Action::Export(args) => return export::run(&args, global),
        Action::Merge(args) => merge::run(&args)?,
        Action::Import { format, files, device, which, output, created, force } => {
            let created = created.unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                rfc3339(now.map_or(0, |since| since.as_secs()))
            });
            let importer = import::by_name(&format)
                .ok_or_else(|| Failure::usage(format!("unknown format {format:?}")))?;
            let imported = importer.import(&request(importer, files, device, which, &created)?)?;
            dataset::write_whole(&output, &imported, force.force)?;
            output
        }
    };
    let info = info(&dir)?;
    global.output().result(&info, || text(&info))
}

/// What the command line says, as `importer` takes it.
fn request<'a>(
    importer: &dyn Importer,
    files: Vec<PathBuf>,
    device: Option<String>,
    which: WhichRows,
    created: &'a str,
) -> Result<Request<'a>, Failure> {
    let (files, profile) = if importer.files_name_networks() {
        let device = device.as_deref().ok_or(ImportError::NoDevice)?;
        let profile = shipped::profiles().by_name(device)?.identity();
        (files.iter().map(|file| with_network(file)).collect::<Result<_, _>>()?, Some(profile))
    } else {
        (files.iter().map(|file| Input::table(file)).collect(), None)
    };
    Ok(Request { files, select: which.select(device), archs: which.archs, profile, created })
}

/// A file as `NET=FILE`.
fn with_network(file: &Path) -> Result<Input, Failure> {
    let text = file.to_string_lossy();
    let Some((net, path)) = text.rsplit_once('=') else {
        return Err(Failure::usage(format!("{text}: which network is it of?"))
            .remedy(format!("NET={text}, where NET is a name, a structure or a file")));
    };
    let network = super::net::model(net, super::net::NetOptions::default(), "an import needs")?;
    Ok(Input { path: path.into(), network: Some(network) })
}

impl From<TrtexecError> for Failure {
    fn from(error: TrtexecError) -> Failure {
        let message = error.to_string();
        let failure = match error {
            TrtexecError::File(error) => Failure::from(error),
            TrtexecError::Shape { error, .. } => error.into(),
            TrtexecError::Twice { .. } | TrtexecError::NoNetwork { .. } => Failure::usage(message),
            TrtexecError::Foreign { .. } => Failure::new(Exit::BadFile, message),
        };
        failure.remedy_for_bad_file(
            "trtexec --onnx=net.onnx --exportTimes=times.json, with a file that edgezen export wrote",
        )
    }
}

fn info(dir: &Path) -> Result<Info, Failure> {
    let dataset = Dataset::read(dir)?;
    let count = |name: &str| dataset.samples.iter().filter(|s| s.subject.type_name() == name).count();
    let sorted = stats::sorted(&dataset.samples.iter().map(|s| s.median.ms()).collect::<Vec<_>>());
    let quantile = |q| stats::quantile(&sorted, q).unwrap_or(0.0);
    let qualities = edgezen_core::measurement::Quality::ALL
        .into_iter()
        .map(|quality| (quality.name(), dataset.samples.iter().filter(|s| s.quality == quality).count()));
    Ok(Info {
        dir: dir.display().to_string(),
        id: dataset.identity.to_string(),
        kernels: count("kernel"),
        blocks: count("block"),
        networks: count("network"),
        min_ms: quantile(0.0),
        median_ms: quantile(0.5),
        max_ms: quantile(1.0),
        quality: qualities.filter(|(_, count)| *count > 0).collect(),
        identity: dataset.identity,
        provenance: dataset.provenance,
    })
}

fn text(info: &Info) -> String {
    let ms = |value: f64| Latency::from_ms(value).to_string();
    let quality: Vec<String> = info.quality.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = vec![
        row("identity", format!("batch {}, threads {}", info.identity.batch, info.identity.threads)),
        row("kernels", info.kernels.to_string()),
        row("blocks", info.blocks.to_string()),
        row("networks", info.networks.to_string()),
        row("shortest", ms(info.min_ms)),
        row("median", ms(info.median_ms)),
        row("longest", ms(info.max_ms)),
        row("quality", quality.join(", ")),
        row("licence", info.provenance.licence.clone()),
        row("created", info.provenance.created.clone()),
    ];
    let mut out = output::table(&[&info.id, &info.dir], &rows);
    out += &format!("\nsource: {}\n", info.provenance.source);
    for note in &info.provenance.notes {
        out += &format!("note: {note}\n");
    }
    out
}

impl From<NetworkTableError> for Failure {
    fn from(error: NetworkTableError) -> Failure {
        let message = error.to_string();
        match error {
            NetworkTableError::Table(error) => error.into(),
            NetworkTableError::Mixed { column, .. } => {
                Failure::usage(message).remedy(format!("choose one with --{column}"))
            }
            NetworkTableError::UnknownNetworks { near, .. } => {
                let question = spelling::question(&near).map(|question| format!("{question} "));
                Failure::usage(message).remedy(format!(
                    "{}a table takes names (edgezen networks lists them), codes as zoo:mobilenet_v3_large_1.0@224 and structure \
                     strings; it takes no .onnx files and no folders of runs, which edgezen predict takes as they are",
                    question.unwrap_or_default()
                ))
            }
            NetworkTableError::NoLatencies { .. } => Failure::usage(message)
                .remedy("choose with --device, --runtime, --precision, --batch, --threads"),
            NetworkTableError::Archs { .. } => Failure::usage(message),
            NetworkTableError::Name { .. } => Failure::new(Exit::BadFile, message)
                .remedy("say it with --device, --runtime or --precision, or change the table"),
            NetworkTableError::NotNetworks { .. } => Failure::new(Exit::BadFile, message)
                .remedy("edgezen dataset import --help says what each format is"),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        const FORMATS: &str = "edgezen dataset import --help says what each format is";
        let message = error.to_string();
        match error {
            ImportError::Table(error) => Failure::from(error).remedy_for_bad_file(FORMATS),
            ImportError::Networks(error) => error.into(),
            ImportError::Trtexec(error) => error.into(),
            ImportError::NoRows { .. } => Failure::new(Exit::BadFile, message).remedy(FORMATS),
            ImportError::Tables { .. }
            | ImportError::Device { .. }
            | ImportError::NoDevice
            | ImportError::Name(_) => Failure::usage(message),
        }
    }
}
