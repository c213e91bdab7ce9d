//! The end of a search by closed form: its best networks scored exactly, and how far both agree.

use super::estimate::{Estimate, Estimator, Images, LEAST_DRAWS};
use super::forward::Engine;
use super::{MAX_REPEATS, Settings, score};
use crate::plainnet::{Model, Network, SuperBlock};
use crate::proxy::{Candidate, Proxy, ScoreError, limited};
use crate::stats;
use crate::units::Bytes;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// The exact Zen-Score as a proxy. Its random numbers come from the settings with common random numbers,
/// else from the caller's generator.
pub struct ZenExact(pub Settings);

impl Proxy for ZenExact {
    fn name(&self) -> &'static str {
        "zen"
    }
    fn memory(&self, model: &Model) -> Result<Option<Bytes>, ScoreError> {
        Ok(Some(super::memory(&model.network, model.resolution, &self.0)?))
    }
    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let mut settings = self.0;
        if let super::Randomness::Seeded { seed, common: false } = &mut settings.randomness {
            *seed = rng.random();
        }
        let network = Network::from(candidate.blocks);
        Ok(score::<f32>(&network, candidate.resolution, &settings)?.score)
    }
}

/// One rescored network.
#[derive(Clone, Debug)]
pub struct Rescored {
    /// Its place among the networks given.
    pub index: usize,
    pub given: f64,
    pub exact: Estimate,
}

/// Rank correlation of the scores given and the exact ones; `None` where one of them does not vary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    pub networks: usize,
    pub kendall: Option<f64>,
    pub spearman: Option<f64>,
}

/// How sure a network's score must be below the best one before it is drawn no more: half the 95 % interval of Student of
/// their difference, times this. With four draws a difference of zero is that large once in a hundred pairs, with twenty once in four hundred.
const SURE: f64 = 1.5;

/// A network in the race.
struct Runner<'a> {
    index: usize,
    given: f64,
    estimator: Estimator<'a>,
    estimate: Option<Estimate>,
    /// Whether its score is still of interest.
    racing: bool,
}

/// How far a race is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// Networks that are drawn no more, those that failed among them.
    pub decided: usize,
    pub networks: usize,
    /// Draws of all networks so far.
    pub draws: usize,
}

/// What a race ends with: the networks best first, those without an exact score by their index, and how far both orders agree.
pub type Finish = (Vec<Rescored>, Vec<(usize, ScoreError)>, Agreement);

/// Scores `networks` exactly, with common random numbers, best first. All are drawn in turn. A network whose score is surely
/// below the best one is drawn no more, the others are until their standard error is at most `error`. Networks without an exact score
/// come back with the reason; so do those that take more memory than is `free`, where that is known. `watch` hears before each draw
/// how far the race is, and may break it off, after which nothing comes back.
pub fn rescore(
    networks: &[(&[SuperBlock], f64)],
    resolution: u32,
    settings: &Settings,
    error: f64,
    free: Option<Bytes>,
    watch: &mut dyn FnMut(Race) -> ControlFlow<()>,
) -> Option<Finish> {
    let parsed: Vec<Network> = networks.iter().map(|&(blocks, _)| Network::from(blocks)).collect();
    let images = Images::for_error(error);
    let (mut runners, mut failed) = (Vec::new(), Vec::new());
    for (index, (network, &(_, given))) in parsed.iter().zip(networks).enumerate() {
        let fits = super::memory(network, resolution, settings).map_err(ScoreError::from);
        let fits = fits.and_then(|needed| limited::check("zen", Some(needed), free));
        match fits.and_then(|()| Ok(Estimator::new(network, resolution, settings, images)?)) {
            Ok(estimator) => {
                runners.push(Runner { index, given, estimator, estimate: None, racing: true });
            }
            Err(error) => failed.push((index, error)),
        }
    }
    let mut engine = Engine::default();
    let mut draws = 0;
    while runners.iter().any(|runner| runner.racing) {
        let mut left = Vec::with_capacity(runners.len());
        let racing = runners.iter().filter(|runner| runner.racing).count();
        let decided = networks.len() - racing;
        for mut runner in runners {
            if runner.racing && watch(Race { decided, networks: networks.len(), draws }).is_break() {
                return None;
            }
            draws += usize::from(runner.racing);
            let drawn = if runner.racing { runner.estimator.draw(&mut engine) } else { Ok(()) };
            match drawn {
                Ok(()) => left.push(runner),
                Err(error) => failed.push((runner.index, error.into())),
            }
        }
        runners = left;
        for runner in runners.iter_mut().filter(|runner| runner.racing) {
            runner.estimate = runner.estimator.estimate();
        }
        stop(&mut runners, error);
    }
    let mut done: Vec<Rescored> = runners
        .into_iter()
        .filter_map(|Runner { index, given, estimate, .. }| Some(Rescored { index, given, exact: estimate? }))
        .collect();
    let given: Vec<f64> = done.iter().map(|r| r.given).collect();
    let exact: Vec<f64> = done.iter().map(|r| r.exact.score).collect();
    let agreement = Agreement {
        networks: done.len(),
        kendall: stats::kendall(&given, &exact),
        spearman: stats::spearman(&given, &exact),
    };
    done.sort_by(|a, b| b.exact.score.total_cmp(&a.exact.score).then(a.index.cmp(&b.index)));
    Some((done, failed, agreement))
}

