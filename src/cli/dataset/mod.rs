//! `edgezen dataset`: what a dataset holds; foreign tables in, our tables out; datasets of one identity
//! put together.

mod export;
mod merge;

use super::failure::{Exit, Failure};
use super::rows::WhichRows;
use super::{Global, output};
use crate::shipped;
use edgezen_core::measurement::Identity;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_lab::dataset;
use edgezen_lab::dataset::import;
use edgezen_lab::dataset::import::{FORMATS, ImportError};
use edgezen_lab::dataset::network_import;
use edgezen_lab::dataset::network_import::SOURCES;
use edgezen_lab::dataset::network_table::NetworkTableError;
use edgezen_lab::dataset::{Dataset, Provenance, trtexec};
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
    Info {
        /// Folder of the dataset
        dir: PathBuf,
    },
    /// Makes a dataset of a published table
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
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Date of the import, RFC 3339 [default: now]
        #[arg(long, value_name = "DATE")]
        created: Option<String>,
    },
    /// Writes a dataset as a table that other programs read
    Export(export::Args),
    /// Puts datasets of one identity together
    Merge(merge::Args),
}

fn formats() -> clap::builder::PossibleValuesParser {
    let kernels = FORMATS.iter().map(|f| (f.name, f.about));
    let networks = SOURCES.iter().map(|s| (s.name, s.about));
    let value =
        |(name, about): (&'static str, &'static str)| clap::builder::PossibleValue::new(name).help(about);
    let own = std::iter::once((trtexec::FORMAT, trtexec::ABOUT));
    kernels.chain(networks).chain(own).map(value).collect::<Vec<_>>().into()
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
        Action::Info { dir } => dir,
        Action::Export(args) => return export::run(&args, global),
        Action::Merge(args) => merge::run(&args)?,
        Action::Import { format, files, device, which, output, created } => {
            let created = created.unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                edgezen_lab::files::rfc3339(now.map_or(0, |since| since.as_secs()))
            });
            if format == trtexec::FORMAT {
                let imported = of_trtexec(&files, device, which, &created)?;
                dataset::write(&output, &imported)?;
                let info = info(&output)?;
                return global.output().result(&info, || text(&info));
            }
            let imported = match SOURCES.iter().find(|source| source.name == format) {
                Some(source) => {
                    let [file] = files.as_slice() else {
                        return Err(Failure::usage(format!("{format} takes one table")));
                    };
                    let select = which.select(device);
                    network_import::import(source, file, which.archs.as_deref(), &select, &created)?
                }
                None => import::import(&format, &files, device.as_deref(), &created)?,
            };
            dataset::write(&output, &imported)?;
            output
        }
    };
    let info = info(&dir)?;
    global.output().result(&info, || text(&info))
}

/// Files of trtexec as `NET=FILE`; what a device's profile calls its batch is that of the runs.
fn of_trtexec(
    files: &[PathBuf],
    device: Option<String>,
    which: WhichRows,
    created: &str,
) -> Result<Dataset, Failure> {
    let device = device.ok_or_else(|| Failure::usage("--device is needed: it is not in the files"))?;
    let profile = shipped::profiles().by_name(&device)?;
    let usual = profile.identity();
    let identity = Identity {
        device: profile.id,
        runtime: which.runtime.unwrap_or_else(|| "tensorrt".into()),
        precision: which.precision.unwrap_or(usual.precision),
        batch: which.batch.unwrap_or(usual.batch),
        threads: 1,
        runtime_version: None,
        cores: None,
        thermal_state: None,
    };
    let mut exports = Vec::new();
    for file in files {
        let text = file.to_string_lossy();
        let Some((net, path)) = text.rsplit_once('=') else {
            return Err(Failure::usage(format!("{text}: which network is it of?"))
                .remedy(format!("NET={text}, where NET is a name, a structure or a file")));
        };
        let model = super::net::model(net, super::net::NetOptions::default())?;
        exports.push(trtexec::Export { model, path: path.into() });
    }
    Ok(trtexec::import(&exports, identity, created)?)
}

impl From<trtexec::TrtexecError> for Failure {
    fn from(error: trtexec::TrtexecError) -> Failure {
        let message = error.to_string();
        match error {
            trtexec::TrtexecError::Io { path, error } => Failure::io(&path, &error),
            trtexec::TrtexecError::Shape { error, .. } => error.into(),
            trtexec::TrtexecError::Twice { .. } => Failure::usage(message),
            _ => Failure::new(Exit::BadFile, message).remedy(
                "trtexec --onnx=net.onnx --exportTimes=times.json, with a file that edgezen export wrote",
            ),
        }
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
            NetworkTableError::NoLatencies { .. } => Failure::usage(message)
                .remedy("choose with --device, --runtime, --precision, --batch, --threads"),
            NetworkTableError::Archs { .. } => Failure::usage(message),
            NetworkTableError::NotNetworks { .. } => Failure::new(Exit::BadFile, message)
                .remedy("edgezen dataset import --help says what each format is"),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        match error {
            ImportError::Io { path, error } => Failure::io(&path, &error),
            ImportError::UnknownFormat(_) | ImportError::Tables { .. } | ImportError::Device { .. } => {
                Failure::usage(error.to_string())
            }
            other => Failure::new(Exit::BadFile, other.to_string())
                .remedy("edgezen dataset import --help says what each format is"),
        }
    }
}
