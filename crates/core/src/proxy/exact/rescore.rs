//! The end of a search by closed form: its best networks scored exactly, and how far both agree.

use super::{Exact, Settings, score};
use crate::plainnet::{Model, Network, SuperBlock};
use crate::proxy::{Candidate, Proxy, ScoreError, limited};
use crate::stats;
use crate::units::Bytes;
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
/// come back with the reason; so do those that take more memory than is `free`, where that is known.
pub fn rescore(
    networks: &[(&[SuperBlock], f64)],
    resolution: u32,
    settings: &Settings,
    free: Option<Bytes>,
) -> (Vec<Rescored>, Vec<(usize, ScoreError)>, Agreement) {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (index, &(blocks, given)) in networks.iter().enumerate() {
        let network = Network::from(blocks);
        let fits = super::memory(&network, resolution, settings).map_err(ScoreError::from);
        let fits = fits.and_then(|needed| limited::check("zen", Some(needed), free));
        let scored = fits.and_then(|()| Ok(score::<f32>(&network, resolution, settings)?));
        match scored {
            Ok(exact) => done.push(Rescored { index, given, exact }),
            Err(error) => failed.push((index, error)),
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
