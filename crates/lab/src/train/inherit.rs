//! What a network takes over of the weights of another one that it was made from: layers are aligned in their order, and of each
//! pair the part is taken that both have.
//!
//! Channels that only the new network has keep their random weights. Of a window that grew, the ring around the old one is zero,
//! and a unit that was inserted begins as its shortcut: where nothing but these changed, the new network computes what the old one did.

use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use edgezen_engine::Tensor;
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::weights::folded;
use std::collections::BTreeMap;

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Tensors that are those of the other network.
    pub whole: usize,
    /// Tensors of which a part is.
    pub part: usize,
    /// The names of those that begin at random.
    pub random: Vec<String>,
}

/// A layer with weights, and the normalisation that belongs to it.
#[derive(Clone, Copy, Debug)]
struct Layer {
    node: usize,
    norm: Option<usize>,
    op: Op,
}

fn layers(graph: &Graph) -> Vec<Layer> {
    let folded = folded(graph);
    let mut norms = BTreeMap::new();
    for (norm, conv) in folded.iter().enumerate() {
        if let Some(conv) = conv {
            norms.insert(*conv, norm);
        }
    }
    let nodes = graph.nodes.iter().enumerate();
    let with_weights = nodes.filter(|(node, of)| match of.op {
        Op::Conv { .. } | Op::Linear { .. } => true,
        Op::BatchNorm => folded[*node].is_none(),
        _ => false,
    });
    with_weights.map(|(node, of)| Layer { node, norm: norms.get(&node).copied(), op: of.op }).collect()
}

/// How much it speaks for two layers being one and the same; 0: they are not.
fn likeness(a: &Layer, b: &Layer) -> u32 {
    let same = |what: bool| u32::from(what);
    match (a.op, b.op) {
        (
            Op::Conv {
                in_c: a_in, out_c: a_out, kernel: a_kernel, stride: a_stride, groups: a_groups, ..
            },
            Op::Conv {
                in_c: b_in, out_c: b_out, kernel: b_kernel, stride: b_stride, groups: b_groups, ..
            },
        ) if (a_groups == 1) == (b_groups == 1) && (a_kernel == 1) == (b_kernel == 1) => {
            4 + same(a_in == b_in)
                + same(a_out == b_out)
                + same(a_kernel == b_kernel)
                + same(a_stride == b_stride)
        }
        (Op::Linear { out_c: a_out, .. }, Op::Linear { out_c: b_out, .. }) => 4 + same(a_out == b_out),
        (Op::BatchNorm, Op::BatchNorm) => 4,
        _ => 0,
    }
}

