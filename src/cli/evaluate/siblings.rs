//! The part of `edgezen evaluate` that judges how the networks of a device are completed by its sister devices, and that
//! writes those networks down.

use crate::cli::failure::Failure;
use crate::cli::force::Force;
use crate::cli::{Global, output};
use edgezen_core::predictor::metrics::Metrics;
use edgezen_lab::dataset::import::networks::in_our_words;
use edgezen_lab::dataset::names;
use edgezen_lab::dataset::table::KernelTable;
use edgezen_lab::evaluation::siblings::{Draws, HeldOut, hold_out};
use edgezen_lab::fit::completion::{Completed, Latencies, complete};
use edgezen_lab::spelling;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[group(id = "judging siblings", multiple = true, conflicts_with_all = ["judging a predictor", "judging a trained network"])]
pub struct Args {
    /// A table of networks on many devices: each device in turn is predicted from a few of its networks and from what the
    /// other devices take for the same networks
    #[arg(long)]
    pub siblings: bool,
    /// With --siblings: only this device of the table
    #[arg(long, value_name = "NAME", requires = "siblings")]
    of: Option<String>,
    /// With --siblings: networks of each set of the device that are looked at
    #[arg(long, value_name = "N", requires = "siblings", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    samples: u32,
    /// With --siblings: how often networks are drawn
    #[arg(long, value_name = "N", requires = "siblings", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    draws: u32,
    /// With --siblings and --of: writes every network that the other devices have in the settings of this one, as predicted
    /// from all rows of this one
    #[arg(short, long, alias = "out", value_name = "TABLE", requires = "of")]
    output: Option<PathBuf>,
}

/// Judges the completion of the devices in the table `data`, and writes that of one.
pub fn run(args: &Args, data: &Path, force: Force, global: Global) -> Result<(), Failure> {
    let place = args.output.as_ref().map(|path| force.table_place(path, &[data])).transpose()?;
    let latencies = Latencies::of(&in_our_words(KernelTable::read(data)?)?)?;
    let chosen = args.of.as_deref().map(|name| device(&latencies, name, data)).transpose()?;
    if let (Some(place), Some(device)) = (place, chosen) {
        completed(&latencies, device).write(&place)?;
        global.output().note(format!(
            "networks of {} written to {}",
            latencies.devices[device],
            place.path().display()
        ));
    }
    let draws = Draws { samples: args.samples as usize, count: u64::from(args.draws), seed: global.seed };
    let devices = chosen.map_or(0..latencies.devices.len(), |device| device..device + 1);
    let held: Vec<HeldOut> = devices.filter_map(|device| hold_out(&latencies, device, draws)).collect();
    if held.is_empty() && args.output.is_none() {
        let message =
            format!("{}: no set of a device has more than {} networks", data.display(), args.samples);
        return Err(Failure::usage(message).remedy("--samples N looks at fewer"));
    }
    global.output().result(&held, || text(&held, args))
}

/// The place of the device called `name`.
fn device(latencies: &Latencies, name: &str, data: &Path) -> Result<usize, Failure> {
    let name = names::device(name);
    latencies.devices.iter().position(|device| *device == name).ok_or_else(|| {
        let message = format!("{}: no device {name:?}", data.display());
        let near = spelling::similar(&name, latencies.devices.iter().map(String::as_str));
        let all = || format!("there are {}", latencies.devices.join(", "));
        Failure::usage(message).remedy(spelling::question(&near).unwrap_or_else(all))
    })
}

/// All networks of the sets of a device that its sisters know.
fn completed(latencies: &Latencies, device: usize) -> KernelTable {
    let all = complete(latencies, device, |_, _| true);
    let mut rows: Vec<[String; 7]> = Vec::new();
    for ((network, setting), completed) in all.indexed_iter() {
        let Some(Completed { ms, lower_ms, upper_ms }) = completed else { continue };
        let measured = latencies.logs[(device, network, setting)];
        let [measured, ms, lower, upper] =
            [measured.map(f64::exp), Some(*ms), Some(*lower_ms), Some(*upper_ms)]
                .map(|ms| ms.map_or(String::new(), |ms| format!("{ms:.6}")));
        let names = [&latencies.devices[device], &latencies.networks[network], &latencies.settings[setting]];
        let [device, network, setting] = names.map(String::clone);
        rows.push([device, network, setting, measured, ms, lower, upper]);
    }
    let header = ["device", "network", "setting", "measured_ms", "predicted_ms", "lower_ms", "upper_ms"];
    let mut table = KernelTable::empty(rows.len());
    for (at, name) in header.into_iter().enumerate() {
        table.set_column(name, rows.iter().map(|row| row[at].clone()));
    }
    table
}

fn text(held: &[HeldOut], args: &Args) -> String {
    let cells = |held: &HeldOut| {
        let percent = |m: &Option<Metrics>| m.map_or("-".to_owned(), |m| format!("{:.1} %", m.mape_percent));
        let rank = |m: &Option<Metrics>| {
            m.and_then(|m| m.spearman).map_or("-".to_owned(), |rank| format!("{rank:.4}"))
        };
        let inside = held.all.coverage_percent.map_or("-".to_owned(), |share| format!("{share:.0} %"));
        vec![
            held.device.clone(),
            held.sets.to_string(),
            percent(&Some(held.all)),
            rank(&Some(held.all)),
            percent(&held.ratio),
            percent(&held.named),
            rank(&held.named),
            percent(&held.ratio_named),
            inside,
        ]
    };
    let cells: Vec<Vec<String>> = held.iter().map(cells).collect();
    let header =
        ["device", "sets", "all", "Spearman", "ratio", "known by name", "Spearman", "ratio", "in interval"];
    format!(
        "error of the networks that were not looked at, from {} of each set ({} draws); \"ratio\": one ratio to the sister that \
         agrees best\n{}",
        args.samples,
        args.draws,
        output::table(&header, &cells)
    )
}
