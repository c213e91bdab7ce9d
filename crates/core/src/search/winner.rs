//! The winner of a search: which of the networks with nearly the greatest score is handed over.
//!
//! Networks with nearly the same score differ in what that score does not see. The **finalists** are those with at least
//! [`SHARE`] of the greatest score; of them the one that is greatest by an ensemble of scores wins
//! (docs/decisions/091-the-winner.md). A search that maximised one score holds near-copies of one network, so that a short
//! second search, from that network on, looks for finalists: it maximises the ensemble as long as the score keeps its share.

use super::optimiser::Rules;
use super::population::Individual;
use super::running::Observer;
use super::{Search, SearchError, SearchOutcome};
use crate::proxy::zen::ZenScore;
use crate::proxy::{Candidate, Memory, Mode, Proxy, ScoreError};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Part of the greatest score that a finalist has at least.
pub const SHARE: f64 = 0.95;

/// The second search has the iterations of the first, divided by this.
const FURTHER: u64 = 4;

/// What the second search takes off the ensemble for each part of the least score that a network lacks: a hundredth costs 1, as
/// much as a rank that is divided by e.
const PENALTY: f64 = 100.0;

/// A winner among finalists.
#[derive(Clone, Debug, PartialEq)]
pub struct Winner {
    /// With the score of the search.
    pub network: Individual,
    /// Number of networks that it was chosen among, itself included.
    pub finalists: usize,
    /// The greatest score among them, where it is greater than that of the search: one that was too short to come to its end.
    pub exceeding: Option<f64>,
}

/// The least score of a finalist where this is the greatest. Where it is not positive, a share has no meaning, and only the
/// greatest is left.
pub fn least(greatest: f64) -> f64 {
    if greatest > 0.0 { SHARE * greatest } else { greatest }
}

/// The ensemble of networks that keep the score; less where they do not.
struct Held<'a> {
    score: &'a dyn Proxy,
    ensemble: &'a dyn Proxy,
    least: f64,
}

impl Held<'_> {
    fn of(&self, score: f64, ensemble: f64) -> f64 {
        let missing = (self.least - score) / self.least.abs().max(f64::MIN_POSITIVE);
        ensemble - PENALTY * missing.max(0.0)
    }
}

