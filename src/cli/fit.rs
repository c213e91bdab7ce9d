//! `edgezen fit`: datasets in, predictor file out.

use super::failure::{Exit, Failure};
use super::force::{Force, has_ending};
use super::output::Output;
use super::succession::{self, Answering, Before};
use super::{Global, output};
use edgezen_core::measurement::Sample;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::file::FitMetrics;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::predictor::network;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::catalogue;
use edgezen_lab::dataset;
use edgezen_lab::evaluation::networks as of_networks;
use edgezen_lab::evaluation::succession::{Succession, held_out_percent};
use edgezen_lab::files::Destination;
use edgezen_lab::fit;
use edgezen_lab::fit::observation::observations;
use edgezen_lab::fit::refit::RefitError;
use edgezen_lab::fit::siblings::Set;
use edgezen_lab::fit::{DataError, Datasets, FitError};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Datasets of one identity: folders, or names of those in ./datasets and in the user's data folder. With --siblings: of
    /// many
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Predictor file [default: predictors/<device>@<runtime>@<precision>.json]
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Fit a predictor to each dataset, with prices that all of one precision share: for few networks on many devices that
    /// are alike. --output is the folder of the files
    #[arg(long)]
    siblings: bool,
    /// Datasets of networks on other runtimes or devices, to lean on where the data cannot tell prices apart (3x3
    /// convolutions where all networks are MobileNets): each at a scale of its own, which networks like those of --data must
    /// tell, and all together with a tenth of the weight of --data
    #[arg(long, num_args = 1.., value_name = "DIR", conflicts_with = "siblings")]
    prior: Vec<PathBuf>,
    /// Networks that are not fitted, by the beginning of their names
    #[arg(long, value_name = "NAME")]
    leave_out: Vec<String>,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Report<M> {
    predictor: String,
    file: String,
    rows: u32,
    metrics: M,
    baseline_flops: Option<Metrics>,
    /// Which names mean the predictor from now on, and how it compares with the one that answered before; absent where it
    /// went to standard output.
    answering: Option<Answering>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let found = |folders: &[PathBuf]| folders.iter().map(|dir| dataset::find(dir)).collect();
    let args = Args { data: found(&args.data), prior: found(&args.prior), ..args };
    if args.siblings {
        return siblings(&args, global);
    }
    check_ending(args.output.as_deref())?;
    let data = Datasets::read_leaning(&args.data, &args.prior, &args.leave_out)?;
    args.warn_of_unmatched(&data.unmatched, global.output());
    if let Some(rows) = data.networks() {
        if !args.prior.is_empty() {
            return Err(Failure::usage(
                "--prior goes with a predictor of kernels, and these networks are priced as a whole",
            )
            .remedy("edgezen transfer --from P… leans on predictors of whole networks"));
        }
        let predictor = fit::networks::fit(&rows, data.request.clone(), &[])?;
        let samples: Vec<Sample> =
            data.datasets.iter().flat_map(|dataset| dataset.samples.iter().cloned()).collect();
        return write_networks(&predictor, &samples, &args, global);
    }
    let (rows, lenders) = (data.observations()?, data.lenders()?);
    let predictor = fit::fit_leaning(&rows, &lenders, data.request)?;
    let file = predictor.file();
    let to = args.destination(&file.id)?;
    let before = Before::of(&file.id)?;
    let compared = before.of_kernels().and_then(|old| Succession::of(&old, &file.metrics, &rows));
    let answering = args.succeed(&before, &to, compared, file.text())?;
    let p = &file.provenance;
    let report = Report {
        predictor: file.id.clone(),
        file: to.path().display().to_string(),
        rows: p.kernels + p.blocks + p.networks,
        metrics: file.metrics.clone(),
        baseline_flops: file.metrics.baseline_flops,
        answering,
    };
    let metrics = &report.metrics;
    succession::warn(
        &report.predictor,
        held_out_percent(&[metrics.kernels, metrics.blocks, metrics.networks]),
        global.output(),
    );
    global.output().written(&to, &report, || report.text(&to, metrics_table(metrics)))
}

