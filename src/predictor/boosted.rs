//! Gradient-boosted regression trees on what the linear model leaves over.
//!
//! The target is log(latency / linear model), the loss its square. Trees are of fixed depth and stored
//! as perfect binary trees in flat arrays (children of node i: 2i+1, 2i+2), so that no file can hold a
//! cycle or a dangling child; features are cut into at most 128 bins by quantiles first, so a tree is a
//! list of small integers. Fitting has no randomness. linfa has no regression trees:
//! docs/decisions/010-own-boosted-trees.md.

use super::families::{Family, Fit, FitError, Model};
use super::features::{self, Named, Quantities};
use super::linear::{Linear, Physical};
use super::training::Training;
use crate::plainnet::KernelKind;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most features that a model of trees may read; kernels are cut into bins on the stack.
const MAX_FEATURES: usize = 32;
const MAX_BINS: usize = 128;
/// Deepest tree that a file may hold.
const MAX_DEPTH: u32 = 10;
/// Leaf values are stored as multiples of this, in units of log latency.
const LEAF_UNIT: f64 = 1e-4;

/// A linear model times the exponential of a sum of trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosted {
    pub base: Linear,
    pub features: Vec<Named>,
    /// For each feature, ascending: a value's bin is the number of borders below it.
    pub borders: Vec<Vec<f32>>,
    pub depth: u32,
    /// One after another, 2^depth − 1 inner nodes each: the feature looked at.
    pub node_feature: Vec<u8>,
    /// Likewise: go right where the bin is greater.
    pub node_bin: Vec<u8>,
    /// 2^depth for each tree, in units of 10⁻⁴ of log latency.
    pub leaf: Vec<i32>,
}

impl Boosted {
    pub fn predict_ns(&self, quantities: &Quantities) -> f64 {
        let mut bins = [0_u8; MAX_FEATURES];
        for ((bin, feature), borders) in bins.iter_mut().zip(&self.features).zip(&self.borders) {
            *bin = bin_of(borders, feature.0.of(quantities) as f32);
        }
        self.base.predict_ns(quantities) * (self.sum(&bins) as f64 * LEAF_UNIT).exp()
    }

    /// Sum of the leaves that a row of bins falls into.
    fn sum(&self, bins: &[u8; MAX_FEATURES]) -> i64 {
        /// Trees walked side by side: each step waits for the one before, so one tree alone leaves the
        /// processor idle.
        const ABREAST: usize = 8;
        let leaves = 1_usize << self.depth;
        let inner = leaves - 1;
        let trees = self.leaf.len() / leaves;
        let mut sum = 0;
        for first in (0..trees).step_by(ABREAST) {
            let count = ABREAST.min(trees - first);
            let mut at = [0_usize; ABREAST];
            for _ in 0..self.depth {
                for (lane, at) in at.iter_mut().enumerate().take(count) {
                    let node = (first + lane) * inner + *at;
                    let bin = bins[usize::from(self.node_feature[node]) % MAX_FEATURES];
                    *at = 2 * *at + 1 + usize::from(bin > self.node_bin[node]);
                }
            }
            for (lane, at) in at.iter().enumerate().take(count) {
                sum += i64::from(self.leaf[(first + lane) * leaves + at - inner]);
            }
        }
        sum
    }

