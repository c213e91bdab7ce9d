//! The picture: the accuracy of each row with its interval, and the accuracy at rising scores.

use super::plan::Freedom;
use super::report::{Line, Report};
use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::grid;

/// Draws the table and the curves side by side, as the text of an SVG file.
pub fn draw(report: &Report) -> String {
    let label = |text: &str| Label { text: text.into(), scale: Scale::Linear };
    let chart = |title: &str, x: &str, y: &str, series: Vec<Series>| {
        let (x, y) = (label(x), label(y));
        Chart { title: title.into(), x, y, series, limits: Vec::new(), diagonal: false }.draw()
    };
    let mut lines: Vec<_> = report.lines.iter().collect();
    lines.sort_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
    let dot = |(row, line): (usize, &&Line)| Dot {
        spread: line.half_width.map(|half| (line.accuracy - half, (line.accuracy + half).min(100.0))),
        name: line.name.clone(),
        about: format!("{}: {:.2} %", line.name, line.accuracy),
        ..Dot::new(line.accuracy, row as f64)
    };
    let rows = Series {
        name: String::new(),
        colour: 1,
        mark: Mark::Named,
        points: lines.iter().enumerate().map(dot).collect(),
    };
    let mut drawings =
        vec![chart("table1", "test accuracy, %, with the 95 % interval of the mean", "scores", vec![rows])];
    if !report.curves.is_empty() {
        let curves = report.curves.iter().map(|curve| Series {
            name: curve.freedom.words().into(),
            colour: colour(curve.freedom),
            mark: Mark::LineAndDots,
            points: curve.rungs.iter().map(|rung| Dot::new(rung.score, rung.accuracy)).collect(),
        });
        drawings.push(chart("rising", "Zen-Score", "test accuracy, %", curves.collect()));
    }
    grid("table1", &drawings, 2).standalone()
}

fn colour(freedom: Freedom) -> usize {
    match freedom {
        Freedom::Rules => 1,
        Freedom::AnyShape => 2,
        Freedom::AnyDepth => 3,
    }
}
