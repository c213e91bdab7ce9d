//! The network as a column of blocks. A block's width stands for its output channels, its height for its depth, and its
//! colour for its kind.

use super::blocks::short;
use super::svg::{Anchor, Drawing, escape, text};
use edgezen_core::plainnet::{SuperBlock, SuperKind, notation};
use edgezen_core::search::explain::Explanation;
use std::fmt::Write;

const WIDTH: f64 = 420.0;
const MIDDLE: f64 = 214.0;
const WIDEST: f64 = 220.0;
const NARROWEST: f64 = 84.0;
const GAP: f64 = 15.0;

/// The drawing of the network that `explanation` explains.
pub fn draw(explanation: &Explanation, resolution: u32, classes: u32) -> Drawing {
    let parse = |block: &str| notation::parse(block).ok()?.super_blocks("").ok()?.first().copied();
    let blocks: Vec<(SuperBlock, u32, String)> = explanation
        .blocks
        .iter()
        .filter_map(|share| Some((parse(&share.block)?, share.side, short(&share.block).to_owned())))
        .collect();
    let widths = widths(&blocks.iter().map(|(block, ..)| block.out_c).collect::<Vec<_>>());
    let mut body = String::new();
    let mut y = 8.0;
    text(
        &mut body,
        MIDDLE,
        y + 11.0,
        Anchor::Middle,
        "muted",
        &format!("image, {resolution}×{resolution}, 3 channels"),
    );
    y += 16.0;
    for (i, (block, side, name)) in blocks.iter().enumerate() {
        arrow(&mut body, y);
        y += GAP;
        let (w, h) = (widths[i], 16.0 + 5.0 * f64::from(block.sublayers.clamp(1, 8)));
        let colour = colour(block.kind);
        let times = if block.sublayers > 1 { format!(" ×{}", block.sublayers) } else { String::new() };
        let _ = writeln!(
            body,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"4\" class=\"f{colour}\"><title>{}</title></rect>",
            MIDDLE - w / 2.0,
            escape(&explanation.blocks[i].block)
        );
        let middle = y + h / 2.0 + 4.0;
        text(&mut body, MIDDLE, middle, Anchor::Middle, "on", &format!("{name}{times}"));
        let out = side.div_ceil(block.stride.unsigned_abs().max(1));
        let map = if block.stride > 1 { format!("{side}→{out} px") } else { format!("{side} px") };
        text(&mut body, 8.0, middle, Anchor::Start, "muted", &format!("{}. {map}", i + 1));
        let hidden = if block.kind.is_conv() { String::new() } else { format!(" ({})", block.bottleneck) };
        let channels = format!("{}→{}{hidden}", block.in_c, block.out_c);
        text(&mut body, WIDTH - 6.0, middle, Anchor::End, "muted", &channels);
        y += h;
    }
    arrow(&mut body, y);
    y += GAP + 12.0;
    text(&mut body, MIDDLE, y, Anchor::Middle, "muted", &format!("mean over the map, {classes} classes"));
    Drawing { width: WIDTH, height: y + 10.0, title: "Architecture".into(), body }
}

/// How wide blocks with so many output channels are drawn: equal ratios of channels are equal differences of width.
fn widths(channels: &[i32]) -> Vec<f64> {
    let log = |c: i32| f64::from(c.max(1)).ln();
    let (low, high) =
        channels.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &c| (low.min(log(c)), high.max(log(c))));
    let width = |&c: &i32| {
        let share = if high > low { (log(c) - low) / (high - low) } else { 0.5 };
        NARROWEST + share * (WIDEST - NARROWEST)
    };
    channels.iter().map(width).collect()
}

/// The number of the colour of a kind of block.
fn colour(kind: SuperKind) -> usize {
    match kind {
        SuperKind::Conv { .. } => 4,
        SuperKind::Residual { .. } => 1,
        SuperKind::Bottleneck { .. } => 3,
        SuperKind::Inverted { .. } => 2,
    }
}

fn arrow(body: &mut String, y: f64) {
    let _ = writeln!(
        body,
        "<path d=\"M{MIDDLE} {:.1}v{:.1}m-3 -4l3 4l3 -4\" class=\"grid\"/>",
        y + 1.0,
        GAP - 3.0
    );
}
