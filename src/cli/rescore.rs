//! `search --rescore exact`: the best networks of a search by closed form, scored again on random weights,
//! and how far the two orders agree.

use super::{Failure, output};
use edgezen_core::plainnet::{Network, SuperBlock};
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::exact::Settings;
use edgezen_core::proxy::exact::rescore;
use edgezen_core::search::SearchOutcome;
use edgezen_lab::runs::{NotRescored, Rescored, RescoredNetwork};

/// The engine that scores again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// On random weights and images
    Exact,
}

/// Networks that are scored again, where nobody says how many.
pub const TOP: u16 = 16;

/// Only the Zen-Score has two engines.
///
/// # Errors
/// Another proxy than zen.
pub fn check(proxy: &str) -> Result<(), Failure> {
    if proxy == "zen" {
        return Ok(());
    }
    Err(Failure::usage(format!("{proxy} has no exact engine to score again with"))
        .remedy("leave out --rescore, or search by --proxy zen"))
}

/// Scores the `top` best structures of `outcome` again, all of them on the same random numbers
/// layer by layer: `score NET --engine exact` with the same seed gives the same values.
pub fn run(outcome: &SearchOutcome, top: usize, mode: Mode, resolution: u32, seed: u64) -> Rescored {
    let networks: Vec<(&[SuperBlock], f64)> =
        outcome.ranked().into_iter().take(top).map(|n| (&*n.blocks, n.score)).collect();
    let settings = Settings::new(mode, seed);
    let (done, failed, agreement) = rescore::rescore(&networks, resolution, &settings);
    let net = |index: usize| Network::from(networks[index].0).to_string();
    let ranking = done.into_iter().map(|r| RescoredNetwork {
        net: net(r.index),
        place: r.index + 1,
        score: r.given,
        exact: r.exact.score,
    });
    let failed =
        failed.into_iter().map(|(index, error)| NotRescored { net: net(index), reason: error.to_string() });
    Rescored {
        engine: "exact".into(),
        mode,
        batch: settings.batch,
        agreement,
        ranking: ranking.collect(),
        failed: failed.collect(),
    }
}

/// The ranking as a table, the agreement, and the best network by exact score. The other structures are
/// in the JSON.
pub fn text(rescored: &Rescored) -> String {
    let cells: Vec<Vec<String>> = rescored
        .ranking
        .iter()
        .map(|row| vec![row.place.to_string(), format!("{:.2}", row.score), format!("{:.2}", row.exact)])
        .collect();
    let mut out = output::table(&["place in the search", "score", "exact"], &cells);
    let correlation = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
    out += &format!(
        "rank agreement over {} networks: Kendall {}, Spearman {}\n",
        rescored.agreement.networks,
        correlation(rescored.agreement.kendall),
        correlation(rescored.agreement.spearman),
    );
    if let Some(best) = rescored.ranking.first() {
        out += &format!("best exactly: {}\n", best.net);
    }
    for failed in &rescored.failed {
        out += &format!("not scored: {} ({})\n", failed.net, failed.reason);
    }
    out
}