    /// What is wrong with trees that were read from a file.
    pub fn check(&self) -> Result<(), String> {
        let count = self.features.len();
        if count == 0 || count > MAX_FEATURES || self.borders.len() != count {
            return Err(format!("trees over {count} features with {} lists of borders", self.borders.len()));
        }
        for borders in &self.borders {
            let ascending = borders.windows(2).all(|pair| pair[0] < pair[1]);
            if borders.len() >= MAX_BINS || !ascending || !borders.iter().all(|b| b.is_finite()) {
                return Err("bin borders are not ascending finite numbers".into());
            }
        }
        if !(1..=MAX_DEPTH).contains(&self.depth) {
            return Err(format!("trees of depth {}", self.depth));
        }
        let inner = (1_usize << self.depth) - 1;
        let trees = self.leaf.len() / (inner + 1);
        if self.leaf.len() != trees * (inner + 1)
            || self.node_feature.len() != trees * inner
            || self.node_bin.len() != trees * inner
        {
            return Err("the lists of nodes and leaves do not fit together".into());
        }
        if self.node_feature.iter().any(|&feature| usize::from(feature) >= count) {
            return Err("a tree node looks at a feature that is not there".into());
        }
        // Bounded leaves keep e^sum finite.
        let extreme: i64 = self
            .leaf
            .chunks_exact(inner + 1)
            .map(|leaves| leaves.iter().map(|v| i64::from(*v).abs()).max().unwrap_or(0))
            .sum();
        if extreme as f64 * LEAF_UNIT > 100.0 {
            return Err("leaf values are out of range".into());
        }
        Ok(())
    }
}

fn bin_of(borders: &[f32], value: f32) -> u8 {
    borders.partition_point(|&border| border < value) as u8
}

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub trees: usize,
    pub depth: u32,
    pub learning_rate: f64,
    /// Fewest rows in a leaf.
    pub min_leaf: u32,
    /// Pseudo-rows that pull each leaf towards zero.
    pub shrinkage: f64,
}

impl Default for Growth {
    fn default() -> Growth {
        Growth { trees: 300, depth: 6, learning_rate: 0.12, min_leaf: 6, shrinkage: 1.0 }
    }
}

pub struct BoostedTrees;

impl Family for BoostedTrees {
    fn name(&self) -> &'static str {
        "boosted"
    }
    fn min_rows(&self) -> usize {
        500
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        let mut fit = Physical.fit(training)?;
        for kind in KernelKind::ALL {
            if training.count(kind) < self.min_rows() {
                continue;
            }
            if let Some(Model::Linear(base)) = fit.models.get(&kind) {
                let boosted = grow(training, kind, base.clone(), Growth::default());
                fit.models.insert(kind, Model::Boosted(boosted));
            }
        }
        Ok(fit)
    }
}

/// Grows trees on the kernels of `kind`.
pub fn grow(training: &Training, kind: KernelKind, base: Linear, growth: Growth) -> Boosted {
    let features = features::named(features::shapes(kind));
    let rows: Vec<(Quantities, f64)> = training
        .observations
        .iter()
        .filter_map(|o| Some((o.single().filter(|k| k.kind == kind)?, o.latency.ns())))
        .map(|(kernel, ns)| (Quantities::of(kernel, training.bytes_per_element), ns))
        .collect();
    let mut residual: Vec<f64> =
        rows.iter().map(|(q, ns)| (ns / base.predict_ns(q).max(1e-3)).ln()).collect();
    let columns: Vec<(Vec<f32>, Vec<u8>)> = features
        .par_iter()
        .map(|feature| {
            let values: Vec<f32> = rows.iter().map(|(q, _)| feature.0.of(q) as f32).collect();
            let borders = borders(&values);
            let bins = values.iter().map(|&value| bin_of(&borders, value)).collect();
            (borders, bins)
        })
        .collect();
    let mut model = Boosted {
        base,
        features,
        borders: columns.iter().map(|(borders, _)| borders.clone()).collect(),
        depth: growth.depth,
        node_feature: Vec::new(),
        node_bin: Vec::new(),
        leaf: Vec::new(),
    };
    for _ in 0..growth.trees {
        tree(&columns, &mut residual, &mut model, growth);
    }
    model
}

/// Borders halfway between distinct values, at quantiles where there are too many.
fn borders(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let halfway = |pair: &[f32]| pair[0] + (pair[1] - pair[0]) / 2.0;
    if distinct.len() < MAX_BINS {
        return distinct.windows(2).map(halfway).collect();
    }
    let last = sorted.len() - 1;
    let mut borders: Vec<f32> = (1..MAX_BINS - 1)
        .map(|i| halfway(&[sorted[i * last / MAX_BINS], sorted[i * last / MAX_BINS + 1]]))
        .collect();
    borders.dedup();
    borders
}

