//! The integers of each map of a network.

use super::{Affine, Ranges};
use crate::fusion::Fusion;
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::{Act, Op};
use std::collections::BTreeSet;

/// The integers of the value that each operator of a network writes.
#[derive(Clone, Debug)]
pub struct Maps {
    /// By the node at which the operator begins.
    of: Vec<Affine>,
    /// The operator of each node: the node at which it begins.
    roots: Vec<usize>,
    /// The operators that are computed in floats, by the node at which each begins.
    in_floats: BTreeSet<usize>,
    /// What the ranges are from, as a sentence for whoever opens the file.
    pub note: String,
}

/// How much finer than the product of its inputs' steps the step of a product may be. XNNPACK multiplies integers up to a
/// factor of 256, and below one step of the gate nothing is left to be finer about.
const FINER: f32 = 128.0;
/// The least step of what a convolution writes, relative to that of what it reads, for the same reason: where all results are zero
/// behind an activation, their range says nothing.
const SMALLER: f32 = 1e-3;

impl Maps {
    /// The integers of the maps of `graph` for values in these `ranges`. Operators that only move or select numbers have the same
    /// integers before and after them, because runtimes do not convert there.
    pub fn of(graph: &Graph, ranges: &Ranges) -> Maps {
        let fusion = Fusion::of(graph);
        let nodes = graph.nodes.len();
        let mut group: Vec<usize> = (0..nodes).collect();
        let mut fixed: Vec<Option<Affine>> = vec![None; nodes];
        let moves = |op: Op| {
            matches!(
                op,
                Op::MaxPool { .. } | Op::AdaptiveAvgPool { .. } | Op::Flatten | Op::Slice { .. } | Op::Concat
            )
        };
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| fusion.begins(*index)) {
            let inputs = node.inputs.iter().map(|&input| fusion.root[input]);
            if node.op == Op::Act(Act::Sigmoid) {
                fixed[index] = Some(Affine::SIGMOID);
            } else if moves(node.op) {
                for input in inputs {
                    match fixed[input] {
                        Some(_) if node.op == Op::Concat => {}
                        Some(affine) => fixed[index] = Some(affine),
                        None => join(&mut group, input, index),
                    }
                }
            }
        }
        let mut together = vec![(0.0_f32, 0.0_f32); nodes];
        for index in (0..nodes).filter(|&index| fusion.begins(index)) {
            let (low, high) = ranges.of(fusion.last[index]);
            let all = &mut together[leader(&group, index)];
            *all = (all.0.min(low), all.1.max(high));
        }
        let affine = |together: &[(f32, f32)], index: usize| {
            let (low, high) = together[leader(&group, index)];
            fixed[index].unwrap_or_else(|| Affine::of_range(low, high))
        };
        for index in (0..nodes).filter(|&index| fusion.begins(index)) {
            let node = &graph.nodes[index];
            let inputs = || node.inputs.iter().map(|&input| affine(&together, fusion.root[input]).scale);
            let least = match node.op {
                Op::Scale => inputs().product::<f32>() / FINER,
                Op::Conv { .. } | Op::AnyConv { .. } | Op::Linear { .. } => {
                    inputs().fold(0.0, f32::max) * SMALLER
                }
                _ => continue,
            };
            let range = &mut together[leader(&group, index)];
            let width = range.1 - range.0;
            if width < 255.0 * least {
                *range = if width > 0.0 {
                    let wider = 255.0 * least / width;
                    (range.0 * wider, range.1 * wider)
                } else {
                    (0.0, 255.0 * least)
                };
            }
        }
        let affine = |index: usize| affine(&together, index);
        let of = (0..nodes).map(|index| affine(fusion.root[index])).collect();
        Maps { of, roots: fusion.root, in_floats: BTreeSet::new(), note: ranges.note() }
    }

    /// The same, where the operators of these nodes are computed in floats.
    #[must_use]
    pub fn keeping(&self, nodes: impl IntoIterator<Item = usize>) -> Maps {
        let in_floats: BTreeSet<usize> = nodes.into_iter().map(|node| self.roots[node]).collect();
        let floats = match in_floats.len() {
            0 => String::new(),
            count => format!("; {count} operators in floats"),
        };
        Maps { in_floats, note: format!("{}{floats}", self.note), ..self.clone() }
    }

    /// Whether the operator of node `index` is computed in floats.
    pub fn in_floats(&self, index: usize) -> bool {
        self.in_floats.contains(&self.roots[index])
    }

    /// The integers of the value that the operator of node `index` writes.
    pub fn affine(&self, index: usize) -> Affine {
        self.of[index]
    }
}

fn leader(group: &[usize], mut index: usize) -> usize {
    while group[index] != index {
        index = group[index];
    }
    index
}

fn join(group: &mut [usize], a: usize, b: usize) {
    let (a, b) = (leader(group, a), leader(group, b));
    group[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::Shape;

    #[test]
    fn what_is_only_moved_keeps_its_integers() {
        let mut graph = Graph::new(Shape::square(4, 8));
        let relu = graph.push(Op::Act(Act::Relu), vec![0]);
        let gate = graph.push(Op::Act(Act::Sigmoid), vec![0]);
        let pooled_gate = graph.push(Op::MaxPool { kernel: 3, stride: 2 }, vec![gate]);
        let pool = graph.push(Op::MaxPool { kernel: 3, stride: 2 }, vec![relu]);
        let joined = graph.push(Op::Concat, vec![pool, pooled_gate]);
        let mean = graph.push(Op::GlobalAvgPool, vec![joined]);
        let ranges = Ranges::given(vec![
            (-1.0, 1.0),
            (0.0, 2.0),
            (0.3, 0.7),
            (0.3, 0.7),
            (0.0, 1.5),
            (0.0, 3.0),
            (0.0, 0.5),
        ]);
        let maps = Maps::of(&graph, &ranges);
        assert_eq!(maps.affine(gate), Affine::SIGMOID);
        assert_eq!(maps.affine(pooled_gate), Affine::SIGMOID);
        assert_eq!(maps.affine(relu), Affine::of_range(0.0, 3.0));
        assert_eq!(maps.affine(pool), maps.affine(joined));
        assert_eq!(maps.affine(relu), maps.affine(joined));
        assert_eq!(maps.affine(mean), Affine::of_range(0.0, 0.5));
        assert_eq!(maps.affine(0), Affine::of_range(-1.0, 1.0));
    }
}
