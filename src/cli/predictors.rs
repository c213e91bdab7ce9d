//! `edgezen predictors`, and how every command finds its predictor.

use super::failure::{Exit, Failure};
use super::{Global, output};
use crate::dataset::Identity;
use crate::device::profile;
use crate::predictor::LatencyPredictor;
use crate::predictor::file::{FileError, PredictorFile};
use crate::predictor::fitted::FittedPredictor;
use crate::predictor::shipped::{self, Entry, Origin};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which predictor.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Device, or a full identity like v100@tensorrt@fp16
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Predictor file
    #[arg(long, value_name = "FILE")]
    pub predictor: Option<PathBuf>,
}

impl Which {
    pub fn load(&self) -> Result<Arc<FittedPredictor>, Failure> {
        match (&self.predictor, &self.device) {
            (Some(path), _) => by_file(path),
            (None, Some(device)) => by_device(device),
            (None, None) => Err(Failure::usage("--device or --predictor is needed")),
        }
    }
}

/// The predictor in a file.
pub fn by_file(path: &Path) -> Result<Arc<FittedPredictor>, Failure> {
    Ok(Arc::new(FittedPredictor::read(path)?))
}

/// The predictor of a device by its short name (its default identity), or of a full identity: from
/// `predictors/` here, from the user's data folder, or as shipped.
pub fn by_device(name: &str) -> Result<Arc<FittedPredictor>, Failure> {
    let catalogue = shipped::catalogue(&folders());
    let id =
        if name.contains('@') { name.to_owned() } else { profile::by_name(name)?.identity().to_string() };
    let device = id.split('@').next().unwrap_or_default();
    // `pixel2` stands for any of its predictors, `pixel2@tract` for any precision.
    let start = format!("{}@", name.trim_end_matches('@'));
    let of_device = |entry: &&Entry| {
        entry.id.starts_with(&start) || (!name.contains('@') && entry.id.split('@').next() == Some(device))
    };
    let found = catalogue.iter().find(|entry| entry.id == id).or_else(|| catalogue.iter().find(of_device));
    match found {
        Some(entry) => Ok(Arc::new(entry.load()?)),
        None => {
            let mut known: Vec<&str> = catalogue.iter().map(|entry| entry.id.as_str()).collect();
            known.sort_unstable();
            known.dedup();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let remedy = format!(
                "edgezen profile --device {device}, then edgezen fit --data datasets/…; there are predictors for: {known}"
            );
            Err(Failure::usage(format!("there is no predictor for {id}")).remedy(remedy))
        }
    }
}

/// The usual length of a probe of the core's pace on the device called `name`, if its predictor knows.
pub fn usual_probe_ns(name: &str) -> Option<u64> {
    by_device(name).ok()?.file().provenance.usual_probe_ns
}

/// Refuses to judge a predictor by measurements of something else.
pub fn same_identity(predictor: &Identity, measured: &Identity) -> Result<(), Failure> {
    let same = predictor.to_string() == measured.to_string()
        && predictor.batch == measured.batch
        && predictor.threads == measured.threads;
    if same {
        return Ok(());
    }
    let describe = |id: &Identity| format!("{id}, batch {}, {} threads", id.batch, id.threads);
    Err(Failure::usage(format!(
        "the predictor is for {}, but the measurements are of {}",
        describe(predictor),
        describe(measured)
    ))
    .remedy("measure with the predictor's identity, or fit a predictor to this one"))
}

/// Folders with the user's own predictors: the one here, then the one for all projects.
pub fn folders() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let user = data.map(|data| data.join("edgezen/predictors"));
    std::iter::once(PathBuf::from("predictors")).chain(user).collect()
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        match error {
            FileError::Io { path, error } => Failure::io(&path, &error),
            FileError::Write(error) => error.into(),
            FileError::TooNew { .. } => {
                Failure::new(Exit::BadFile, error.to_string()).remedy("update edgezen")
            }
            FileError::Format { .. } | FileError::Checksum { .. } | FileError::Content { .. } => {
                Failure::new(Exit::BadFile, error.to_string()).remedy("fetch the file again, or fit it anew")
            }
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All predictors that are found here [default]
    List,
    /// What a predictor is made of and how good it is
    Info {
        /// Device, identity or file
        predictor: String,
    },
    /// Checks predictor files: format, checksum, numbers
    Verify {
        /// Files [default: all that are found]
        files: Vec<PathBuf>,
    },
}

