//! How one tree is grown: leaf by leaf, the one first whose cut explains most.

use super::binned::Binned;
use super::growth::Growth;
use edgezen_core::predictor::model::boosted::LEAF_UNIT;
use edgezen_core::predictor::model::boosted::trees::{Grown, MAX_LEAVES};

/// Nodes of fewer rows are not worth a second thread.
const PARALLEL_ROWS: usize = 8192;

/// The rows of a leaf that fall into one bin of a feature.
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

/// Grows one tree on the rows `drawn`; `residual` is what each row of the table has left to explain.
pub fn tree(binned: &Binned, residual: &[f64], drawn: Vec<u32>, growth: Growth) -> Vec<Grown> {
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
