//! Chains of element-wise operations as one: `x · sigmoid(x)`, a GELU written with `Erf`, a layer
//! normalisation written with means. Runtimes find them, and they cost one pass over memory.

use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::{Act, Op};

/// How an operation may become part of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soft {
    /// It may not.
    No,
    /// Each element by itself.
    Element,
    /// As before, with one constant for all elements.
    Scalar,
    /// Sums and means along rows.
    Row,
}

/// Longest chain that is looked through.
const LONGEST: usize = 16;

/// Joins the chains of `graph`; `soft` says for each node what it is, `outputs` which must stay.
pub fn merge(mut graph: Graph, mut soft: Vec<Soft>, outputs: &[usize]) -> Graph {
    let mut uses = graph.uses();
    outputs.iter().for_each(|&node| uses[node] += 1);
    for at in 0..graph.nodes.len() {
        if soft[at] == Soft::No {
            continue;
        }
        if let [a, b] = graph.nodes[at].inputs[..]
            && a != b
            && let Some((source, chain)) = source(&graph, &soft, &uses, [a, b])
        {
            let op = meaning(&graph, &soft, at, &chain);
            for &gone in &chain {
                graph.nodes[gone].inputs.iter().for_each(|&input| uses[input] -= 1);
                graph.nodes[gone].inputs.clear();
            }
            uses[a] -= 1;
            uses[b] -= 1;
            uses[source] += 1;
            graph.nodes[at].op = op;
            graph.nodes[at].inputs = vec![source];
            soft[at] = if matches!(op, Op::Act(_)) { Soft::Element } else { Soft::Row };
        } else if soft[at] == Soft::Scalar
            && let [input] = graph.nodes[at].inputs[..]
            && uses[input] == 1
            && matches!(graph.nodes[input].op, Op::Act(Act::Swish | Act::HardSwish))
        {
            // The factor of a GELU, the sixth of a hard swish.
            graph.nodes[at].op = graph.nodes[input].op;
            graph.nodes[at].inputs = std::mem::take(&mut graph.nodes[input].inputs);
            uses[input] = 0;
        } else if soft[at] == Soft::Scalar
            && let [clamp] = graph.nodes[at].inputs[..]
            && uses[clamp] == 1
            && graph.nodes[clamp].op == Op::Act(Act::Relu6)
            && let [shift] = graph.nodes[clamp].inputs[..]
            && uses[shift] == 1
            && soft[shift] == Soft::Scalar
        {
            // A hard sigmoid: a shift, a clamp, a factor.
            graph.nodes[at].op = Op::Act(Act::HardSigmoid);
            graph.nodes[at].inputs = std::mem::take(&mut graph.nodes[shift].inputs);
            graph.nodes[clamp].inputs.clear();
            (uses[clamp], uses[shift]) = (0, 0);
            soft[at] = Soft::Element;
        }
    }
    compact(graph, &uses)
}

/// The node that both operands come from by private element-wise operations, and those operations.
fn source(graph: &Graph, soft: &[Soft], uses: &[usize], operands: [usize; 2]) -> Option<(usize, Vec<usize>)> {
    let mut frontier = operands.to_vec();
    let mut chain: Vec<usize> = Vec::new();
    // Reads of each node by the chain.
    let mut reads: Vec<(usize, usize)> = operands.iter().map(|&node| (node, 1)).collect();
    loop {
        frontier.sort_unstable();
        frontier.dedup();
        let last = frontier.pop()?;
        if frontier.is_empty() {
            return Some((last, chain));
        }
        let own = reads.iter().find(|(node, _)| *node == last).map_or(0, |(_, count)| *count);
        let free = soft[last] != Soft::No || matches!(graph.nodes[last].op, Op::View { .. });
        if !free || own != uses[last] || chain.len() == LONGEST {
            return None;
        }
        chain.push(last);
        for &input in &graph.nodes[last].inputs {
            frontier.push(input);
            match reads.iter_mut().find(|(node, _)| *node == input) {
                Some((_, count)) => *count += 1,
                None => reads.push((input, 1)),
            }
        }
    }
}

/// The operation that the chain that ends at `at` amounts to.
fn meaning(graph: &Graph, soft: &[Soft], at: usize, chain: &[usize]) -> Op {
    if chain.iter().any(|&node| soft[node] == Soft::Row) {
        return Op::Pass { to: graph.nodes[at].shape };
    }
    let has = |act: Act| chain.iter().any(|&node| graph.nodes[node].op == Op::Act(act));
    let hard = has(Act::HardSigmoid) || has(Act::Relu6);
    Op::Act(if hard { Act::HardSwish } else { Act::Swish })
}

/// Leaves out what nobody reads, except inputs.
fn compact(graph: Graph, uses: &[usize]) -> Graph {
    let mut place = vec![0; graph.nodes.len()];
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for (at, mut node) in graph.nodes.into_iter().enumerate() {
        if uses[at] == 0 && node.op != Op::Input {
            continue;
        }
        node.inputs.iter_mut().for_each(|input| *input = place[*input]);
        place[at] = nodes.len();
        nodes.push(node);
    }
    Graph { nodes }
}
