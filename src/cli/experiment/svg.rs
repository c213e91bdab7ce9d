//! The drawings of experiments: line charts side by side.

use edgezen_lab::report::axis::Scale;
use edgezen_lab::report::chart::{Chart, Dot, Label, Mark, Series};
use edgezen_lab::report::svg::{Drawing, grid};

/// One chart: lines over a common axis. Missing points end a line.
pub struct Panel {
    pub title: &'static str,
    pub x: &'static str,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, Option<f64>)>,
}

/// The panels, three to a row.
pub fn draw(panels: &[Panel]) -> String {
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
