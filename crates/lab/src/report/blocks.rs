//! Bars: what each block costs on the devices, and what it contributes to the score.

use super::svg::{Anchor, Drawing, escape, text, text_width};
use edgezen_core::search::explain::Explanation;
use edgezen_core::units::three_digits;
use std::fmt::Write;

const WIDTH: f64 = 420.0;
const NAMES: f64 = 92.0;
const GAP: f64 = 12.0;
const BAR: f64 = 9.0;
/// Room for the number behind a bar.
const NUMBER: f64 = 40.0;

/// A column of bars: one for each block, and one for the classifier.
struct Column {
    title: String,
    colour: usize,
    /// Absent: unknown.
    values: Vec<Option<f64>>,
}

/// The bars: what each block costs on at most two devices, else in FLOPs, and what it adds to the score.
pub fn draw(explanation: &Explanation, devices: &[String]) -> Drawing {
    let mut names: Vec<String> = explanation
        .blocks
        .iter()
        .enumerate()
        .map(|(i, share)| format!("{} {}", i + 1, short(&share.block)))
        .collect();
    names.push("classifier".into());
    let columns = columns(explanation, devices);
    let row = 20.0;
    let height = 28.0 + row * names.len() as f64 + 6.0;
    let width = (WIDTH - NAMES - GAP * columns.len() as f64) / columns.len() as f64;
    let mut body = String::new();
    for (i, name) in names.iter().enumerate() {
        let y = 28.0 + row * i as f64;
        text(&mut body, 8.0, y + 13.0, Anchor::Start, "muted", name);
    }
    for (c, column) in columns.iter().enumerate() {
        let left = NAMES + (width + GAP) * c as f64;
        text(&mut body, left, 16.0, Anchor::Start, "", &fitted(&column.title, width));
        let most = column.values.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
        for (i, value) in column.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let y = 28.0 + row * i as f64;
            let share = if most > 0.0 { value.abs() / most } else { 0.0 };
            let length = (share * (width - NUMBER)).max(0.5);
            let fade = if *value < 0.0 { " fill-opacity=\".35\"" } else { "" };
            let _ = writeln!(
                body,
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" class=\"f{}\"{fade}><title>{}: {} {}</title></rect>",
                y + 5.0,
                column.colour,
                escape(&names[i]),
                three_digits(*value),
                escape(&column.title)
            );
            text(&mut body, left + length + 4.0, y + 13.0, Anchor::Start, "small", &three_digits(*value));
        }
    }
    Drawing { width: WIDTH, height, title: "Cost and contribution of each block".into(), body }
}

/// A title in a column of this width: of one that is too long, the end of the device's name is left out. The bars have all of it.
fn fitted(title: &str, width: f64) -> String {
    if text_width(title) <= width {
        return title.to_owned();
    }
    let (name, unit) = title.rsplit_once(", ").unwrap_or((title, ""));
    let room = (width / text_width("x")) as usize;
    let kept: String = name.chars().take(room.saturating_sub(unit.chars().count() + 3)).collect();
    format!("{kept}…, {unit}")
}

fn columns(explanation: &Explanation, devices: &[String]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (i, device) in devices.iter().take(2).enumerate() {
        let blocks = explanation.blocks.iter().map(|share| share.latency_ms.get(device).copied());
        let values = blocks.chain([explanation.classifier_ms.get(device).copied()]).collect();
        columns.push(Column { title: format!("{device}, ms"), colour: [1, 5][i], values });
    }
    if columns.is_empty() {
        let blocks = explanation.blocks.iter().map(|share| Some(share.flops / 1e6));
        columns.push(Column { title: "MFLOPs".into(), colour: 1, values: blocks.chain([None]).collect() });
    }
    let scores = explanation.blocks.iter().map(|share| share.score);
    columns.push(Column { title: "score".into(), colour: 3, values: scores.chain([None]).collect() });
    columns
}

/// The short name of a kind of block, with or without its parameters: `SuperResK1K5K1(…)` -> `K1K5K1`.
pub fn short(block: &str) -> &str {
    let name = block.split('(').next().unwrap_or(block);
    let name = name.strip_prefix("SuperRes").or(name.strip_prefix("Super")).unwrap_or(name);
    name.strip_suffix("BNRELU").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_unit() {
        assert_eq!(fitted("pixel2, ms", 152.0), "pixel2, ms");
        let cut = fitted("hailo15l@hailo-throughput@int8, ms", 152.0);
        assert_eq!(cut, "hailo15l@hailo-thro…, ms");
        assert!(text_width(&cut) <= 152.0);
    }
}
