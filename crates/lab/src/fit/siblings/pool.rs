//! Prices that all sets have in common, up to one factor for each set; those of the sets of one precision near them; and those of
//! one set near these.

use crate::fit::error::FitError;
use crate::fit::solvers::nnls::non_negative;
use edgezen_core::stats;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

/// A latency in a pool.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub set: usize,
    /// The same for one network in all sets.
    pub network: u64,
    pub sums: Vec<f64>,
    pub ns: f64,
}

/// What is common: prices, and the factor of each set.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub prices: Vec<f64>,
    /// Of sets without rows: 1.
    pub factors: Vec<f64>,
}

/// Rounds in which prices, factors and weights are found one after another.
const ROUNDS: usize = 6;
/// Belief in nothing of each common price, as a share of the networks.
const BELIEF: f64 = 0.05;
/// Belief of a precision in the prices of all, as a share of its networks; and of a set in those of its precision.
const NEAR_BELIEF: f64 = 0.1;
/// Rounds in which prices near others, factors and weights are found.
const NEAR_ROUNDS: usize = 4;
/// Least share of a column in the time of networks that belief reckons with.
const LEAST_SHARE: f64 = 1e-3;
/// Logarithmic errors beyond this count less and less.
const USUAL: f64 = 0.12;

/// Fits the common prices to `rows`, of which each network counts alike however many sets have it.
///
/// # Errors
/// A failure of the solver.
pub(super) fn common(rows: &[&Row], sets: usize) -> Result<Common, FitError> {
    let width = rows.first().ok_or(FitError::NoData)?.sums.len();
    let shares = shares(rows);
    let total: f64 = shares.iter().sum();
    let per_set = |logs: &[f64], middle: &dyn Fn(&[f64]) -> Option<f64>| factors_of(rows, sets, logs, middle);
    let logs = |of: &dyn Fn(&Row) -> f64| -> Vec<f64> { rows.iter().map(|row| of(row).ln()).collect() };
    let mut factors = per_set(&logs(&|row| row.ns), &stats::mean);
    let usual = stats::mean(&factors).unwrap_or(1.0);
    factors.iter_mut().for_each(|factor| *factor /= usual);
    let mut weights = vec![1.0; rows.len()];
    let mut prices = vec![0.0; width];
    for round in 0..ROUNDS {
        let mut a = Array2::zeros((rows.len() + width, width));
        let mut b = Array1::zeros(rows.len() + width);
        let mut means = vec![0.0; width];
        for (i, row) in rows.iter().enumerate() {
            let root = (shares[i] * weights[i]).sqrt();
            for j in 0..width {
                let cost = row.sums[j] * factors[row.set] / row.ns;
                a[(i, j)] = root * cost;
                means[j] += shares[i] * cost / total;
            }
            b[i] = root;
        }
        for j in 0..width {
            a[(rows.len() + j, j)] = (BELIEF * total).sqrt() * means[j];
        }
        prices = non_negative(&a, &b)?;
        let sum = |row: &Row| dot(&row.sums, &prices).max(f64::MIN_POSITIVE);
        weights = rows.iter().map(|row| weight((factors[row.set] * sum(row) / row.ns).ln())).collect();
        let middle = if round == 0 { stats::mean } else { stats::median };
        factors = per_set(&logs(&|row| row.ns / sum(row)), &middle);
    }
    Ok(Common { prices, factors })
}

