//! The ranges of the values that a network computes.

use super::QuantisationError;
use super::histogram::{Histogram, Method};
use crate::Tensor;
use crate::fusion::Fusion;
use crate::tract::Observer;
use crate::weights::{Weights, noise};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;

/// Which images the ranges are observed on.
pub enum Images {
    /// So many images of uniform noise from −1 to 1. They are good enough for measuring latencies, which do not depend on
    /// values, and for nothing else.
    Random { count: usize, seed: u64 },
    /// Images that look like those that the network will see, each [1, channels, height, width].
    Given(Vec<Tensor>),
}

/// The smallest and the largest value of each node.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    of: Vec<(f32, f32)>,
    images: usize,
    random: bool,
    method: Method,
}

impl Ranges {
    /// Runs `graph` with `weights` on images, and keeps the range of each value that an operator writes.
    ///
    /// # Errors
    /// A graph or an image that cannot be run; values that are not finite.
    pub fn observe(
        graph: &Graph,
        weights: &Weights<'_>,
        images: &Images,
    ) -> Result<Ranges, QuantisationError> {
        let fusion = Fusion::of(graph);
        let written: Vec<usize> =
            (0..graph.nodes.len()).filter(|&i| fusion.begins(i)).map(|i| fusion.last[i]).collect();
        let mut observer = Observer::new(graph, weights, &written)?;
        let mut of = vec![(f32::INFINITY, f32::NEG_INFINITY); graph.nodes.len()];
        let mut see = |inputs: &[Tensor]| -> Result<(), QuantisationError> {
            for (&node, (low, high)) in written.iter().zip(observer.ranges(inputs)?) {
                if !low.is_finite() || !high.is_finite() {
                    return Err(QuantisationError::Range { node, low, high });
                }
                of[node] = (of[node].0.min(low), of[node].1.max(high));
            }
            Ok(())
        };
        let count = match images {
            Images::Given(images) => {
                for image in images {
                    see(std::slice::from_ref(image))?;
                }
                images.len()
            }
            Images::Random { count, seed } => {
                for image in 0..*count {
                    let of_node = |index: usize| {
                        let s = graph.nodes[index].shape;
                        let shape = [1, s.c, s.h, s.w].map(|side| side as usize).to_vec();
                        noise(shape, seed.wrapping_add(image as u64), index)
                    };
                    let inputs = (0..graph.nodes.len()).filter(|&i| graph.nodes[i].op == Op::Input);
                    see(&inputs.map(of_node).collect::<Vec<_>>())?;
                }
                *count
            }
        };
        if count == 0 {
            return Err(QuantisationError::NoImage);
        }
        let random = matches!(images, Images::Random { .. });
        Ok(Ranges { of, images: count, random, method: Method::MinMax })
    }

    /// As [`Ranges::observe`], where `method` chooses which of the values the integers stand for. The ends of the network's input
    /// and of its output are never cut off.
    ///
    /// # Errors
    /// As [`Ranges::observe`].
    pub fn observe_by(
        graph: &Graph,
        weights: &Weights<'_>,
        images: &[Tensor],
        method: Method,
    ) -> Result<Ranges, QuantisationError> {
        let given = Images::Given(images.to_vec());
        let mut ranges = Ranges::observe(graph, weights, &given)?;
        ranges.method = method;
        if method == Method::MinMax {
            return Ok(ranges);
        }
        let last = graph.nodes.len() - 1;
        let fusion = Fusion::of(graph);
        let cut: Vec<usize> = (0..graph.nodes.len())
            .filter(|&i| fusion.begins(i) && graph.nodes[i].op != Op::Input && fusion.last[i] != last)
            .map(|i| fusion.last[i])
            .collect();
        let mut histograms: Vec<Histogram> =
            cut.iter().map(|&node| Histogram::new(ranges.of[node].0, ranges.of[node].1)).collect();
        let mut observer = Observer::of_values(graph, weights, &cut)?;
        for image in images {
            let values = observer.values(std::slice::from_ref(image))?;
            for (histogram, value) in histograms.iter_mut().zip(values) {
                histogram.add(&value.data);
            }
        }
        for (node, histogram) in cut.into_iter().zip(histograms) {
            ranges.of[node] = histogram.range(method);
        }
        Ok(ranges)
    }

