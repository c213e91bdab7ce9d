//! How well a score ranks trained networks, and what choosing by it costs; both with their errors by bootstrap.

use edgezen_core::proxy::ensemble;
use edgezen_core::search::winner;
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
    let pairs = Pairs::of(scores, accuracies);
    let (spearman, kendall) = pairs.correlations(&vec![1; scores.len()])?;
    let drawn: Vec<(f64, f64)> =
        (0..RESAMPLED).filter_map(|_| pairs.correlations(&resample(scores.len(), rng))).collect();
    let deviation = |values: Vec<f64>| stats::std_dev(&values).unwrap_or(f64::NAN);
    Some(Correlation {
        spearman,
        spearman_se: deviation(drawn.iter().map(|pair| pair.0).collect()),
        kendall,
        kendall_se: deviation(drawn.iter().map(|pair| pair.1).collect()),
    })
}

/// Pairs of values, sorted once for all resampled tables: a table is how often each pair stands in it.
struct Pairs {
    /// For each pair the place of its first value among the distinct first values; then the same of the second.
    places: [Vec<usize>; 2],
    /// Number of distinct values of each side.
    distinct: [usize; 2],
    /// The pairs, the least first value first.
    order: Vec<usize>,
}

impl Pairs {
    fn of(a: &[f64], b: &[f64]) -> Pairs {
        let (order, of_a, distinct_a) = places(a);
        let (_, of_b, distinct_b) = places(b);
        Pairs { places: [of_a, of_b], distinct: [distinct_a, distinct_b], order }
    }

    /// Spearman's and Kendall's (τ-b) correlation of the table in which pair i stands `counts[i]` times. In O(n log n),
    /// without sorting.
    fn correlations(&self, counts: &[u64]) -> Option<(f64, f64)> {
        let total: u64 = counts.iter().sum();
        let ranks = [0, 1].map(|side| {
            let mut weights = vec![0_u64; self.distinct[side]];
            self.places[side].iter().zip(counts).for_each(|(&place, &count)| weights[place] += count);
            weights
        });
        let pairs = |count: u64| count as f64 * (count as f64 - 1.0) / 2.0;
        let tied = |weights: &Vec<u64>| weights.iter().copied().map(pairs).sum::<f64>();
        let untied = [0, 1].map(|side| pairs(total) - tied(&ranks[side]));
        let norm = (untied[0] * untied[1]).sqrt();
        if norm <= 0.0 || norm.is_nan() {
            return None;
        }
        let kendall = self.concordance(counts) / norm;
        // Distances of the mean ranks from the middle.
        let [a, b] = ranks.map(|weights| {
            let middle = (total as f64 + 1.0) / 2.0;
            let mut before = 0.0;
            let rank = |weight: u64| {
                let rank = before + (weight as f64 + 1.0) / 2.0 - middle;
                before += weight as f64;
                rank
            };
            weights.into_iter().map(rank).collect::<Vec<f64>>()
        });
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (i, &count) in counts.iter().enumerate() {
            let (x, y, count) = (a[self.places[0][i]], b[self.places[1][i]], count as f64);
            ab += count * x * y;
            aa += count * x * x;
            bb += count * y * y;
        }
        Some((ab / (aa * bb).sqrt(), kendall))
    }

    /// Concordant pairs less discordant ones.
    fn concordance(&self, counts: &[u64]) -> f64 {
        let [of_a, of_b] = &self.places;
        let mut seen = Tree(vec![0; self.distinct[1] + 1]);
        let (mut before, mut sum) = (0_u64, 0_i64);
        for alike in self.order.chunk_by(|&i, &j| of_a[i] == of_a[j]) {
            let drawn = || alike.iter().copied().filter(|&i| counts[i] > 0);
            for i in drawn() {
                let (below, up_to) = (seen.below(of_b[i]), seen.below(of_b[i] + 1));
                let balance = below as i64 - (before - up_to) as i64;
                sum += counts[i] as i64 * balance;
            }
            for i in drawn() {
                seen.add(of_b[i], counts[i]);
                before += counts[i];
            }
        }
        sum as f64
    }
}

/// Rows in the order of their values; for each row the place of its value among the distinct values; their number.
fn places(values: &[f64]) -> (Vec<usize>, Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut places = vec![0; values.len()];
    let mut distinct = 0;
    for alike in order.chunk_by(|&i, &j| values[i] == values[j]) {
        alike.iter().for_each(|&i| places[i] = distinct);
        distinct += 1;
    }
    (order, places, distinct)
}

/// Counts by place, with their sums up to any place (a Fenwick tree).
struct Tree(Vec<u64>);

impl Tree {
    fn add(&mut self, place: usize, count: u64) {
        let mut at = place + 1;
        while at < self.0.len() {
            self.0[at] += count;
            at += at & at.wrapping_neg();
        }
    }

