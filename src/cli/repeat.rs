//! `edgezen profile --repeat DIR`: a twentieth of a dataset once more, on another day. No predictor can be
//! better than this difference.

use super::target::{self, Target};
use super::{Failure, Global, output};
use edgezen_core::measurement::Sample;
use edgezen_core::random::shuffle;
use edgezen_core::stats;
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::networks;
use edgezen_lab::dataset::Dataset;
use edgezen_lab::device::Workload;
use edgezen_lab::files::rfc3339;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One configuration of so many, and at least so many of them.
const SHARE: usize = 20;
const LEAST: usize = 5;

/// Every repetition is a line of this file in the dataset's folder.
const FILE: &str = "repeats.jsonl";

#[derive(Serialize)]
struct Report {
    dataset: String,
    date: String,
    /// Median over the configurations of the difference, regardless of its sign.
    median_difference_percent: f64,
    worst_difference_percent: f64,
    /// Median with its sign: the device as a whole is slower (positive) or quicker.
    shift_percent: f64,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    configuration: String,
    then_ms: f64,
    now_ms: f64,
    difference_percent: f64,
}

pub fn run(target: &Target, dir: &Path, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let dataset = Dataset::read(dir)?;
    let mut device = target.open(networks::ROUNDS, global)?;
    if *device.identity() != dataset.identity {
        let difference = dataset.identity.difference(device.identity());
        return Err(Failure::usage(format!("{} is of another identity: {difference}", dir.display())));
    }
    let chosen = choose(&dataset.samples, global.seed);
    let workloads: Vec<Workload<'_>> =
        chosen.iter().map(|sample| Workload::Subject(&sample.subject)).collect();
    let bar =
        out.progress(workloads.len() as u64 * u64::from(networks::ROUNDS), "{bar:30} {pos}/{len} eta {eta}");
    let summaries = networks::measure(device.as_mut(), &workloads, &mut |_| bar.inc(1))?;
    bar.finish_and_clear();
    device.finished();
    target::notes(&mut *device, out);
    let rows: Vec<Row> = chosen
        .iter()
        .zip(summaries)
        .filter_map(|(sample, summary)| {
            let (then, now) = (sample.median, summary?.0.median);
            Some(Row {
                configuration: sample.subject.to_string(),
                then_ms: then.ms(),
                now_ms: now.ms(),
                difference_percent: 100.0 * (now.ns() / then.ns() - 1.0),
            })
        })
        .collect();
    let signed: Vec<f64> = rows.iter().map(|row| row.difference_percent).collect();
    let sizes: Vec<f64> = signed.iter().map(|difference| difference.abs()).collect();
    let nothing = || Failure::runtime("no samples came back");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let report = Report {
        dataset: dir.display().to_string(),
        date: rfc3339(now),
        median_difference_percent: stats::median(&sizes).ok_or_else(nothing)?,
        worst_difference_percent: sizes.iter().copied().fold(0.0, f64::max),
        shift_percent: stats::median(&signed).ok_or_else(nothing)?,
        rows,
    };
    let path = dir.join(FILE);
    let line = serde_json::to_string(&report).map_err(|e| Failure::runtime(e.to_string()))? + "\n";
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|e| Failure::io(&path, &e))?;
    out.result(&report, || text(&report))
}

/// Some of the samples, by the seed; those that were doubtful then say nothing about days.
fn choose(samples: &[Sample], seed: u64) -> Vec<&Sample> {
    let mut good: Vec<&Sample> = samples.iter().filter(|sample| !sample.quality.is_doubtful()).collect();
    if good.is_empty() {
        good = samples.iter().collect();
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    shuffle(&mut good, &mut rng);
    good.truncate((samples.len() / SHARE).max(LEAST));
    good
}

fn text(report: &Report) -> String {
    let short = |name: &str| name.chars().take(48).collect::<String>();
    let cells: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|row| {
            vec![
                short(&row.configuration),
                three_digits(row.then_ms),
                three_digits(row.now_ms),
                format!("{:+.1} %", row.difference_percent),
            ]
        })
        .collect();
    output::table(&["configuration", "then ms", "now ms", "difference"], &cells)
        + &format!(
            "\nfrom one day to another: {:.1} % in the median, {:.1} % at worst, {:+.1} % all together\n",
            report.median_difference_percent, report.worst_difference_percent, report.shift_percent
        )
}
