//! Gradient-boosted regression trees on what the linear model leaves over.
//!
//! The target is log(latency / linear model). Trees are grown leaf by leaf, best first, and
//! kept as lists of small integers (`trees`), which no file can bend into a cycle. linfa has no
//! regression trees: docs/decisions/010-own-boosted-trees.md and 030-deep-trees.md.

mod borders;
pub mod trees;

pub use self::borders::Borders;
pub use self::trees::Trees;

use super::kernel_model::KernelModel;
use super::linear::Linear;
use crate::predictor::features::{Named, Quantities};
use pulp::{Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// Most features that a model of trees may read; kernels are cut into bins on the stack.
pub const MAX_FEATURES: usize = 64;
/// Most bins of a feature: a cut fits into seven bits.
pub const MAX_BINS: usize = 127;
/// Trees that a kernel walks side by side: each step waits for the one before, so one walk alone leaves the
/// processor idle.
const ABREAST: usize = 16;
/// Kernels that walk a tree together, where there are many and where there are some.
const MANY: usize = 512;
const SOME: usize = 64;
/// Fewer than this are quicker one by one.
const FEW: usize = 24;
/// Kernels whose features are read one after the other; divides [`SOME`].
const NEAR: usize = 32;
/// Leaf values are stored as multiples of this, in units of log latency.
pub const LEAF_UNIT: f64 = 1e-4;

/// The bin of each feature, as trees add it.
#[derive(Clone, Copy)]
struct Bins([u32; MAX_FEATURES]);

impl Default for Bins {
    fn default() -> Bins {
        Bins([0; MAX_FEATURES])
    }
}

/// The bins of several kernels, feature by feature.
struct Columns<const ROWS: usize>([[u8; ROWS]; MAX_FEATURES]);

impl<const ROWS: usize> Default for Columns<ROWS> {
    fn default() -> Columns<ROWS> {
        Columns([[0; ROWS]; MAX_FEATURES])
    }
}

/// A linear model times the exponential of a sum of trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosted {
    pub base: Linear,
    pub features: Vec<Named>,
    /// Of each feature.
    pub borders: Vec<Borders>,
    pub trees: Trees,
}

/// The sums of leaves for several kernels, in the widest registers of this machine; sums of integers have no bits to lose.
struct Sums<'a, const ROWS: usize> {
    trees: &'a Trees,
    bins: &'a Columns<ROWS>,
    rows: usize,
}

impl<const ROWS: usize> WithSimd for Sums<'_, ROWS> {
    type Output = [i32; ROWS];

    // A closure would be compiled for any machine.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [i32; ROWS] {
        self.trees.sums(self.bins, self.rows)
    }
}

impl KernelModel for Boosted {
    fn name(&self) -> &'static str {
        "boosted"
    }

    fn together(&self) -> bool {
        true
    }

    fn scale(&mut self, factor: f64) {
        self.base.scale(factor);
    }

    fn features(&self) -> Vec<Named> {
        [self.base.features(), self.features.clone()].concat()
    }

    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        let mut bins = Bins::default();
        self.bins(quantities, &mut bins);
        self.with_sum(quantities, self.trees.sum(&bins))
    }

    /// Many kernels at once, several times as quick where neighbours are alike.
    fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
        for (quantities, ns) in quantities.chunks(MANY).zip(ns.chunks_mut(MANY)) {
            match quantities.len() {
                0..FEW => ns.iter_mut().zip(quantities).for_each(|(ns, one)| *ns = self.predict_ns(one)),
                FEW..=SOME => self.together::<SOME>(quantities, ns),
                _ => self.together::<MANY>(quantities, ns),
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        self.base.check()?;
        let count = self.features.len();
        if count == 0 || count > MAX_FEATURES || self.borders.len() != count {
            return Err(format!("trees over {count} features with {} lists of borders", self.borders.len()));
        }
        if self.trees.features() > count {
            return Err("a tree node looks at a feature that is not there".into());
        }
        // Bounded leaves keep e^sum finite.
        if self.trees.extreme() as f64 * LEAF_UNIT > 100.0 {
            return Err("leaf values are out of range".into());
        }
        Ok(())
    }
}

impl Boosted {
    fn with_sum(&self, quantities: &Quantities, sum: i64) -> f64 {
        self.base.predict_ns(quantities) * (sum as f64 * LEAF_UNIT).exp()
    }

    /// At most `ROWS` kernels.
    fn together<const ROWS: usize>(&self, quantities: &[Quantities], ns: &mut [f64]) {
        let mut bins = Columns::<ROWS>::default();
        // As many as keep to the nearest cache.
        for (part, quantities) in quantities.chunks(NEAR).enumerate() {
            for ((column, feature), borders) in bins.0.iter_mut().zip(&self.features).zip(&self.borders) {
                let mut values = [0.0; NEAR];
                for (value, quantities) in values.iter_mut().zip(quantities) {
                    *value = feature.0.of(quantities) as f32;
                }
                borders.bins_of(&values[..quantities.len()], &mut column[part * NEAR..]);
            }
        }
        let sums =
            pulp::Arch::new().dispatch(Sums { trees: &self.trees, bins: &bins, rows: quantities.len() });
        for ((ns, quantities), sum) in ns.iter_mut().zip(quantities).zip(sums) {
            *ns = self.with_sum(quantities, i64::from(sum));
        }
    }

    fn bins(&self, quantities: &Quantities, bins: &mut Bins) {
        for ((bin, feature), borders) in bins.0.iter_mut().zip(&self.features).zip(&self.borders) {
            *bin = trees::moved(borders.bin_of(feature.0.of(quantities) as f32));
        }
    }
}
