//! What must be said beside a predicted latency: how likely it keeps its budget, and what of it is a guess. Sentences,
//! for the page and for the terminal.

use super::tables::ms;
use crate::runs::{Chosen, PredictedMs, SearchResult};
use edgezen_core::search::winner;

/// Below this difference, the charged latency reads like the predicted one.
const SAME: f64 = 1e-3;

/// Sentences about the predicted latency of a network on a device; `limit_ms` is the budget there, and `confidence` the
/// probability with which a search had to keep it.
pub fn of_latency(predicted: &PredictedMs, limit_ms: Option<f64>, confidence: Option<f64>) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(charged) = predicted.charged_ms.filter(|charged| *charged > predicted.ms * (1.0 + SAME)) {
        said.push(format!(
            "Against the budget, {} count: for what lies outside the predictor's domain, the upper end of the \
             interval is taken.",
            ms(charged)
        ));
    }
    let Some((limit, probability)) = limit_ms.zip(predicted.budget_probability) else { return said };
    let percent = percent(probability);
    said.push(match confidence {
        None => format!(
            "By the interval, the budget of {} is met with a probability of {percent}. --confidence 0.9 searches \
             for a network that meets it with 90 %, at some score.",
            ms(limit)
        ),
        Some(asked) => format!(
            "By the interval, the budget of {} is met with a probability of {percent}; --confidence asked for {:.0} %.",
            ms(limit),
            100.0 * asked
        ),
    });
    said
}

/// A probability for people: never 0 or 100 %, which no interval can say.
pub fn percent(probability: f64) -> String {
    match 100.0 * probability {
        low if low < 1.0 => "less than 1 %".to_owned(),
        high if high > 99.0 => "more than 99 %".to_owned(),
        middle => format!("{middle:.0} %"),
    }
}

/// How the best network of a result was chosen, where it was not by the greatest score.
pub fn of_winner(result: &SearchResult) -> Option<String> {
    let Chosen { by, finalists, greatest } = result.winner.as_ref()?;
    Some(format!(
        "The best by the ranks of {by} of {finalists} networks with at least {:.0} % of the greatest score, {:.2}; \
         --winner score takes the greatest score.",
        100.0 * winner::SHARE,
        greatest.score
    ))
}

/// Sentences about the best network of a result: what is degenerate in its shape.
pub fn of_shape(result: &SearchResult) -> Vec<String> {
    result.degeneracies.iter().map(|found| format!("Note on the shape: {}.", found.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_met_with_a_stated_probability() {
        let inside = PredictedMs {
            ms: 30.0,
            lower_ms: 25.0,
            upper_ms: 36.0,
            charged_ms: Some(30.0),
            budget_probability: Some(0.5),
            coverage: 1.0,
        };
        let said = of_latency(&inside, Some(30.0), None);
        assert!(
            said.len() == 1 && said[0].contains("50 %") && said[0].contains("--confidence 0.9"),
            "{said:?}"
        );
        let outside = PredictedMs { ms: 26.0, budget_probability: Some(0.9999), coverage: 0.7, ..inside };
        let said = of_latency(&outside, Some(30.0), Some(0.9));
        assert!(said[0].contains("30.0 ms count") && said[1].contains("more than 99 %"), "{said:?}");
        assert!(of_latency(&inside, None, None).is_empty());
    }
}
