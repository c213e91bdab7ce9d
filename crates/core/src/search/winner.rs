//! The winner of a search: which of the best networks that it found is handed over.
//!
//! Networks with nearly the same score differ in what no single score sees. The **finalists** are those whose score lies
//! within a tenth of the greatest; among them ranks by several scores decide (docs/decisions/091-the-winner.md).

use super::{Individual, SearchOutcome};
use crate::proxy::ensemble::log_ranks;
use crate::proxy::{Candidate, Proxy};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Part of the greatest score that a finalist has at least.
pub const SHARE: f64 = 0.9;

/// A winner among finalists.
#[derive(Clone, Debug, PartialEq)]
pub struct Winner {
    pub network: Individual,
    /// Number of networks that it was chosen among, itself included.
    pub finalists: usize,
}

/// Places of the finalists among networks with these scores: all that have at least [`SHARE`] of the greatest. Where that is
/// not positive, a share has no meaning, and those with the greatest score are left.
pub fn finalists(scores: &[f64]) -> Vec<usize> {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = if greatest > 0.0 { SHARE * greatest } else { greatest };
    (0..scores.len()).filter(|&i| scores[i] >= least).collect()
}

/// The place of the network with the greatest sum of ln(rank / n) by `scores`, one slice for each score; of equal ones the
/// first. Nothing where there are no networks.
pub fn first_by_ranks(scores: &[Vec<f64>]) -> Option<usize> {
    let sums = log_ranks(scores);
    (0..sums.len()).reduce(|best, other| if sums[other] > sums[best] { other } else { best })
}

/// The winner among the networks of `outcome` by the ranks of `proxies`. A finalist that one of them cannot score does not take
/// part; where that leaves none, the network with the greatest score wins.
pub fn among(
    outcome: &SearchOutcome,
    proxies: &[Box<dyn Proxy>],
    resolution: u32,
    classes: u32,
    seed: u64,
) -> Winner {
    let ranked = outcome.ranked();
    let scores: Vec<f64> = ranked.iter().map(|network| network.score).collect();
    let mut taking_part = Vec::new();
    let mut by_proxy = vec![Vec::new(); proxies.len()];
    for network in finalists(&scores).into_iter().map(|i| ranked[i]) {
        let candidate = Candidate { blocks: &network.blocks, resolution, classes };
        let score = |proxy: &Box<dyn Proxy>| {
            let score = proxy.score(candidate, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            score.ok().filter(|score| score.is_finite())
        };
        if let Some(scores) = proxies.iter().map(score).collect::<Option<Vec<f64>>>() {
            by_proxy.iter_mut().zip(scores).for_each(|(all, score)| all.push(score));
            taking_part.push(network);
        }
    }
    match first_by_ranks(&by_proxy) {
        Some(first) => Winner { network: taking_part[first].clone(), finalists: taking_part.len() },
        None => Winner { network: outcome.best.clone(), finalists: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{self, Mode, Setup};
    use crate::search::{Quantity, Search};
    use crate::space;

    #[test]
    fn finalists_are_within_a_tenth() {
        assert_eq!(finalists(&[100.0, 89.9, 90.0, 95.0]), [0, 2, 3]);
        assert_eq!(finalists(&[-3.0, -1.0, -1.0]), [1, 2]);
        assert!(finalists(&[]).is_empty());
        // 2/3·3/3 beats 3/3·1/3 and 1/3·2/3.
        assert_eq!(first_by_ranks(&[vec![3.0, 2.0, 1.0], vec![1.0, 3.0, 2.0]]), Some(1));
        assert_eq!(first_by_ranks(&[Vec::new()]), None);
    }

    #[test]
    fn the_winner_is_a_finalist_that_fits() {
        let search = Search::new(space::by_name("mobilenet").unwrap())
            .budget(Quantity::Flops, 3e8)
            .budget(Quantity::Layers, 14.0)
            .iterations(3_000)
            .threads(1);
        let outcome = search.run().unwrap();
        let setup = Setup { mode: Mode::Paper, resolution: 224 };
        let proxies = ["zen", "stage-params"].map(|name| (proxy::by_name(name).unwrap().make)(setup));
        let winner = among(&outcome, &proxies, 224, 1000, 0);
        assert!(winner.network.score >= SHARE * outcome.best.score && winner.finalists > 1);
        assert!(winner.network.costs[Quantity::Flops].unwrap() <= 3e8);
        let candidate = |network| Candidate { blocks: network, resolution: 224, classes: 1000 };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        let mut params = |network| proxies[1].score(candidate(network), &mut rng).unwrap();
        assert!(params(&winner.network.blocks) >= params(&outcome.best.blocks));
        // By its own score alone, the greatest wins.
        assert_eq!(among(&outcome, &proxies[..1], 224, 1000, 0).network, outcome.best);
    }
}
