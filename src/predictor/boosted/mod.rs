//! Gradient-boosted regression trees on what the linear model leaves over.
//!
//! The target is log(latency / linear model), the loss its square. Trees are of fixed depth and stored
//! as perfect binary trees in flat arrays (children of node i: 2i+1, 2i+2), so that no file can hold a
//! cycle or a dangling child; features are cut into at most 128 bins by quantiles first, so a tree is a
//! list of small integers. linfa has no regression trees:
//! docs/decisions/010-own-boosted-trees.md.

use super::families::{Family, Fit, FitError, Model};
use super::features::{self, Named, Quantities};
use super::linear::{Linear, Physical};
use super::training::Training;
use crate::plainnet::KernelKind;
use crate::stats;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Most features that a model of trees may read; kernels are cut into bins on the stack.
const MAX_FEATURES: usize = 64;
const MAX_BINS: usize = 128;
/// Trees, or kernels, walked side by side: each step waits for the one before, so one walk alone leaves
/// the processor idle.
const ABREAST: usize = 8;
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
        self.bins(quantities, &mut bins);
        self.base.predict_ns(quantities) * (self.sum(&bins) as f64 * LEAF_UNIT).exp()
    }

    /// Several kernels at once: each tree stays in the cache while all of them walk it, side by side.
    pub fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
        for (quantities, ns) in quantities.chunks(ABREAST).zip(ns.chunks_mut(ABREAST)) {
            let mut bins = [[0_u8; MAX_FEATURES]; ABREAST];
            for (bins, quantities) in bins.iter_mut().zip(quantities) {
                self.bins(quantities, bins);
            }
            let mut sums = [0_i64; ABREAST];
            let leaves = 1_usize << self.depth;
            let inner = leaves - 1;
            let trees = self.leaf.chunks_exact(leaves).enumerate();
            for (tree, leaf) in trees {
                let nodes = tree * inner..(tree + 1) * inner;
                let (feature, cut) = (&self.node_feature[nodes.clone()], &self.node_bin[nodes]);
                let mut at = [0_usize; ABREAST];
                for _ in 0..self.depth {
                    for (at, bins) in at.iter_mut().zip(&bins) {
                        let bin = bins[usize::from(feature[*at]) % MAX_FEATURES];
                        *at = 2 * *at + 1 + usize::from(bin > cut[*at]);
                    }
                }
                for (sum, at) in sums.iter_mut().zip(&at) {
                    *sum += i64::from(leaf[at - inner]);
                }
            }
            for ((ns, quantities), sum) in ns.iter_mut().zip(quantities).zip(sums) {
                *ns = self.base.predict_ns(quantities) * (sum as f64 * LEAF_UNIT).exp();
            }
        }
    }

    fn bins(&self, quantities: &Quantities, bins: &mut [u8; MAX_FEATURES]) {
        for ((bin, feature), borders) in bins.iter_mut().zip(&self.features).zip(&self.borders) {
            *bin = bin_of(borders, feature.0.of(quantities) as f32);
        }
    }

    /// Sum of the leaves that a row of bins falls into.
    fn sum(&self, bins: &[u8; MAX_FEATURES]) -> i64 {
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
        self.base.check()?;
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
    /// Share of the rows, and of the features, that each tree sees.
    pub rows: f64,
    pub features: f64,
    /// Fewest rows in a leaf.
    pub min_leaf: f64,
    /// Pseudo-rows that pull each leaf towards zero.
    pub shrinkage: f64,
    /// Errors beyond this quantile of all count as if they were of that size (Huber's loss): relative
    /// errors are judged by their mean, which one odd row must not rule.
    pub trusted: f64,
}

