//! The activation patterns of a batch: which ReLU inputs are positive, image by image.

use super::exact::forward::{Engine, ForwardError, Observer, Options, Statistics};
use super::exact::map::Map;
use super::exact::real::Real;
use super::exact::source::Source;
use crate::plainnet::Graph;
use rustc_hash::FxHashSet;

/// One bit for each ReLU input of each image.
pub struct Patterns {
    /// The bits of each image, 64 to a word.
    words: Vec<Vec<u64>>,
    /// Number of bits of an image.
    pub bits: u64,
}

struct Collect(Patterns);

impl<T: Real> Observer<T> for Collect {
    fn before_relu(&mut self, map: &Map<T>) {
        map.planes(|image, _, values| {
            let words = &mut self.0.words[image];
            let (mut word, mut filled) = (0, 0);
            for value in values {
                word |= u64::from(value > T::default()) << filled;
                filled += 1;
                if filled == 64 {
                    words.push(word);
                    (word, filled) = (0, 0);
                }
            }
            if filled > 0 {
                words.push(word);
            }
        });
        self.0.bits += map.shape.elements();
    }
}

/// Runs `images` images in training mode and records their patterns. Only the ReLUs of `RELU` blocks count.
///
/// # Errors
/// A network that cannot be run.
pub fn of<T: Real>(graph: &Graph, images: usize, source: &dyn Source<T>) -> Result<Patterns, ForwardError> {
    let mut engine = Engine::<T>::default();
    let input = engine.input(graph, images, 1, 0.0, source);
    let mut collect = Collect(Patterns { words: vec![Vec::new(); images], bits: 0 });
    let options = Options { statistics: Statistics::Batch, rescale: false };
    engine.run(graph, input, source, options, &mut collect)?;
    Ok(collect.0)
}

impl Patterns {
    /// Σ over ReLUs of C·Cᵀ + (1 − C)·(1 − C)ᵀ: in how many bits two images agree.
    pub fn agreement(&self) -> Vec<Vec<f64>> {
        let differing = |a: &[u64], b: &[u64]| -> u64 {
            a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
        };
        let row = |a: &Vec<u64>| self.words.iter().map(|b| (self.bits - differing(a, b)) as f64).collect();
        self.words.iter().map(row).collect()
    }

    /// Distinct patterns of single ReLU inputs over the images, but for that of inputs that are positive for no image: how
    /// many different things the ReLUs do to the batch.
    pub fn of_units(&self) -> usize {
        let images = self.words.len();
        let words = self.words.iter().map(Vec::len).min().unwrap_or(0);
        let per_unit = images.div_ceil(64).max(1);
        let mut columns: FxHashSet<Vec<u64>> = FxHashSet::default();
        let mut column = vec![0_u64; per_unit];
        for word in 0..words {
            for bit in 0..64 {
                column.iter_mut().for_each(|part| *part = 0);
                for (image, of_image) in self.words.iter().enumerate() {
                    column[image / 64] |= (of_image[word] >> bit & 1) << (image % 64);
                }
                if column.iter().any(|&part| part != 0) && !columns.contains(&column) {
                    columns.insert(column.clone());
                }
            }
        }
        columns.len()
    }

    /// Linear regions that the batch meets: distinct patterns over *all* ReLUs together.
    pub fn regions(&self) -> usize {
        let mut sorted: Vec<&Vec<u64>> = self.words.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.len()
    }
}