/// Pairs of layers of both networks, in the order of both, that are as much alike as can be.
fn aligned(old: &[Layer], new: &[Layer]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    // The best sum for all layers from these on.
    let mut best = vec![0_u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            let alike = likeness(&old[a], &new[b]);
            let paired = if alike > 0 { alike + best[(a + 1) * width + b + 1] } else { 0 };
            best[a * width + b] = paired.max(best[(a + 1) * width + b]).max(best[a * width + b + 1]);
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        let (here, alike) = (best[a * width + b], likeness(&old[a], &new[b]));
        if alike > 0 && here == alike + best[(a + 1) * width + b + 1] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if here == best[(a + 1) * width + b] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

/// The weights `initial` of the network `new`, with what it takes over of `weights`, which are those of `old`.
pub fn inherited(old: &Graph, weights: &Tensors, new: &Graph, initial: &Tensors) -> (Tensors, Taken) {
    let (of_old, of_new) = (layers(old), layers(new));
    let mut from: BTreeMap<String, String> = BTreeMap::new();
    let mut pair = |new: usize, old: usize, parts: &[&str]| {
        from.extend(parts.iter().map(|part| (format!("n{new}.{part}"), format!("n{old}.{part}"))));
    };
    const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
    for (a, b) in aligned(&of_old, &of_new) {
        let (old, new) = (of_old[a], of_new[b]);
        pair(new.node, old.node, if new.op == Op::BatchNorm { &NORM } else { &NORM[..2] });
        if let (Some(old), Some(new)) = (old.norm, new.norm) {
            pair(new, old, &NORM);
        }
    }
    let mut out = initial.clone();
    let mut taken = Taken::default();
    for (name, tensor) in &mut out.tensors {
        let found = from.get(name).and_then(|name| weights.tensors.get(name));
        match found.filter(|found| found.shape.len() == tensor.shape.len()) {
            Some(found) if found.shape == tensor.shape => {
                tensor.data.clone_from(&found.data);
                taken.whole += 1;
            }
            Some(found) => {
                copy_common(found, tensor);
                taken.part += 1;
            }
            None => taken.random.push(name.clone()),
        }
    }
    (out, taken)
}

/// Copies what two tensors of as many dimensions have in common: the first channels, and the middle of windows.
fn copy_common(from: &Tensor, to: &mut Tensor) {
    // Channels are the first two dimensions.
    let spare = |dimension: usize, from: usize, to: usize| {
        if dimension < 2 { 0 } else { from.abs_diff(to) / 2 }
    };
    let grew = to.shape.iter().zip(&from.shape).skip(2).any(|(to, from)| to > from);
    for at in 0..to.data.len() {
        let (mut rest, mut place, mut stride) = (at, Some(0), 1);
        // Whether the channels are among those of the old tensor.
        let mut is_known = true;
        for (dimension, (&to_n, &from_n)) in to.shape.iter().zip(&from.shape).enumerate().rev() {
            let index = rest % to_n;
            rest /= to_n;
            let spare = spare(dimension, from_n, to_n);
            let moved = if to_n > from_n { index.checked_sub(spare) } else { Some(index + spare) };
            let inside = moved.filter(|&moved| moved < from_n);
            is_known &= dimension >= 2 || inside.is_some();
            place = place.zip(inside).map(|(place, index)| place + index * stride);
            stride *= from_n;
        }
        match place {
            Some(place) => to.data[at] = from.data[place],
            None if is_known && grew => to.data[at] = 0.0,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{Model, notation};

    fn graph(net: &str) -> Graph {
        let network = notation::parse(net).unwrap();
        Model { name: None, network, resolution: 16, classes: 3, se: false }.graph().unwrap()
    }

    /// All tensors of a network; each value is `first` plus its place.
    fn tensors(graph: &Graph, first: f32) -> Tensors {
        let mut out = Tensors::default();
        for layer in layers(graph) {
            let shape = match layer.op {
                Op::Conv { in_c, out_c, kernel, groups, .. } => vec![out_c, in_c / groups, kernel, kernel],
                Op::Linear { in_c, out_c, .. } => vec![out_c, in_c],
                _ => vec![graph.nodes[layer.node].shape.c],
            };
            let shape: Vec<usize> = shape.into_iter().map(|n| n as usize).collect();
            let count = shape.iter().product::<usize>();
            let data = (0..count).map(|at| first + at as f32).collect();
            out.tensors.insert(format!("n{}.weight", layer.node), Tensor { shape, data });
            if let Some(norm) = layer.norm {
                let c = graph.nodes[norm].shape.c as usize;
                let data = vec![first; c];
                out.tensors.insert(format!("n{norm}.running_var"), Tensor { shape: vec![c], data });
            }
        }
        out
    }

    const OLD: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)SuperConvK1BNRELU(16,32,1,1)";

    #[test]
    fn all_of_the_same_network_is_taken() {
        let old = graph(OLD);
        let weights = tensors(&old, 5.0);
        let (out, taken) = inherited(&old, &weights, &old, &tensors(&old, -100.0));
        assert_eq!(out.tensors, weights.tensors);
        assert_eq!((taken.whole, taken.part, taken.random.len()), (weights.tensors.len(), 0, 0));
    }

    #[test]
    fn a_unit_more_begins_at_random_and_the_rest_is_taken() {
        let old = graph(OLD);
        let weights = tensors(&old, 5.0);
        let new = graph("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,2)SuperConvK1BNRELU(16,32,1,1)");
        let initial = tensors(&new, -100.0);
        let (out, taken) = inherited(&old, &weights, &new, &initial);
        assert_eq!((taken.whole, taken.part), (weights.tensors.len(), 0));
        assert_eq!(taken.random.len(), initial.tensors.len() - weights.tensors.len());
        let classifier = new.nodes.len() - 1;
        assert_eq!(out.tensors[&format!("n{classifier}.weight")].data[0], 5.0);
        for name in taken.random {
            assert_eq!(out.tensors[&name], initial.tensors[&name]);
        }
    }

    #[test]
    fn wider_layers_take_the_channels_that_were_there_and_larger_windows_their_middle() {
        let old = graph(OLD);
        let new = graph("SuperConvK5BNRELU(3,12,1,1)SuperResK3K3(12,16,2,16,1)SuperConvK1BNRELU(16,32,1,1)");
        let (out, taken) = inherited(&old, &tensors(&old, 5.0), &new, &tensors(&new, -1e6));
        assert!(taken.random.is_empty() && taken.part > 0 && taken.whole > 0, "{taken:?}");
        let conv = layers(&new)[0].node;
        let found = &out.tensors[&format!("n{conv}.weight")];
        assert_eq!(found.shape, [12, 3, 5, 5]);
        let at = |o: usize, i: usize, y: usize, x: usize| found.data[((o * 3 + i) * 5 + y) * 5 + x];
        // The first value of the old window, its last one, and the ring around it.
        assert_eq!([at(0, 0, 1, 1), at(0, 0, 3, 3), at(7, 2, 3, 3)], [5.0, 13.0, 220.0]);
        assert_eq!([at(0, 0, 0, 0), at(7, 2, 4, 2)], [0.0, 0.0]);
        // A channel that is new.
        assert!(at(8, 0, 2, 2) < -9e5);
    }

    #[test]
    fn smaller_windows_are_the_middle_of_larger_ones() {
        let (old, new) = (graph("SuperConvK5BNRELU(3,8,1,1)"), graph("SuperConvK3BNRELU(3,4,1,1)"));
        let (out, _) = inherited(&old, &tensors(&old, 0.0), &new, &tensors(&new, -1e6));
        let conv = layers(&new)[0].node;
        assert_eq!(out.tensors[&format!("n{conv}.weight")].data[..4], [6.0, 7.0, 8.0, 11.0]);
    }
}
