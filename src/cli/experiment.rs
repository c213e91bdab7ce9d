//! `edgezen experiment NAME`: figures and tables of the paper, as csv and svg.

use super::force::{Force, NO_INPUTS};
use super::output::Output;
use super::{Failure, Global, experiment_figures as figures, output};
use crate::shipped;
use edgezen_lab::accuracy::AccuracyTable;
use edgezen_lab::dataset::table::KernelTable;
use edgezen_lab::experiment::accuracy::{self, Input};
use edgezen_lab::experiment::table2::{self, Event};
use edgezen_lab::experiment::tradeoff::Figure;
use edgezen_lab::experiment::{Experiment, ExperimentError, Row, fig2, theorem1};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    name: Name,
    /// Folder of the csv and svg files [default: the current one]
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
    /// Draws of weights and images behind each point [default: 8; 1 for table2, where the quick proxies take 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: Option<u32>,
    /// Side of the images of table2
    #[arg(long, value_name = "R", default_value_t = 224, value_parser = clap::value_parser!(u32).range(32..=1024))]
    resolution: u32,
    /// Images of a pass in table2
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=256))]
    batch: u32,
    /// Tables of trained networks for accuracy: columns net and accuracy; the first is the one of published accuracies for
    /// fig1 and fig4 [default: those that are shipped]
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    accuracies: Vec<PathBuf>,
    /// Iterations of each search of fig1, fig4, searched and table3 [default: 12000; 480000 for table3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: Option<u64>,
    /// Networks of each table on which accuracy runs the slow proxies
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    sampled: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Φ-score and Zen-Score by depth and by width, with and without BN
    Fig2,
    /// What BN takes out of a network, its variances give back
    Theorem1,
    /// Seconds of a score: Zen, NASWOT, TE-NAS
    Table2,
    /// Accuracy against latency on three devices: baselines, ZenNets, searched networks
    Fig1,
    /// Accuracy against multiply-adds
    Fig4,
    /// What searches cost: published, and measured here
    Table3,
    /// The paper's own budgets, searched again: score, costs and shape beside the published networks
    Searched,
    /// How well scores rank trained networks, and what choosing by them costs
    Accuracy,
}

impl Name {
    /// The name of its files, without their endings.
    fn file(self) -> &'static str {
        match self {
            Name::Fig2 => "fig2",
            Name::Theorem1 => "theorem1",
            Name::Table2 => "table2",
            Name::Fig1 => "fig1",
            Name::Fig4 => "fig4",
            Name::Table3 => "table3",
            Name::Searched => "searched",
            Name::Accuracy => "accuracy",
        }
    }
}

