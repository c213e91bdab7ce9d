//! `edgezen predictors`, and the predictor of the other commands.

mod page;
mod places;

use crate::cli::Global;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::force::Force;
use crate::cli::output::{self, Output};
use crate::shipped;
use edgezen_core::files::FileError;
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::file::PredictorFile;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::predictor::model::KernelModel;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::search::Quantity;
use edgezen_lab::catalogue::predictors;
use edgezen_lab::catalogue::predictors::PredictorEntry;
use edgezen_lab::catalogue::{CatalogueError, DevicePredictor, Note, Usual};
use edgezen_lab::device::host_cpu;
use edgezen_lab::evaluation::OtherIdentity;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options that say which predictor a command uses.
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
            (Some(path), _) => any_by_file(path, output),
            (None, Some(device)) => any_by_device(device, output),
            (None, None) => Err(Failure::usage("--device or --predictor is needed")),
        }
    }
}

/// The predictor of kernels in a file, of latencies.
pub fn by_file(path: &Path, output: Output) -> Result<Arc<FittedPredictor>, Failure> {
    of_kernels(latencies(any_by_file(path, output)?)?)
}

/// The predictor of kernels of a device, of latencies; see [`any_by_device`].
pub fn by_device(name: &str, output: Output) -> Result<Arc<FittedPredictor>, Failure> {
    of_kernels(latencies(any_by_device(name, output)?)?)
}

/// Refuses predictors that take only the networks of one space.
pub fn of_kernels(loaded: AnyPredictor) -> Result<Arc<FittedPredictor>, Failure> {
    match loaded {
        AnyPredictor::Kernels(predictor) => Ok(Arc::new(*predictor)),
        AnyPredictor::Networks(predictor) => Err(foreign(&predictor, "this needs a predictor of kernels")),
    }
}

/// Refuses to hold a budget on a latency against throughputs, and one on a throughput against latencies.
pub fn check_budget(identity: &Identity, bounded: Option<Quantity>) -> Result<(), Failure> {
    let choose = |what: &str| format!("or choose an identity that states {what}: edgezen predictors list");
    match (bounded, identity.is_throughput()) {
        (Some(Quantity::Latency), true) => Err(Failure::usage(format!(
            "{identity} states throughputs: the time of an image while others are under way is no latency, and no \
             budget of --latency can be held against it"
        ))
        .remedy(format!("--throughput 2000/s bounds it; {}", choose("latencies")))),
        (Some(Quantity::Throughput), false) => Err(Failure::usage(format!(
            "{identity} states latencies: how many images it takes per second with several under way is not known, and \
             no budget of --throughput can be held against it"
        ))
        .remedy(format!("--latency 80ms bounds it; {}", choose("throughputs")))),
        _ => Ok(()),
    }
}

/// Refuses predictors of throughputs where latencies are needed.
fn latencies(loaded: AnyPredictor) -> Result<AnyPredictor, Failure> {
    let identity = loaded.identity();
    if identity.is_throughput() {
        return Err(Failure::usage(format!(
            "{identity} states throughputs: the time of an image while others are under way is no latency"
        ))
        .remedy("choose an identity that states latencies: edgezen predictors list"));
    }
    Ok(loaded)
}

/// The refusal of a network, or of a use, that `predictor` of whole networks cannot serve.
pub fn foreign(predictor: &NetworkPredictor, why: &str) -> Failure {
    let space = predictor.space();
    Failure::usage(format!("{} predicts networks of {space} only: {why}", predictor.id)).remedy(format!(
        "give it a code like {}, or choose another predictor (edgezen predictors list)",
        space.example()
    ))
}

/// The predictor that the name of a device stands for, after saying what there is to say about it; see
/// [`Catalogue::predictor`](edgezen_lab::catalogue::Catalogue::predictor).
pub fn any_by_device(name: &str, output: Output) -> Result<AnyPredictor, Failure> {
    let DevicePredictor { id, loaded, notes } = shipped::catalogue().predictor(name)?;
    output.detail(format!("{name}: predictor {id}"));
    say(&id, &loaded, &notes, output);
    Ok(loaded)
}

/// Says what a person should know of a predictor before relying on it.
fn say(id: &str, loaded: &AnyPredictor, notes: &[Note], output: Output) {
    for note in notes {
        match note {
            Note::OtherComputer { cpu } => output.note(format!(
                "note: {id} was measured on another computer ({cpu}); for this one: edgezen profile --device {}, \
                 then edgezen fit",
                loaded.identity().device,
            )),
            Note::Hides { file, hidden } => output.note(format!(
                "note: {} is used, and not the predictor of that name elsewhere ({hidden}); edgezen predictors where",
                file.display()
            )),
        }
    }
}

/// The predictor in a file, after saying what there is to say about it.
fn any_by_file(path: &Path, output: Output) -> Result<AnyPredictor, Failure> {
    let loaded = predictors::read(path)?;
    say(&path.display().to_string(), &loaded, &shipped::catalogue().notes(&loaded), output);
    Ok(loaded)
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Failure {
        let message = error.to_string();
        match error {
            CatalogueError::NoPredictor { name, of_device, known, .. } => {
                let device = name.split('@').next().unwrap_or_default();
                let others = if of_device.is_empty() {
                    format!("edgezen predictors list shows the {known} that there are")
                } else {
                    format!("of {device} there are {}", of_device.join(", "))
                };
                // This computer measures in the runtime that the name asks for, if there is such a one.
                let runtime = name.split('@').nth(1).unwrap_or_default();
                let asked =
                    (device == "host" && !runtime.is_empty()).then(|| host_cpu::check_runtime(runtime));
                let unknown = asked.and_then(Result::err).and_then(|error| Failure::from(error).remedy);
                let measured = if device == "host" { &name } else { device };
                let measure =
                    format!("edgezen profile --device {measured}, then edgezen fit --data datasets/…");
                let measure = unknown.unwrap_or(measure);
                Failure::usage(message).remedy(format!("{measure}; {others}"))
            }
            CatalogueError::Profile(error) => error.into(),
            CatalogueError::File(error) => error.into(),
        }
    }
}