impl Proxy for Held<'_> {
    fn name(&self) -> &'static str {
        self.ensemble.name()
    }

    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        Ok(self.of(self.score.score(candidate, rng)?, self.ensemble.score(candidate, rng)?))
    }

    fn score_alike(
        &self,
        candidates: &[Candidate<'_>],
        memory: &mut Memory,
        rng: &mut dyn FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Result<f64, ScoreError>> {
        let (of_score, of_ensemble) = memory.of::<(Memory, Memory)>();
        let scores = self.score.score_alike(candidates, of_score, rng);
        let ensembles = self.ensemble.score_alike(candidates, of_ensemble, rng);
        scores.into_iter().zip(ensembles).map(|(score, ensemble)| Ok(self.of(score?, ensemble?))).collect()
    }
}

/// The winner by `ensemble` of a search with this outcome; nothing where `observer` stopped the second search.
///
/// # Errors
/// What ends any search.
pub fn of(
    search: &Search<'_>,
    outcome: &SearchOutcome,
    ensemble: &dyn Proxy,
    observer: &dyn Observer,
) -> Result<Option<Winner>, SearchError> {
    let zen = ZenScore::new(Mode::Paper, search.resolution);
    let proxy = search.proxy.unwrap_or(&zen);
    let held = Held { score: proxy, ensemble, least: least(outcome.best.score) };
    let rules = Rules { iterations: (search.rules.iterations / FURTHER).max(1), ..search.rules };
    let further =
        Search { initial: outcome.best.blocks.to_vec(), proxy: Some(&held), rules, ..search.clone() };
    let found = further.observed(observer, None)?;
    if found.iterations < rules.iterations {
        return Ok(None);
    }
    let score = |proxy: &dyn Proxy, network: &Individual| {
        let (resolution, classes) = (search.resolution, search.classes);
        let candidate = Candidate { blocks: &network.blocks, resolution, classes };
        let score = proxy.score(candidate, &mut Xoshiro256PlusPlus::seed_from_u64(search.seed));
        score.ok().filter(|score| score.is_finite())
    };
    // The networks of the search itself come first, the greatest score before the others.
    let mut networks: Vec<Individual> = outcome.ranked().into_iter().cloned().collect();
    for network in found.ranked() {
        if let Some(score) = score(proxy, network) {
            networks.push(Individual { score, ..network.clone() });
        }
    }
    let mut known = rustc_hash::FxHashSet::default();
    networks.retain(|network| network.score >= held.least && known.insert(network.blocks.clone()));
    let finalists = networks.len().max(1);
    let greatest = networks.iter().map(|network| network.score).fold(outcome.best.score, f64::max);
    let exceeding = (greatest > outcome.best.score).then_some(greatest);
    let scored = networks.into_iter().filter_map(|network| Some((score(ensemble, &network)?, network)));
    let best = scored.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let network = best.map_or_else(|| outcome.best.clone(), |(_, network)| network);
    Ok(Some(Winner { network, finalists, exceeding }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::ensemble::Ensemble;
    use crate::proxy::{self, Setup};
    use crate::search::{Quantity, Silent, reference};
    use crate::space;

    #[test]
    fn a_share_of_what_is_not_positive_is_the_greatest_itself() {
        assert_eq!((least(100.0), least(0.0), least(-2.0)), (95.0, 0.0, -2.0));
    }

    #[test]
    fn the_winner_is_a_finalist_that_fits() {
        let setup = Setup { mode: Mode::Paper, resolution: 224 };
        let make = |name| (proxy::by_name(name).unwrap().make)(setup);
        let zen = make("zen");
        let search = Search::new(space::by_name("mobilenet").unwrap())
            .proxy(&*zen)
            .budget(Quantity::Flops, 3e8)
            .budget(Quantity::Layers, 14.0)
            .iterations(4_000);
        let outcome = search.run().unwrap();
        let networks = reference::networks(&search, 64).unwrap();
        let candidate = |blocks| Candidate { blocks, resolution: 224, classes: 1000 };
        let candidates: Vec<Candidate<'_>> = networks.iter().map(|blocks| candidate(blocks)).collect();
        let ensemble = Ensemble::new(vec![make("zen"), make("stage-params")], &candidates, 0).unwrap();
        let winner = of(&search, &outcome, &ensemble, &Silent).unwrap().unwrap();
        let network = &winner.network;
        assert!(network.score >= SHARE * outcome.best.score && winner.finalists > 10);
        assert!(network.costs[Quantity::Flops].unwrap() <= 3e8);
        assert!(search.shape.unwrap().allow(&network.blocks));
        let score = |proxy: &dyn Proxy, blocks| {
            proxy.score(candidate(blocks), &mut Xoshiro256PlusPlus::seed_from_u64(0)).unwrap()
        };
        assert_eq!(score(&*zen, &network.blocks), network.score);
        // The second search finds what the first had no reason to look for.
        let greatest = outcome.ranked().iter().map(|n| score(&ensemble, &n.blocks)).fold(f64::MIN, f64::max);
        assert!(score(&ensemble, &network.blocks) > greatest);
        assert!(winner.exceeding.is_none_or(|score| score > outcome.best.score));
        // A search that was cut short is surpassed by the one that chooses.
        let cut = Search { rules: Rules { iterations: 200, ..search.rules }, ..search.clone() };
        let short = cut.run().unwrap();
        let chosen = of(&search, &short, &ensemble, &Silent).unwrap().unwrap();
        let greatest = chosen.exceeding.unwrap();
        assert!(greatest > short.best.score && greatest >= chosen.network.score);
        let again = of(&search.clone().threads(1), &outcome, &ensemble, &Silent).unwrap().unwrap();
        assert_eq!(again, winner);
    }

    #[test]
    fn a_network_below_the_share_loses_more_than_it_can_gain() {
        let zen = ZenScore::new(Mode::Paper, 224);
        let held = Held { score: &zen, ensemble: &zen, least: 95.0 };
        assert_eq!((held.of(95.0, 1.5), held.of(120.0, -1.5)), (1.5, -1.5));
        assert!((held.of(94.05, 1.5) - 0.5).abs() < 1e-9);
    }
}
