//! The kernels of a network in sections, as a person would divide it: by the blocks of its structure string, or, where
//! there is none, by the residual units of its graph.

use super::graph::{self, Act, Graph, Op};
use super::lowering::Lowering;
use super::{Block, Kernel, KernelKind, Model, Shape, Variant};

/// Kernels that belong together, with a name for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub label: String,
    pub kernels: Vec<Kernel>,
}

/// The sections of a PlainNet with the graph `graph`. A structure of super blocks has one section for each block and
/// one for the classifier; other structures are divided as [`of_graph`] divides them.
pub fn of_model(model: &Model, graph: &Graph, lowering: Lowering) -> Vec<Section> {
    let blocks = &model.network.blocks;
    let only_super = blocks.iter().all(|block| matches!(block, Block::Super(_)));
    let input = Shape::square(3, model.resolution);
    let variant = Variant::built(model.se);
    match graph::body_with_starts(blocks, input, variant) {
        Ok((body, starts)) if only_super => {
            let mut names: Vec<String> = blocks.iter().map(Block::to_string).collect();
            names.push("classifier".to_owned());
            let begins: Vec<usize> = starts.into_iter().chain([body.nodes.len()]).collect();
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

/// The sections of any network. The graph is cut at its seams, the values through which everything passes. Units of a
/// single kernel that follow each other are joined until one of them ends a block, as `closes` says.
pub fn of_graph(graph: &Graph, lowering: Lowering) -> Vec<Section> {
    joined(units(graph, lowering), graph)
        .into_iter()
        .map(|kernels| Section { label: label(&kernels), kernels })
        .collect()
}

/// The kernels between two seams, each with the node of the graph that it comes from.
type Unit = Vec<(usize, Kernel)>;

/// The kernels of the graph, cut at its seams.
fn units(graph: &Graph, lowering: Lowering) -> Vec<Unit> {
    let seams = graph.seams();
    let mut units: Vec<Unit> = Vec::new();
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
    units
}

/// The units as sections: chains of single kernels are joined into blocks.
fn joined(units: Vec<Unit>, graph: &Graph) -> Vec<Vec<Kernel>> {
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
    sections
}

/// Whether `section`, a chain whose last kernel comes from `node`, is a block that ends there.
fn closes(section: &[Kernel], graph: &Graph, node: usize) -> bool {
    let Some(last) = section.last() else { return true };
    let depthwise = section.iter().any(|kernel| kernel.kind == KernelKind::Dwconv);
    match last.kind {
        KernelKind::Maxpool | KernelKind::Pool | KernelKind::Linear => true,
        // A convolution without activation ends a linear bottleneck; a pointwise one after a depthwise one ends a
        // separable convolution.
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
