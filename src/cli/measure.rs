//! `edgezen measure`: the true latency of networks on a device.

use super::answers::{Answers, worst};
use super::net::{self, NetOptions};
use super::target::{self, Target};
use super::{Exit, Failure, Global, output};
use edgezen_core::measurement::{Identity, Quality, Summary};
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::network_latency::{self, MeasuredNetwork};
use edgezen_lab::campaign::networks::ROUNDS;
use edgezen_lab::catalogue::networks::AnyNetwork;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[arg(value_name = "NET", required = true, help = net::NET)]
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
    // All networks are read before the first is measured, because any of the arguments may be wrong.
    let read = Answers::each(&args.nets, |net| read(net, args.options)).told_apart(|read| &mut read.label);
    if read.given().is_empty() {
        let refused = read.print(out, |_| String::new())?;
        return refused.map_or(Ok(()), Err);
    }
    let mut device = args.target.open(ROUNDS, global)?;
    let labels: Vec<String> = read.given().iter().map(|read| read.label.clone()).collect();
    let nets: Vec<MeasuredNetwork> = read.given().iter().map(|read| read.network.clone()).collect();
    let bar =
        out.progress(nets.len() as u64 * u64::from(ROUNDS), "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
    let mut begun = 0;
    let summaries = network_latency::measure(device.as_mut(), &nets, &mut |i| {
        bar.set_message(labels[i].clone());
        output::begin_step(&bar, &mut begun);
    })?;
    bar.finish_and_clear();
    target::notes(&mut *device, out);
    let mut summaries = summaries.into_iter();
    let rows = read.then(|read| row(read, summaries.next().flatten(), device.identity()));
    let noisy: Vec<String> = rows
        .given()
        .iter()
        .filter(|row| row.quality == Quality::Noisy)
        .map(|row| row.label().to_owned())
        .collect();
    let refused = rows.print(out, text)?;
    if noisy.is_empty() {
        return refused.map_or(Ok(()), Err);
    }
    let noisy = Failure::new(Exit::Quality, format!("too noisy to be relied on: {}", noisy.join(", ")))
        .remedy("close other programs, then measure again");
    out.failure(&noisy);
    worst(refused.into_iter().chain([noisy])).map_or(Ok(()), |worst| Err(Failure::said(worst.exit)))
}

/// A network to measure, and what it is called meanwhile.
#[derive(Serialize)]
struct Read {
    label: String,
    #[serde(skip)]
    network: MeasuredNetwork,
}

/// The network that an argument means.
fn read(net: &str, options: NetOptions) -> Result<Read, Failure> {
    if net::is_onnx(net) {
        let path = Path::new(net);
        std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?;
        return Ok(Read { label: net.to_owned(), network: MeasuredNetwork::Onnx(path.to_owned()) });
    }
    let network = net::any(net, options)?;
    let label = network.name();
    let network = match network {
        AnyNetwork::PlainNet(model) => MeasuredNetwork::PlainNet(Box::new(model)),
        other => {
            let mut graphs = other.graphs()?;
            let (Some(graph), true) = (graphs.pop(), graphs.is_empty()) else {
                // The blocks of a code are graphs of their own.
                other.into_model("measuring needs")?;
                return Err(Failure::usage(format!("{net}: there is nothing to measure")));
            };
            MeasuredNetwork::Graph { name: label.clone(), graph: Box::new(graph) }
        }
    };
    Ok(Read { label, network })
}

fn row(read: Read, summary: Option<(Summary, Quality)>, identity: &Identity) -> Result<Row, Failure> {
    let Read { label, network } = read;
    let (summary, quality) =
        summary.ok_or_else(|| Failure::runtime(format!("{label}: no samples came back")))?;
    let (net, name) = match network {
        MeasuredNetwork::PlainNet(model) => {
            let net = model.network.to_string();
            let name = (label != net).then_some(label);
            (net, name)
        }
        MeasuredNetwork::Onnx(path) => (path.display().to_string(), None),
        MeasuredNetwork::Graph { name, .. } => (name.clone(), Some(label)),
    };
    Ok(Row {
        net,
        name,
        device: identity.to_string(),
        median_ms: summary.median.ms(),
        mean_ms: summary.mean.ms(),
        min_ms: summary.min.ms(),
        p10_ms: summary.p10.ms(),
        p90_ms: summary.p90.ms(),
        ci95_ms: [summary.ci95.0.ms(), summary.ci95.1.ms()],
        runs: summary.runs,
        quality,
        batch: identity.batch,
    })
}

impl Row {
    fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.net)
    }
}

fn text(rows: &[&Row]) -> String {
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
