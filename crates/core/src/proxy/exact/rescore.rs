//! The end of a search by closed form: its best networks scored exactly, and how far both agree.

use super::{Exact, Settings, score};
use crate::plainnet::{Network, SuperBlock};
use crate::proxy::{Candidate, Proxy, ScoreError};
use crate::stats;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// The exact Zen-Score as a proxy. Its random numbers come from the settings with common random numbers,
/// else from the caller's generator.
pub struct ZenExact(pub Settings);

impl Proxy for ZenExact {
    fn name(&self) -> &'static str {
        "zen"
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
    pub exact: Exact,
}

/// Rank correlation of the scores given and the exact ones; `None` where one of them does not vary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    pub networks: usize,
    pub kendall: Option<f64>,
    pub spearman: Option<f64>,
}

/// Scores `networks` exactly, with common random numbers, best first. Networks without an exact score
/// come back with the reason.
pub fn rescore(
    networks: &[(&[SuperBlock], f64)],
    resolution: u32,
    settings: &Settings,
) -> (Vec<Rescored>, Vec<(usize, ScoreError)>, Agreement) {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (index, &(blocks, given)) in networks.iter().enumerate() {
        match score::<f32>(&Network::from(blocks), resolution, settings) {
            Ok(exact) => done.push(Rescored { index, given, exact }),
            Err(error) => failed.push((index, error.into())),
        }
    }
    let given: Vec<f64> = done.iter().map(|r| r.given).collect();
    let exact: Vec<f64> = done.iter().map(|r| r.exact.score).collect();
    let agreement = Agreement {
        networks: done.len(),
        kendall: stats::kendall(&given, &exact),
        spearman: stats::spearman(&given, &exact),
    };
    done.sort_by(|a, b| b.exact.score.total_cmp(&a.exact.score).then(a.index.cmp(&b.index)));
    (done, failed, agreement)
}
