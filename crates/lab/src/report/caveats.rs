//! What must be said beside a predicted latency or throughput: how likely it keeps its budget, and what of it is a guess. Sentences,
//! for the page and for the terminal.

use crate::runs::{Chosen, PredictedTime, SearchResult, Verification, VerifyRound};
use edgezen_core::search::winner;
use edgezen_core::units::Latency;

/// Below this difference, the charged time reads like the predicted one.
const SAME: f64 = 1e-3;

/// Sentences about what is predicted of a network on a device; `limit` is the budget there as the time of an image, and
/// `confidence` the probability with which a search had to keep it.
pub fn of_predicted(
    predicted: &PredictedTime,
    limit: Option<Latency>,
    confidence: Option<f64>,
) -> Vec<String> {
    let mut said = Vec::new();
    let beyond = |charged: &Latency| charged.ns() > predicted.time.ns() * (1.0 + SAME);
    if let Some(charged) = predicted.charged.filter(beyond) {
        let end = if predicted.quantity.is_at_least() { "lower" } else { "upper" };
        said.push(format!(
            "Against the budget, {} count: for what lies outside the predictor's domain, the {end} end of the \
             interval is taken.",
            predicted.print(charged)
        ));
    }
    let Some((limit, probability)) = limit.zip(predicted.budget_probability) else { return said };
    let percent = percent(probability);
    said.push(match confidence {
        None => format!(
            "By the interval, the budget of {} is met with a probability of {percent}. --confidence 0.9 searches \
             for a network that meets it with 90 %, at some score.",
            predicted.print(limit)
        ),
        Some(asked) => format!(
            "By the interval, the budget of {} is met with a probability of {percent}; --confidence asked for {:.0} %.",
            predicted.print(limit),
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
    result.winner.as_ref().map(of_chosen)
}

fn of_chosen(chosen: &Chosen) -> String {
    let Chosen { by, finalists, greatest, exceeding } = chosen;
    if let Some(exceeding) = exceeding {
        return format!(
            "The best by the ranks of {by} of {finalists} networks. The search was too short to come to its end: choosing among \
             them met a score of {exceeding:.2}, greater than its greatest, {:.2}; more --iterations find better networks.",
            greatest.score
        );
    }
    format!(
        "The best by the ranks of {by} of {finalists} networks with at least {:.0} % of the greatest score, {:.2}; \
         --winner score takes the greatest score.",
        100.0 * winner::SHARE,
        greatest.score
    )
}

/// What `predicted` means in the table of what was measured, where some of it is not what the predictor says: after each round of
/// measurements, the next networks are chosen by the predictor times a factor.
pub fn of_verification(verification: &Verification) -> Option<String> {
    let (mut row, mut parts) = (1, Vec::new());
    for VerifyRound { correction, networks, .. } in &verification.rounds {
        if (correction - 1.0).abs() > SAME && !networks.is_empty() {
            parts.push(format!("{correction:.3} from row {row} on"));
        }
        row += networks.len();
    }
    (!parts.is_empty()).then(|| {
        format!(
            "In this table, predicted latencies are those of the predictor times a correction, which follows from the networks \
             measured before: {}. Everywhere else they stand without it.",
            parts.join(", ")
        )
    })
}

/// Sentences about the best network of a result: what is degenerate in its shape.
pub fn of_shape(result: &SearchResult) -> Vec<String> {
    result.degeneracies.iter().map(|found| format!("Note on the shape: {}.", found.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Verified;
    use edgezen_core::measurement::Quality;
    use edgezen_core::search::Quantity;

    #[test]
    fn a_correction_of_predictions_is_explained_by_row() {
        let measured = Verified {
            device: "d".into(),
            net: "n".into(),
            score: None,
            predicted_ms: 14.8,
            lower_ms: 13.0,
            upper_ms: 16.0,
            measured_ms: 15.0,
            inside_interval: true,
            inside_budget: None,
            quality: Quality::Good,
            measured_ci95_ms: None,
            launches: None,
            reason: None,
            outputs: None,
            state: None,
        };
        let round = |correction: f64, count: usize| VerifyRound {
            correction,
            searched_again: false,
            networks: vec![measured.clone(); count],
            refitted: 1.2,
        };
        let of = |rounds: Vec<VerifyRound>| {
            of_verification(&Verification { device: "d".into(), asked: 3, inside_budget: 3, rounds })
        };
        assert_eq!(of(vec![round(1.0, 3)]), None);
        let said = of(vec![round(1.0, 3), round(1.138, 2), round(1.15, 1)]).unwrap();
        assert!(said.contains("1.138 from row 4 on, 1.150 from row 6 on"), "{said}");
    }

    #[test]
    fn a_budget_is_met_with_a_stated_probability() {
        let limit = Some(Latency::from_ms(30.0));
        let inside = PredictedTime {
            quantity: Quantity::Latency,
            time: Latency::from_ms(30.0),
            lower: Latency::from_ms(25.0),
            upper: Latency::from_ms(36.0),
            charged: limit,
            budget_probability: Some(0.5),
            coverage: 1.0,
        };
        let said = of_predicted(&inside, limit, None);
        assert!(
            said.len() == 1 && said[0].contains("50 %") && said[0].contains("--confidence 0.9"),
            "{said:?}"
        );
        let time = Latency::from_ms(26.0);
        let outside = PredictedTime { time, budget_probability: Some(0.9999), coverage: 0.7, ..inside };
        let said = of_predicted(&outside, limit, Some(0.9));
        assert!(said[0].contains("30.0 ms count") && said[1].contains("more than 99 %"), "{said:?}");
        assert!(of_predicted(&inside, None, None).is_empty());
        let stream = PredictedTime { quantity: Quantity::Throughput, ..outside };
        let said = of_predicted(&stream, limit, None);
        assert!(said[0].contains("33.3 images/s count") && said[0].contains("lower end"), "{said:?}");
        assert!(said[1].contains("the budget of 33.3 images/s is met"), "{said:?}");
    }
}
