//! Tables of features cut into bins, as trees are grown on them.

use edgezen_core::predictor::model::boosted::{Borders, MAX_BINS};

/// Borders halfway between distinct values, at quantiles where there are too many.
pub fn borders(values: &[f32]) -> Vec<f32> {
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
pub struct Binned {
    bins: Vec<u8>,
    pub features: usize,
    /// Where the bins of each feature start in a histogram, and where the last one ends.
    pub starts: Vec<usize>,
}

impl Binned {
    pub fn new(columns: &[(Borders, Vec<u8>)], rows: usize) -> Binned {
        let mut starts = vec![0];
        for (borders, _) in columns {
            starts.push(starts[starts.len() - 1] + borders.count() + 1);
        }
        let bins = (0..rows).flat_map(|row| columns.iter().map(move |(_, bins)| bins[row])).collect();
        Binned { bins, features: columns.len(), starts }
    }

    /// The bins of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bins[row * self.features..(row + 1) * self.features]
    }
}