/// The prices that `rows`, those of one precision, have in common, near those of all precisions.
///
/// # Errors
/// A failure of the solver.
pub(super) fn near(rows: &[&Row], all: &Common) -> Result<Common, FitError> {
    let (count, width, sets) = (rows.len(), all.prices.len(), all.factors.len());
    let shares = shares(rows);
    let total: f64 = shares.iter().sum();
    // What each column stands for in the time of a row, at the prices of all.
    let parts: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| (0..width).map(|j| row.sums[j] * all.prices[j] * all.factors[row.set] / row.ns).collect())
        .collect();
    let usual = |j: usize| -> f64 {
        let sum: f64 = parts.iter().zip(&shares).map(|(part, share)| part[j] * share).sum();
        (sum / total).hypot(LEAST_SHARE)
    };
    let usual: Vec<f64> = (0..width).map(usual).collect();
    let mut factors = vec![1.0; sets];
    let mut weights = vec![1.0; count];
    let mut times = vec![1.0; width];
    for _ in 0..NEAR_ROUNDS {
        let mut a = Array2::zeros((count + width, width));
        let mut b = Array1::zeros(count + width);
        for (i, row) in rows.iter().enumerate() {
            let root = (shares[i] * weights[i]).sqrt();
            for j in 0..width {
                a[(i, j)] = root * parts[i][j] * factors[row.set];
            }
            b[i] = root;
        }
        for (j, usual) in usual.iter().enumerate() {
            let belief = (NEAR_BELIEF * total).sqrt() * usual;
            a[(count + j, j)] = belief;
            b[count + j] = belief;
        }
        times = non_negative(&a, &b)?;
        let logs: Vec<f64> = parts.iter().map(|part| dot(part, &times).max(LEAST_SHARE).ln()).collect();
        let over: Vec<f64> = logs.iter().map(|log| -log).collect();
        factors = factors_of(rows, sets, &over, &stats::median);
        weights = rows.iter().zip(&logs).map(|(row, log)| weight(log + factors[row.set].ln())).collect();
    }
    Ok(Common {
        prices: all.prices.iter().zip(&times).map(|(price, times)| price * times).collect(),
        factors: all.factors.iter().zip(&factors).map(|(of_all, own)| of_all * own).collect(),
    })
}

/// The weight of each row if each network counts once, however many sets have it.
fn shares(rows: &[&Row]) -> Vec<f64> {
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.network).or_default() += 1.0);
    rows.iter().map(|row| 1.0 / counts[&row.network]).collect()
}

/// The middle of the logarithms of the rows of each set, as a factor; 1 for a set without rows.
fn factors_of(rows: &[&Row], sets: usize, logs: &[f64], middle: &dyn Fn(&[f64]) -> Option<f64>) -> Vec<f64> {
    let of = |set: usize| -> Vec<f64> {
        rows.iter().zip(logs).filter(|(row, _)| row.set == set).map(|(_, log)| *log).collect()
    };
    (0..sets).map(|set| middle(&of(set)).map_or(1.0, f64::exp)).collect()
}

/// The prices of one set, near those that it has in common with its siblings.
///
/// # Errors
/// A failure of the solver.
pub(super) fn of_set(rows: &[&Row], set: usize, common: &Common) -> Result<Vec<f64>, FitError> {
    let rows: Vec<&&Row> = rows.iter().filter(|row| row.set == set).collect();
    let near: Vec<f64> = common.prices.iter().map(|price| price * common.factors[set]).collect();
    let (count, width) = (rows.len(), near.len());
    if count == 0 {
        return Ok(near);
    }
    let share = |j: usize| {
        let shares: Vec<f64> = rows.iter().map(|row| row.sums[j] * near[j] / row.ns).collect();
        stats::mean(&shares).unwrap_or_default()
    };
    let shares: Vec<f64> = (0..width).map(share).collect();
    let mut weights = vec![1.0; count];
    let mut times = vec![1.0; width];
    for _ in 0..NEAR_ROUNDS {
        let mut a = Array2::zeros((count + width, width));
        let mut b = Array1::zeros(count + width);
        for (i, row) in rows.iter().enumerate() {
            let root = weights[i];
            for j in 0..width {
                a[(i, j)] = root * row.sums[j] * near[j] / row.ns;
            }
            b[i] = root;
        }
        for (j, share) in shares.iter().enumerate() {
            let belief = (NEAR_BELIEF * count as f64).sqrt() * share.hypot(LEAST_SHARE);
            a[(count + j, j)] = belief;
            b[count + j] = belief;
        }
        times = non_negative(&a, &b)?;
        let sum = |row: &Row| -> f64 { (0..width).map(|j| row.sums[j] * near[j] * times[j]).sum() };
        weights = rows.iter().map(|row| weight((sum(row).max(LEAST_SHARE) / row.ns).ln()).sqrt()).collect();
    }
    Ok(near.iter().zip(&times).map(|(near, times)| near * times).collect())
}

