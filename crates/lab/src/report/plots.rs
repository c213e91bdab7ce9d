//! The charts of a run: the score over the iterations, the front on a device, and what was measured.

use super::axis::{self, Scale};
use super::chart::{Chart, Dot, Label, Mark, Series};
use super::svg::Drawing;
use super::{Comparison, Report, Run, together};
use crate::runs::{FoundNetwork, Manifest};
use edgezen_core::search::{HistoryPoint, Quantity};
use edgezen_core::units::{Latency, three_digits};

/// Most points of a line; more cannot be distinguished.
const LINE_POINTS: usize = 400;

/// Known networks are drawn if they cost at most this many times as much as the dearest network of the front, and at
/// least this part of the cheapest. The table has all of them.
const NEAR: f64 = 4.0;

impl Report {
    pub(super) fn convergence(&self) -> Drawing {
        let step = self.history.len().div_ceil(LINE_POINTS).max(1);
        // The last point is always drawn, and the others at equal steps before it.
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

    /// The fronts on one device, or against FLOPs.
    pub(super) fn front(&self, device: Option<&str>) -> Drawing {
        let states =
            device.and_then(|device| self.first.result.best.on(device)).map(|predicted| predicted.quantity);
        let axis = CostAxis { device, states: states.unwrap_or(Quantity::Latency) };
        let fronts: Vec<Vec<Dot>> =
            self.runs().enumerate().map(|(place, run)| self.dots(place, run, &axis)).collect();
        let costs = || fronts.iter().flatten().map(|dot| dot.x);
        let low = costs().min_by(f64::total_cmp).unwrap_or(0.0);
        let high = costs().max_by(f64::total_cmp).unwrap_or(f64::INFINITY);
        let known = |comparison: &Comparison| {
            let cost = axis.of_known(comparison)?;
            let near = cost <= high * NEAR && cost >= low / NEAR;
            let dot = Dot::new(cost, comparison.score?);
            let about = axis.about_known(comparison, cost)?;
            near.then_some(Dot { name: comparison.name.clone(), about, ..dot })
        };
        let known = self.comparisons.iter().filter_map(known).collect();
        let several = !self.beside.is_empty();
        let mut series: Vec<Series> = fronts
            .into_iter()
            .zip(self.runs())
            .enumerate()
            .map(|(place, (points, run))| Series {
                name: if several { run.name.clone() } else { "front".into() },
                colour: together::colour(place),
                mark: Mark::LineAndDots,
                points,
            })
            .collect();
        let best = &self.first.result.best;
        let best = Dot {
            name: "best".into(),
            net: self.place(0, &best.net),
            ..Dot::new(axis.of(best).unwrap_or(0.0), best.score)
        };
        series.push(Series { name: "known networks".into(), colour: 4, mark: Mark::Named, points: known });
        series.push(Series { name: "best".into(), colour: 3, mark: Mark::Named, points: vec![best] });
        Chart {
            title: device.map_or("Score and FLOPs".into(), |d| format!("Score and {} on {d}", axis.states)),
            x: axis.label(),
            y: Label { text: self.score_name(), scale: Scale::Linear },
            series,
            limits: axis.limits(&self.first.manifest),
            diagonal: false,
        }
        .draw()
    }

    /// The front of a run as points, cheapest first.
    fn dots(&self, place: usize, run: &Run, axis: &CostAxis<'_>) -> Vec<Dot> {
        let on_it =
            |found: &&FoundNetwork| axis.device.is_none_or(|d| found.on_front.iter().any(|on| on == d));
        let dot = |found: &FoundNetwork| {
            let cost = axis.of(found)?;
            let net = self.place(place, &found.net);
            Some(Dot { about: axis.about(found, cost), net, ..Dot::new(cost, found.score) })
        };
        let mut dots: Vec<Dot> = run.result.front.iter().filter(on_it).filter_map(dot).collect();
        dots.sort_by(|a, b| a.x.total_cmp(&b.x));
        dots
    }

    /// What was predicted and what was measured.
    pub(super) fn measured(&self) -> Drawing {
        let dots = |inside: bool| {
            self.first
                .result
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
        let device = self.first.result.verified.first().map_or("", |row| &row.device);
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

/// What a front is drawn against.
struct CostAxis<'a> {
    /// The latency or throughput on this device; absent: FLOPs.
    device: Option<&'a str>,
    /// Which of them.
    states: Quantity,
}

impl CostAxis<'_> {
    fn unit(&self) -> &'static str {
        self.device.and_then(|_| self.states.unit()).unwrap_or("MFLOPs")
    }

    /// A time of an image in the unit of the axis.
    fn scaled(&self, time: Latency) -> f64 {
        self.states.reported(time.ns())
    }

    fn label(&self) -> Label {
        let text = match self.device {
            Some(device) if self.states.is_at_least() => {
                format!("predicted throughput on {device}, images/s")
            }
            Some(device) => format!("predicted latency on {device}, ms per image"),
            None => "MFLOPs".to_owned(),
        };
        Label { text, scale: Scale::Log }
    }

    fn of(&self, found: &FoundNetwork) -> Option<f64> {
        match self.device {
            Some(device) => {
                found.on(device).map(|predicted| self.scaled(predicted.charged.unwrap_or(predicted.time)))
            }
            None => found.amounts[Quantity::Flops].map(|flops| flops / 1e6),
        }
    }

    fn of_known(&self, known: &Comparison) -> Option<f64> {
        match self.device {
            Some(device) => known.latency_ms.get(device).map(|&ms| self.scaled(Latency::from_ms(ms))),
            None => Some(known.flops / 1e6),
        }
    }

    fn about(&self, found: &FoundNetwork, cost: f64) -> String {
        let (cost, unit) = (axis::label(round(cost)), self.unit());
        let layers = found.amounts[Quantity::Layers].map_or(String::new(), |n| format!(", {n} layers"));
        format!("score {:.2}, {cost} {unit}{layers}", found.score)
    }

    fn about_known(&self, known: &Comparison, cost: f64) -> Option<String> {
        let (cost, unit) = (axis::label(round(cost)), self.unit());
        Some(format!("{}: {:.2}, {cost} {unit}", known.name, known.score?))
    }

    /// The run's budget of this cost, with its name.
    fn limits(&self, manifest: &Manifest) -> Vec<(f64, String)> {
        let limit = match self.device {
            Some(device) => {
                manifest.device.iter().find(|table| table.name == device).and_then(|table| table.limit()).map(
                    |(quantity, time)| (self.scaled(time), format!("budget {}", quantity.print(time.ns()))),
                )
            }
            None => {
                let flops = manifest.budget.limits[Quantity::Flops].map(|flops| flops / 1e6);
                flops.map(|flops| (flops, format!("budget {} M", axis::label(flops))))
            }
        };
        limit.into_iter().collect()
    }
}

/// Three significant digits.
fn round(value: f64) -> f64 {
    three_digits(value).parse().unwrap_or(value)
}
