//! The winner of a search: which of the networks with nearly the greatest score is handed over.
//!
//! Networks with nearly the same score differ in what that score does not see. The **finalists** are those that the search
//! found, in its population and on its fronts, with at least [`SHARE`] of the greatest score; of them the one that is
//! greatest by a second score wins (docs/decisions/091-the-winner.md).

use super::population::Individual;
use super::{Search, SearchOutcome};
use crate::proxy::{Candidate, Proxy};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Part of the greatest score that a finalist has at least.
pub const SHARE: f64 = 0.95;

/// A winner among finalists.
#[derive(Clone, Debug, PartialEq)]
pub struct Winner {
    pub network: Individual,
    /// Number of networks that it was chosen among, itself included.
    pub finalists: usize,
}

/// The least score of a finalist where this is the greatest. Where it is not positive, a share has no meaning, and only the
/// greatest is left.
pub fn least(greatest: f64) -> f64 {
    if greatest > 0.0 { SHARE * greatest } else { greatest }
}

/// The winner by `second` among the networks that `search` found; of equal ones the one with the greater score. A finalist
/// that `second` cannot score does not take part; where none can be scored, the greatest score wins.
pub fn of(search: &Search<'_>, outcome: &SearchOutcome, second: &dyn Proxy) -> Winner {
    let least = least(outcome.best.score);
    let (resolution, classes) = (search.resolution, search.classes);
    let score = |network: &Individual| {
        let candidate = Candidate { blocks: &network.blocks, resolution, classes };
        let score = second.score(candidate, &mut Xoshiro256PlusPlus::seed_from_u64(search.seed));
        score.ok().filter(|score| score.is_finite())
    };
    // The highest score first.
    let finalists = outcome.ranked().into_iter().filter(|network| network.score >= least);
    let scored: Vec<(f64, &Individual)> =
        finalists.filter_map(|network| Some((score(network)?, network))).collect();
    let greatest = scored.iter().reduce(|best, other| if other.0 > best.0 { other } else { best });
    Winner {
        network: greatest.map_or(&outcome.best, |(_, network)| network).clone(),
        finalists: scored.len().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{self, Mode, Setup};
    use crate::search::Quantity;
    use crate::space;

    #[test]
    fn a_share_of_what_is_not_positive_is_the_greatest_itself() {
        assert_eq!((least(100.0), least(0.0), least(-2.0)), (95.0, 0.0, -2.0));
    }

    #[test]
    fn the_winner_is_the_greatest_finalist_by_the_second_score() {
        let setup = Setup { mode: Mode::Paper, resolution: 224 };
        let [zen, params] = ["zen", "stage-params"].map(|name| (proxy::by_name(name).unwrap().make)(setup));
        let search = Search::new(space::by_name("mobilenet").unwrap())
            .proxy(&*zen)
            .budget(Quantity::Flops, 3e8)
            .budget(Quantity::Layers, 14.0)
            .iterations(4_000);
        let outcome = search.run().unwrap();
        let winner = of(&search, &outcome, &*params);
        assert!(winner.finalists > 1 && winner.finalists <= outcome.ranked().len());
        let score = |network: &Individual| {
            let candidate = Candidate { blocks: &network.blocks, resolution: 224, classes: 1000 };
            params.score(candidate, &mut Xoshiro256PlusPlus::seed_from_u64(0)).unwrap()
        };
        for network in outcome.ranked().into_iter().filter(|n| n.score >= SHARE * outcome.best.score) {
            assert!(score(network) <= score(&winner.network));
        }
        assert!(winner.network.score >= SHARE * outcome.best.score);
        assert!(winner.network.costs[Quantity::Flops].unwrap() <= 3e8);
        // By its own score alone, the greatest wins.
        assert_eq!(of(&search, &outcome, &*zen).network, outcome.best);
    }
}
