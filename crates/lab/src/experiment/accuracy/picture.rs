//! The picture: for each table the Kendall correlation of every score, and its regret under the first budget on a latency.
//!
//! Tables with fewer networks than are divided into quartiles stand in the csv file and on the page only, unless there are no
//! others: their errors are as wide as the picture.

use super::{ALL, LEAST_TO_DIVIDE, Line};
use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::{Drawing, grid};

/// Draws the charts, two to a row, as the text of an SVG file.
pub fn draw(lines: &[Line]) -> String {
    let mut tables: Vec<&str> = Vec::new();
    let large = |line: &&Line| line.networks >= LEAST_TO_DIVIDE;
    let whole = || lines.iter().filter(|line| line.group == ALL);
    let any = whole().any(|line| large(&line));
    for line in whole().filter(|line| large(line) || !any) {
        if !tables.contains(&&*line.table) {
            tables.push(&line.table);
        }
    }
    let mut drawings: Vec<Drawing> = Vec::new();
    for &table in &tables {
        let of_table = || lines.iter().filter(move |line| line.table == table);
        let ranked = of_table().filter(|line| line.group == ALL || line.group == "not drawn");
        // What was fitted to a table is shown if that table is.
        let by_shown =
            |line: &&Line| line.proxy.split_once(" by ").is_none_or(|(_, other)| tables.contains(&other));
        let dots = ranked.filter(by_shown).filter_map(|line| {
            let of = line.correlation?;
            Some((
                &*line.proxy,
                of.kendall,
                (of.kendall - 2.0 * of.kendall_se, of.kendall + 2.0 * of.kendall_se),
            ))
        });
        drawings.extend(chart(table, "Kendall τ with accuracy, ±2 standard errors", dots));
        let latency = |line: &&Line| line.group.starts_with("budget ") && line.group.ends_with("_ms");
        let Some(budget) = of_table().find(latency).map(|line| line.group.clone()) else { continue };
        let dots = of_table().filter(|line| line.group == budget).filter_map(|line| {
            let regret = line.regret?;
            Some((&*line.proxy, regret.points, (regret.lower, regret.upper)))
        });
        drawings.extend(chart(&format!("{table}, {budget}"), "points of accuracy lost", dots));
    }
    grid("accuracy", &drawings, 2).standalone()
}

/// A chart with one row for each score, the best at the top.
fn chart<'a>(
    title: &str,
    x: &str,
    dots: impl Iterator<Item = (&'a str, f64, (f64, f64))>,
) -> Option<Drawing> {
    let mut dots: Vec<_> = dots.collect();
    if dots.is_empty() {
        return None;
    }
    dots.sort_by(|a, b| a.1.total_cmp(&b.1));
    let dot = |(row, (name, value, spread)): (usize, &(&str, f64, (f64, f64)))| Dot {
        spread: Some(*spread),
        name: (*name).to_owned(),
        about: format!("{name}: {value:.3}"),
        ..Dot::new(*value, row as f64)
    };
    let label = |text: &str| Label { text: text.into(), scale: Scale::Linear };
    let series = Series {
        name: String::new(),
        colour: 1,
        mark: Mark::Named,
        points: dots.iter().enumerate().map(dot).collect(),
    };
    // A picture of its own shows no titles.
    let (x, y) = (label(&format!("{title}: {x}")), label("scores"));
    Some(
        Chart { title: title.into(), x, y, series: vec![series], limits: Vec::new(), diagonal: false }.draw(),
    )
}
