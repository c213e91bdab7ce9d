//! Where a leaf is cut: by the feature and at the bin that explain most.

use super::binned::Binned;
use super::growth::Growth;
use super::histogram::Bin;
use edgezen_core::predictor::model::boosted::MAX_BINS;

/// Gains below this are rounding errors.
const LEAST_GAIN: f64 = 1e-9;

/// A cut of a leaf: rows up to `bin` of `feature` go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub gain: f64,
    pub feature: usize,
    pub bin: u8,
}

/// The cut that explains most, the first of equals; `None` where no cut explains anything.
pub fn best_cut(binned: &Binned, histogram: &[Bin], growth: Growth) -> Option<Cut> {
    let least = f64::from(growth.min_leaf);
    let score = |sum: f64, count: f64| sum * sum / (count + growth.shrinkage);
    let mut best: Option<Cut> = None;
    // One place more than bins: what follows the last filled bin is written, and not read.
    let (mut sums, mut counts) = ([0.0; MAX_BINS + 1], [0.0; MAX_BINS + 1]);
    let (mut places, mut gains) = ([0_u8; MAX_BINS + 1], [0.0; MAX_BINS + 1]);
    for feature in 0..binned.features {
        // The sums up to each bin that holds rows. Most leaves have few rows, and most bins none.
        let (mut sum, mut count, mut filled) = (0.0, 0.0, 0);
        let bins = &histogram[binned.starts[feature]..binned.starts[feature + 1]];
        for (place, bin) in bins.iter().enumerate() {
            sum += bin.sum;
            count += bin.count;
            sums[filled] = sum;
            counts[filled] = count;
            places[filled] = place as u8;
            filled += usize::from(bin.count > 0.0);
        }
        if count < 2.0 * least {
            return None;
        }
        let whole = score(sum, count);
        // The cuts that leave enough rows on both sides.
        let first = counts[..filled].iter().take_while(|&&left| left < least).count();
        let last = filled - counts[..filled].iter().rev().take_while(|&&left| count - left < least).count();
        let mut most = f64::NEG_INFINITY;
        for at in first..last {
            let (left_sum, left) = (sums[at], counts[at]);
            gains[at] = score(left_sum, left) + score(sum - left_sum, count - left) - whole;
            most = if gains[at] > most { gains[at] } else { most };
        }
        if most > best.map_or(LEAST_GAIN, |best| best.gain)
            && let Some(at) = (first..last).find(|&at| gains[at] == most)
        {
            best = Some(Cut { gain: most, feature, bin: places[at] });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::families::boosted::histogram::{Spare, take_away};
    use edgezen_core::predictor::model::boosted::Borders;

    /// Two features of four bins; the sum of squares that is left falls most by the cut after bin 1 of the second one.
    fn table() -> (Binned, Vec<f64>) {
        let rows: [([u8; 2], f64); 8] = [
            ([0, 0], 1.0),
            ([1, 0], 1.0),
            ([2, 1], 1.0),
            ([3, 1], 1.5),
            ([0, 3], -1.0),
            ([1, 3], -1.0),
            ([2, 3], -1.0),
            ([3, 3], -1.5),
        ];
        let column = |feature: usize| {
            let bins = rows.iter().map(|(bins, _)| bins[feature]).collect();
            (Borders::between(vec![0.5, 1.5, 2.5]), bins)
        };
        (Binned::new(&[column(0), column(1)], rows.len()), rows.iter().map(|&(_, pull)| pull).collect())
    }

    #[test]
    fn the_cut_that_explains_most_leaves_enough_rows_on_both_sides() {
        let (binned, pulls) = table();
        let rows: Vec<u32> = (0..8).collect();
        let mut spare = Spare::default();
        let whole = spare.histogram_of(&binned, &rows, &pulls);
        let growth = Growth { min_leaf: 3, shrinkage: 1.0, ..Growth::few() };
        let cut = best_cut(&binned, &whole, growth).unwrap();
        assert_eq!((cut.feature, cut.bin), (1, 1));
        // Four rows of sum 4.5 on either side, which pull towards zero with one more row each.
        assert!((cut.gain - 2.0 * 4.5 * 4.5 / 5.0).abs() < 1e-12, "{cut:?}");
        assert_eq!(best_cut(&binned, &whole, Growth { min_leaf: 5, ..growth }), None);
        // The first half alone: its best cut, too, and what is left when it is taken away.
        let mut rest = whole.clone();
        let half = spare.histogram_of(&binned, &rows[..4], &pulls[..4]);
        take_away(&mut rest, &half);
        let other = spare.histogram_of(&binned, &rows[4..], &pulls[4..]);
        assert!(rest.iter().zip(&other).all(|(a, b)| (a.sum, a.count) == (b.sum, b.count)));
        let cut = best_cut(&binned, &half, Growth { min_leaf: 1, shrinkage: 0.0, ..growth }).unwrap();
        assert_eq!((cut.feature, cut.bin), (0, 2));
    }
}