fn weight(log: f64) -> f64 {
    USUAL / log.abs().max(USUAL)
}

pub(super) fn dot(sums: &[f64], prices: &[f64]) -> f64 {
    sums.iter().zip(prices).map(|(sum, price)| sum * price).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Networks of two quantities and a constant, on devices that are a factor apart.
    fn rows(factors: &[f64], odd: f64) -> Vec<Row> {
        let networks: Vec<Vec<f64>> =
            (1..=12).map(|i| vec![f64::from(i), f64::from(1 + i * 7 % 11), 1.0]).collect();
        let truth = [3.0, 2.0, 5.0];
        let of = |(set, factor): (usize, &f64)| {
            let row = |(network, sums): (usize, &Vec<f64>)| {
                let own = if set == 1 && network == 4 { odd } else { 1.0 };
                Row { set, network: network as u64, sums: sums.clone(), ns: own * factor * dot(sums, &truth) }
            };
            networks.iter().enumerate().map(row).collect::<Vec<_>>()
        };
        factors.iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn siblings_tell_the_structure_and_a_set_its_scale() {
        let all = rows(&[1.0, 2.5, 0.4], 1.0);
        // The last set has two networks only.
        let known: Vec<&Row> = all.iter().filter(|row| row.set != 2 || row.network < 2).collect();
        let common = common(&known, 3).unwrap();
        for set in 0..3 {
            let prices = of_set(&known, set, &common).unwrap();
            for row in all.iter().filter(|row| row.set == set) {
                let error = dot(&row.sums, &prices) / row.ns - 1.0;
                let most = if set == 2 { 0.15 } else { 0.08 };
                assert!(error.abs() < most, "set {set}: {error}");
            }
        }
    }

    #[test]
    fn a_precision_keeps_near_the_others_what_it_cannot_tell() {
        // The second precision, sets 2 and 3, is twice as quick at the first quantity, and has four networks.
        let all = rows(&[1.0, 2.5, 0.4, 0.8], 1.0);
        let quick = |row: &Row| match row.set {
            0 | 1 => row.clone(),
            set => Row { ns: row.ns - [0.4, 0.8][set - 2] * 1.5 * row.sums[0], ..row.clone() },
        };
        let truth: Vec<Row> = all.iter().map(quick).collect();
        let known: Vec<&Row> = truth.iter().filter(|row| row.set < 2 || row.network % 3 == 0).collect();
        let of_second: Vec<&Row> = known.iter().copied().filter(|row| row.set >= 2).collect();
        let worst = |common: &Common| {
            let errors = truth
                .iter()
                .filter(|row| row.set >= 2)
                .map(|row| (dot(&row.sums, &of_set(&known, row.set, common).unwrap()) / row.ns - 1.0).abs());
            errors.fold(0.0, f64::max)
        };
        let of_all = common(&known, 4).unwrap();
        let alone = worst(&common(&of_second, 4).unwrap());
        let leaning = worst(&near(&of_second, &of_all).unwrap());
        assert!(leaning < 0.1, "{leaning}; all alike {}, alone {alone}", worst(&of_all));
        assert!(leaning < alone && leaning < worst(&of_all));
    }

    #[test]
    fn one_odd_network_does_not_move_the_others() {
        let all = rows(&[1.0, 2.5], 4.0);
        let refs: Vec<&Row> = all.iter().collect();
        let prices = of_set(&refs, 1, &common(&refs, 2).unwrap()).unwrap();
        for row in all.iter().filter(|row| row.set == 1 && row.network != 4) {
            let error = dot(&row.sums, &prices) / row.ns - 1.0;
            assert!(error.abs() < 0.155, "network {}: {error}", row.network);
        }
    }
}
