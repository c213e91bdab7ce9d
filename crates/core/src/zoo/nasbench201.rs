//! The cells of NAS-Bench-201 (Dong & Yang, ICLR 2020) in their network for CIFAR-10: a stem, three
//! stages of five cells at 16, 32, 64 channels, a residual block of stride 2 between them.

use super::builder::Net;
use super::{CodeError, Part, Visit, number};
use crate::plainnet::Graph;
use crate::plainnet::graph::{Act, Op};
use std::fmt;
use std::str::FromStr;

pub const OPS: [&str; 5] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
/// Edges of a cell, from node to node.
pub const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];
/// The groups of blocks: operations whose result reaches the output, operations whose result does not (`_dead`), and
/// what all networks share (`fixed`).
pub const GROUPS: [&str; 9] = [
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
    "skip_connect_dead",
    "nor_conv_1x1_dead",
    "nor_conv_3x3_dead",
    "avg_pool_3x3_dead",
    "fixed",
];
const CELLS: usize = 5;

/// The operation of each edge, as an index into [`OPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NasBench201(pub [u8; 6]);

impl NasBench201 {
    /// # Errors
    /// An operation that does not exist.
    pub fn new(ops: [&str; 6]) -> Result<NasBench201, CodeError> {
        let mut code = [0; 6];
        for (edge, op) in ops.into_iter().enumerate() {
            let known = OPS.iter().position(|known| *known == op);
            let unknown = || CodeError(format!("unknown operation {op:?}; known: {}", OPS.join(", ")));
            code[edge] = known.ok_or_else(unknown)? as u8;
        }
        Ok(NasBench201(code))
    }

    /// Whether each edge lies on a path of operations from the input to the output.
    pub fn live(&self) -> [bool; 6] {
        let (mut from_input, mut to_output) = ([true, false, false, false], [false, false, false, true]);
        let edges = || EDGES.iter().zip(self.0).filter(|(_, op)| *op != 0).map(|(&edge, _)| edge);
        for (from, to) in edges() {
            from_input[to] |= from_input[from];
        }
        for (from, to) in edges().collect::<Vec<_>>().into_iter().rev() {
            to_output[from] |= to_output[to];
        }
        let mut live = [false; 6];
        for ((live, op), (from, to)) in live.iter_mut().zip(self.0).zip(EDGES) {
            *live = op != 0 && from_input[from] && to_output[to];
        }
        live
    }

    pub(super) fn each_part(&self, visit: &mut Visit<'_>) {
        let fixed = |net: Net| Part::new("fixed", net.graph);
        let live = self.live();
        visit(number([0, 0, 0, 0]), &|| {
            let mut stem = Net::new(3, 32);
            stem.conv(16, 3, 1, Act::None);
            fixed(stem)
        });
        for (stage, (channels, side)) in [(16, 32), (32, 16), (64, 8)].into_iter().enumerate() {
            if stage > 0 {
                visit(number([1, stage as u32, 0, 0]), &|| fixed(reduction(channels, 2 * side)));
            }
            for _ in 0..CELLS {
                for (&op, live) in self.0.iter().zip(live).filter(|(op, _)| **op != 0) {
                    let group = usize::from(op) - 1 + if live { 0 } else { 4 };
                    visit(number([2, stage as u32, group as u32, 0]), &|| {
                        Part::new(GROUPS[group], edge(op, channels, side))
                    });
                }
            }
        }
        visit(number([3, 0, 0, 0]), &|| {
            let mut head = Net::new(64, 8);
            head.then(Op::BatchNorm).act(Act::Relu).classifier(10);
            fixed(head)
        });
    }
}

/// The operation of an edge, and the addition of its result to a node of the cell.
fn edge(op: u8, channels: u32, side: u32) -> Graph {
    let mut net = Net::new(channels, side);
    match op {
        2 => drop(net.act(Act::Relu).conv(channels, 1, 1, Act::None)),
        3 => drop(net.act(Act::Relu).conv(channels, 3, 1, Act::None)),
        // Averaging a window takes as long as finding its maximum, so max pooling stands for it.
        4 => drop(net.max_pool(3, 1)),
        _ => {}
    }
    let sum = net.graph.push_input(net.graph.input());
    net.add(sum);
    net.graph
}

fn reduction(channels: u32, side: u32) -> Net {
    let mut net = Net::new(channels / 2, side);
    net.act(Act::Relu).conv(channels, 3, 2, Act::None).act(Act::Relu).conv(channels, 3, 1, Act::None);
    let body = net.at;
    net.at = 0;
    net.max_pool(2, 2).then(Op::Conv {
        in_c: channels / 2,
        out_c: channels,
        kernel: 1,
        stride: 1,
        groups: 1,
        bias: false,
    });
    net.add(body);
    net
}

impl fmt::Display for NasBench201 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|op| OPS[usize::from(op)]).join(","))
    }
}

impl FromStr for NasBench201 {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let ops: Vec<&str> = text.split(',').map(str::trim).collect();
        let count = ops.len();
        let ops = ops.try_into().map_err(|_| CodeError(format!("{count} operations instead of 6")))?;
        NasBench201::new(ops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_edges_are_told_from_live_ones() {
        // Node 1 is reached and leads on; node 2 is not reached at all.
        let cell = NasBench201::new(["nor_conv_3x3", "none", "none", "none", "skip_connect", "avg_pool_3x3"]);
        assert_eq!(cell.unwrap().live(), [true, false, false, false, true, false]);
        let parts = cell_parts("nor_conv_3x3,none,none,none,skip_connect,avg_pool_3x3");
        assert_eq!(parts.iter().filter(|part| part.group == "avg_pool_3x3_dead").count(), 15);
        assert_eq!(parts.iter().filter(|part| part.group == "nor_conv_3x3").count(), 15);
    }

    fn cell_parts(code: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        code.parse::<NasBench201>().unwrap().each_part(&mut |_, part| parts.push(part()));
        parts
    }
}