/// How fast the device called `name` was while the data of its predictor were measured.
pub fn usual(name: &str) -> Usual {
    shipped::catalogue().usual(name)
}

impl From<OtherIdentity> for Failure {
    fn from(error: OtherIdentity) -> Failure {
        Failure::usage(error.to_string())
            .remedy("measure with the predictor's identity, or fit a predictor to this one")
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
    #[command(after_help = examples::PREDICTORS_LIST)]
    List,
    /// What a predictor is made of and how good it is
    #[command(after_help = examples::PREDICTORS_INFO)]
    Info {
        /// Device, identity or file
        predictor: String,
    },
    /// Checks predictor files: format, checksum, numbers
    #[command(after_help = examples::PREDICTORS_VERIFY)]
    Verify {
        /// Files [default: all that are found]
        files: Vec<PathBuf>,
    },
    /// Copies predictor files into the user's data folder, where they are found from any folder
    #[command(after_help = examples::PREDICTORS_ADD)]
    Add {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        force: Force,
    },
    /// The page of the shipped predictors, as Markdown: device, runtime, year of the data, error, licence
    #[command(after_help = examples::PREDICTORS_PAGE)]
    Page,
    /// Which file each predictor is taken from, and which ones it hides
    #[command(after_help = examples::PREDICTORS_WHERE)]
    Where {
        /// Devices or identities [default: all]
        names: Vec<String>,
    },
}

#[derive(Serialize)]
struct Row {
    id: String,
    /// Threads that run a network; absent where the file cannot be read.
    threads: Option<u32>,
    origin: String,
    rows: Option<u32>,
    /// Mean error on rows that the fit did not see.
    mape_percent: Option<f64>,
    /// What these rows are: `networks, 5 folds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mape_of: Option<String>,
    error: Option<String>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List) {
        Action::List => {
            let rows: Vec<Row> = shipped::predictors().entries()?.iter().map(row).collect();
            global.output().result(&rows, || text(&rows))
        }
        Action::Info { predictor } => match by_name_or_file(&predictor, global.output())? {
            AnyPredictor::Kernels(p) => global.output().result(&summary(p.file()), || info(p.file())),
            AnyPredictor::Networks(p) => global.output().result(&*p, || network_info(&p)),
        },
        Action::Page => {
            let page = page::text()?;
            global.output().result(&page, || page.clone())
        }
        Action::Verify { files } => verify(&files, global),
        Action::Add { files, force } => places::add(&files, force, global.output()),
        Action::Where { names } => places::print(&names, global.output()),
    }
}

/// The predictor in a file if `name` looks like one, otherwise that of a device.
pub fn by_name_or_file(name: &str, output: Output) -> Result<AnyPredictor, Failure> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "json") || path.is_file();
    if is_file { any_by_file(path, output) } else { any_by_device(name, output) }
}

fn row(entry: &PredictorEntry) -> Row {
    let loaded = entry.load();
    let threads = loaded.as_ref().ok().map(|predictor| predictor.identity().threads);
    let (rows, mape, error) = match loaded {
        Ok(AnyPredictor::Kernels(predictor)) => {
            let metrics = &predictor.file().metrics;
            let named = |metrics: Option<&Metrics>, what| Some((metrics?.mape_percent, what));
            let networks = named(metrics.networks.as_ref(), "networks");
            let best = networks.or_else(|| named(metrics.kernels.as_ref(), "kernels"));
            let folds = metrics.folds;
            let p = &predictor.file().provenance;
            let best = best.map(|(error, what)| (error, format!("{what}, {folds} folds")));
            (Some(p.kernels + p.blocks + p.networks), best, None)
        }
        Ok(AnyPredictor::Networks(predictor)) => {
            let best = predictor.metrics.networks.as_ref();
            let best = best.map(|m| (m.mape_percent, "networks, each left out".to_owned()));
            (Some(predictor.provenance.networks), best, None)
        }
        Err(error) => (None, None, Some(error.to_string())),
    };
    let (mape_percent, mape_of) = mape.unzip();
    Row {
        id: entry.id.clone(),
        threads,
        origin: entry.location.to_string(),
        rows,
        mape_percent,
        mape_of,
        error,
    }
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            row.id.clone(),
            number(row.threads.map(|n| n.to_string())),
            row.error.clone().unwrap_or_else(|| row.origin.clone()),
            number(row.rows.map(|n| n.to_string())),
            number(row.mape_percent.map(|m| format!("{m:.1} %"))),
            number(row.mape_of.clone()),
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["predictor", "threads", "from", "rows", "MAPE", "of held-out"], &cells)
}

/// The file without the numbers of its models.
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
    out + &crate::cli::fit::metrics_table(&file.metrics)
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
    out + "\n" + &crate::cli::fit::network_table(&file.metrics)
}

#[derive(Serialize)]
struct Verified {
    file: String,
    id: Option<String>,
    error: Option<String>,
}

fn verify(files: &[PathBuf], global: Global) -> Result<(), Failure> {
    let checked: Vec<(Verified, Option<Failure>)> = if files.is_empty() {
        let catalogue = shipped::predictors().entries()?;
        let check =
            |entry: &PredictorEntry| verdict(format!("{} {}", entry.location, entry.id), entry.load());
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
