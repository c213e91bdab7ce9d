//! Statistics of samples and of predictions: order statistics, rank correlations, relative errors.
//!
//! Slices must be free of NaN; empty slices give `None`.

/// The `q`-quantile (0 to 1) of `sorted`, linearly interpolated (Hyndman & Fan type 7).
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

/// A sorted copy.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut copy = values.to_vec();
    copy.sort_by(f64::total_cmp);
    copy
}

pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Population standard deviation.
pub fn std_dev(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / values.len() as f64).sqrt())
}

/// The mean in units of its standard error. `None` where the values are all alike, or too few to tell.
pub fn mean_in_standard_errors(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = mean(values)?;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let errors = mean / (spread / n).sqrt();
    errors.is_finite().then_some(errors)
}

/// 95 % confidence interval of the median from order statistics: the normal approximation to the
/// binomial ranks n/2 ± 0.98·√n. Distribution-free.
pub fn median_ci95(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    let last = n.checked_sub(1)?;
    let half = 0.98 * (n as f64).sqrt();
    let low = (n as f64 / 2.0 - half).floor().max(0.0) as usize;
    let high = ((n as f64 / 2.0 + half).ceil() as usize).min(last);
    Some((sorted[low], sorted[high]))
}

/// Standard error of the median of `values`, from their median absolute deviation (MAD). For a normal distribution the
/// standard deviation is 1.4826 MAD, and the error of the median is √(π/2n) of it. A few values far away do not change it,
/// as they hardly change the median.
pub fn median_error(values: &[f64]) -> Option<f64> {
    let median = median(values)?;
    let mad = self::median(&values.iter().map(|value| (value - median).abs()).collect::<Vec<_>>())?;
    Some(1.4826 * mad * (std::f64::consts::PI / (2.0 * values.len() as f64)).sqrt())
}

/// Ranks from 1, the greatest value last, ties sharing their mean rank.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        while end + 1 < order.len() && values[order[end + 1]] == values[order[start]] {
            end += 1;
        }
        let shared = (start + end) as f64 / 2.0 + 1.0;
        order[start..=end].iter().for_each(|&i| ranks[i] = shared);
        start = end + 1;
    }
    ranks
}

/// Pearson's correlation; `None` where a side does not vary.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "paired samples");
    let (mean_a, mean_b) = (mean(a)?, mean(b)?);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    let norm = (aa * bb).sqrt();
    (norm > 0.0).then(|| ab / norm)
}

/// Spearman's rank correlation.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

/// Kendall's τ-b, by merge sort in O(n log n).
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "paired samples");
    let n = a.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i].total_cmp(&a[j]).then(b[i].total_cmp(&b[j])));
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0) / 2.0;
    let tied = |same: &dyn Fn(usize, usize) -> bool, order: &[usize]| -> f64 {
        order.chunk_by(|&i, &j| same(i, j)).map(|run| pairs(run.len())).sum()
    };
    let ties_a = tied(&|i, j| a[i] == a[j], &order);
    let ties_both = tied(&|i, j| a[i] == a[j] && b[i] == b[j], &order);
    let mut by_a: Vec<f64> = order.iter().map(|&i| b[i]).collect();
    let discordant = inversions(&mut by_a) as f64;
    order.sort_by(|&i, &j| b[i].total_cmp(&b[j]));
    let ties_b = tied(&|i, j| b[i] == b[j], &order);
    let total = pairs(n);
    let concordant = total - ties_a - ties_b + ties_both - discordant;
    let norm = ((total - ties_a) * (total - ties_b)).sqrt();
    (norm > 0.0).then(|| (concordant - discordant) / norm)
}

/// Number of pairs out of order; sorts `values`.
fn inversions(values: &mut [f64]) -> u64 {
    let n = values.len();
    if n < 2 {
        return 0;
    }
    let middle = n / 2;
    let mut count = inversions(&mut values[..middle]) + inversions(&mut values[middle..]);
    let (left, right) = (values[..middle].to_vec(), values[middle..].to_vec());
    let (mut i, mut j) = (0, 0);
    for slot in values.iter_mut() {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            *slot = left[i];
            i += 1;
        } else {
            *slot = right[j];
            j += 1;
            count += (left.len() - i) as u64;
        }
    }
    count
}

/// Probability that a standard normal variable is at most `z` (Abramowitz & Stegun 26.2.17, error below 7.5e-8).
pub fn normal_probability(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let tail = series.into_iter().fold(0.0, |sum, factor| (sum + factor) * t);
    let beyond = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * tail;
    if z < 0.0 { beyond } else { 1.0 - beyond }
}

/// Quantile of the standard normal distribution (Abramowitz & Stegun 26.2.23, error below 4.5e-4).
pub fn normal_quantile(p: f64) -> f64 {
    let tail = p.min(1.0 - p).max(1e-12);
    let t = (-2.0 * tail.ln()).sqrt();
    let z = t
        - (2.515_517 + t * (0.802_853 + t * 0.010_328))
            / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    if p < 0.5 { -z } else { z }
}

