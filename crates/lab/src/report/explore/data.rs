//! What the page knows of every network that its runs stored: the columns of the table, and a row for each network.

use super::super::blocks::short;
use super::super::{Report, Run, caveats, tables};
use crate::runs::{FoundNetwork, PredictedTime};
use edgezen_core::accuracy::Prediction;
use edgezen_core::plainnet::{Network, SuperBlock, notation};
use edgezen_core::search::Quantity;
use edgezen_core::units::Latency;
use serde::Serialize;
use std::collections::BTreeSet;

/// All of it, as the script of the page reads it.
#[derive(Debug, Serialize)]
pub struct Data {
    pub columns: Vec<Column>,
    pub runs: Vec<RunRow>,
    pub nets: Vec<NetRow>,
}

/// A number that networks have.
#[derive(Debug, Serialize)]
pub struct Column {
    /// Its name in tables of numbers, with the unit: `pixel2_ms`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What ranks networks, where the greatest is the best; the others are costs.
    pub ranks: bool,
    /// A cost that should be great: images per second.
    pub at_least: bool,
    /// Whether a budget can bound it.
    pub bounds: bool,
    /// The budget of the first run, in the unit of the column.
    pub limit: Option<f64>,
    /// Names of the ends of the interval in tables of numbers; none where there is no interval.
    pub ends: Option<[String; 2]>,
}

#[derive(Debug, Serialize)]
pub struct RunRow {
    pub name: String,
    /// The options that say for which images its networks are: `--resolution 224 --classes 1000`.
    pub options: String,
}

#[derive(Debug, Serialize)]
pub struct NetRow {
    /// Place of its run.
    pub run: usize,
    /// Whether it is the one that its run handed over.
    pub best: bool,
    pub net: String,
    /// One for each column.
    pub cells: Vec<Option<Cell>>,
    pub blocks: Vec<BlockRow>,
}

#[derive(Debug, Serialize)]
pub struct Cell {
    pub value: f64,
    pub text: String,
    /// What a budget is held against, where that is another number, and as people read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<(f64, String)>,
    /// The lesser number first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A super block of a network.
#[derive(Debug, Serialize)]
pub struct BlockRow {
    name: String,
    times: i32,
    channels: String,
    map: String,
}

impl Cell {
    fn new(value: f64, text: String) -> Cell {
        Cell { value, text, held: None, ends: None, note: String::new() }
    }
}

/// How the cell of a network of a run is found.
type Find<'a> = Box<dyn Fn(&Run, &FoundNetwork) -> Option<Cell> + 'a>;

/// A column, and how its cells are found.
struct Source<'a> {
    column: Column,
    cell: Find<'a>,
}

impl Report {
    /// The networks of a run that the page shows: its front, cheapest first, and its best network if that lies elsewhere.
    pub(in super::super) fn networks(run: &Run) -> impl Iterator<Item = &FoundNetwork> {
        let best = &run.result.best;
        let missing = !run.result.front.iter().any(|found| found.net == best.net);
        run.result.front.iter().chain(missing.then_some(best))
    }

    /// The place of a network of a run in [`Data::nets`].
    pub(in super::super) fn place(&self, run: usize, net: &str) -> Option<usize> {
        let before: usize = self.runs().take(run).map(|run| Report::networks(run).count()).sum();
        Report::networks(self.runs().nth(run)?).position(|found| found.net == net).map(|at| before + at)
    }

    /// What the page knows of all networks.
    pub fn data(&self) -> Data {
        let sources = self.sources();
        let mut nets = Vec::new();
        for (place, run) in self.runs().enumerate() {
            for found in Report::networks(run) {
                nets.push(NetRow {
                    run: place,
                    best: found.net == run.result.best.net,
                    net: found.net.clone(),
                    cells: sources.iter().map(|source| (source.cell)(run, found)).collect(),
                    blocks: blocks(&found.net, run.manifest.resolution),
                });
            }
        }
        let runs = self.runs().map(|run| RunRow { name: run.name.clone(), options: options(run) });
        Data {
            runs: runs.collect(),
            nets,
            columns: sources.into_iter().map(|source| source.column).collect(),
        }
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let column = |id: &str, title: String| Column {
            id: id.to_owned(),
            title,
            ranks: false,
            at_least: false,
            bounds: false,
            limit: None,
            ends: None,
        };
        let score =
            |_: &Run, found: &FoundNetwork| Some(Cell::new(found.score, format!("{:.2}", found.score)));
        let mut all = vec![Source {
            column: Column { ranks: true, ..column("score", self.score_name()) },
            cell: Box::new(score),
        }];
        if let Some(foretelling) = &self.foretelling {
            let title = "foretold accuracy, %".to_owned();
            let ends = Some(["accuracy_lower", "accuracy_upper"].map(str::to_owned));
            all.push(Source {
                column: Column { ranks: true, ends, ..column("accuracy", title) },
                cell: Box::new(|run, found| foretelling.of(&run.manifest, &found.net).map(foretold)),
            });
        }
        let networks = || self.runs().flat_map(Report::networks);
        let known = |quantity: &Quantity| networks().any(|found| found.amounts[*quantity].is_some());
        for quantity in Quantity::of_networks().filter(known) {
            let limit = self.first.manifest.budget.limits[quantity].map(|limit| quantity.reported(limit));
            all.push(Source {
                column: Column {
                    bounds: true,
                    limit,
                    ..column(quantity.column(), quantity.title().to_owned())
                },
                cell: Box::new(move |_, found| {
                    let value = found.amounts[quantity]?;
                    Some(Cell::new(quantity.reported(value), quantity.print(value)))
                }),
            });
        }
        for device in self.all_devices() {
            all.push(self.predicted(&device, column(&device, String::new())));
            let measured = |run: &Run| run.result.verified.iter().any(|row| row.device == device);
            if self.runs().any(measured) {
                let id = format!("{device}_measured_ms");
                all.push(Source {
                    column: column(&id, format!("measured on {device}")),
                    cell: Box::new(move |run, found| measured_on(run, &device, &found.net)),
                });
            }
        }
        all
    }

