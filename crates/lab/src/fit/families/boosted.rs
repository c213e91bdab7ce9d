//! How trees are grown: leaf by leaf, the one first whose cut explains most.

use super::linear::Physical;
use super::{Family, Fit, FitError};
use crate::fit::observation::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features;
use edgezen_core::predictor::model::boosted::trees::{Grown, MAX_LEAVES};
use edgezen_core::predictor::model::boosted::{Boosted, Borders, LEAF_UNIT, MAX_BINS, Trees};
use edgezen_core::predictor::model::{KernelModel, Linear, Model};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// Boosted trees on top of linear models.
pub struct BoostedTrees;

/// Rows from which trees may be as deep as cliffs of many shapes need them.
const MANY: usize = 15_000;

impl Family for BoostedTrees {
    fn name(&self) -> &'static str {
        "boosted"
    }
    fn rows(&self) -> RangeInclusive<usize> {
        100..=usize::MAX
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        let mut fit = Physical.fit(training)?;
        for kind in KernelKind::ALL {
            let rows = training.count(kind);
            if !self.rows().contains(&rows) {
                continue;
            }
            if let Some(Model::Linear(base)) = fit.models.get(&kind) {
                let growth = if rows < MANY { Growth::few() } else { Growth::many() };
                fit.models.insert(kind, Model::Boosted(grow(training, kind, base.clone(), growth)));
            }
        }
        Ok(fit)
    }
}

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub trees: usize,
    pub leaves: usize,
    pub depth: u32,
    pub learning_rate: f64,
    /// Share of the rows that each tree sees.
    pub rows: f64,
    /// Fewest rows in a leaf.
    pub min_leaf: u32,
    /// Pseudo-rows that pull each leaf towards zero.
    pub shrinkage: f64,
    /// Errors beyond this, in the logarithm, count as if they were of that size (Huber's loss): relative
    /// errors are judged by their mean, which one odd row must not rule.
    pub trusted: f64,
}

impl Growth {
    /// For tables of tens of thousands of rows.
    pub fn many() -> Growth {
        Growth {
            trees: 200,
            leaves: 255,
            depth: 12,
            learning_rate: 0.12,
            rows: 0.9,
            min_leaf: 3,
            shrinkage: 1.0,
            trusted: 0.1,
        }
    }

    pub fn few() -> Growth {
        Growth { leaves: 63, ..Growth::many() }
    }
}

const SEED: u64 = 1;
/// Nodes of fewer rows are not worth a second thread.
const PARALLEL_ROWS: usize = 8192;

