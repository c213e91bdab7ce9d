//! Which networks of a front are trained, and for how long: the most different ones, by successive halving. All are trained for
//! a part of the recipe, the better half goes on, and so forth; the last two are trained to the end.

use crate::runs::FoundNetwork;
use edgezen_core::search::Quantity;
use serde::Serialize;

/// A round of the trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Networks that are still trained.
    pub networks: usize,
    /// Epochs of the recipe that each of them has seen at the end.
    pub epochs: u32,
}

/// The rounds for so many networks, where the recipe has so many epochs.
pub fn rounds(networks: usize, epochs: u32) -> Vec<Round> {
    let mut counts = vec![networks];
    while let Some(&last) = counts.last().filter(|&&last| last > 2) {
        counts.push(last.div_ceil(2));
    }
    let after = |round: usize| 1_u32.checked_shl((counts.len() - 1 - round) as u32).unwrap_or(u32::MAX);
    let round =
        |(index, &networks): (usize, &usize)| Round { networks, epochs: epochs.div_ceil(after(index)) };
    counts.iter().enumerate().map(round).collect()
}

/// Up to `count` of these networks, as different as can be: the one at `first`, and then always the one that is farthest from
/// all before it in costs, latencies and score. Gives their places.
pub fn most_different(networks: &[FoundNetwork], first: usize, count: usize) -> Vec<usize> {
    let features = features(networks);
    let mut chosen = Vec::new();
    let mut next = (first < networks.len() && count > 0).then_some(first);
    while let Some(index) = next {
        chosen.push(index);
        if chosen.len() == count {
            break;
        }
        let nearest = |at: usize| {
            let distances = chosen.iter().map(|&other| distance(&features[at], &features[other]));
            distances.fold(f64::INFINITY, f64::min)
        };
        let others = (0..networks.len())
            .filter(|at| chosen.iter().all(|&other| networks[other].net != networks[*at].net));
        next = others.max_by(|&a, &b| nearest(a).total_cmp(&nearest(b)).then(b.cmp(&a)));
    }
    chosen
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// What is known of every network, each with a mean of zero and a deviation of one.
fn features(networks: &[FoundNetwork]) -> Vec<Vec<f64>> {
    let mut columns: Vec<Vec<Option<f64>>> = Vec::new();
    for quantity in Quantity::of_networks() {
        columns.push(networks.iter().map(|found| found.amounts[quantity].map(f64::ln_1p)).collect());
    }
    columns.push(networks.iter().map(|found| Some(found.score)).collect());
    if let Some(found) = networks.first() {
        for device in found.latency.keys() {
            let latency = |found: &FoundNetwork| found.latency.get(device).map(|latency| latency.ms.ln_1p());
            columns.push(networks.iter().map(latency).collect());
        }
    }
    let whole = columns.into_iter().filter_map(|column| column.into_iter().collect::<Option<Vec<f64>>>());
    let scaled: Vec<Vec<f64>> = whole
        .map(|column| {
            let count = column.len().max(1) as f64;
            let mean = column.iter().sum::<f64>() / count;
            let deviation = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
            let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
            column.into_iter().map(|value| (value - mean) * scale).collect()
        })
        .collect();
    (0..networks.len()).map(|row| scaled.iter().map(|column| column[row]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(net: &str, score: f64, ms: f64) -> FoundNetwork {
        let text = format!(
            r#"{{"net": "{net}", "score": {score}, "layers": 6, "params": 1000, "flops": 1000,
                "latency": {{"host": {{"ms": {ms}, "lower_ms": 1, "upper_ms": 9, "coverage": 1}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_better_half_goes_on_to_the_end() {
        let of = |networks, epochs| -> Vec<(usize, u32)> {
            rounds(networks, epochs).iter().map(|round| (round.networks, round.epochs)).collect()
        };
        assert_eq!(of(6, 30), [(6, 8), (3, 15), (2, 30)]);
        assert_eq!(of(2, 30), [(2, 30)]);
        assert_eq!(of(1, 5), [(1, 5)]);
        assert_eq!(of(8, 2), [(8, 1), (4, 1), (2, 2)]);
    }

    #[test]
    fn the_most_different_networks_are_chosen() {
        let networks = [
            network("a", 10.0, 1.0),
            network("b", 10.1, 1.01),
            network("c", 30.0, 9.0),
            network("d", 20.0, 4.0),
            network("c", 30.0, 9.0),
        ];
        assert_eq!(most_different(&networks, 0, 3), [0, 2, 3]);
        assert_eq!(most_different(&networks, 1, 2), [1, 2]);
        // The same network twice counts once.
        assert_eq!(most_different(&networks, 2, 9).len(), 4);
        assert_eq!(most_different(&networks, 7, 2), [0; 0]);
    }
}