/// The best cut of one node.
#[derive(Clone, Copy)]
struct Cut {
    gain: f64,
    feature: u8,
    bin: u8,
}

/// Never taken: every bin goes left.
const NO_CUT: Cut = Cut { gain: 0.0, feature: 0, bin: u8::MAX };

/// Grows one tree level by level, appends it to `model` and takes its share out of `residual`.
fn tree(columns: &[(Vec<f32>, Vec<u8>)], residual: &mut [f64], model: &mut Boosted, growth: Growth) {
    let leaves = 1_usize << growth.depth;
    // Position of each row within its level.
    let mut at = vec![0_u16; residual.len()];
    for level in 0..growth.depth {
        let nodes = 1_usize << level;
        let per_feature: Vec<Vec<Cut>> = columns
            .par_iter()
            .enumerate()
            .map(|(feature, (borders, bins))| {
                cuts(feature as u8, borders.len() + 1, bins, residual, &at, nodes, growth)
            })
            .collect();
        let best: Vec<Cut> = (0..nodes)
            .map(|node| {
                let better =
                    |best: Cut, cuts: &Vec<Cut>| if cuts[node].gain > best.gain { cuts[node] } else { best };
                per_feature.iter().fold(NO_CUT, better)
            })
            .collect();
        for (row, node) in at.iter_mut().enumerate() {
            let cut = best[usize::from(*node)];
            let right = columns[usize::from(cut.feature)].1[row] > cut.bin;
            *node = 2 * *node + u16::from(right);
        }
        model.node_feature.extend(best.iter().map(|cut| cut.feature));
        model.node_bin.extend(best.iter().map(|cut| cut.bin));
    }
    let mut sums = vec![(0.0, 0.0); leaves];
    for (&leaf, r) in at.iter().zip(residual.iter()) {
        let (sum, count) = &mut sums[usize::from(leaf)];
        *sum += r;
        *count += 1.0;
    }
    let value = |&(sum, count): &(f64, f64)| {
        (growth.learning_rate * sum / (count + growth.shrinkage) / LEAF_UNIT).round() as i32
    };
    let values: Vec<i32> = sums.iter().map(value).collect();
    for (&leaf, r) in at.iter().zip(residual.iter_mut()) {
        *r -= f64::from(values[usize::from(leaf)]) * LEAF_UNIT;
    }
    model.leaf.extend(values);
}

/// The best cut by one feature for each node of a level.
fn cuts(
    feature: u8,
    bins: usize,
    column: &[u8],
    residual: &[f64],
    at: &[u16],
    nodes: usize,
    growth: Growth,
) -> Vec<Cut> {
    let mut histogram = vec![(0.0_f64, 0_u32); nodes * bins];
    for ((&bin, &node), &r) in column.iter().zip(at).zip(residual) {
        let slot = &mut histogram[usize::from(node) * bins + usize::from(bin)];
        slot.0 += r;
        slot.1 += 1;
    }
    let score = |sum: f64, count: u32| sum * sum / (f64::from(count) + growth.shrinkage);
    histogram
        .chunks_exact(bins)
        .map(|node| {
            let (sum, count) = node.iter().fold((0.0, 0), |(s, n), bin| (s + bin.0, n + bin.1));
            let whole = score(sum, count);
            let (mut left_sum, mut left) = (0.0, 0);
            let mut best = NO_CUT;
            for (bin, &(s, n)) in node.iter().enumerate().take(bins.saturating_sub(1)) {
                left_sum += s;
                left += n;
                if n == 0 || left < growth.min_leaf || count - left < growth.min_leaf {
                    continue;
                }
                let gain = score(left_sum, left) + score(sum - left_sum, count - left) - whole;
                if gain > best.gain {
                    best = Cut { gain, feature, bin: bin as u8 };
                }
            }
            best
        })
        .collect()
}
