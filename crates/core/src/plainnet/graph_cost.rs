//! What a network costs by its graph alone: for networks that have no structure string.

use super::Graph;
use super::graph::Op;
use super::lowering::fused;

/// Counts of a graph, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCost {
    /// Weights and biases, and two parameters for each channel of a batch normalisation.
    pub params: u64,
    /// Multiply-accumulates of convolutions and matrix products.
    pub macs: u64,
    pub convs: u64,
    /// Fully connected layers.
    pub linears: u64,
    /// Kernels after fusion.
    pub kernels: u64,
    /// Most elements of feature maps that are alive at once.
    pub peak_elements: u64,
}

impl GraphCost {
    /// Layers with weights: convolutions and fully connected ones.
    pub fn weighted_layers(&self) -> u64 {
        self.convs + self.linears
    }

    /// The costs of two graphs that run one after the other.
    #[must_use]
    pub fn and(self, next: GraphCost) -> GraphCost {
        GraphCost {
            params: self.params + next.params,
            macs: self.macs + next.macs,
            convs: self.convs + next.convs,
            linears: self.linears + next.linears,
            kernels: self.kernels + next.kernels,
            peak_elements: self.peak_elements.max(next.peak_elements),
        }
    }
}

/// The costs of `graph`.
pub fn of(graph: &Graph) -> GraphCost {
    let kernels = fused(graph);
    let mut cost = GraphCost {
        macs: kernels.iter().map(|kernel| kernel.macs()).sum::<f64>() as u64,
        kernels: kernels.len() as u64,
        peak_elements: graph.peak_elements(),
        ..GraphCost::default()
    };
    for node in &graph.nodes {
        let weights = |in_c: u32, out_c: u32, groups: u32, taps: u64, bias: bool| {
            let fan_in = u64::from(in_c / groups.max(1)) * taps;
            u64::from(out_c) * (fan_in + u64::from(bias))
        };
        match node.op {
            Op::Conv { in_c, out_c, kernel, groups, bias, .. } => {
                cost.convs += 1;
                cost.params += weights(in_c, out_c, groups, u64::from(kernel) * u64::from(kernel), bias);
            }
            Op::AnyConv { in_c, out_c, groups, bias, window } => {
                cost.convs += 1;
                cost.params += weights(in_c, out_c, groups, u64::from(window.taps()), bias);
            }
            Op::Linear { in_c, out_c, bias } => {
                cost.linears += 1;
                cost.params += weights(in_c, out_c, 1, 1, bias);
            }
            Op::BatchNorm => cost.params += 2 * u64::from(node.shape.c),
            _ => {}
        }
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Variant, published};

    #[test]
    fn graphs_of_structures_cost_what_structures_cost() {
        for name in published::names() {
            let model = published::by_name(name).unwrap();
            let cost = of(&model.graph().unwrap());
            let exact = model.exact(Variant::built(model.se)).unwrap();
            assert_eq!((cost.params as i64, cost.macs as i64), (exact.params, exact.macs()), "{name}");
            assert_eq!(cost.peak_elements as f64 * 4.0, model.peak_activations().unwrap().0);
        }
    }
}