impl Name {
    /// The experiments that write a page beside csv and svg.
    fn with_page(self) -> Option<figures::Page> {
        match self {
            Name::Fig1 => Some(figures::Page::Figure(Figure::Fig1)),
            Name::Fig4 => Some(figures::Page::Figure(Figure::Fig4)),
            Name::Table3 => Some(figures::Page::Table3),
            Name::Searched => Some(figures::Page::Searched),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Report {
    experiment: &'static str,
    csv: PathBuf,
    svg: PathBuf,
    header: Vec<&'static str>,
    rows: Vec<Row>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    if args.name == Name::Accuracy {
        return accuracy(&args, global);
    }
    if let Some(page) = args.name.with_page() {
        let request = figures::Request {
            page,
            out: &args.out,
            force: &args.force,
            iterations: args.iterations,
            accuracies: args.accuracies.first().map(PathBuf::as_path),
        };
        return figures::run(&request, global);
    }
    let repeats = |default| args.repeats.unwrap_or(default);
    // Known to be free before hours are spent.
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    let place = |ending: &str| {
        args.force.free_place(args.out.join(format!("{}.{ending}", args.name.file())), NO_INPUTS)
    };
    let (csv, svg) = (place("csv")?, place("svg")?);
    let experiment = match args.name {
        Name::Theorem1 => theorem1::run(repeats(8), global.seed)?,
        Name::Table2 => {
            let (repeats, seed) = (repeats(1), global.seed);
            table2(
                table2::Settings { repeats, seed, side: args.resolution, batch: args.batch },
                global.output(),
            )
        }
        _ => fig2::run(repeats(8), global.seed)?,
    };
    csv.write(experiment.csv().as_bytes())?;
    svg.write(experiment.svg().as_bytes())?;
    let (csv, svg) = (csv.path().to_owned(), svg.path().to_owned());
    let Experiment { name, header, rows, .. } = experiment;
    let report = Report { experiment: name, csv, svg, header, rows };
    global.output().result(&report, || {
        let number = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"));
        let cells: Vec<Vec<String>> = report
            .rows
            .iter()
            .map(|(label, values)| std::iter::once(label.clone()).chain(values.iter().map(number)).collect())
            .collect();
        let table = output::table(&report.header, &cells);
        format!("{table}\n{}\n{}", report.csv.display(), report.svg.display())
    })
}

/// What `accuracy` prints with `--json`.
#[derive(Serialize)]
struct Accuracies {
    experiment: &'static str,
    csv: PathBuf,
    svg: PathBuf,
    page: PathBuf,
    worst: Option<accuracy::Line>,
    #[serde(flatten)]
    report: accuracy::Report,
}

fn accuracy(args: &Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let settings = accuracy::Settings { seed: global.seed, sampled: args.sampled as usize, draws: DRAWS };
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    let place = |ending: &str| {
        args.force.free_place(args.out.join(format!("{}.{ending}", args.name.file())), NO_INPUTS)
    };
    let (csv, svg, page) = (place("csv")?, place("svg")?, place("md")?);
    let inputs = inputs(&args.accuracies)?;
    let mut bar = indicatif::ProgressBar::hidden();
    let report = accuracy::run(&inputs, settings, &mut |event| {
        bar.finish_and_clear();
        bar = out.progress(0, "{msg} {spinner} {elapsed}");
        bar.set_message(match event {
            accuracy::Event::Reading(table) => format!("{table}: reading"),
            accuracy::Event::Ranking(table) => format!("{table}: ranking"),
            accuracy::Event::Running { table, proxy } => format!("{table}: {proxy}"),
        });
        bar.enable_steady_tick(Duration::from_millis(200));
    });
    bar.finish_and_clear();
    csv.write(report.csv().as_bytes())?;
    svg.write(report.svg().as_bytes())?;
    page.write(report.page().as_bytes())?;
    let [csv, svg, page] = [csv, svg, page].map(|place| place.path().to_owned());
    let worst = report.worst().cloned();
    let all = Accuracies { experiment: "accuracy", csv, svg, page, worst, report };
    out.result(&all, || ranked(&all))
}

/// Draws of each calibration in `accuracy`.
const DRAWS: u64 = 20;

/// The named tables, or those that are shipped.
fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let stem = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or_default().to_owned()
    };
    if !paths.is_empty() {
        let read = |path: &PathBuf| Ok(Input { name: stem(path), table: AccuracyTable::read(path, None)? });
        return paths.iter().map(read).collect();
    }
    let shipped = |(name, bytes): &(&str, &[u8])| {
        let path = Path::new(name);
        Ok(Input { name: stem(path), table: AccuracyTable::of(KernelTable::of_csv_gz(bytes, path)?, None)? })
    };
    shipped::ACCURACIES.iter().map(shipped).collect()
}

fn ranked(all: &Accuracies) -> String {
    let whole =
        all.report.lines.iter().filter(|line| line.group == accuracy::ALL || line.group == "not drawn");
    let cells = whole.filter_map(|line| {
        let of = line.correlation?;
        Some(vec![
            line.table.clone(),
            line.proxy.clone(),
            line.networks.to_string(),
            format!("{:.3} ± {:.3}", of.kendall, of.kendall_se),
            format!("{:.3} ± {:.3}", of.spearman, of.spearman_se),
        ])
    });
    let table =
        output::table(&["table", "score", "networks", "Kendall", "Spearman"], &cells.collect::<Vec<_>>());
    let worst = all.worst.as_ref().and_then(|line| {
        let of = line.correlation?;
        let accuracy::Line { table, group, proxy, .. } = line;
        Some(format!(
            "worst of {proxy}: {table}, {group}: Kendall {:.3} ± {:.3}\n",
            of.kendall, of.kendall_se
        ))
    });
    let files = [&all.csv, &all.svg, &all.page].map(|path| path.display().to_string());
    format!("{table}\n{}{}", worst.unwrap_or_default(), files.join("\n"))
}

/// The table, with a spinner while a score is computed and a line for each.
fn table2(settings: table2::Settings, out: Output) -> Experiment {
    let mut bar = indicatif::ProgressBar::hidden();
    table2::run(settings, &mut |event| match event {
        Event::Begin { network, proxy } => {
            bar = out.progress(0, "{msg} {spinner} {elapsed}");
            bar.set_message(format!("{network}: {proxy}"));
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Event::End { network, proxy, seconds } => {
            bar.finish_and_clear();
            out.note(format!("{network}: {proxy}, {seconds:.1} s"));
        }
        Event::Undefined { network, error } => out.note(format!("{network}: {error}")),
    })
}

impl From<ExperimentError> for Failure {
    fn from(error: ExperimentError) -> Failure {
        match error {
            ExperimentError::Structure(error) => error.into(),
            ExperimentError::Score(error) => Failure::runtime(error.to_string()),
            ExperimentError::ClosedForm(error) => error.into(),
            ExperimentError::Shape(error) => error.into(),
            ExperimentError::Network(error) => error.into(),
            ExperimentError::Predictor(error) => error.into(),
            ExperimentError::Prediction(error) => error.into(),
            ExperimentError::Search(error) => error.into(),
            ExperimentError::OfNetworks { .. } | ExperimentError::NoSuchSpace { .. } => {
                Failure::usage(error.to_string())
            }
        }
    }
}
