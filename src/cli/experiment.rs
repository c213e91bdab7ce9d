//! `edgezen experiment NAME`: figures and tables of the paper, as csv and svg.

use super::force::{Force, NO_INPUTS};
use super::output::Output;
use super::{Failure, Global, output};
use edgezen_lab::experiment::table2::{self, Event};
use edgezen_lab::experiment::{Experiment, ExperimentError, Row, fig2, theorem1};
use serde::Serialize;
use std::path::PathBuf;
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Φ-score and Zen-Score by depth and by width, with and without BN
    Fig2,
    /// What BN takes out of a network, its variances give back
    Theorem1,
    /// Seconds of a score: Zen, NASWOT, TE-NAS
    Table2,
}

impl Name {
    /// The name of its files, without their endings.
    fn file(self) -> &'static str {
        match self {
            Name::Fig2 => "fig2",
            Name::Theorem1 => "theorem1",
            Name::Table2 => "table2",
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
    let repeats = |default| args.repeats.unwrap_or(default);
    // Known to be free before hours are spent.
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    let place = |ending: &str| {
        args.force.free_place(args.out.join(format!("{}.{ending}", args.name.file())), NO_INPUTS)
    };
    let (csv, svg) = (place("csv")?, place("svg")?);
    let experiment = match args.name {
        Name::Fig2 => fig2::run(repeats(8), global.seed)?,
        Name::Theorem1 => theorem1::run(repeats(8), global.seed)?,
        Name::Table2 => {
            let (repeats, seed) = (repeats(1), global.seed);
            table2(
                table2::Settings { repeats, seed, side: args.resolution, batch: args.batch },
                global.output(),
            )
        }
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
        }
    }
}
