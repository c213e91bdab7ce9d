//! `edgezen predictors`, and how every command finds its predictor.

use super::Global;
use super::failure::Failure;
use super::output::{self, Output};
use crate::shipped;
use edgezen_core::files::FileError;
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::file::PredictorFile;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::model::KernelModel;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::catalogue::predictors;
use edgezen_lab::catalogue::predictors::{Entry, Origin};
use edgezen_lab::device::computer;
use edgezen_lab::device::profile::Kind;
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
    pub fn load(&self, output: Output) -> Result<AnyPredictor, Failure> {
        match (&self.predictor, &self.device) {
            (Some(path), _) => Ok(predictors::read(path)?),
            (None, Some(device)) => any_by_device(device, output),
            (None, None) => Err(Failure::usage("--device or --predictor is needed")),
        }
    }
}

/// The predictor of kernels in a file.
pub fn by_file(path: &Path) -> Result<Arc<FittedPredictor>, Failure> {
    of_kernels(predictors::read(path)?)
}

/// The predictor of kernels of a device; see [`any_by_device`].
pub fn by_device(name: &str, output: Output) -> Result<Arc<FittedPredictor>, Failure> {
    of_kernels(any_by_device(name, output)?)
}

/// Refuses predictors that take only the networks of one space.
fn of_kernels(loaded: AnyPredictor) -> Result<Arc<FittedPredictor>, Failure> {
    match loaded {
        AnyPredictor::Kernels(predictor) => Ok(Arc::new(*predictor)),
        AnyPredictor::Networks(predictor) => Err(foreign(&predictor, "this needs a predictor of kernels")),
    }
}

/// A network, or a use, that `predictor` cannot serve.
pub fn foreign(predictor: &NetworkPredictor, why: &str) -> Failure {
    let space = predictor.space();
    Failure::usage(format!("{} predicts networks of {space} only: {why}", predictor.id)).remedy(format!(
        "give it a code like {}, or choose another predictor (edgezen predictors list)",
        space.example()
    ))
}

/// The predictor of a device by its short name (its default identity), of a full identity, or of its
/// beginning (`pixel3@tflite`): from `predictors/` here, from the user's data folder, or as shipped.
pub fn any_by_device(name: &str, output: Output) -> Result<AnyPredictor, Failure> {
    let catalogue = shipped::predictors().entries();
    match find(&catalogue, name)? {
        Some(entry) => {
            let loaded = entry.load()?;
            if let Some(cpu) = of_another_computer(&loaded) {
                output.note(format!(
                    "note: {} was measured on another computer ({cpu}); for this one: edgezen profile --device {}, \
                     then edgezen fit",
                    entry.id,
                    loaded.identity().device,
                ));
            }
            Ok(loaded)
        }
        None => {
            let device = name.split('@').next().unwrap_or_default();
            let near = |id: &&str| id.split('@').next().is_some_and(|other| other == device);
            let mut known: Vec<&str> = catalogue.iter().map(|entry| entry.id.as_str()).collect();
            known.sort_unstable();
            known.dedup();
            let of_device: Vec<&str> = known.iter().copied().filter(near).collect();
            let others = if of_device.is_empty() {
                format!("edgezen predictors list shows the {} that there are", known.len())
            } else {
                format!("of {device} there are {}", of_device.join(", "))
            };
            let remedy =
                format!("edgezen profile --device {device}, then edgezen fit --data datasets/…; {others}");
            Err(Failure::usage(format!("there is no predictor for {name}")).remedy(remedy))
        }
    }
}

fn find<'a>(catalogue: &'a [Entry], name: &str) -> Result<Option<&'a Entry>, Failure> {
    let begins = |entry: &&Entry| entry.id.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
    if name.contains('@') {
        let exact = catalogue.iter().find(|entry| entry.id == name);
        // fp32 before others, where the precision is not said.
        let plain = |entry: &&Entry| begins(entry) && entry.id.ends_with("@fp32");
        return Ok(exact.or_else(|| catalogue.iter().find(plain)).or_else(|| catalogue.iter().find(begins)));
    }
    let id = match shipped::profiles().by_name(name) {
        Ok(profile) => profile.identity().to_string(),
        // A device without a profile may still have a predictor.
        Err(error) => match catalogue.iter().find(begins) {
            Some(entry) => return Ok(Some(entry)),
            None => return Err(error.into()),
        },
    };
    let device = id.split('@').next().unwrap_or_default();
    let of_device = |entry: &&Entry| entry.id.split('@').next() == Some(device);
    // The default identity; else another one, of kernels if there is one.
    let exact = catalogue.iter().find(|entry| entry.id == id);
    let kernels =
        |entry: &&Entry| of_device(entry) && matches!(entry.load(), Ok(AnyPredictor::Kernels(_)) | Err(_));
    Ok(exact.or_else(|| catalogue.iter().find(kernels)).or_else(|| catalogue.iter().find(of_device)))
}

