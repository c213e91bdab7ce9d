//! How well a score ranks trained networks, and what choosing by it costs; both with their errors by bootstrap.

use edgezen_core::stats;
use rand::{Rng, RngExt};

/// Rank correlations of a score with the accuracies, with standard errors.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Correlation {
    pub spearman: f64,
    pub spearman_se: f64,
    pub kendall: f64,
    pub kendall_se: f64,
}

/// Mean loss of accuracy, in points, of the network that a score chooses under a budget, against the best network
/// there; with the interval that holds nine of ten resampled tables.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Regret {
    pub points: f64,
    pub lower: f64,
    pub upper: f64,
}

/// Tables that are drawn from one, with repetition.
pub const RESAMPLED: usize = 100;

/// The correlations of `scores` with `accuracies`; `None` where one of them does not vary.
pub fn correlate(scores: &[f64], accuracies: &[f64], rng: &mut impl Rng) -> Option<Correlation> {
    let of = |a: &[f64], b: &[f64]| Some((stats::spearman(a, b)?, stats::kendall(a, b)?));
    let (spearman, kendall) = of(scores, accuracies)?;
    let mut drawn = Vec::with_capacity(RESAMPLED);
    for _ in 0..RESAMPLED {
        let rows = resample(scores.len(), rng);
        drawn.extend(of(&select(scores, &rows), &select(accuracies, &rows)));
    }
    let deviation = |values: Vec<f64>| stats::std_dev(&values).unwrap_or(f64::NAN);
    Some(Correlation {
        spearman,
        spearman_se: deviation(drawn.iter().map(|pair| pair.0).collect()),
        kendall,
        kendall_se: deviation(drawn.iter().map(|pair| pair.1).collect()),
    })
}

/// What chooses under a budget.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// The network with the greatest score.
    Best(&'a [f64]),
    /// Any network: its expected accuracy counts.
    AtRandom,
}

/// Shares of the networks that lie inside the budgets over which a regret is averaged.
const INSIDE: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// The mean regret over budgets on `costs` that a tenth, two tenths, … of the networks keep.
pub fn regret(choice: Choice<'_>, accuracies: &[f64], costs: &[f64], rng: &mut impl Rng) -> Option<Regret> {
    let all: Vec<usize> = (0..accuracies.len()).collect();
    let points = mean_regret(choice, accuracies, costs, all)?;
    let resampled = (0..RESAMPLED)
        .filter_map(|_| mean_regret(choice, accuracies, costs, resample(accuracies.len(), rng)));
    let sorted = stats::sorted(&resampled.collect::<Vec<_>>());
    let (lower, upper) = stats::quantile(&sorted, 0.05).zip(stats::quantile(&sorted, 0.95))?;
    Some(Regret { points, lower, upper })
}

fn mean_regret(choice: Choice<'_>, accuracies: &[f64], costs: &[f64], mut rows: Vec<usize>) -> Option<f64> {
    rows.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    let inside: Vec<usize> =
        INSIDE.iter().map(|share| (share * rows.len() as f64).round() as usize).collect();
    let (mut best, mut chosen, mut score, mut sum) = (f64::MIN, f64::NAN, f64::MIN, 0.0);
    let mut regrets = Vec::new();
    for (count, &row) in rows.iter().enumerate() {
        best = best.max(accuracies[row]);
        sum += accuracies[row];
        match choice {
            Choice::Best(scores) if chosen.is_nan() || scores[row] > score => {
                (score, chosen) = (scores[row], accuracies[row]);
            }
            Choice::Best(_) => {}
            Choice::AtRandom => chosen = sum / (count + 1) as f64,
        }
        regrets.extend(inside.iter().filter(|&&last| last == count + 1).map(|_| best - chosen));
    }
    stats::mean(&regrets)
}

fn resample(n: usize, rng: &mut impl Rng) -> Vec<usize> {
    (0..n).map(|_| rng.random_range(0..n)).collect()
}

fn select(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&row| values[row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn the_truth_is_correlated_with_itself_and_has_no_regret() {
        let accuracies: Vec<f64> = (0..40).map(|i| 50.0 + f64::from(i * i % 37)).collect();
        let costs: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40)).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let same = correlate(&accuracies, &accuracies, &mut rng).unwrap();
        assert!((same.spearman - 1.0).abs() < 1e-12 && (same.kendall - 1.0).abs() < 1e-12);
        assert!(same.kendall_se < 1e-9);
        assert_eq!(correlate(&[1.0; 40], &accuracies, &mut rng), None);
        let none = regret(Choice::Best(&accuracies), &accuracies, &costs, &mut rng).unwrap();
        assert_eq!((none.points, none.lower, none.upper), (0.0, 0.0, 0.0));
        let random = regret(Choice::AtRandom, &accuracies, &costs, &mut rng).unwrap();
        assert!(random.points > 5.0 && random.lower < random.points && random.upper > random.lower);
        let noisy = correlate(&costs, &accuracies, &mut rng).unwrap();
        assert!(noisy.kendall.abs() < 0.5 && (0.05..0.3).contains(&noisy.kendall_se));
    }
}
