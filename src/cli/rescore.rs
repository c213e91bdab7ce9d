//! `search --rescore exact`: its options, and the text of what it found.

use super::{Failure, output};
use edgezen_lab::rescoring::NoExactEngine;
use edgezen_lab::runs::Rescored;
use edgezen_lab::runs::manifest::EXACT;

/// The engine that scores again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// On random weights and images
    Exact,
}

impl Engine {
    /// As descriptions of runs name it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Exact => EXACT,
        }
    }
}

/// Networks that are scored again, where nobody says how many.
pub const TOP: u16 = 16;

impl From<NoExactEngine> for Failure {
    fn from(error: NoExactEngine) -> Failure {
        Failure::usage(error.to_string()).remedy("leave out --rescore, or search by --proxy zen")
    }
}

/// The ranking as a table, the agreement, and the best network by exact score. The other structures are
/// in the JSON.
pub fn text(rescored: &Rescored) -> String {
    let cells: Vec<Vec<String>> = rescored
        .ranking
        .iter()
        .map(|row| {
            vec![
                row.place.to_string(),
                format!("{:.2}", row.score),
                format!("{:.2}", row.exact),
                row.error.map_or_else(|| "-".to_owned(), |error| format!("{error:.2}")),
                row.draws.map_or_else(|| "-".to_owned(), |draws| draws.to_string()),
            ]
        })
        .collect();
    let mut out = output::table(&["place in the search", "score", "exact", "±", "draws"], &cells);
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
