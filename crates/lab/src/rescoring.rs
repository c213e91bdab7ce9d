//! Rescoring: the best networks of a search by closed form, scored again on random weights, and how far the two orders
//! agree.

use crate::runs::manifest::EXACT;
use crate::runs::{NotRescored, Rescored, RescoredNetwork};
use edgezen_core::plainnet::{Network, SuperBlock};
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::exact::Settings;
use edgezen_core::proxy::exact::rescore;
pub use edgezen_core::proxy::exact::rescore::Race;
use edgezen_core::search::SearchOutcome;
use edgezen_engine::memory;
use std::ops::ControlFlow;

/// The only proxy with an exact engine beside its closed form.
const ZEN: &str = "zen";

/// Why nothing can be scored again.
#[derive(Debug, thiserror::Error)]
#[error("{proxy} has no exact engine to score again with")]
pub struct NoExactEngine {
    pub proxy: String,
}

/// Whether networks that were found by `proxy` can be scored again.
///
/// # Errors
/// Another proxy than the Zen-Score.
pub fn check(proxy: &str) -> Result<(), NoExactEngine> {
    if proxy == ZEN { Ok(()) } else { Err(NoExactEngine { proxy: proxy.to_owned() }) }
}

/// Standard error of the networks that stay in the race.
const ERROR: f64 = 0.1;

/// Scores the `top` best structures of `outcome` again at `resolution`, all of them on the same random numbers layer by
/// layer. For those that stay in the race to its end, `score NET --engine exact --error 0.1` with the same seed gives the same values. `watch`
/// hears before each draw how far it is; nothing comes back where it breaks the work off.
pub fn run(
    outcome: &SearchOutcome,
    top: usize,
    mode: Mode,
    resolution: u32,
    seed: u64,
    watch: &mut dyn FnMut(Race) -> ControlFlow<()>,
) -> Option<Rescored> {
    let networks: Vec<(&[SuperBlock], f64)> =
        outcome.ranked().into_iter().take(top).map(|n| (&*n.blocks, n.score)).collect();
    let settings = Settings::new(mode, seed);
    let (done, failed, agreement) =
        rescore::rescore(&networks, resolution, &settings, ERROR, memory::free(), watch)?;
    let net = |index: usize| Network::from(networks[index].0).to_string();
    let ranking = done.into_iter().map(|r| RescoredNetwork {
        net: net(r.index),
        place: r.index + 1,
        score: r.given,
        exact: r.exact.score,
        error: Some(r.exact.error),
        draws: Some(r.exact.draws),
    });
    let failed =
        failed.into_iter().map(|(index, error)| NotRescored { net: net(index), reason: error.to_string() });
    Some(Rescored {
        engine: EXACT.into(),
        mode,
        batch: settings.batch,
        agreement,
        ranking: ranking.collect(),
        failed: failed.collect(),
    })
}