/// Grows trees on the kernels of `kind`. The draws of rows have a fixed seed.
pub fn grow(training: &Training, kind: KernelKind, base: Linear, growth: Growth) -> Boosted {
    let features = features::named(features::shapes(kind));
    let rows = training.singles(kind);
    let mut residual: Vec<f64> =
        rows.iter().map(|(q, ns)| (ns / base.predict_ns(q).max(1e-3)).ln()).collect();
    let columns: Vec<(Borders, Vec<u8>)> = features
        .par_iter()
        .map(|feature| {
            let values: Vec<f32> = rows.iter().map(|(q, _)| feature.0.of(q) as f32).collect();
            let borders = Borders::between(borders(&values));
            let bins = values.iter().map(|&value| borders.bin_of(value)).collect();
            (borders, bins)
        })
        .collect();
    let binned = Binned::new(&columns, rows.len());
    let mut trees = Trees::default();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for _ in 0..growth.trees {
        let drawn: Vec<u32> = (0..residual.len() as u32).filter(|_| rng.random_bool(growth.rows)).collect();
        trees.push(&tree(&binned, &residual, drawn, growth));
        // Rows that the tree did not see fall where they fall.
        residual.par_iter_mut().with_min_len(4096).enumerate().for_each(|(row, residual)| {
            *residual -= f64::from(trees.last(binned.row(row))) * LEAF_UNIT;
        });
    }
    let borders = columns.into_iter().map(|(borders, _)| borders).collect();
    Boosted { base, features, borders, trees }
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

/// All rows cut into bins, the bins of a row side by side.
struct Binned {
    bins: Vec<u8>,
    features: usize,
    /// Where the bins of each feature start in a histogram, and where the last one ends.
    starts: Vec<usize>,
}

impl Binned {
    fn new(columns: &[(Borders, Vec<u8>)], rows: usize) -> Binned {
        let mut starts = vec![0];
        for (borders, _) in columns {
            starts.push(starts[starts.len() - 1] + borders.count() + 1);
        }
        let bins = (0..rows).flat_map(|row| columns.iter().map(move |(_, bins)| bins[row])).collect();
        Binned { bins, features: columns.len(), starts }
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.bins[row * self.features..(row + 1) * self.features]
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    sum: f64,
    count: u32,
}

/// What is known of the rows of a leaf, by the bins of all features.
type Histogram = Vec<Bin>;

/// The best cut of a leaf.
#[derive(Clone, Copy)]
struct Cut {
    gain: f64,
    feature: usize,
    bin: u8,
}

/// A leaf that may still be cut.
struct Open {
    /// Its place in the tree.
    at: usize,
    start: usize,
    end: usize,
    depth: u32,
    histogram: Histogram,
    cut: Option<Cut>,
}

/// Grows one tree on the rows `drawn`.
fn tree(binned: &Binned, residual: &[f64], drawn: Vec<u32>, growth: Growth) -> Vec<Grown> {
    let mut rows = drawn;
    let mut pulls: Vec<f64> =
        rows.iter().map(|&row| residual[row as usize].clamp(-growth.trusted, growth.trusted)).collect();
    let value = |pulls: &[f64]| {
        let sum: f64 = pulls.iter().sum();
        let mean = sum / (pulls.len() as f64 + growth.shrinkage);
        Grown::Leaf((growth.learning_rate * mean / LEAF_UNIT).round() as i16)
    };
    let mut grown = vec![value(&pulls)];
    let histogram = histogram_of(binned, &rows, &pulls);
    let cut = best_cut(binned, &histogram, growth);
    let mut open = vec![Open { at: 0, start: 0, end: rows.len(), depth: 0, histogram, cut }];
    let mut scratch = (Vec::new(), Vec::new());
    for _ in 1..growth.leaves.min(MAX_LEAVES) {
        // The first of equals, so that the order is always the same.
        let mut best: Option<(usize, Cut)> = None;
        for (i, leaf) in open.iter().enumerate() {
            if let Some(cut) = leaf.cut.filter(|cut| best.is_none_or(|(_, best)| cut.gain > best.gain)) {
                best = Some((i, cut));
            }
        }
        let Some((i, cut)) = best else { break };
        let Open { at, start, end, depth, histogram: mut larger, .. } = open.swap_remove(i);
        let goes_left = |row: u32| binned.row(row as usize)[cut.feature] <= cut.bin;
        let middle =
            start + partition(&mut rows[start..end], &mut pulls[start..end], &mut scratch, goes_left);
        let left_is_smaller = 2 * middle < start + end;
        let small = if left_is_smaller { start..middle } else { middle..end };
        let smaller = histogram_of(binned, &rows[small.clone()], &pulls[small]);
        for (whole, part) in larger.iter_mut().zip(&smaller) {
            whole.count -= part.count;
            whole.sum = if whole.count > 0 { whole.sum - part.sum } else { 0.0 };
        }
        let (left, right) = if left_is_smaller { (smaller, larger) } else { (larger, smaller) };
        grown[at] = Grown::Node {
            feature: cut.feature as u8,
            cut: cut.bin,
            left: grown.len(),
            right: grown.len() + 1,
        };
        for (start, end, histogram) in [(start, middle, left), (middle, end, right)] {
            let cut = (depth + 1 < growth.depth).then(|| best_cut(binned, &histogram, growth)).flatten();
            open.push(Open { at: grown.len(), start, end, depth: depth + 1, histogram, cut });
            grown.push(value(&pulls[start..end]));
        }
    }
    grown
}

/// Moves what goes left to the front, keeping the order on both sides; gives the number of those.
fn partition(
    rows: &mut [u32],
    pulls: &mut [f64],
    scratch: &mut (Vec<u32>, Vec<f64>),
    left: impl Fn(u32) -> bool,
) -> usize {
    scratch.0.clear();
    scratch.1.clear();
    let mut count = 0;
    for i in 0..rows.len() {
        if left(rows[i]) {
            (rows[count], pulls[count]) = (rows[i], pulls[i]);
            count += 1;
        } else {
            scratch.0.push(rows[i]);
            scratch.1.push(pulls[i]);
        }
    }
    rows[count..].copy_from_slice(&scratch.0);
    pulls[count..].copy_from_slice(&scratch.1);
    count
}

/// The histogram of rows; of many, in two halves of the features side by side.
fn histogram_of(binned: &Binned, rows: &[u32], pulls: &[f64]) -> Histogram {
    let mut histogram = vec![Bin::default(); binned.starts[binned.features]];
    let half = binned.features / 2;
    let (first, second) = histogram.split_at_mut(binned.starts[half]);
    let fill = |part: &mut [Bin], features: std::ops::Range<usize>| {
        let offset = binned.starts[features.start];
        let starts: Vec<usize> = binned.starts[features.clone()].iter().map(|start| start - offset).collect();
        for (&row, &pull) in rows.iter().zip(pulls) {
            for (&bin, &start) in binned.row(row as usize)[features.clone()].iter().zip(&starts) {
                let bin = &mut part[start + usize::from(bin)];
                bin.sum += pull;
                bin.count += 1;
            }
        }
    };
    if rows.len() < PARALLEL_ROWS {
        fill(first, 0..half);
        fill(second, half..binned.features);
    } else {
        rayon::join(|| fill(first, 0..half), || fill(second, half..binned.features));
    }
    histogram
}

/// The cut that explains most, if any does.
fn best_cut(binned: &Binned, histogram: &[Bin], growth: Growth) -> Option<Cut> {
    let score = |sum: f64, count: u32| sum * sum / (f64::from(count) + growth.shrinkage);
    let mut best: Option<Cut> = None;
    for feature in 0..binned.features {
        let bins = &histogram[binned.starts[feature]..binned.starts[feature + 1]];
        let (sum, count) = bins.iter().fold((0.0, 0), |(s, n), bin| (s + bin.sum, n + bin.count));
        if count < 2 * growth.min_leaf {
            return None;
        }
        let whole = score(sum, count);
        let (mut left_sum, mut left) = (0.0, 0);
        for (at, bin) in bins.iter().enumerate().take(bins.len() - 1) {
            left_sum += bin.sum;
            left += bin.count;
            if count - left < growth.min_leaf {
                break;
            }
            if bin.count == 0 || left < growth.min_leaf {
                continue;
            }
            let gain = score(left_sum, left) + score(sum - left_sum, count - left) - whole;
            if gain > best.map_or(1e-9, |best| best.gain) {
                best = Some(Cut { gain, feature, bin: at as u8 });
            }
        }
    }
    best
}