/// Fits and writes a predictor for each dataset.
fn siblings(args: &Args, global: Global) -> Result<(), Failure> {
    let mut sets = Vec::with_capacity(args.data.len());
    let mut unmatched = args.leave_out.clone();
    for folder in &args.data {
        let Datasets { datasets, request, unmatched: here, .. } =
            Datasets::read(std::slice::from_ref(folder), &args.leave_out)?;
        unmatched.retain(|prefix| here.contains(prefix));
        sets.extend(datasets.into_iter().map(|dataset| Set { dataset, request: request.clone() }));
    }
    args.warn_of_unmatched(&unmatched, global.output());
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("predictors"));
    let inputs: Vec<PathBuf> = args.data.iter().flat_map(|dir| dataset::files_of(dir)).collect();
    let mut reports = Vec::with_capacity(sets.len());
    for predictor in fit::siblings::fit(&sets)? {
        let path = file(Some(&folder.join(format!("{}.json", predictor.id))), &predictor.id)?;
        let to = args.force.place(path, &inputs)?;
        let before = Before::of(&predictor.id)?;
        let mut compared = None;
        if let Some(old) = before.of_kernels() {
            let own = sets.iter().filter(|set| set.dataset.identity.to_string() == predictor.id);
            let mut rows = Vec::new();
            for set in own {
                rows.extend(observations(&set.dataset)?);
            }
            compared = Succession::of(&old, &predictor.metrics, &rows);
        }
        let answering = args.succeed(&before, &to, compared, predictor.text())?;
        succession::warn(&predictor.id, held_out_percent(&[predictor.metrics.networks]), global.output());
        reports.push(Report {
            predictor: predictor.id.clone(),
            file: to.path().display().to_string(),
            rows: predictor.provenance.networks,
            metrics: predictor.metrics.clone(),
            baseline_flops: predictor.metrics.baseline_flops,
            answering,
        });
    }
    global.output().result(&reports, || {
        let of = |report: &Report<FitMetrics>| {
            let networks = report.metrics.networks.iter().map(|m| (report.predictor.clone(), *m));
            networks.collect::<Vec<_>>()
        };
        let rows: Vec<(String, Metrics)> = reports.iter().flat_map(of).collect();
        let rows: Vec<(String, &Metrics)> = rows.iter().map(|(name, m)| (name.clone(), m)).collect();
        let answering = reports.iter().filter_map(|report| Some((report, report.answering.as_ref()?)));
        let answering: Vec<String> =
            answering.map(|(report, a)| a.text(&report.predictor, Path::new(&report.file))).collect();
        format!(
            "held-out error (each network left out of all sets)\n{}\n{}",
            table(&rows),
            answering.concat()
        )
    })
}

impl<M> Report<M> {
    /// For people: `table` of the errors, where the predictor is, and who answers from now on.
    fn text(&self, to: &Destination, table: String) -> String {
        let answering = self.answering.iter().map(|answering| answering.text(&self.predictor, to.path()));
        format!("{table}\n\n{} written to {}\n{}", self.predictor, self.file, answering.collect::<String>())
    }
}

impl Args {
    /// Warns of `--leave-out` where it leaves out nothing: whoever wrote it would take the predictor for one that has not seen
    /// those networks.
    fn warn_of_unmatched(&self, unmatched: &[String], output: Output) {
        let dir = self.data.first().map_or_else(|| "DIR".into(), |dir| dir.display().to_string());
        for prefix in unmatched {
            output.note(format!(
                "warning: --leave-out {prefix} leaves out nothing: no name in these datasets begins so (edgezen dataset export \
                 {dir} -o names.csv lists the names)"
            ));
        }
    }

    fn destination(&self, id: &str) -> Result<Destination, Failure> {
        let folders = self.data.iter().chain(&self.prior);
        let inputs: Vec<PathBuf> = folders.flat_map(|dir| dataset::files_of(dir)).collect();
        self.force.place(file(self.output.as_deref(), id)?, &inputs)
    }

