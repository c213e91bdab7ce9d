//! `edgezen measure`: the true latency of networks on a device.

use super::net::{self, NetOptions};
use super::target::{self, Target};
use super::{Exit, Failure, Global, output};
use edgezen_core::measurement::{Identity, Quality, Subject, Summary};
use edgezen_core::units::{Latency, three_digits};
use edgezen_lab::campaign::networks;
use edgezen_lab::device::Workload;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Structure strings, files, published names, or .onnx files
    #[arg(value_name = "NET", required = true)]
    nets: Vec<String>,
    #[command(flatten)]
    options: NetOptions,
}

/// Latencies per image.
#[derive(Serialize)]
struct Row {
    net: String,
    name: Option<String>,
    device: String,
    median_ms: f64,
    mean_ms: f64,
    min_ms: f64,
    p10_ms: f64,
    p90_ms: f64,
    ci95_ms: [f64; 2],
    runs: u32,
    quality: Quality,
    batch: u32,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    // Everything is read before anything is measured: the last argument may be the wrong one.
    let mut nets = Vec::new();
    for net in &args.nets {
        nets.push(if net::is_onnx(net) {
            let path = Path::new(net);
            std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?;
            Net::Onnx(net.clone())
        } else {
            Net::Plain(Box::new(net::model(net, args.options)?))
        });
    }
    let mut device = args.target.open(networks::ROUNDS, global)?;
    let batch = device.identity().batch;
    let subjects: Vec<Subject> = nets.iter().filter_map(|net| net.subject(batch)).collect();
    let mut plain = subjects.iter();
    let workloads: Vec<Workload<'_>> = nets
        .iter()
        .filter_map(|net| match net {
            Net::Plain(_) => plain.next().map(Workload::Subject),
            Net::Onnx(path) => Some(Workload::Onnx(Path::new(path))),
        })
        .collect();
    let bar = out.progress(
        nets.len() as u64 * u64::from(networks::ROUNDS),
        "{bar:30} {pos}/{len} {elapsed}  {wide_msg}",
    );
    let summaries = networks::measure(device.as_mut(), &workloads, &mut |i| {
        bar.set_message(nets[i].label());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    device.finished();
    target::notes(&mut *device, out);
    let rows = nets
        .iter()
        .zip(summaries)
        .map(|(net, summary)| net.row(summary, device.identity()))
        .collect::<Result<Vec<Row>, Failure>>()?;
    out.result(&rows, || text(&rows))?;
    let noisy: Vec<&str> =
        rows.iter().filter(|row| row.quality == Quality::Noisy).map(|row| row.label()).collect();
    if noisy.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Quality, format!("too noisy to be relied on: {}", noisy.join(", ")))
        .remedy("close other programs, then measure again"))
}

enum Net {
    Plain(Box<edgezen_core::plainnet::Model>),
    Onnx(String),
}

impl Net {
    fn label(&self) -> String {
        match self {
            Net::Plain(model) => model.name.clone().unwrap_or_else(|| model.network.to_string()),
            Net::Onnx(path) => path.clone(),
        }
    }

    fn subject(&self, batch: u32) -> Option<Subject> {
        match self {
            Net::Plain(model) => Some(Subject::network(model, batch)),
            Net::Onnx(_) => None,
        }
    }

    fn row(&self, summary: Option<(Summary, Quality)>, identity: &Identity) -> Result<Row, Failure> {
        let (summary, quality) =
            summary.ok_or_else(|| Failure::runtime(format!("{}: no samples came back", self.label())))?;
        let per_image = |latency: Latency| (latency / f64::from(identity.batch)).ms();
        let (net, name) = match self {
            Net::Plain(model) => (model.network.to_string(), model.name.clone()),
            Net::Onnx(path) => (path.clone(), None),
        };
        Ok(Row {
            net,
            name,
            device: identity.to_string(),
            median_ms: per_image(summary.median),
            mean_ms: per_image(summary.mean),
            min_ms: per_image(summary.min),
            p10_ms: per_image(summary.p10),
            p90_ms: per_image(summary.p90),
            ci95_ms: [per_image(summary.ci95.0), per_image(summary.ci95.1)],
            runs: summary.runs,
            quality,
            batch: identity.batch,
        })
    }
}

impl Row {
    fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.net)
    }
}

fn text(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.label().to_owned(),
                three_digits(row.median_ms),
                format!("{} – {}", three_digits(row.ci95_ms[0]), three_digits(row.ci95_ms[1])),
                three_digits(row.p10_ms),
                three_digits(row.p90_ms),
                row.runs.to_string(),
                row.quality.name().to_owned(),
            ]
        })
        .collect();
    let device = rows.first().map_or(String::new(), |row| format!("{}, per image\n", row.device));
    device
        + &output::table(&["network", "median ms", "95 % interval", "p10", "p90", "runs", "quality"], &cells)
}
