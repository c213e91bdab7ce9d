//! `edgezen measure`: the true latency of networks on a device.

use super::net::{self, NetOptions};
use super::target::{self, Target};
use super::{Exit, Failure, Global, output};
use edgezen_core::measurement::{Identity, Quality, Summary};
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::network_latency::{self, MeasuredNetwork};
use edgezen_lab::campaign::networks::ROUNDS;
use edgezen_lab::catalogue::networks;
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
    // All networks are read before the first is measured, because any of the arguments may be wrong.
    let nets = args.nets.iter().map(|net| read(net, args.options)).collect::<Result<Vec<_>, Failure>>()?;
    let mut device = args.target.open(ROUNDS, global)?;
    let bar =
        out.progress(nets.len() as u64 * u64::from(ROUNDS), "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
    let summaries = network_latency::measure(device.as_mut(), &nets, &mut |i| {
        bar.set_message(output::message(&label(&nets[i])));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    target::notes(&mut *device, out);
    let rows = nets
        .iter()
        .zip(summaries)
        .map(|(net, summary)| row(net, summary, device.identity()))
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

/// The network that an argument means.
fn read(net: &str, options: NetOptions) -> Result<MeasuredNetwork, Failure> {
    if !net::is_onnx(net) {
        return Ok(MeasuredNetwork::PlainNet(Box::new(net::model(net, options)?)));
    }
    let path = Path::new(net);
    std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?;
    Ok(MeasuredNetwork::Onnx(path.to_owned()))
}

/// What a network is called while it is measured.
fn label(net: &MeasuredNetwork) -> String {
    match net {
        MeasuredNetwork::PlainNet(model) => networks::name(model),
        MeasuredNetwork::Onnx(path) => path.display().to_string(),
    }
}

fn row(
    network: &MeasuredNetwork,
    summary: Option<(Summary, Quality)>,
    identity: &Identity,
) -> Result<Row, Failure> {
    let (summary, quality) =
        summary.ok_or_else(|| Failure::runtime(format!("{}: no samples came back", label(network))))?;
    let (net, name) = match network {
        MeasuredNetwork::PlainNet(model) => (model.network.to_string(), model.name.clone()),
        MeasuredNetwork::Onnx(path) => (path.display().to_string(), None),
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
