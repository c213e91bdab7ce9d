//! Grad-norm: the norm of the loss's gradient with respect to all parameters (docs/plainnet.md,
//! section 5.4).

use super::exact::real::Real;
use super::exact::source::{Scaling, Seeded, Source};
use super::gradient::Differentiable;
use super::on_graph::{GraphProxy, Undefined};
use crate::plainnet::{Graph, footprint};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub struct GradNorm {
    pub batch: u32,
}

impl GraphProxy for GradNorm {
    const NAME: &'static str = "grad-norm";

    fn batch(&self) -> u32 {
        self.batch
    }

    fn bytes(&self, graph: &Graph) -> f64 {
        footprint::tape(graph, f64::from(self.batch), 4.0)
    }

    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined> {
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
        norm::<f32>(graph, &labels(graph, self.batch, seed), &source)
    }
}

/// A random class for each image.
pub fn labels(graph: &Graph, images: u32, seed: u64) -> Vec<usize> {
    let classes = graph.output().c as usize;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..images).map(|_| rng.random_range(0..classes)).collect()
}

/// √Σ‖∂loss/∂p‖² over all parameters; the loss is the mean cross entropy of `labels`, one per image.
///
/// # Errors
/// A network that cannot be run or differentiated.
pub fn norm<T: Real>(graph: &Graph, labels: &[usize], source: &dyn Source<T>) -> Result<f64, Undefined> {
    let network = Differentiable::new(graph, labels.len(), source, |weight| weight)?;
    let tape = network.forward(network.input(source))?;
    let classes = graph.output().c as usize;
    let mut gradient = Vec::with_capacity(labels.len() * classes);
    for (logits, &label) in tape.output().chunks(classes).zip(labels) {
        let top = logits.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|x| (x.to_f64() - top).exp()).collect();
        let total: f64 = powers.iter().sum();
        for (class, power) in powers.into_iter().enumerate() {
            let hit = if class == label { 1.0 } else { 0.0 };
            gradient.push(T::of((power / total - hit) / labels.len() as f64));
        }
    }
    let mut squares = 0.0;
    network.backward(&tape, gradient, &mut |_, gradient| {
        squares += gradient.iter().map(|g| g.to_f64().powi(2)).sum::<f64>();
    });
    if squares.is_finite() { Ok(squares.sqrt()) } else { Err(Undefined::NotFinite) }
}
