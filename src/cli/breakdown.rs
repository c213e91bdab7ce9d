//! Where a network's time goes: block by block, by what bounds it, as bars in the terminal.

use edgezen_core::plainnet::graph;
use edgezen_core::plainnet::graph::{Act, Graph, Op, block_starts};
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::plainnet::{Block, Kernel, KernelKind, Model, Shape, Variant};
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::units::{Latency, three_digits};
use serde::Serialize;
use std::io::IsTerminal;

/// Kernels that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub label: String,
    pub kernels: Vec<Kernel>,
}

/// A block's share of the latency, per image. The parts add up to `ms`.
#[derive(Clone, Debug, Serialize)]
pub struct BlockRow {
    pub block: String,
    pub kernels: usize,
    pub ms: f64,
    /// Of kernels that arithmetic bounds, by the roofline.
    pub compute_ms: f64,
    /// Of kernels that the memory bounds.
    pub memory_ms: f64,
    /// Starting kernels.
    pub overhead_ms: f64,
    /// With this block the sum first exceeds the budget; absent without a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks_budget: Option<bool>,
}

/// The blocks of a PlainNet: as its structure names them, or as its residual units fall if it is written in
/// basic layers.
pub fn of_model(model: &Model, graph: &Graph, lowering: Lowering) -> Vec<Section> {
    let blocks = &model.network.blocks;
    let only_super = blocks.iter().all(|block| matches!(block, Block::Super(_)));
    let input = Shape::square(3, model.resolution);
    let variant = Variant::built(model.se);
    match block_starts(blocks, input, variant) {
        Ok(starts) if only_super => {
            let mut names: Vec<String> = blocks.iter().map(Block::to_string).collect();
            names.push("classifier".to_owned());
            let end = graph::body(blocks, input, variant);
            let begins: Vec<usize> = starts.into_iter().chain(end.map(|graph| graph.nodes.len())).collect();
            let mut sections: Vec<Section> =
                names.into_iter().map(|label| Section { label, kernels: Vec::new() }).collect();
            for (node, kernel) in lowering.located(graph) {
                let at = begins.partition_point(|&start| start <= node);
                sections[at.saturating_sub(1).min(blocks.len())].kernels.push(kernel);
            }
            sections.retain(|section| !section.kernels.is_empty());
            sections
        }
        _ => of_graph(graph, lowering),
    }
}

/// The blocks of any network: what lies between its seams, and of chains what belongs together.
pub fn of_graph(graph: &Graph, lowering: Lowering) -> Vec<Section> {
    let seams = graph.seams();
    let mut units: Vec<Vec<(usize, Kernel)>> = Vec::new();
    let mut last = None;
    for (node, kernel) in lowering.located(graph) {
        let unit = seams.partition_point(|&seam| seam < node);
        if last == Some(unit) && !units.is_empty() {
            units.last_mut().into_iter().for_each(|unit| unit.push((node, kernel)));
        } else {
            units.push(vec![(node, kernel)]);
        }
        last = Some(unit);
    }
    let mut sections: Vec<Vec<Kernel>> = Vec::new();
    let mut open = false;
    for unit in units {
        let kernels: Vec<Kernel> = unit.iter().map(|(_, kernel)| *kernel).collect();
        let single = kernels.len() == 1;
        match sections.last_mut().filter(|_| open && single) {
            Some(section) => section.extend(kernels.iter().copied()),
            None => sections.push(kernels.clone()),
        }
        let section = sections.last().map_or(&[][..], |section| section);
        open = single && !closes(section, graph, unit[0].0);
    }
    sections.into_iter().map(|kernels| Section { label: label(&kernels), kernels }).collect()
}

/// Whether a chain of kernels is a block of its own.
fn closes(section: &[Kernel], graph: &Graph, node: usize) -> bool {
    let Some(last) = section.last() else { return true };
    let depthwise = section.iter().any(|kernel| kernel.kind == KernelKind::Dwconv);
    match last.kind {
        KernelKind::Maxpool | KernelKind::Pool | KernelKind::Linear => true,
        // A linear bottleneck, or the end of a separable convolution.
        KernelKind::Conv => {
            (last.act == Act::None && matches!(graph.nodes[node].op, Op::Conv { .. }) && section.len() > 1)
                || (depthwise && last.kernel == 1)
        }
        _ => false,
    }
}

fn label(kernels: &[Kernel]) -> String {
    match kernels {
        [] => String::new(),
        [one] => one.to_string(),
        [first, .., last] => {
            let count = kernels.len();
            format!("{count} kernels {}→{} @{}×{}", first.in_c, last.out_c, first.in_h, first.in_w)
        }
    }
}

/// Splits `latency` of one kernel (whole batch) into arithmetic, memory and start-up.
pub fn split(kernel: &Kernel, latency: Latency, roofline: &Roofline, bytes_per_element: f64) -> [Latency; 3] {
    let overhead = Latency::from_ns(roofline.launch_ns.min(latency.ns()));
    let rest = latency - overhead;
    let compute = kernel.macs() / roofline.peak_gmacs_per_s;
    let memory = kernel.bytes(bytes_per_element) / roofline.gbytes_per_s;
    if compute > memory { [rest, Latency::ZERO, overhead] } else { [Latency::ZERO, rest, overhead] }
}

/// Marks the block with which the sum first exceeds `limit`.
pub fn mark(rows: &mut [BlockRow], scale: f64, limit: Latency) {
    let (mut sum, mut broken) = (0.0, false);
    for row in rows {
        sum += row.ms * scale;
        let breaks = !broken && sum > limit.ms();
        broken |= breaks;
        row.breaks_budget = Some(breaks);
    }
}

const WIDTH: usize = 80;
const LABEL: usize = 31;
const PARTS: [(&str, char, &str); 3] =
    [("compute", '█', "\x1b[36m"), ("memory", '▓', "\x1b[33m"), ("overhead", '░', "\x1b[35m")];

/// Rows as bars, at most 80 columns wide; coloured on a terminal unless `NO_COLOR` is set.
pub fn bars(rows: &[BlockRow], limit: Option<Latency>) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let paint = |text: String, code: &str| {
        if colour && !text.is_empty() { format!("{code}{text}\x1b[0m") } else { text }
    };
    let longest = rows.iter().map(|row| row.ms).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let total: f64 = rows.iter().map(|row| row.ms).sum();
    let space = WIDTH - LABEL - 2 - 8 - 6 - 2;
    let legend: Vec<String> =
        PARTS.iter().map(|(name, mark, code)| format!("{} {name}", paint(mark.to_string(), code))).collect();
    let mut out = format!("  {:<LABEL$}{:>8}{:>6}  {}\n", "block", "ms", "share", legend.join("  "));
    for row in rows {
        let mut bar = String::new();
        let (mut drawn, mut upto) = (0, 0.0);
        for ((_, mark, code), part) in PARTS.iter().zip([row.compute_ms, row.memory_ms, row.overhead_ms]) {
            upto += part;
            let end = ((upto / longest * space as f64).round() as usize).min(space);
            bar += &paint(mark.to_string().repeat(end.saturating_sub(drawn)), code);
            drawn = end.max(drawn);
        }
        out += &format!(
            "  {:<LABEL$}{:>8}{:>5.0}%  {bar}\n",
            short(&row.block),
            three_digits(row.ms),
            100.0 * row.ms / total.max(f64::MIN_POSITIVE)
        );
        if let (Some(true), Some(limit)) = (row.breaks_budget, limit) {
            out += &format!("  {}\n", paint(format!("^ the budget of {limit} is used up here"), "\x1b[31m"));
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