    /// Ranges that are known.
    #[cfg(test)]
    pub(super) fn given(of: Vec<(f32, f32)>) -> Ranges {
        Ranges { of, images: 1, random: false, method: Method::MinMax }
    }

    /// The smallest and the largest value that node `index` computes, if an operator writes its value.
    pub fn of(&self, index: usize) -> (f32, f32) {
        self.of[index]
    }

    /// Whether the images were noise.
    pub fn are_random(&self) -> bool {
        self.random
    }

    /// What they are from, as a sentence.
    pub fn note(&self) -> String {
        if self.random {
            "ranges from random images: for latency only".into()
        } else {
            let images = self.images;
            match self.method {
                Method::MinMax => format!("ranges from {images} images"),
                Method::Percentile(percent) => {
                    format!("ranges of {percent} % of the values of {images} images")
                }
                Method::Entropy => format!("ranges of least divergence from {images} images"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::Shape;
    use edgezen_core::plainnet::graph::Act;

    #[test]
    fn ranges_are_those_of_what_is_computed() {
        let mut graph = Graph::new(Shape::square(2, 3));
        let six = graph.push(Op::Act(Act::Relu6), vec![0]);
        graph.push(Op::GlobalAvgPool, vec![six]);
        let image = |fill: &[f32]| Tensor { shape: vec![1, 2, 3, 3], data: fill.repeat(9) };
        let images = Images::Given(vec![image(&[-2.0, 9.0]), image(&[1.0, 3.0])]);
        let weights = Weights::new(&graph, 0);
        let ranges = Ranges::observe(&graph, &weights, &images).unwrap();
        assert_eq!((ranges.of(0), ranges.of(six)), ((-2.0, 9.0), (0.0, 6.0)));
        assert!(ranges.of(2).0 > 1.0 && ranges.of(2).1 < 6.0);
        assert_eq!(ranges.note(), "ranges from 2 images");

        let random = Ranges::observe(&graph, &weights, &Images::Random { count: 3, seed: 4 }).unwrap();
        assert!(random.of(0).0 > -1.0 && random.of(0).0 < -0.5 && random.of(0).1 > 0.5);
        assert!(random.are_random() && random.note().contains("for latency only"));
        let none = Ranges::observe(&graph, &weights, &Images::Given(Vec::new()));
        assert!(matches!(none, Err(QuantisationError::NoImage)));
        let infinite = Images::Given(vec![image(&[f32::INFINITY, 0.0])]);
        assert!(matches!(
            Ranges::observe(&graph, &weights, &infinite),
            Err(QuantisationError::Range { node: 0, .. })
        ));
        // A value in a thousand is far away: the percentile cuts it off, except at the input.
        let mut deep = Graph::new(Shape::square(1, 32));
        let relu = deep.push(Op::Act(Act::Relu), vec![0]);
        deep.push(Op::GlobalAvgPool, vec![relu]);
        let mut data: Vec<f32> = (0..1024_u16).map(|i| f32::from(i) / 1024.0).collect();
        data[77] = 50.0;
        let images = [Tensor { shape: vec![1, 1, 32, 32], data }];
        let weights = Weights::new(&deep, 0);
        let cut = Ranges::observe_by(&deep, &weights, &images, Method::Percentile(99.0)).unwrap();
        assert_eq!(cut.of(0).1, 50.0);
        assert!(cut.of(relu).1 > 0.98 && cut.of(relu).1 < 1.05, "{:?}", cut.of(relu));
        assert_eq!(cut.note(), "ranges of 99 % of the values of 1 images");
        let small = Images::Given(vec![Tensor { shape: vec![1, 2, 2, 2], data: vec![0.0; 8] }]);
        assert!(Ranges::observe(&graph, &weights, &small).is_err());
    }
}
