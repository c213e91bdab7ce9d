//! Where a network's time goes, as bars in the terminal.

use super::output::{Colour, painted};
use edgezen_core::predictor::breakdown::BlockShare;
use edgezen_core::units::three_digits;

const WIDTH: usize = 80;
const LABEL: usize = 31;
const PARTS: [(&str, char, Colour); 3] =
    [("compute", '█', Colour::Cyan), ("memory", '▓', Colour::Yellow), ("overhead", '░', Colour::Magenta)];

/// Rows as bars, at most 80 columns wide and coloured; `limit` is the budget as people read it.
pub fn bars(rows: &[BlockShare], limit: Option<&str>) -> String {
    let longest = rows.iter().map(|row| row.ms).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let total: f64 = rows.iter().map(|row| row.ms).sum();
    let space = WIDTH - LABEL - 2 - 8 - 6 - 2;
    let legend: Vec<String> = PARTS
        .iter()
        .map(|&(name, mark, colour)| format!("{} {name}", painted(&mark.to_string(), colour)))
        .collect();
    let mut out = format!("  {:<LABEL$}{:>8}{:>6}  {}\n", "block", "ms", "share", legend.join("  "));
    for row in rows {
        let mut bar = String::new();
        let (mut drawn, mut upto) = (0, 0.0);
        for (&(_, mark, colour), part) in PARTS.iter().zip([row.compute_ms, row.memory_ms, row.overhead_ms]) {
            upto += part;
            let end = ((upto / longest * space as f64).round() as usize).min(space);
            bar += &painted(&mark.to_string().repeat(end.saturating_sub(drawn)), colour);
            drawn = end.max(drawn);
        }
        out += &format!(
            "  {:<LABEL$}{:>8}{:>5.0}%  {bar}\n",
            short(&row.block),
            three_digits(row.ms),
            100.0 * row.ms / total.max(f64::MIN_POSITIVE)
        );
        if let (Some(true), Some(limit)) = (row.breaks_budget, limit) {
            out +=
                &format!("  {}\n", painted(&format!("^ the budget of {limit} is used up here"), Colour::Red));
        }
    }
    out
}

fn short(label: &str) -> String {
    let most = LABEL - 1;
    if label.chars().count() <= most {
        return label.to_owned();
    }
    label.chars().take(most - 1).chain(['…']).collect()
}
