//! What is known of the rows of a leaf, by the bins of all features.

use super::binned::Binned;

/// Nodes of fewer rows are not worth a second thread.
const PARALLEL_ROWS: usize = 8192;

/// The rows of a leaf that fall into one bin of a feature. Both are numbers of one type, so that a row is added to both at once;
/// the count is a whole number.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bin {
    pub sum: f64,
    pub count: f64,
}

/// The bins of all features, one after the other: see [`Binned::starts`].
pub type Histogram = Vec<Bin>;

/// Histograms that are not needed any more, to be filled again: asking the system for their memory takes as long as filling them.
#[derive(Debug, Default)]
pub struct Spare(Vec<Histogram>);

impl Spare {
    pub fn keep(&mut self, histogram: Histogram) {
        self.0.push(histogram);
    }

    /// The histogram of `rows`, of which `pulls` are the values; of many rows, in two halves of the features side by side.
    pub fn histogram_of(&mut self, binned: &Binned, rows: &[u32], pulls: &[f64]) -> Histogram {
        let mut histogram = self.0.pop().unwrap_or_default();
        histogram.clear();
        histogram.resize(binned.starts[binned.features], Bin::default());
        let half = binned.features / 2;
        let (first, second) = histogram.split_at_mut(binned.starts[half]);
        let fill = |part: &mut [Bin], features: std::ops::Range<usize>| {
            let offset = binned.starts[features.start];
            let starts: Vec<usize> =
                binned.starts[features.clone()].iter().map(|start| start - offset).collect();
            for (&row, &pull) in rows.iter().zip(pulls) {
                for (&bin, &start) in binned.row(row as usize)[features.clone()].iter().zip(&starts) {
                    let bin = &mut part[start + usize::from(bin)];
                    bin.sum += pull;
                    bin.count += 1.0;
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
}

/// Takes the rows of `part` away from `whole`. A bin that becomes empty has a sum of exactly zero.
pub fn take_away(whole: &mut [Bin], part: &[Bin]) {
    for (whole, part) in whole.iter_mut().zip(part) {
        let count = whole.count - part.count;
        let sum = whole.sum - part.sum;
        *whole = Bin { sum: if count > 0.0 { sum } else { 0.0 }, count };
    }
}