    /// Writes a predictor to `to`, unless it is clearly worse than the one whose place it would take unasked. Gives who
    /// answers from now on.
    fn succeed(
        &self,
        before: &Before,
        to: &Destination,
        compared: Option<Succession>,
        text: serde_json::Result<String>,
    ) -> Result<Option<Answering>, Failure> {
        if self.output.is_none() {
            before.refuse_worse(to, compared)?;
        }
        catalogue::predictors::write(to, text)?;
        if to.is_stream() { Ok(None) } else { before.now(to, compared).map(Some) }
    }
}

/// Refuses a file of another ending than that of predictors.
pub fn check_ending(output: Option<&Path>) -> Result<(), Failure> {
    output.map_or(Ok(()), |path| has_ending(path, &["json"], "a predictor in JSON"))
}

/// The predictor's file, in a folder that is there.
pub fn file(given: Option<&Path>, id: &str) -> Result<PathBuf, Failure> {
    let path = given.map_or_else(|| Path::new("predictors").join(format!("{id}.json")), Path::to_owned);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io(folder, &e))?;
    }
    Ok(path)
}

fn write_networks(
    predictor: &NetworkPredictor,
    samples: &[Sample],
    args: &Args,
    global: Global,
) -> Result<(), Failure> {
    let to = args.destination(&predictor.id)?;
    let before = Before::of(&predictor.id)?;
    let judged = before.of_networks().and_then(|old| {
        let stated = old.metrics.networks;
        // Networks that the old one does not know tell nothing of it.
        let judged =
            of_networks::evaluate(&AnyPredictor::Networks(Box::new(old)), samples, Vec::new()).ok()?;
        Some((judged.networks, stated))
    });
    let compared = judged
        .and_then(|(judged, stated)| Succession::of_levels(&[(predictor.metrics.networks, judged, stated)]));
    let answering = args.succeed(&before, &to, compared, predictor.text())?;
    let report = Report {
        predictor: predictor.id.clone(),
        file: to.path().display().to_string(),
        rows: predictor.provenance.networks,
        metrics: predictor.metrics.clone(),
        baseline_flops: predictor.metrics.baseline_flops,
        answering,
    };
    succession::warn(&report.predictor, held_out_percent(&[report.metrics.networks]), global.output());
    global.output().written(&to, &report, || report.text(&to, network_table(&report.metrics)))
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Failure {
        let exit = match error {
            FitError::NoData | FitError::TooFew { .. } | FitError::Subject { .. } => Exit::BadFile,
            FitError::Solver(_) | FitError::Unwritable(_) => Exit::Runtime,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Failure {
        let message = error.to_string();
        match error {
            DataError::Dataset(error) => error.into(),
            DataError::Io { path, error } => Failure::io(&path, &error),
            DataError::Missing { .. } => Failure::usage(message)
                .remedy("edgezen profile measures one, edgezen dataset import takes one from a table"),
            DataError::Twice { .. } => Failure::usage(message).remedy("name each dataset once"),
            DataError::MixedIdentities { .. } => Failure::usage(message)
                .remedy("edgezen fit --data for each of them, into a predictor of its own"),
            DataError::NoFolders => Failure::usage(message),
        }
    }
}

impl From<RefitError> for Failure {
    fn from(error: RefitError) -> Failure {
        match error {
            RefitError::Data(error) => error.into(),
            RefitError::Fit(error) => error.into(),
        }
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

/// Errors of networks that were left out, as a table.
pub fn network_table(metrics: &network::file::FitMetrics) -> String {
    let mut rows: Vec<(String, &Metrics)> = Vec::new();
    rows.extend(metrics.before.iter().map(|m| ("before, scaled".to_owned(), m)));
    rows.extend(metrics.networks.iter().map(|m| ("networks".to_owned(), m)));
    rows.extend(metrics.baseline_flops.iter().map(|m| ("FLOPs only".to_owned(), m)));
    "held-out error (each network left out in turn)\n".to_owned() + &table(&rows)
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
