//! Choosing what to measure: few rows that cover all sizes and, within a size, what a model is least sure of.

use ndarray::Array2;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How much of the pool is looked at for each measurement.
const LOOK_AT: usize = 64;

/// Which rows of a pool to measure. `values` describes them, `predicted` is what the source says of each.
///
/// The pool is cut into as many sizes as there are measurements; from each the row is taken that adds most
/// to what is known. The same generator gives the same choice.
pub(crate) fn choose(
    values: &Array2<f64>,
    predicted: &[f64],
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..predicted.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let width = values.ncols();
    let mut rows = values.clone();
    rows.rows_mut().into_iter().zip(predicted).for_each(|(mut row, p)| row /= p.max(f64::MIN_POSITIVE));
    let units: Vec<f64> =
        rows.columns().into_iter().map(|c| (c.dot(&c) / predicted.len().max(1) as f64).sqrt()).collect();
    for (j, unit) in units.iter().enumerate() {
        rows.column_mut(j).mapv_inplace(|value| if *unit > 0.0 { value / unit } else { 0.0 });
    }
    // Inverse of what is known so far, updated row by row (Sherman & Morrison).
    let mut unsure = Array2::<f64>::eye(width);
    let count = count.min(order.len());
    let mut chosen = Vec::with_capacity(count);
    for bin in 0..count {
        let part = &order[bin * order.len() / count..(bin + 1) * order.len() / count];
        let looked_at: Vec<usize> = if part.len() <= LOOK_AT {
            part.to_vec()
        } else {
            (0..LOOK_AT).map(|_| part[rng.random_range(0..part.len())]).collect()
        };
        let gain = |row: usize| rows.row(row).dot(&unsure.dot(&rows.row(row)));
        let most = looked_at.into_iter().max_by(|&a, &b| gain(a).total_cmp(&gain(b)).then(b.cmp(&a)));
        let Some(row) = most else { continue };
        let known = unsure.dot(&rows.row(row));
        let divisor = 1.0 + rows.row(row).dot(&known);
        for i in 0..width {
            for j in 0..width {
                unsure[(i, j)] -= known[i] * known[j] / divisor;
            }
        }
        chosen.push(row);
    }
    chosen.sort_unstable();
    chosen
}