impl Default for Growth {
    fn default() -> Growth {
        Growth {
            trees: 500,
            depth: 7,
            learning_rate: 0.08,
            rows: 0.7,
            features: 0.7,
            min_leaf: 4.0,
            shrinkage: 1.0,
            trusted: 0.9,
        }
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

/// Grows trees on the kernels of `kind`. The draws of rows and features have a fixed seed.
pub fn grow(training: &Training, kind: KernelKind, base: Linear, growth: Growth) -> Boosted {
    let features = features::named(features::shapes(kind));
    let rows = training.singles(kind);
    let mut residual: Vec<f64> =
        rows.iter().map(|(q, ns)| (ns / base.predict_ns(q).max(1e-3)).ln()).collect();
    let columns: Vec<Column> = features
        .par_iter()
        .map(|feature| {
            let values: Vec<f32> = rows.iter().map(|(q, _)| feature.0.of(q) as f32).collect();
            let borders = borders(&values);
            let bins = values.iter().map(|&value| bin_of(&borders, value)).collect();
            Column { borders, bins, histograms: Mutex::default() }
        })
        .collect();
    let mut model = Boosted {
        base,
        features,
        borders: columns.iter().map(|column| column.borders.clone()).collect(),
        depth: growth.depth,
        node_feature: Vec::new(),
        node_bin: Vec::new(),
        leaf: Vec::new(),
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for _ in 0..growth.trees {
        tree(&columns, &mut residual, &mut model, growth, &mut rng);
    }
    model
}

const SEED: u64 = 1;

/// One feature of all rows, cut into bins.
struct Column {
    borders: Vec<f32>,
    bins: Vec<u8>,
    /// Scratch of this column's histograms, one list of bins for each node: of the level above, and of
    /// the level at work.
    histograms: Mutex<(Vec<Bin>, Vec<Bin>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    sum: f64,
    count: f64,
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

/// A node while its level is at work.
#[derive(Clone, Copy)]
struct Open {
    start: usize,
    end: usize,
    /// Its histogram is its parent's less its sibling's.
    by_subtraction: bool,
}

/// Grows one tree level by level, appends it to `model` and takes its share out of `residual`.
fn tree(
    columns: &[Column],
    residual: &mut [f64],
    model: &mut Boosted,
    growth: Growth,
    rng: &mut Xoshiro256PlusPlus,
) {
    let mut rows: Vec<u32> = (0..residual.len() as u32).filter(|_| rng.random_bool(growth.rows)).collect();
    let mut used: Vec<usize> = (0..columns.len()).filter(|_| rng.random_bool(growth.features)).collect();
    if used.is_empty() {
        used.push(rng.random_range(0..columns.len()));
    }
    let sizes: Vec<f64> = rows.iter().map(|&row| residual[row as usize].abs()).collect();
    let limit = stats::quantile(&stats::sorted(&sizes), growth.trusted).unwrap_or(0.0).max(1e-6);
    let pull = |row: u32, residual: &[f64]| residual[row as usize].clamp(-limit, limit);

    let mut open = vec![Open { start: 0, end: rows.len(), by_subtraction: false }];
    let (mut inner_feature, mut inner_bin) = (Vec::new(), Vec::new());
    let mut scratch = Vec::with_capacity(rows.len());
    for _ in 0..growth.depth {
        let pulls: Vec<f64> = rows.iter().map(|&row| pull(row, residual)).collect();
        let per_feature: Vec<Vec<Cut>> = used
            .par_iter()
            .map(|&feature| cuts(feature, &columns[feature], &rows, &pulls, &open, growth))
            .collect();
        let mut next = Vec::with_capacity(2 * open.len());
        for (node, place) in open.iter().enumerate() {
            let better =
                |best: Cut, cuts: &Vec<Cut>| if cuts[node].gain > best.gain { cuts[node] } else { best };
            let best = per_feature.iter().fold(NO_CUT, better);
            inner_feature.push(best.feature);
            inner_bin.push(best.bin);
            let bins = &columns[usize::from(best.feature)].bins;
            let middle = partition(&mut rows[place.start..place.end], &mut scratch, |row| {
                bins[row as usize] <= best.bin
            });
            let (start, middle, end) = (place.start, place.start + middle, place.end);
            let left_is_larger = 2 * middle > start + end;
            next.push(Open { start, end: middle, by_subtraction: left_is_larger });
            next.push(Open { start: middle, end, by_subtraction: !left_is_larger });
        }
        open = next;
    }
    let value = |place: &Open| {
        let sum: f64 = rows[place.start..place.end].iter().map(|&row| pull(row, residual)).sum();
        let count = (place.end - place.start) as f64;
        (growth.learning_rate * sum / (count + growth.shrinkage) / LEAF_UNIT).round() as i32
    };
    let values: Vec<i32> = open.iter().map(value).collect();
    // Rows that the tree did not see fall where they fall.
    let inner = inner_feature.len();
    residual.par_iter_mut().enumerate().for_each(|(row, residual)| {
        let mut node = 0;
        while node < inner {
            let right = columns[usize::from(inner_feature[node])].bins[row] > inner_bin[node];
            node = 2 * node + 1 + usize::from(right);
        }
        *residual -= f64::from(values[node - inner]) * LEAF_UNIT;
    });
    model.node_feature.extend(inner_feature);
    model.node_bin.extend(inner_bin);
    model.leaf.extend(values);
}

/// Moves what is `left` to the front, keeping the order on both sides; gives the number of those.
fn partition(rows: &mut [u32], scratch: &mut Vec<u32>, left: impl Fn(u32) -> bool) -> usize {
    scratch.clear();
    let mut count = 0;
    for i in 0..rows.len() {
        let row = rows[i];
        if left(row) {
            rows[count] = row;
            count += 1;
        } else {
            scratch.push(row);
        }
    }
    rows[count..].copy_from_slice(scratch);
    count
}

/// The best cut by one feature for each node of a level.
fn cuts(
    feature: usize,
    column: &Column,
    rows: &[u32],
    pulls: &[f64],
    open: &[Open],
    growth: Growth,
) -> Vec<Cut> {
    let bins = column.borders.len() + 1;
    let mut histograms = column.histograms.lock().unwrap_or_else(PoisonError::into_inner);
    let (above, level) = &mut *histograms;
    std::mem::swap(above, level);
    level.clear();
    level.resize(open.len() * bins, Bin::default());
    for (node, place) in open.iter().enumerate().filter(|(_, place)| !place.by_subtraction) {
        let histogram = &mut level[node * bins..(node + 1) * bins];
        for (&row, &pull) in rows[place.start..place.end].iter().zip(&pulls[place.start..place.end]) {
            let bin = &mut histogram[usize::from(column.bins[row as usize])];
            bin.sum += pull;
            bin.count += 1.0;
        }
    }
    for node in (0..open.len()).filter(|&node| open[node].by_subtraction) {
        for bin in 0..bins {
            let (parent, sibling) = (above[node / 2 * bins + bin], level[(node ^ 1) * bins + bin]);
            let count = parent.count - sibling.count;
            let sum = if count > 0.0 { parent.sum - sibling.sum } else { 0.0 };
            level[node * bins + bin] = Bin { sum, count };
        }
    }
    let score = |sum: f64, count: f64| sum * sum / (count + growth.shrinkage);
    level
        .chunks_exact(bins)
        .map(|node| {
            let (sum, count) = node.iter().fold((0.0, 0.0), |(s, n), bin| (s + bin.sum, n + bin.count));
            let whole = score(sum, count);
            let (mut left_sum, mut left) = (0.0, 0.0);
            let mut best = NO_CUT;
            for (at, bin) in node.iter().enumerate().take(bins - 1) {
                left_sum += bin.sum;
                left += bin.count;
                if bin.count == 0.0 || left < growth.min_leaf || count - left < growth.min_leaf {
                    continue;
                }
                let gain = score(left_sum, left) + score(sum - left_sum, count - left) - whole;
                if gain > best.gain {
                    best = Cut { gain, feature: feature as u8, bin: at as u8 };
                }
            }
            best
        })
        .collect()
}