/// 97.5 % quantile of Student's t distribution; the half width of a two-sided 95 % interval in standard errors. The table
/// is that of the textbooks (Abramowitz & Stegun 26.10); above it, their expansion 26.7.5. Infinite without a degree of
/// freedom.
pub fn t_quantile_975(degrees_of_freedom: usize) -> f64 {
    const TABLE: [f64; 20] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    ];
    let Some(index) = degrees_of_freedom.checked_sub(1) else { return f64::INFINITY };
    let (z, n) = (1.959_964_f64, degrees_of_freedom as f64);
    let expanded =
        z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n);
    TABLE.get(index).copied().unwrap_or(expanded)
}

/// |predicted − measured| / measured for each pair.
pub fn relative_errors(predicted: &[f64], measured: &[f64]) -> Vec<f64> {
    assert_eq!(predicted.len(), measured.len(), "paired samples");
    predicted.iter().zip(measured).map(|(p, m)| (p - m).abs() / m).collect()
}

/// Values that fall into two groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modes {
    pub low: f64,
    pub high: f64,
    /// Share of the values in the upper group.
    pub high_share: f64,
}

/// The two groups of `sorted` values, if there clearly are two: the best split explains more than 70 % of
/// the variance, each group holds at least 15 %, and their means differ by more than 5 %.
pub fn two_modes(sorted: &[f64]) -> Option<Modes> {
    let n = sorted.len();
    let (sum, squares) = sorted.iter().fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
    let variance = squares - sum * sum / n.max(1) as f64;
    let least = (0.15 * n as f64).ceil() as usize;
    if n < 10 || variance <= 0.0 {
        return None;
    }
    let mut below = 0.0;
    let mut best: Option<(f64, Modes)> = None;
    for (i, value) in sorted.iter().enumerate().take(n - least) {
        below += value;
        let (left, right) = ((i + 1) as f64, (n - i - 1) as f64);
        if i + 1 < least {
            continue;
        }
        let (low, high) = (below / left, (sum - below) / right);
        let explained = left * right / n as f64 * (high - low).powi(2) / variance;
        if best.is_none_or(|(most, _)| explained > most) {
            best = Some((explained, Modes { low, high, high_share: right / n as f64 }));
        }
    }
    best.filter(|(explained, modes)| *explained > 0.70 && modes.high > 1.05 * modes.low)
        .map(|(_, modes)| modes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn correlations_by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(spearman(&a, &[10.0, 20.0, 30.0, 40.0]), Some(1.0));
        assert_eq!(kendall(&a, &[4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        // One of six pairs is discordant: (5 − 1) / 6.
        let tau = kendall(&a, &[1.0, 3.0, 2.0, 4.0]).unwrap();
        assert!((tau - 4.0 / 6.0).abs() < 1e-12);
        // τ-b with one tie in b: (5 − 0) / √(6·5).
        let tau = kendall(&a, &[1.0, 2.0, 2.0, 4.0]).unwrap();
        assert!((tau - 5.0 / 30_f64.sqrt()).abs() < 1e-12);
        assert_eq!(pearson(&a, &[1.0; 4]), None);
    }

    #[test]
    fn interval_of_the_median_holds_it() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let (low, high) = median_ci95(&values).unwrap();
        assert!(low < 14.5 && 14.5 < high && high - low < 14.0);
    }

    #[test]
    fn quantiles_of_t() {
        assert_eq!((t_quantile_975(0), t_quantile_975(4)), (f64::INFINITY, 2.776));
        // Where the table ends, the expansion goes on: 2.080, 2.042, 1.980.
        for (n, want) in [(21, 2.080), (30, 2.042), (120, 1.980)] {
            assert!((t_quantile_975(n) - want).abs() < 1e-3, "{n}");
        }
    }

    #[test]
    fn the_error_of_a_median_ignores_outliers() {
        // Deviations 2, 1, 0, 1, 2 have the median 1.
        let error = median_error(&[8.0, 9.0, 10.0, 11.0, 12.0]).unwrap();
        assert!((error - 1.4826 * (std::f64::consts::PI / 10.0).sqrt()).abs() < 1e-12);
        assert_eq!(median_error(&[8.0, 9.0, 10.0, 11.0, 1200.0]), Some(error));
        assert_eq!((median_error(&[5.0; 3]), median_error(&[])), (Some(0.0), None));
    }

    #[test]
    fn two_modes_are_two_heaps() {
        let heaps: Vec<f64> =
            (0..30).map(|i| if i < 20 { 10.0 } else { 13.0 } + 0.01 * f64::from(i)).collect();
        let modes = two_modes(&sorted(&heaps)).unwrap();
        assert!((modes.low - 10.1).abs() < 0.1 && (modes.high - 13.2).abs() < 0.1, "{modes:?}");
        assert!((modes.high_share - 1.0 / 3.0).abs() < 1e-9);
        // One heap, a few outliers, heaps that nearly touch, too few values.
        let even: Vec<f64> = (0..30).map(|i| 10.0 + 0.1 * f64::from(i)).collect();
        assert_eq!(two_modes(&even).filter(|m| m.high > 1.3 * m.low), None);
        let outliers: Vec<f64> = (0..30).map(|i| if i < 28 { 10.0 } else { 30.0 }).collect();
        assert_eq!(two_modes(&outliers), None);
        let near: Vec<f64> = (0..30).map(|i| if i < 15 { 10.0 } else { 10.3 }).collect();
        assert_eq!(two_modes(&near), None);
        assert_eq!(two_modes(&[1.0, 9.0]), None);
        assert_eq!(two_modes(&[5.0; 20]), None);
    }
}
