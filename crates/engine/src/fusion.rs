//! Which nodes of a graph one operator of a runtime computes: a convolution with its normalisation and activation, a sum
//! with the activation after it.

use crate::weights;
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::{Act, Op};

/// For each node, the operator that computes it.
#[derive(Clone, Debug)]
pub struct Fusion {
    /// The first node of that operator; the node itself where it begins one.
    pub root: Vec<usize>,
    /// The activation inside the operator that begins at each node: none, ReLU or ReLU6.
    pub act: Vec<Act>,
    /// The last node of the operator that begins at each node: its value is the one that the operator writes.
    pub last: Vec<usize>,
}

impl Fusion {
    /// The operators of `graph`.
    pub fn of(graph: &Graph) -> Fusion {
        let nodes = graph.nodes.len();
        let uses = graph.uses();
        let folded = weights::folded(graph);
        let mut fusion =
            Fusion { root: (0..nodes).collect(), act: vec![Act::None; nodes], last: (0..nodes).collect() };
        // Whether nothing but the next node reads a node, nor what its operator computed before.
        let mut private = vec![false; nodes];
        for (index, node) in graph.nodes.iter().enumerate() {
            let input = node.inputs.first().copied();
            if let (Some(_), Some(input)) = (folded[index], input) {
                fusion.extend(index, input);
            } else if let (Op::Act(act), Some(input)) = (node.op, input) {
                let root = fusion.root[input];
                let takes = matches!(
                    graph.nodes[root].op,
                    Op::Conv { .. } | Op::Linear { .. } | Op::BatchNorm | Op::Add | Op::Scale
                );
                let inside = matches!(act, Act::Relu | Act::Relu6) && fusion.act[root] == Act::None;
                if act == Act::None {
                    fusion.extend(index, input);
                } else if takes && inside && private[input] {
                    fusion.extend(index, input);
                    fusion.act[root] = act;
                }
            }
            let alone = fusion.root[index] == index || input.is_some_and(|input| private[input]);
            private[index] = uses[index] == 1 && alone;
        }
        fusion
    }

    /// Makes `index` part of the operator of `input`.
    fn extend(&mut self, index: usize, input: usize) {
        let root = self.root[input];
        self.root[index] = root;
        self.last[root] = index;
    }

    /// Whether an operator begins at `index`.
    pub fn begins(&self, index: usize) -> bool {
        self.root[index] == index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::Shape;

    #[test]
    fn activations_belong_to_the_operator_before_them_unless_others_read_it() {
        let mut graph = Graph::new(Shape::square(4, 6));
        let conv = Op::Conv { in_c: 4, out_c: 4, kernel: 3, stride: 1, groups: 1, bias: false };
        let first = graph.push(conv, vec![0]);
        let norm = graph.push(Op::BatchNorm, vec![first]);
        let none = graph.push(Op::Act(Act::None), vec![norm]);
        let relu = graph.push(Op::Act(Act::Relu6), vec![none]);
        let again = graph.push(Op::Act(Act::Relu), vec![relu]);
        let second = graph.push(conv, vec![again]);
        let kept = graph.push(Op::Act(Act::Relu), vec![second]);
        graph.push(Op::Add, vec![kept, second]);
        let fusion = Fusion::of(&graph);
        assert_eq!(fusion.root, [0, first, first, first, first, again, second, kept, 8]);
        assert_eq!((fusion.last[first], fusion.act[first]), (relu, Act::Relu6));
        assert_eq!((fusion.last[second], fusion.act[second]), (second, Act::None));
        assert!(fusion.begins(again) && !fusion.begins(norm));
    }
}
