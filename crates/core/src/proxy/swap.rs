//! SWAP (Peng et al., ICLR 2024): how many different patterns the ReLU inputs of a random network show over the images of
//! a batch. Deep and wide networks reach the number of all patterns, 2ⁿ for n images, unless the batch is large.

use super::exact::source::{Scaling, Seeded};
use super::on_graph::{GraphProxy, Undefined};
use super::patterns;
use crate::plainnet::graph::Op;
use crate::plainnet::{Graph, footprint};

pub struct Swap {
    pub batch: u32,
}

impl GraphProxy for Swap {
    const NAME: &'static str = "swap";

    fn batch(&self) -> u32 {
        self.batch
    }

    fn bytes(&self, graph: &Graph) -> f64 {
        // Each ReLU input may have a pattern of its own, which is kept once.
        let activations = graph.nodes.iter().filter(|node| matches!(node.op, Op::Act(_)));
        let units: f64 = activations.map(|node| node.shape.elements() as f64).sum();
        footprint::forward(graph, f64::from(self.batch), 4.0) + units * (40.0 + f64::from(self.batch) / 8.0)
    }

    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined> {
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let patterns = patterns::of::<f32>(graph, self.batch as usize, &source)?;
        Ok(patterns.of_units() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;
    use crate::proxy::on_graph::scored_graph;

    #[test]
    fn patterns_are_bounded_by_the_images_and_grow_with_them() {
        let network = notation::parse("SuperConvK3BNRELU(3,8,1,2)").unwrap();
        let graph = scored_graph(&network, 8, 10).unwrap();
        let of = |batch: u32| Swap { batch }.evaluate(&graph, 0).unwrap();
        assert_eq!(of(2), 3.0);
        assert!(of(8) > 100.0 && of(8) < 256.0);
        // No more than there are ReLU inputs.
        assert!(of(32) <= 2.0 * 8.0 * 64.0 && of(32) > 900.0, "{}", of(32));
    }
}