#[derive(Serialize)]
struct Row {
    id: String,
    origin: String,
    rows: Option<u32>,
    mape_percent: Option<f64>,
    error: Option<String>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List) {
        Action::List => {
            let rows: Vec<Row> = shipped::catalogue(&folders()).iter().map(row).collect();
            global.output().result(&rows, || text(&rows))
        }
        Action::Info { predictor } => {
            let predictor = by_name_or_file(&predictor)?;
            global.output().result(&summary(predictor.file()), || info(predictor.file()))
        }
        Action::Verify { files } => verify(&files, global),
    }
}

/// A file if it looks like one, else a device.
pub fn by_name_or_file(name: &str) -> Result<Arc<FittedPredictor>, Failure> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "json") || path.is_file();
    if is_file { by_file(path) } else { by_device(name) }
}

fn row(entry: &Entry) -> Row {
    let origin = match &entry.origin {
        Origin::Shipped => "shipped".to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let (rows, mape_percent, error) = match entry.load() {
        Ok(predictor) => {
            let metrics = &predictor.file().metrics;
            let best = metrics.networks.as_ref().or(metrics.kernels.as_ref());
            let p = &predictor.file().provenance;
            (Some(p.kernels + p.blocks + p.networks), best.map(|m| m.mape_percent), None)
        }
        Err(error) => (None, None, Some(error.to_string())),
    };
    Row { id: entry.id.clone(), origin, rows, mape_percent, error }
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            row.id.clone(),
            row.error.clone().unwrap_or_else(|| row.origin.clone()),
            number(row.rows.map(|n| n.to_string())),
            number(row.mape_percent.map(|m| format!("{m:.1} %"))),
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["predictor", "from", "rows", "MAPE"], &cells)
}

/// The file without its bulky numbers.
fn summary(file: &PredictorFile) -> serde_json::Value {
    let families: serde_json::Map<String, serde_json::Value> =
        file.model.kinds.iter().map(|(kind, model)| (kind.to_string(), model.name().into())).collect();
    serde_json::json!({
        "id": file.id, "schema_version": file.schema_version, "created": file.created,
        "tool_version": file.tool_version, "licence": file.licence, "provenance": file.provenance,
        "identity": file.identity, "dataset_sha256": file.dataset_sha256, "features": file.features,
        "families": families, "roofline": file.model.roofline, "domain": file.domain,
        "network_interval": file.calibration.network, "net_level": file.net_level, "metrics": file.metrics,
    })
}

fn info(file: &PredictorFile) -> String {
    let p = &file.provenance;
    let mut out = format!(
        "{}, batch {}, {} thread{}\n",
        file.id,
        file.identity.batch,
        file.identity.threads,
        if file.identity.threads == 1 { "" } else { "s" }
    );
    out += &format!("from {} kernels, {} blocks, {} networks\n", p.kernels, p.blocks, p.networks);
    for source in &p.sources {
        out += &format!("source {source} ({})\n", file.licence);
    }
    for note in &p.notes {
        out += &format!("note   {note}\n");
    }
    let models: Vec<String> =
        file.model.kinds.iter().map(|(kind, m)| format!("{kind} {}", m.name())).collect();
    out += &format!("models {}; others by the roofline\n\n", models.join(", "));
    out + &super::fit::metrics_table(&file.metrics)
}

#[derive(Serialize)]
struct Verified {
    file: String,
    id: Option<String>,
    error: Option<String>,
}

fn verify(files: &[PathBuf], global: Global) -> Result<(), Failure> {
    let checked: Vec<(Verified, Option<Failure>)> = if files.is_empty() {
        let catalogue = shipped::catalogue(&folders());
        let check = |entry: &Entry| verdict(row(entry).origin + " " + &entry.id, entry.load());
        catalogue.iter().map(check).collect()
    } else {
        files.iter().map(|path| verdict(path.display().to_string(), FittedPredictor::read(path))).collect()
    };
    let (rows, failures): (Vec<Verified>, Vec<Option<Failure>>) = checked.into_iter().unzip();
    global.output().result(&rows, || {
        let line = |row: &Verified| match &row.error {
            None => format!("ok      {}\n", row.file),
            Some(error) => format!("damaged {error}\n"),
        };
        rows.iter().map(line).collect()
    })?;
    failures.into_iter().flatten().next().map_or(Ok(()), Err)
}

fn verdict(file: String, loaded: Result<FittedPredictor, FileError>) -> (Verified, Option<Failure>) {
    match loaded {
        Ok(p) => (Verified { file, id: Some(p.identity().to_string()), error: None }, None),
        Err(error) => (Verified { file, id: None, error: Some(error.to_string()) }, Some(error.into())),
    }
}
