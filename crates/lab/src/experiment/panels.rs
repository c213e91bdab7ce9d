//! The drawing of an experiment: line charts side by side.

use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::{Drawing, grid};

/// One chart: lines over a common axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: &'static str,
    pub x: &'static str,
    pub lines: Vec<Line>,
}

/// A line of a chart; it is broken where a point has no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: &'static str,
    /// Places on the axis with their values.
    pub points: Vec<(f64, Option<f64>)>,
}

/// Draws the panels, three to a row, as the text of an SVG file.
pub(super) fn draw(panels: &[Panel]) -> String {
    let drawings: Vec<Drawing> = panels.iter().map(chart).collect();
    grid("experiment", &drawings, 3).standalone()
}

fn chart(panel: &Panel) -> Drawing {
    let series = panel.lines.iter().enumerate().map(|(i, line)| Series {
        name: line.name.into(),
        colour: 1 + i % 5,
        mark: Mark::Line,
        points: line.points.iter().map(|&(x, y)| Dot { y, ..Dot::new(x, 0.0) }).collect(),
    });
    let label = |text: &str| Label { text: text.into(), scale: Scale::Linear };
    Chart {
        title: panel.title.into(),
        x: label(panel.x),
        y: label(panel.title),
        series: series.collect(),
        limits: Vec::new(),
        diagonal: false,
    }
    .draw()
}