    /// The sum of the counts at places below `place`.
    fn below(&self, place: usize) -> u64 {
        let (mut at, mut sum) = (place, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}

/// What chooses under a budget.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// The network with the greatest score.
    Best(&'a [f64]),
    /// The winner of a search: of the networks that may be visited, those with nearly the greatest score are finalists, and
    /// ranks by it and another score choose among them (`search::winner`).
    Winner { visited: &'a [bool], score: &'a [f64], with: &'a [f64] },
    /// Any network: its expected accuracy counts.
    AtRandom,
}

/// Shares of the networks that lie inside the budgets over which a regret is averaged.
const INSIDE: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// The mean regret over budgets on `costs` that a tenth, two tenths, … of the networks keep.
pub fn regret(choice: Choice<'_>, accuracies: &[f64], costs: &[f64], rng: &mut impl Rng) -> Option<Regret> {
    let n = accuracies.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    let points = mean_regret(choice, accuracies, &order, &vec![1; n])?;
    let resampled = (0..RESAMPLED).filter_map(|_| mean_regret(choice, accuracies, &order, &resample(n, rng)));
    let sorted = stats::sorted(&resampled.collect::<Vec<_>>());
    let (lower, upper) = stats::quantile(&sorted, 0.05).zip(stats::quantile(&sorted, 0.95))?;
    Some(Regret { points, lower, upper })
}

/// The mean regret where row i stands `counts[i]` times in the table; `order` are the rows, the cheapest first.
fn mean_regret(choice: Choice<'_>, accuracies: &[f64], order: &[usize], counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let mut last = INSIDE.iter().map(|share| (share * total as f64).round() as u64).peekable();
    let (mut best, mut chosen, mut score, mut sum) = (f64::MIN, None, f64::MIN, 0.0);
    let (mut regrets, mut count) = (Vec::new(), 0);
    for (place, &row) in order.iter().enumerate().filter(|(_, row)| counts[**row] > 0) {
        best = best.max(accuracies[row]);
        if let Choice::Best(scores) = choice
            && (chosen.is_none() || scores[row] > score)
        {
            (score, chosen) = (scores[row], Some(accuracies[row]));
        }
        while let Some(inside) = last.next_if(|last| *last <= count + counts[row]) {
            if inside == 0 {
                continue;
            }
            let of_choice = match choice {
                Choice::Best(_) => chosen,
                Choice::Winner { visited, score, with } => {
                    let inside: Vec<usize> =
                        order[..=place].iter().copied().filter(|&i| counts[i] > 0 && visited[i]).collect();
                    winner(&inside, score, with).map(|row| accuracies[row])
                }
                Choice::AtRandom => Some((sum + accuracies[row] * (inside - count) as f64) / inside as f64),
            };
            regrets.extend(of_choice.map(|accuracy| best - accuracy));
        }
        sum += accuracies[row] * counts[row] as f64;
        count += counts[row];
    }
    stats::mean(&regrets)
}

/// The row of `rows`, which may be visited inside a budget, that wins a search: the best by the sum of the logarithms of its
/// ranks by both scores, of those with nearly the greatest score.
fn winner(rows: &[usize], score: &[f64], with: &[f64]) -> Option<usize> {
    let of = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
    let scores = of(score);
    let least = winner::least(scores.iter().copied().reduce(f64::max)?);
    let sums = ensemble::log_ranks(&[scores, of(with)]);
    let finalists = (0..rows.len()).filter(|&i| score[rows[i]] >= least);
    let key = |i: usize| (sums[i], score[rows[i]]);
    finalists
        .max_by(|&a, &b| key(a).0.total_cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1)))
        .map(|i| rows[i])
}

/// How often each of `n` rows stands in a table of `n` rows that is drawn with repetition.
fn resample(n: usize, rng: &mut impl Rng) -> Vec<u64> {
    let mut counts = vec![0; n];
    (0..n).for_each(|_| counts[rng.random_range(0..n)] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Draws for tests; `few` values each, so that there are ties.
    fn columns(n: usize, few: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(few);
        let mut value = |_| (rng.random_range(0..few)) as f64;
        ((0..n).map(&mut value).collect(), (0..n).map(&mut value).collect())
    }

    #[test]
    fn correlations_of_counted_rows_are_those_of_the_table_written_out() {
        for few in [3, 7, 1_000] {
            let (a, b) = columns(60, few);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
            for _ in 0..5 {
                let counts = resample(a.len(), &mut rng);
                let written = |values: &[f64]| -> Vec<f64> {
                    let each = values.iter().zip(&counts);
                    each.flat_map(|(&value, &count)| (0..count).map(move |_| value)).collect()
                };
                let (x, y) = (written(&a), written(&b));
                let (spearman, kendall) = Pairs::of(&a, &b).correlations(&counts).unwrap();
                assert!((spearman - stats::spearman(&x, &y).unwrap()).abs() < 1e-12, "{few}");
                assert!((kendall - stats::kendall(&x, &y).unwrap()).abs() < 1e-12, "{few}");
            }
        }
        assert_eq!(Pairs::of(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]).correlations(&[1; 4]), None);
    }

    #[test]
    fn a_winner_is_chosen_among_those_that_may_be_visited() {
        let accuracies: Vec<f64> = (0..20).map(|i| 50.0 + f64::from(i)).collect();
        let costs = accuracies.clone();
        let (score, even) = (vec![10.0; 20], accuracies.clone());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut of = |visited: &[bool], with: &[f64]| {
            let choice = Choice::Winner { visited, score: &score, with };
            regret(choice, &accuracies, &costs, &mut rng).map(|regret| regret.points)
        };
        // Ranks by the accuracy find the best inside each budget.
        assert_eq!(of(&[true; 20], &even), Some(0.0));
        // Every second network may be visited: the cheapest two, four, … hold one that is better in the end.
        let some: Vec<bool> = (0..20).map(|i| i % 2 == 0).collect();
        assert_eq!(of(&some, &even), Some(1.0));
        assert_eq!(of(&[false; 20], &even), None);
    }

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
