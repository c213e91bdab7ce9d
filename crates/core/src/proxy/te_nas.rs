//! TE-NAS: the condition number of the neural tangent kernel, and the number of linear regions
//! (docs/plainnet.md, section 5.4).
//!
//! The released search uses the condition alone: score = −κ. The released code also counts linear
//! regions, but hooks modules that a PlainNet does not have; here they are counted right.

use super::exact::real::Real;
use super::exact::source::{Scaling, Seeded, Source};
use super::gradient::{Differentiable, Parameter};
use super::on_graph::{GraphProxy, Undefined};
use super::patterns;
use crate::plainnet::{Graph, footprint};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Memory that the gradients of all images may take, in values.
const LIMIT: usize = 1 << 30;

/// −κ, with linear regions added where `REGIONS` is set.
pub struct TeNas<const REGIONS: bool> {
    pub batch: u32,
}

impl<const REGIONS: bool> GraphProxy for TeNas<REGIONS> {
    const NAME: &'static str = if REGIONS { "te-nas-regions" } else { "te-nas" };

    fn batch(&self) -> u32 {
        self.batch
    }

    fn bytes(&self, graph: &Graph) -> f64 {
        let images = f64::from(self.batch);
        footprint::tape(graph, images, 4.0) + 4.0 * images * footprint::weights(graph)
    }

    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined> {
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Uniform };
        let images = self.batch as usize;
        let condition = condition(&tangent_kernel::<f32>(graph, images, &source)?.kernel)?;
        let regions = if REGIONS { patterns::of::<f32>(graph, images, &source)?.regions() } else { 0 };
        Ok(regions as f64 - condition)
    }
}

/// The tangent kernel of a batch.
pub struct TangentKernel {
    /// Inner products of the images' gradients.
    pub kernel: Vec<Vec<f64>>,
    /// One row for each image.
    pub logits: Vec<Vec<f64>>,
}

/// For every image the gradient of the sum of its logits with respect to all weights, BN scales included,
/// biases not; and their inner products. Training mode: images meet in BN, so that each gradient is a
/// pass of the whole batch.
///
/// # Errors
/// A network that cannot be run or differentiated, or gradients beyond all memory.
pub fn tangent_kernel<T: Real>(
    graph: &Graph,
    images: usize,
    source: &dyn Source<T>,
) -> Result<TangentKernel, Undefined> {
    let network = Differentiable::new(graph, images, source, |weight| weight)?;
    if images.saturating_mul(network.weight_count()) > LIMIT {
        return Err(Undefined::Reason(format!(
            "the gradients of {images} images with respect to {} weights do not fit memory; lower the batch",
            network.weight_count()
        )));
    }
    let tape = network.forward(network.input(source))?;
    let classes = graph.output().c as usize;
    let mut gradients: Vec<Vec<T>> = Vec::with_capacity(images);
    for image in 0..images {
        let mut seed = vec![T::default(); tape.output().len()];
        seed[image * classes..][..classes].fill(T::ONE);
        let mut all = Vec::with_capacity(network.weight_count());
        network.backward(&tape, seed, &mut |parameter, gradient| match parameter {
            Parameter::Weight { .. } | Parameter::BnWeight => all.extend_from_slice(gradient),
            Parameter::BnBias | Parameter::Bias => {}
        });
        gradients.push(all);
    }
    let kernel = products(&gradients);
    let logits = tape.output().chunks(classes).map(|row| row.iter().map(|x| x.to_f64()).collect()).collect();
    Ok(TangentKernel { kernel, logits })
}

/// Inner products of all pairs of rows; added up in double precision, a chunk at a time.
fn products<T: Real>(rows: &[Vec<T>]) -> Vec<Vec<f64>> {
    /// Of so many values at a time, so that all rows' stay in the cache.
    const CHUNK: usize = 1_024;
    let n = rows.len();
    let length = rows.first().map_or(0, Vec::len);
    let starts: Vec<usize> = (0..length).step_by(CHUNK).collect();
    // Sums of a fixed number of parts: the same for any number of threads.
    let parts: Vec<Vec<f64>> = starts
        .par_chunks(starts.len().div_ceil(16).max(1))
        .map(|starts| {
            let mut sums = vec![0.0; n * n];
            for &start in starts {
                let parts: Vec<&[T]> =
                    rows.iter().map(|row| &row[start..(start + CHUNK).min(length)]).collect();
                pulp::Arch::new().dispatch(Products { rows: &parts, sums: &mut sums });
            }
            sums
        })
        .collect();
    let sum = |i: usize, j: usize| parts.iter().map(|part| part[i.max(j) * n + i.min(j)]).sum();
    (0..n).map(|i| (0..n).map(|j| sum(i, j)).collect()).collect()
}

/// Adds the product of every row with itself and the rows before it.
struct Products<'a, T> {
    rows: &'a [&'a [T]],
    sums: &'a mut [f64],
}

impl<T: Real> WithSimd for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.rows.len();
        for i in 0..n {
            let (a, a_rest) = T::vectors::<S>(self.rows[i]);
            let a_rest = T::load_part(simd, a_rest);
            for j in 0..=i {
                let (b, b_rest) = T::vectors::<S>(self.rows[j]);
                let zero = T::splat(simd, T::default());
                let mut sum = [T::mul_add(simd, a_rest, T::load_part(simd, b_rest), zero), zero, zero, zero];
                for (a, b) in a.chunks(4).zip(b.chunks(4)) {
                    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
                        *sum = T::mul_add(simd, a, b, *sum);
                    }
                }
                let sum = T::plus(simd, T::plus(simd, sum[0], sum[1]), T::plus(simd, sum[2], sum[3]));
                self.sums[i * n + j] += T::total(simd, sum).to_f64();
            }
        }
    }
}

/// κ = λ_max / λ_min of a symmetric positive matrix.
///
/// # Errors
/// A singular matrix. Rounding may turn λ_min = 0 into a tiny negative number, which would turn the worst
/// of networks into the best; that is refused.
pub fn condition(kernel: &[Vec<f64>]) -> Result<f64, Undefined> {
    let values = eigenvalues(kernel);
    match (values.first(), values.last()) {
        (Some(&least), Some(&most)) if !(least.is_finite() && most.is_finite()) => {
            let _ = (least, most);
            Err(Undefined::NotFinite)
        }
        (Some(&least), Some(&most)) if least > most * 1e-12 => Ok(most / least),
        _ => Err(Undefined::Reason("its tangent kernel is singular".into())),
    }
}

/// Eigenvalues of a symmetric matrix in ascending order, by Jacobi's rotations.
pub fn eigenvalues(matrix: &[Vec<f64>]) -> Vec<f64> {
    let n = matrix.len();
    let mut a = matrix.to_vec();
    for _ in 0..100 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j].powi(2)).sum();
        let all: f64 = a.iter().flatten().map(|x| x * x).sum();
        if off.is_nan() || off <= all * 1e-30 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_by_hand() {
        let values = eigenvalues(&[vec![2.0, 1.0, 0.0], vec![1.0, 2.0, 0.0], vec![0.0, 0.0, -5.0]]);
        for (got, want) in values.iter().zip([-5.0, 1.0, 3.0]) {
            assert!((got - want).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn a_singular_kernel_is_refused() {
        assert!(condition(&[vec![1.0, 1.0], vec![1.0, 1.0]]).is_err());
        assert!(condition(&[vec![f64::NAN, 1.0], vec![1.0, 1.0]]).is_err());
        assert_eq!(condition(&[vec![4.0, 0.0], vec![0.0, 1.0]]), Ok(4.0));
    }
}
