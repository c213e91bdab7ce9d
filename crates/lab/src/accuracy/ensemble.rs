//! Ensembles of scores: the sum over the scores of the logarithm of a network's rank among all that are compared (as AZ-NAS
//! combines its scores, Lee & Ham, CVPR 2024). Units do not matter, and a network that one of the scores puts last
//! falls far behind.

/// The sum of ln(rank / n) over `scores`: one slice for each score, one number for each of the n networks. The best rank
/// is n; equal scores share their mean rank. The best sum is 0.
pub fn log_ranks(scores: &[Vec<f64>]) -> Vec<f64> {
    let n = scores.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; n];
    for values in scores {
        for (sum, rank) in sums.iter_mut().zip(ranks(values)) {
            *sum += (rank / n as f64).ln();
        }
    }
    sums
}

/// Ranks from 1, the greatest value last; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = before as f64 + (run.len() as f64 + 1.0) / 2.0;
        run.iter().for_each(|&i| ranks[i] = shared);
        before += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_all_is_zero_and_the_worst_of_one_is_far_behind() {
        let sums = log_ranks(&[vec![3.0, 1.0, 2.0], vec![30.0, 20.0, 10.0]]);
        assert_eq!(sums[0], 0.0);
        assert!((sums[1] - ((1.0_f64 / 3.0).ln() + (2.0_f64 / 3.0).ln())).abs() < 1e-12);
        assert!((sums[1] - sums[2]).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 5.0, 1.0]), [2.5, 2.5, 1.0]);
    }
}
