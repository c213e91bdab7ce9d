//! The report of a run: data in, one HTML page and the same plots as SVG files out. Pure; reading the run
//! and writing the files is the command line's business.

pub mod architecture;
pub mod axis;
pub mod blocks;
pub mod chart;
mod page;
pub mod svg;

use crate::runs::{FoundNetwork, Manifest, SearchResult};
use axis::Scale;
use chart::{Chart, Dot, Label, Mark, Series};
use edgezen_core::search::{HistoryPoint, Quantity};
use edgezen_core::units::Latency;
use std::collections::BTreeMap;
use svg::Drawing;

/// All that a report is made of.
pub struct Report {
    pub manifest: Manifest,
    /// `run.toml` as it stands.
    pub manifest_text: String,
    pub result: SearchResult,
    pub history: Vec<HistoryPoint>,
    /// Known networks under the same conditions.
    pub comparisons: Vec<Comparison>,
    /// The command that repeats the run.
    pub command: String,
}

/// A known network, for comparison.
pub struct Comparison {
    pub name: String,
    /// Absent where the proxy is not defined for it.
    pub score: Option<f64>,
    /// The score is one draw of random weights, not the search's own formula.
    pub sampled: bool,
    pub params: f64,
    pub flops: f64,
    /// Predicted, per image, by device.
    pub latency_ms: BTreeMap<String, f64>,
}

/// A plot with the name of its file.
pub struct Plot {
    pub name: String,
    pub drawing: Drawing,
}

/// Most points of a line; more cannot be told apart.
const LINE_POINTS: usize = 400;

/// Known networks are drawn up to so many times the largest cost of the front, and down to that part of
/// the smallest; the table has all of them.
const NEAR: f64 = 4.0;

impl Report {
    /// All plots, in the order of the page.
    pub fn plots(&self) -> Vec<Plot> {
        let mut plots = vec![Plot { name: "convergence".into(), drawing: self.convergence() }];
        let devices = self.devices();
        for device in &devices {
            let name = format!("front-{}", file_name(device));
            plots.push(Plot { name, drawing: self.front(Some(device)) });
        }
        if devices.is_empty() {
            plots.push(Plot { name: "front".into(), drawing: self.front(None) });
        }
        let parts = &self.result.explanation;
        plots.push(Plot { name: "blocks".into(), drawing: blocks::draw(parts, &devices) });
        let drawing = architecture::draw(parts, self.manifest.resolution, self.manifest.classes);
        plots.push(Plot { name: "architecture".into(), drawing });
        if !self.result.verified.is_empty() {
            plots.push(Plot { name: "measured".into(), drawing: self.measured() });
        }
        plots
    }

    /// The whole page.
    pub fn page(&self) -> String {
        page::page(self, &self.plots())
    }

    fn devices(&self) -> Vec<String> {
        self.manifest.device.iter().map(|device| device.name.clone()).collect()
    }

    /// What the score is called.
    fn score_name(&self) -> String {
        match self.result.proxy.as_str() {
            "zen" => format!("Zen-Score, {} mode", self.result.mode),
            other => other.to_owned(),
        }
    }

    fn convergence(&self) -> Drawing {
        let step = self.history.len().div_ceil(LINE_POINTS).max(1);
        // The last point always; the others at equal steps before it.
        let points = || self.history.iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev();
        let line = |name: &str, colour, of: fn(&HistoryPoint) -> f64| Series {
            name: name.into(),
            colour,
            mark: if self.history.len() < 3 { Mark::LineAndDots } else { Mark::Line },
            points: points().map(|point| Dot::new(point.iteration as f64, of(point))).collect(),
        };
        Chart {
            title: "Convergence".into(),
            x: Label { text: "iterations".into(), scale: Scale::Linear },
            y: Label { text: self.score_name(), scale: Scale::Linear },
            series: vec![line("best", 1, |p| p.best), line("population mean", 2, |p| p.mean)],
            limits: Vec::new(),
            diagonal: false,
        }
        .draw()
    }