/// Takes those out of the race that are known well enough, or are surely below the best.
fn stop(runners: &mut [Runner<'_>], error: f64) {
    let score = |runner: &Runner<'_>| runner.estimate.map_or(f64::NEG_INFINITY, |estimate| estimate.score);
    let Some(best) = runners.iter().max_by(|a, b| score(a).total_cmp(&score(b))) else { return };
    let (best_index, best_values) = (best.index, best.estimator.values());
    for runner in runners.iter_mut().filter(|runner| runner.racing) {
        let Some(estimate) = runner.estimate.filter(|estimate| estimate.draws >= LEAST_DRAWS) else {
            continue;
        };
        let below = runner.index != best_index && surely_below(&runner.estimator.values(), &best_values);
        let known = estimate.is_within(error) || estimate.draws >= MAX_REPEATS as usize;
        runner.racing = !(below || known);
    }
}

/// Whether the mean of `values` is surely below that of `best`, draw by draw on the same random numbers.
fn surely_below(values: &[f64], best: &[f64]) -> bool {
    let differences: Vec<f64> = best.iter().zip(values).map(|(best, value)| best - value).collect();
    let t = stats::t_quantile_975(differences.len().saturating_sub(1));
    stats::mean_in_standard_errors(&differences).is_some_and(|errors| errors > SURE * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;
    use crate::proxy::Mode;

    #[test]
    fn the_weakest_are_drawn_least() {
        let texts = [
            "SuperConvK3BNRELU(3,16,1,1)SuperConvK3BNRELU(16,64,1,3)SuperConvK1BNRELU(64,64,1,1)",
            "SuperConvK3BNRELU(3,16,1,1)SuperConvK3BNRELU(16,63,1,3)SuperConvK1BNRELU(63,64,1,1)",
            "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,8,1,1)",
        ];
        let blocks: Vec<Vec<SuperBlock>> =
            texts.iter().map(|text| notation::parse(text).unwrap().super_blocks("a race").unwrap()).collect();
        let networks: Vec<(&[SuperBlock], f64)> = blocks.iter().map(|blocks| (&**blocks, 1.0)).collect();
        let settings = Settings::new(Mode::Paper, 3);
        let mut seen = Vec::new();
        let mut watch = |race: Race| {
            seen.push(race);
            ControlFlow::Continue(())
        };
        let (done, failed, agreement) = rescore(&networks, 16, &settings, 0.01, None, &mut watch).unwrap();
        assert!(failed.is_empty());
        assert_eq!(agreement.networks, 3);
        let last = &done[2];
        assert_eq!((last.index, last.exact.draws), (2, LEAST_DRAWS));
        assert!(done[0].exact.draws > LEAST_DRAWS, "{done:?}");
        assert!(done[0].exact.is_within(0.01), "{done:?}");
        // The race is heard of before each draw, and nothing comes back of one that is broken off.
        assert_eq!(seen.len(), done.iter().map(|network| network.exact.draws).sum::<usize>());
        assert_eq!(seen[0], Race { decided: 0, networks: 3, draws: 0 });
        assert!(
            seen.last().unwrap().decided >= 1 && seen.iter().enumerate().all(|(i, race)| race.draws == i)
        );
        let mut draws = 0;
        let mut broken_off = |race: Race| {
            draws = race.draws;
            if race.draws == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(rescore(&networks, 16, &settings, 0.01, None, &mut broken_off).is_none());
        assert_eq!(draws, 2);
    }
}
