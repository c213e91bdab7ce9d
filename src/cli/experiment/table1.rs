//! `edgezen experiment table1`: the accuracies of networks that were searched by different scores.

use super::training::{Searches, Training};
use crate::cli::force::{Force, NO_INPUTS};
use crate::cli::output;
use crate::cli::{Failure, Global};
use edgezen_core::proxy;
use edgezen_lab::experiment::table1::plan::PAPER;
use edgezen_lab::experiment::table1::{Part, Report, page, picture};
use edgezen_lab::spelling;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    training: Training,
    /// Scores that search, besides the Zen-Score [default: those of the paper]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    proxies: Vec<String>,
    /// Searches by each score
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    search_seeds: u32,
    /// Trainings of each network that was searched
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    training_seeds: u32,
    /// Iterations of each search; the same for all scores
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    iterations: u64,
    /// Members of the population of a search
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    population: u32,
    /// Networks that are trained of each curve of rising scores
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    levels: u32,
    /// Iterations of the search behind each curve; the Zen-Score takes microseconds
    #[arg(long, value_name = "N", default_value_t = 96_000, value_parser = clap::value_parser!(u64).range(1..))]
    curve_iterations: u64,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    experiment: &'static str,
    csv: PathBuf,
    networks_csv: PathBuf,
    svg: PathBuf,
    page: PathBuf,
    claims: Vec<String>,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let mut proxies: Vec<String> = Vec::new();
    for name in &args.proxies {
        let entry = proxy::by_name(name).ok_or_else(|| {
            let names = proxy::registry().iter().map(|entry| entry.name);
            let question = spelling::question(&spelling::similar(name, names.clone())).unwrap_or_default();
            let known = names.collect::<Vec<_>>().join(", ");
            Failure::usage(format!("there is no proxy {name}"))
                .remedy(format!("{question} {known}").trim().to_owned())
        })?;
        proxies.push(entry.name.to_owned());
    }
    if proxies.is_empty() {
        proxies.extend(PAPER.iter().map(|(name, _)| (*name).to_owned()));
    }
    let searches = Searches {
        proxies,
        search_seeds: args.search_seeds,
        training_seeds: args.training_seeds,
        iterations: args.iterations,
        population: args.population,
        levels: args.levels,
        curve_iterations: args.curve_iterations,
    };
    let report = args.training.run("table1", Part::All, searches, global)?;
    written("table1", &args.training, &report, global)
}

/// Writes the files of the experiment `name`, and prints it.
pub fn written(
    name: &'static str,
    training: &Training,
    report: &Report,
    global: Global,
) -> Result<(), Failure> {
    let force = Force { force: training.force() };
    let write = |ending: &str, text: String| -> Result<PathBuf, Failure> {
        let place = force.place(training.out().join(format!("{name}{ending}")), NO_INPUTS)?;
        place.write(text.as_bytes())?;
        Ok(place.path().to_owned())
    };
    let printed = Printed {
        experiment: name,
        csv: write(".csv", report.csv())?,
        networks_csv: write("_networks.csv", report.networks_csv())?,
        svg: write(".svg", picture::draw(report))?,
        page: write(".md", page::write(report))?,
        claims: page::sentences(report),
        report,
    };
    global.output().result(&printed, || text(&printed))
}

fn text(printed: &Printed<'_>) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let cells: Vec<Vec<String>> = printed
        .report
        .lines
        .iter()
        .map(|line| {
            let of = line.to_zen;
            vec![
                line.name.clone(),
                number(line.paper.map(|paper| paper[0])),
                number(line.paper.map(|paper| paper[1])),
                number(Some(line.accuracy)),
                number(line.half_width),
                number(of.map(|of| of.points)),
                of.map_or_else(|| "-".to_owned(), |of| format!("{:+.2} to {:+.2}", of.lower, of.upper)),
                format!("{:.0}", line.layers),
                format!("{:.0}", line.params),
            ]
        })
        .collect();
    let head =
        ["score", "paper, CIFAR-10", "CIFAR-100", "here, %", "±", "to Zen", "95 %", "layers", "parameters"];
    let files = [&printed.csv, &printed.networks_csv, &printed.svg, &printed.page];
    let files = files.map(|path| path.display().to_string()).join("\n");
    format!("{}\n{}\n{files}", output::table(&head, &cells), printed.claims.join("\n"))
}
