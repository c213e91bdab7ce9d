//! `edgezen experiment fig1 | fig4 | table3 | searched`: csv, svg and a page.

use super::force::{Force, NO_INPUTS};
use super::output::Output;
use super::{Failure, Global, output};
use crate::shipped;
use edgezen_lab::accuracy::AccuracyTable;
use edgezen_lab::dataset::table::KernelTable;
use edgezen_lab::experiment::tradeoff::{self, Event, Figure};
use edgezen_lab::experiment::{searched, table3};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Figure(Figure),
    Table3,
    Searched,
}

/// What the command line asks for.
pub struct Request<'a> {
    pub page: Page,
    pub out: &'a Path,
    pub force: &'a Force,
    pub iterations: Option<u64>,
    pub accuracies: Option<&'a Path>,
}

/// Iterations of a search whose result is looked at, and of one whose time is.
const ITERATIONS: u64 = 12_000;
const RELEASED_ITERATIONS: u64 = 480_000;

/// What an experiment made: texts of the files, and what is printed.
struct Made {
    csv: String,
    svg: String,
    page: String,
    rows: serde_json::Value,
    table: String,
}

#[derive(Serialize)]
struct Report {
    experiment: &'static str,
    csv: PathBuf,
    svg: PathBuf,
    page: PathBuf,
    result: serde_json::Value,
}

pub fn run(request: &Request<'_>, global: Global) -> Result<(), Failure> {
    let name = match request.page {
        Page::Figure(figure) => figure.name(),
        Page::Table3 => "table3",
        Page::Searched => "searched",
    };
    std::fs::create_dir_all(request.out).map_err(|e| Failure::io(request.out, &e))?;
    let place =
        |ending: &str| request.force.free_place(request.out.join(format!("{name}.{ending}")), NO_INPUTS);
    let (csv, svg, page) = (place("csv")?, place("svg")?, place("md")?);
    let made = match request.page {
        Page::Figure(figure) => figure_of(figure, request, global)?,
        Page::Table3 => table3_of(request, global)?,
        Page::Searched => searched_of(request, global)?,
    };
    csv.write(made.csv.as_bytes())?;
    svg.write(made.svg.as_bytes())?;
    page.write(made.page.as_bytes())?;
    let [csv, svg, page] = [csv, svg, page].map(|place| place.path().to_owned());
    let report = Report { experiment: name, csv, svg, page, result: made.rows };
    global.output().result(&report, || {
        let files = [&report.csv, &report.svg, &report.page].map(|path| path.display().to_string());
        format!("{}\n{}", made.table, files.join("\n"))
    })
}

/// A spinner with what is being done.
struct Doing(indicatif::ProgressBar);

impl Doing {
    fn begin(&mut self, out: Output, what: String) {
        self.0.finish_and_clear();
        self.0 = out.progress(0, "{msg} {spinner} {elapsed}");
        self.0.set_message(what);
        self.0.enable_steady_tick(Duration::from_millis(200));
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn settings(request: &Request<'_>, global: Global) -> searched::Settings {
    searched::Settings { seed: global.seed, iterations: request.iterations.unwrap_or(ITERATIONS) }
}

fn json<T: Serialize>(value: &T) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|e| Failure::runtime(format!("cannot write the result as JSON: {e}")))
}

fn figure_of(figure: Figure, request: &Request<'_>, global: Global) -> Result<Made, Failure> {
    let table = match request.accuracies {
        Some(path) => AccuracyTable::read(path, None)?,
        None => shipped_accuracies()?,
    };
    let mut doing = Doing(indicatif::ProgressBar::hidden());
    let settings = settings(request, global);
    let report = tradeoff::run(figure, &table, &shipped::catalogue(), settings, &mut |event| {
        let what = match event {
            Event::Predicting(family) => format!("{family}: predicting"),
            Event::Searching(goal) => format!("{goal}: searching"),
            Event::Calibrating => "calibrating".to_owned(),
        };
        doing.begin(global.output(), what);
    })?;
    drop(doing);
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let cells: Vec<Vec<String>> = report
        .points
        .iter()
        .map(|point| {
            let basis = match point.accuracy {
                tradeoff::Accuracy::Published { .. } => "published",
                tradeoff::Accuracy::Predicted { .. } => "predicted",
                tradeoff::Accuracy::Unknown => "unknown",
            };
            let mut cells = vec![point.name.clone(), number(point.top1(), 1), basis.to_owned()];
            cells.push(format!("{:.0}", point.mmacs));
            cells.extend(point.latencies.iter().map(|ms| number(ms.map(|ms| ms.ms), 3)));
            cells
        })
        .collect();
    let mut header = vec!["network", "top-1", "basis", "M MACs"];
    header.extend(tradeoff::DEVICES.iter().map(|(name, _)| *name));
    Ok(Made {
        csv: report.csv(),
        svg: report.svg(),
        page: report.page(),
        rows: json(&report)?,
        table: output::table(&header, &cells),
    })
}

/// The shipped table of published accuracies.
fn shipped_accuracies() -> Result<AccuracyTable, Failure> {
    let found = shipped::ACCURACIES.iter().find(|(name, _)| name.starts_with("published"));
    let (name, bytes) =
        found.ok_or_else(|| Failure::runtime("no table of published accuracies is shipped".to_owned()))?;
    Ok(AccuracyTable::of(KernelTable::of_csv_gz(bytes, Path::new(name))?, None)?)
}

fn table3_of(request: &Request<'_>, global: Global) -> Result<Made, Failure> {
    let settings = table3::Settings {
        seed: global.seed,
        iterations: request.iterations.unwrap_or(RELEASED_ITERATIONS),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut doing = Doing(indicatif::ProgressBar::hidden());
    let rows = table3::run(&shipped::catalogue(), settings, &mut |name| {
        doing.begin(global.output(), format!("{name}: searching"));
    })?;
    drop(doing);
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells()[..8].to_vec()).collect();
    Ok(Made {
        csv: table3::csv(&rows),
        svg: table3::svg(&rows),
        page: table3::page(&rows, settings),
        rows: json(&rows)?,
        table: output::table(&table3::HEADER[..8], &cells),
    })
}

fn searched_of(request: &Request<'_>, global: Global) -> Result<Made, Failure> {
    let settings = settings(request, global);
    let mut doing = Doing(indicatif::ProgressBar::hidden());
    let rows = searched::run(&searched::GOALS, &shipped::catalogue(), settings, &mut |goal| {
        doing.begin(global.output(), format!("{}: searching", goal.name));
    })?;
    drop(doing);
    Ok(Made {
        csv: searched::csv(&rows),
        svg: searched::svg(&rows),
        page: searched::page(&rows, settings),
        rows: json(&rows)?,
        table: output::table(&searched::header(), &searched::table(&rows)),
    })
}