    /// The devices on which networks of any run were predicted, those of the first run in front.
    pub(in super::super) fn all_devices(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let devices = self.runs().flat_map(|run| &run.manifest.device);
        devices.map(|device| device.name.clone()).filter(|name| seen.insert(name.clone())).collect()
    }

    /// The latency or the throughput that is predicted on a device.
    fn predicted(&self, device: &str, column: Column) -> Source<'_> {
        let states = self.runs().find_map(|run| run.result.best.on(device)).map(|p| p.quantity);
        let states = states.unwrap_or(Quantity::Latency);
        let unit = if states == Quantity::Throughput { states.column() } else { "ms" };
        let table = self.first.manifest.device.iter().find(|table| table.name == device);
        let limit = table.and_then(|table| table.limit());
        let name = device.to_owned();
        Source {
            column: Column {
                id: format!("{device}_{unit}"),
                title: format!("predicted {states} on {device}"),
                at_least: states.is_at_least(),
                bounds: true,
                limit: limit.map(|(_, time)| states.reported(time.ns())),
                ends: Some(["lower", "upper"].map(|end| format!("{device}_{end}_{unit}"))),
                ..column
            },
            cell: Box::new(move |_, found| found.on(&name).map(|predicted| predicted_cell(&predicted))),
        }
    }
}

fn predicted_cell(predicted: &PredictedTime) -> Cell {
    let value = |time: Latency| predicted.quantity.reported(time.ns());
    let mut ends = [value(predicted.lower), value(predicted.upper)];
    ends.sort_by(f64::total_cmp);
    let (from, to) = predicted.ends();
    let kept = predicted.budget_probability.map_or(String::new(), |probability| {
        format!("; keeps its budget with a probability of {}", caveats::percent(probability))
    });
    Cell {
        held: predicted.charged.map(|charged| (value(charged), predicted.print(charged))),
        ends: Some(ends),
        note: format!(
            "90 % interval {from} to {to}; {:.0} % inside the predictor's domain{kept}",
            100.0 * predicted.coverage
        ),
        ..Cell::new(value(predicted.time), predicted.value())
    }
}

fn foretold(prediction: Prediction) -> Cell {
    let Prediction { accuracy, lower, upper, outside } = prediction;
    let beyond = match &outside[..] {
        [] => String::new(),
        [first] => format!("; extrapolated: {first} is outside that of the trained networks"),
        [first, others @ ..] => format!(
            "; extrapolated: {first} and {} other quantities are outside those of the trained networks",
            others.len()
        ),
    };
    Cell {
        ends: Some([lower, upper]),
        note: format!("90 % interval {lower:.2} to {upper:.2}{beyond}"),
        ..Cell::new(accuracy, format!("{accuracy:.2}{}", if outside.is_empty() { "" } else { " outside" }))
    }
}

/// What `--verify` measured of a network on a device.
fn measured_on(run: &Run, device: &str, net: &str) -> Option<Cell> {
    let row = run.result.verified.iter().find(|row| row.net == net && row.device == device)?;
    let note = row.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    Some(Cell {
        note: format!("{}{note}", row.quality.name()),
        ..Cell::new(row.measured_ms, tables::ms(row.measured_ms))
    })
}

/// The options for commands that take a structure without its folder.
fn options(run: &Run) -> String {
    let m = &run.manifest;
    let se = if m.se { " --se" } else { "" };
    format!("--resolution {} --classes {}{se}", m.resolution, m.classes)
}

/// The super blocks of a structure on images of this side; none for what has none.
fn blocks(net: &str, resolution: u32) -> Vec<BlockRow> {
    let parsed = notation::parse(net).ok().and_then(|network| network.super_blocks("").ok());
    let mut side = resolution;
    let row = |block: SuperBlock| {
        let before = side;
        side = side.div_ceil(block.stride.unsigned_abs().max(1));
        let hidden = if block.kind.is_conv() { String::new() } else { format!(" ({})", block.bottleneck) };
        BlockRow {
            name: short(&Network::from(&[block][..]).to_string()).to_owned(),
            times: block.sublayers,
            channels: format!("{} → {}{hidden}", block.in_c, block.out_c),
            map: if side == before { format!("{side} px") } else { format!("{before} → {side} px") },
        }
    };
    parsed.unwrap_or_default().into_iter().map(row).collect()
}
