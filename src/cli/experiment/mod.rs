//! `edgezen experiment NAME`: figures and tables of the paper, as csv and svg.

mod fig2;
mod svg;
mod table2;
mod theorem1;

use super::{Failure, Global, output};
use edgezen_core::proxy::exact::ExactError;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    name: Name,
    /// Folder of the csv and svg files [default: the current one]
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
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

/// A table of numbers with its drawing.
struct Experiment {
    name: &'static str,
    header: Vec<&'static str>,
    /// What is no number stays empty.
    rows: Vec<(String, Vec<Option<f64>>)>,
    panels: Vec<svg::Panel>,
}

#[derive(Serialize)]
struct Report {
    experiment: &'static str,
    csv: PathBuf,
    svg: PathBuf,
    header: Vec<&'static str>,
    rows: Vec<(String, Vec<Option<f64>>)>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let repeats = |default| args.repeats.unwrap_or(default);
    let experiment = match args.name {
        Name::Fig2 => fig2::run(repeats(8), global.seed)?,
        Name::Theorem1 => theorem1::run(repeats(8), global.seed)?,
        Name::Table2 => table2::run(repeats(1), global.seed, args.resolution, args.batch, global.output())?,
    };
    let path = |extension: &str| args.out.join(experiment.name).with_extension(extension);
    let (csv, svg) = (path("csv"), path("svg"));
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    replace(&csv, &as_csv(&experiment))?;
    replace(&svg, &svg::draw(&experiment.panels))?;
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

fn as_csv(experiment: &Experiment) -> String {
    let mut text = experiment.header.join(",") + "\n";
    for (label, values) in &experiment.rows {
        text += label;
        for value in values {
            text.push(',');
            if let Some(value) = value {
                text += &value.to_string();
            }
        }
        text.push('\n');
    }
    text
}

/// Writes a file as a whole or not at all.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| Failure::io(folder, &e))?;
    file.write_all(text.as_bytes()).map_err(|e| Failure::io(path, &e))?;
    file.persist(path).map_err(|e| Failure::io(path, &e.error))?;
    Ok(())
}

/// The score, or nothing where it is not finite: an experiment shows where that happens.
fn finite(score: Result<f64, ExactError>) -> Result<Option<f64>, Failure> {
    match score {
        Ok(score) => Ok(score.is_finite().then_some(score)),
        Err(ExactError::NotFinite(_)) => Ok(None),
        Err(error) => Err(Failure::runtime(error.to_string())),
    }
}

/// Mean over draws; nothing as soon as one draw has none.
fn mean(repeats: u32, draw: impl Fn(u64) -> Result<Option<f64>, Failure>) -> Result<Option<f64>, Failure> {
    let mut sum = Some(0.0);
    for repeat in 0..u64::from(repeats) {
        sum = sum.zip(draw(repeat)?).map(|(sum, x)| sum + x);
    }
    Ok(sum.map(|sum| sum / f64::from(repeats)))
}