/// The CPU that a predictor of this computer was measured on, if that is another one.
fn of_another_computer(loaded: &AnyPredictor) -> Option<&str> {
    let cpu = loaded.cpu()?;
    let is_host = shipped::profiles()
        .by_name(&loaded.identity().device)
        .is_ok_and(|profile| profile.kind == Kind::Host);
    (is_host && computer::cpu().as_deref() != Some(cpu)).then_some(cpu)
}

/// The usual length of a probe of the core's pace on the device called `name`, if its predictor knows.
pub fn usual_probe_ns(name: &str) -> Option<u64> {
    let catalogue = shipped::predictors().entries();
    let entry = find(&catalogue, name).ok()??;
    let loaded = entry.load().ok()?;
    let usual = match &loaded {
        AnyPredictor::Kernels(predictor) => predictor.file().provenance.usual_probe_ns,
        AnyPredictor::Networks(_) => None,
    };
    usual.filter(|_| of_another_computer(&loaded).is_none())
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
            let rows: Vec<Row> = shipped::predictors().entries().iter().map(row).collect();
            global.output().result(&rows, || text(&rows))
        }
        Action::Info { predictor } => match by_name_or_file(&predictor, global.output())? {
            AnyPredictor::Kernels(p) => global.output().result(&summary(p.file()), || info(p.file())),
            AnyPredictor::Networks(p) => global.output().result(&*p, || network_info(&p)),
        },
        Action::Verify { files } => verify(&files, global),
    }
}

/// A file if it looks like one, else a device.
pub fn by_name_or_file(name: &str, output: Output) -> Result<AnyPredictor, Failure> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "json") || path.is_file();
    if is_file { Ok(predictors::read(path)?) } else { any_by_device(name, output) }
}

fn row(entry: &Entry) -> Row {
    let origin = match &entry.origin {
        Origin::Shipped { .. } => "shipped".to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let (rows, mape_percent, error) = match entry.load() {
        Ok(AnyPredictor::Kernels(predictor)) => {
            let metrics = &predictor.file().metrics;
            let best = metrics.networks.as_ref().or(metrics.kernels.as_ref());
            let p = &predictor.file().provenance;
            (Some(p.kernels + p.blocks + p.networks), best.map(|m| m.mape_percent), None)
        }
        Ok(AnyPredictor::Networks(predictor)) => {
            let best = predictor.metrics.networks.as_ref();
            (Some(predictor.provenance.networks), best.map(|m| m.mape_percent), None)
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
    if let Some(cpu) = &p.cpu {
        out += &format!("on     {cpu}\n");
    }
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

fn network_info(file: &NetworkPredictor) -> String {
    let p = &file.provenance;
    let mut out = format!(
        "{}, batch {}; takes networks of {} ({})\n",
        file.id,
        file.identity.batch,
        file.space(),
        file.space().example()
    );
    out += &format!("from {} networks, {} prices\n", p.networks, file.model.terms.len());
    for from in &p.adapted_from {
        out += &format!("adapted from {from}\n");
    }
    for source in &p.sources {
        out += &format!("source {source} ({})\n", file.licence);
    }
    for note in &p.notes {
        out += &format!("note   {note}\n");
    }
    out + "\n" + &super::fit::network_table(&file.metrics)
}

#[derive(Serialize)]
struct Verified {
    file: String,
    id: Option<String>,
    error: Option<String>,
}

fn verify(files: &[PathBuf], global: Global) -> Result<(), Failure> {
    let checked: Vec<(Verified, Option<Failure>)> = if files.is_empty() {
        let catalogue = shipped::predictors().entries();
        let check = |entry: &Entry| verdict(row(entry).origin + " " + &entry.id, entry.load());
        catalogue.iter().map(check).collect()
    } else {
        files.iter().map(|path| verdict(path.display().to_string(), predictors::read(path))).collect()
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

fn verdict(file: String, loaded: Result<AnyPredictor, FileError>) -> (Verified, Option<Failure>) {
    match loaded {
        Ok(p) => (Verified { file, id: Some(p.identity().to_string()), error: None }, None),
        Err(error) => (Verified { file, id: None, error: Some(error.to_string()) }, Some(error.into())),
    }
}
