//! How one tree is grown: leaf by leaf, the one first whose cut explains most.

use super::binned::Binned;
use super::cut::{Cut, best_cut};
use super::growth::Growth;
use super::histogram::{Histogram, Spare, take_away};
use edgezen_core::predictor::model::boosted::LEAF_UNIT;
use edgezen_core::predictor::model::boosted::trees::{Grown, MAX_LEAVES};
use std::ops::Range;

/// A leaf that may still be cut.
struct Open {
    /// Its place in the tree.
    at: usize,
    start: usize,
    end: usize,
    depth: u32,
    histogram: Histogram,
    cut: Cut,
}

/// A tree, and where the rows that it was grown on have fallen.
pub struct Tree {
    pub grown: Vec<Grown>,
    rows: Vec<u32>,
    /// Of each node and leaf of `grown`, where its rows lie in `rows`.
    spans: Vec<Range<usize>>,
}

impl Tree {
    /// The rows of each leaf, and its value.
    pub fn leaves(&self) -> impl Iterator<Item = (&[u32], i16)> {
        self.grown.iter().zip(&self.spans).filter_map(|(grown, span)| match *grown {
            Grown::Leaf(value) => Some((&self.rows[span.clone()], value)),
            Grown::Node { .. } => None,
        })
    }
}

/// Grows one tree on the rows `drawn`; `residual` is what each row of the table has left to explain.
pub fn tree(binned: &Binned, residual: &[f64], drawn: Vec<u32>, growth: Growth, spare: &mut Spare) -> Tree {
    let mut rows = drawn;
    let mut pulls: Vec<f64> =
        rows.iter().map(|&row| residual[row as usize].clamp(-growth.trusted, growth.trusted)).collect();
    let value = |pulls: &[f64]| {
        let sum: f64 = pulls.iter().sum();
        let mean = sum / (pulls.len() as f64 + growth.shrinkage);
        Grown::Leaf((growth.learning_rate * mean / LEAF_UNIT).round() as i16)
    };
    let mut grown = vec![value(&pulls)];
    let mut spans: Vec<Range<usize>> = std::iter::once(0..rows.len()).collect();
    let histogram = spare.histogram_of(binned, &rows, &pulls);
    let mut open = Vec::new();
    let (end, mut scratch) = (rows.len(), Vec::new());
    match best_cut(binned, &histogram, growth) {
        Some(cut) => open.push(Open { at: 0, start: 0, end, depth: 0, histogram, cut }),
        None => spare.keep(histogram),
    }
    for _ in 1..growth.leaves.min(MAX_LEAVES) {
        // The first of equals, so that the order is always the same.
        let mut best: Option<usize> = None;
        for (i, leaf) in open.iter().enumerate() {
            if best.is_none_or(|best| leaf.cut.gain > open[best].cut.gain) {
                best = Some(i);
            }
        }
        let Some(best) = best else { break };
        let Open { at, start, end, depth, histogram: mut larger, cut } = open.swap_remove(best);
        let goes_left = |row: u32| binned.row(row as usize)[cut.feature] <= cut.bin;
        let middle =
            start + partition(&mut rows[start..end], &mut pulls[start..end], &mut scratch, goes_left);
        grown[at] = Grown::Node {
            feature: cut.feature as u8,
            cut: cut.bin,
            left: grown.len(),
            right: grown.len() + 1,
        };
        let sides = [(start, middle), (middle, end)];
        let first = grown.len();
        grown.extend(sides.map(|(start, end)| value(&pulls[start..end])));
        spans.extend(sides.map(|(start, end)| start..end));
        let left_is_smaller = 2 * middle < start + end;
        let (small, large) =
            if left_is_smaller { (start..middle, middle..end) } else { (middle..end, start..middle) };
        // Where the larger side has too few rows to be cut, or lies too deep, neither side needs its histogram.
        if depth + 1 >= growth.depth || large.len() < 2 * growth.min_leaf as usize {
            spare.keep(larger);
            continue;
        }
        let smaller = spare.histogram_of(binned, &rows[small.clone()], &pulls[small]);
        take_away(&mut larger, &smaller);
        let (left, right) = if left_is_smaller { (smaller, larger) } else { (larger, smaller) };
        for (i, ((start, end), histogram)) in sides.into_iter().zip([left, right]).enumerate() {
            match best_cut(binned, &histogram, growth) {
                Some(cut) => {
                    open.push(Open { at: first + i, start, end, depth: depth + 1, histogram, cut });
                }
                None => spare.keep(histogram),
            }
        }
    }
    open.into_iter().for_each(|leaf| spare.keep(leaf.histogram));
    Tree { grown, rows, spans }
}

/// Moves what goes left to the front, keeping the order on both sides; gives the number of those.
fn partition(
    rows: &mut [u32],
    pulls: &mut [f64],
    scratch: &mut Vec<(u32, f64)>,
    left: impl Fn(u32) -> bool,
) -> usize {
    scratch.resize(rows.len().max(scratch.len()), (0, 0.0));
    let (mut count, mut others) = (0, 0);
    for i in 0..rows.len() {
        // Each row is written to both places, and one of them counts: nobody could foresee a branch here.
        let (row, pull) = (rows[i], pulls[i]);
        let goes_left = usize::from(left(row));
        (rows[count], pulls[count]) = (row, pull);
        scratch[others] = (row, pull);
        count += goes_left;
        others += 1 - goes_left;
    }
    for (i, &(row, pull)) in scratch[..others].iter().enumerate() {
        (rows[count + i], pulls[count + i]) = (row, pull);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::predictor::model::boosted::{Borders, Trees};

    #[test]
    fn rows_have_fallen_where_the_tree_leads_them() {
        // Numbers without a pattern, in sixteen bins of three features.
        let rows = 400_u32;
        let mixed = |i: u32| i.wrapping_mul(2_654_435_761) >> 16;
        let borders = || Borders::between((1..16).map(|i| i as f32 - 0.5).collect());
        let columns: Vec<(Borders, Vec<u8>)> = (0..3)
            .map(|feature| (borders(), (0..rows).map(|row| (mixed(3 * row + feature) % 16) as u8).collect()))
            .collect();
        let binned = Binned::new(&columns, rows as usize);
        let residual: Vec<f64> = (0..rows).map(|row| f64::from(mixed(row) % 100) / 1e3 - 0.05).collect();
        let drawn: Vec<u32> = (0..rows).filter(|row| row % 7 != 0).collect();
        for growth in
            [Growth::few(), Growth { depth: 3, ..Growth::few() }, Growth { min_leaf: 90, ..Growth::few() }]
        {
            let tree = tree(&binned, &residual, drawn.clone(), growth, &mut Spare::default());
            let mut trees = Trees::default();
            trees.push(&tree.grown);
            let mut seen = Vec::new();
            for (rows, value) in tree.leaves() {
                assert!(rows.len() >= growth.min_leaf as usize);
                assert!(rows.iter().all(|&row| trees.last(binned.row(row as usize)) == value));
                seen.extend_from_slice(rows);
            }
            assert!(tree.grown.len() > 3, "{growth:?}");
            seen.sort_unstable();
            assert_eq!(seen, drawn);
        }
    }
}
