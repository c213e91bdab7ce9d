//! `edgezen experiment accuracy`: how well scores rank trained networks.

use super::files::Files;
use crate::cli::output;
use crate::cli::{Failure, Global};
use crate::shipped;
use edgezen_lab::accuracy::AccuracyTable;
use edgezen_lab::dataset::table::KernelTable;
use edgezen_lab::experiment::accuracy::{self, Input};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Tables of trained networks: columns net and accuracy [default: those that are shipped]
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    accuracies: Vec<PathBuf>,
    /// Networks of each table on which the slow proxies run, where the table has twice as many
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    sampled: u32,
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

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let settings = accuracy::Settings { seed: global.seed, sampled: args.sampled as usize, draws: DRAWS };
    let [csv, svg, page] = args.files.places("accuracy", ["csv", "svg", "md"])?;
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
