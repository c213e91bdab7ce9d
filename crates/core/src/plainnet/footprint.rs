//! The memory that passes through a network take, estimated from its graph before anything is allocated.
//!
//! The estimates count the large arrays: weights and maps. They are meant for the decision whether a pass can be begun
//! at all, and are right within a factor of about two.

use super::graph::{Graph, Node, Op};

/// What the arrays of a graph take at most, in elements.
struct Sizes {
    /// Weights of all layers, and those of the largest.
    weights: f64,
    largest_weights: f64,
    /// Values of all nodes for one image, the largest of them, and the most that are alive at once.
    values: f64,
    largest_value: f64,
    alive: f64,
}

/// Weights of all layers.
pub fn weights(graph: &Graph) -> f64 {
    graph.nodes.iter().map(of_node).sum()
}

/// Weights of one node.
fn of_node(node: &Node) -> f64 {
    let product = |numbers: &[u32]| numbers.iter().map(|&n| f64::from(n)).product::<f64>();
    match node.op {
        Op::Conv { in_c, out_c, kernel, groups, .. } => {
            product(&[in_c, out_c, kernel, kernel]) / f64::from(groups.max(1))
        }
        Op::AnyConv { in_c, out_c, groups, window, .. } => {
            product(&[in_c, out_c, window.kernel[0], window.kernel[1]]) / f64::from(groups.max(1))
        }
        Op::Linear { in_c, out_c, .. } => product(&[in_c, out_c]),
        _ => 0.0,
    }
}

impl Sizes {
    fn of(graph: &Graph) -> Sizes {
        let largest = |sizes: &mut dyn Iterator<Item = f64>| sizes.fold(0.0, f64::max);
        let value = |node: &Node| node.shape.elements() as f64;
        Sizes {
            weights: weights(graph),
            largest_weights: largest(&mut graph.nodes.iter().map(of_node)),
            values: graph.nodes.iter().map(value).sum(),
            largest_value: largest(&mut graph.nodes.iter().map(value)),
            alive: graph.peak_elements() as f64,
        }
    }
}

/// Bytes of a pass forward that draws the weights of a layer when it comes to it: numbers of `width` bytes, `images`
/// images at once.
pub fn forward(graph: &Graph, images: f64, width: f64) -> f64 {
    let sizes = Sizes::of(graph);
    width * (sizes.largest_weights + images * sizes.alive.max(2.0 * sizes.largest_value))
}

/// Bytes of a pass forward and back that keeps all weights, all values and a gradient.
pub fn tape(graph: &Graph, images: f64, width: f64) -> f64 {
    let sizes = Sizes::of(graph);
    width * (sizes.weights + sizes.largest_weights + images * (sizes.values + 2.0 * sizes.largest_value))
}

/// Bytes of a network that is loaded into an inference engine and runs there in f32: its weights as they are and as the
/// engine arranges them, and the maps that are alive at once.
pub fn inference(graph: &Graph, images: f64) -> f64 {
    let sizes = Sizes::of(graph);
    4.0 * (2.0 * sizes.weights + images * sizes.alive.max(2.0 * sizes.largest_value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;

    #[test]
    fn estimates_are_those_of_the_arrays() {
        let graph = published::by_name("resnet18").unwrap().graph().unwrap();
        // 11.7 million parameters; the largest map has 64 × 112 × 112 values.
        let one = inference(&graph, 1.0);
        assert!((93e6..110e6).contains(&one), "{one}");
        let many = inference(&graph, 64.0);
        assert!((400e6..700e6).contains(&many), "{many}");
        assert!(forward(&graph, 32.0, 4.0) < tape(&graph, 32.0, 4.0));
        let tape = tape(&graph, 64.0, 4.0);
        assert!((1e9..5e9).contains(&tape), "{tape}");
    }
}