    /// The front on one device, or against FLOPs.
    fn front(&self, device: Option<&str>) -> Drawing {
        let cost = |found: &FoundNetwork| match device {
            Some(device) => found.latency.get(device).map(|predicted| predicted.ms),
            None => found.amounts[Quantity::Flops].map(|flops| flops / 1e6),
        };
        let unit = if device.is_some() { "ms" } else { "MFLOPs" };
        let about = |found: &FoundNetwork, cost: f64| {
            let layers = found.amounts[Quantity::Layers].map_or(String::new(), |n| format!(", {n} layers"));
            format!("score {:.2}, {} {unit}{layers}", found.score, axis::label(round(cost)))
        };
        let on_it = |found: &&FoundNetwork| device.is_none_or(|d| found.on_front.iter().any(|on| on == d));
        let dot = |found: &FoundNetwork| {
            let cost = cost(found)?;
            Some(Dot { about: about(found, cost), ..Dot::new(cost, found.score) })
        };
        let mut front: Vec<Dot> = self.result.front.iter().filter(on_it).filter_map(dot).collect();
        front.sort_by(|a, b| a.x.total_cmp(&b.x));
        let (low, high) = (front.first().map_or(0.0, |d| d.x), front.last().map_or(f64::INFINITY, |d| d.x));
        let known = |comparison: &Comparison| {
            let cost = match device {
                Some(device) => *comparison.latency_ms.get(device)?,
                None => comparison.flops / 1e6,
            };
            let near = cost <= high * NEAR && cost >= low / NEAR;
            let dot = Dot::new(cost, comparison.score?);
            let about =
                format!("{}: {:.2}, {} {unit}", comparison.name, comparison.score?, axis::label(round(cost)));
            near.then_some(Dot { name: comparison.name.clone(), about, ..dot })
        };
        let limit = device.and_then(|device| {
            let budget = self.manifest.device.iter().find(|table| table.name == device)?.limit_ms?;
            Some((budget, format!("budget {}", Latency::from_ms(budget))))
        });
        let flops = self.manifest.budget.limits[Quantity::Flops].filter(|_| device.is_none());
        let flops = flops.map(|flops| (flops / 1e6, format!("budget {} M", axis::label(flops / 1e6))));
        let best = Dot {
            name: "best".into(),
            ..Dot::new(cost(&self.result.best).unwrap_or(0.0), self.result.best.score)
        };
        Chart {
            title: device.map_or("Score and FLOPs".into(), |d| format!("Score and latency on {d}")),
            x: Label {
                text: device.map_or("MFLOPs".into(), |d| format!("predicted latency on {d}, ms per image")),
                scale: Scale::Log,
            },
            y: Label { text: self.score_name(), scale: Scale::Linear },
            series: vec![
                Series { name: "front".into(), colour: 1, mark: Mark::LineAndDots, points: front },
                Series {
                    name: "known networks".into(),
                    colour: 4,
                    mark: Mark::Named,
                    points: self.comparisons.iter().filter_map(known).collect(),
                },
                Series { name: "best".into(), colour: 3, mark: Mark::Named, points: vec![best] },
            ],
            limits: limit.into_iter().chain(flops).collect(),
            diagonal: false,
        }
        .draw()
    }

    /// What was predicted and what was measured.
    fn measured(&self) -> Drawing {
        let dots = |inside: bool| {
            self.result
                .verified
                .iter()
                .filter(move |row| (row.inside_budget != Some(false)) == inside)
                .map(|row| Dot {
                    spread: Some((row.lower_ms, row.upper_ms)),
                    about: format!(
                        "predicted {}, measured {}",
                        Latency::from_ms(row.predicted_ms),
                        Latency::from_ms(row.measured_ms)
                    ),
                    ..Dot::new(row.predicted_ms, row.measured_ms)
                })
                .collect()
        };
        let device = self.result.verified.first().map_or("", |row| &row.device);
        let series = |name: &str, colour, inside| Series {
            name: name.into(),
            colour,
            mark: Mark::Dots,
            points: dots(inside),
        };
        Chart {
            title: format!("Predicted and measured on {device}"),
            x: Label { text: "predicted with its interval, ms".into(), scale: Scale::Linear },
            y: Label { text: "measured, ms".into(), scale: Scale::Linear },
            series: vec![series("inside the budget", 3, true), series("outside the budget", 2, false)],
            limits: Vec::new(),
            diagonal: true,
        }
        .draw()
    }
}

/// Three significant digits.
fn round(value: f64) -> f64 {
    edgezen_core::units::three_digits(value).parse().unwrap_or(value)
}

/// A device's name as part of a file's.
fn file_name(device: &str) -> String {
    device.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
