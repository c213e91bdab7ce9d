//! Learning rates that were tried, each in one step, and the one that they suggest.

use serde::Serialize;
use std::fmt::Write;

const HEADER: &str = "lr,rate,loss,smoothed";

/// One step of a range test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The rate for 256 images a step, as recipes state it.
    pub lr: f64,
    /// The rate of the step itself.
    pub rate: f64,
    /// Of the step, before its weights changed.
    pub loss: f64,
    /// The mean of the losses around it.
    pub smoothed: f64,
}

pub fn encode(tried: &[Tried]) -> String {
    let mut text = format!("{HEADER}\n");
    for t in tried {
        let _ = writeln!(text, "{},{},{},{}", t.lr, t.rate, t.loss, t.smoothed);
    }
    text
}

/// The steps of a table; `None` where it is none of a range test.
pub fn decode(text: &str) -> Option<Vec<Tried>> {
    let mut lines = text.lines();
    lines.next().filter(|header| *header == HEADER)?;
    lines
        .map(|line| {
            let mut parts = line.split(',');
            let mut number = || parts.next()?.parse::<f64>().ok();
            let tried = Tried { lr: number()?, rate: number()?, loss: number()?, smoothed: number()? };
            parts.next().is_none().then_some(tried)
        })
        .collect()
}

/// Steps whose mean loss says how far a test is.
const WINDOW: usize = 8;
/// Deviation, in steps, of the weights of the smoothing.
const DEVIATION: f64 = 6.0;

/// Whether the last losses of steps (rate, loss) are, on average, more than `factor` times the lowest ones.
pub fn is_beyond(steps: &[(f64, f64)], factor: f64) -> bool {
    let mean = |window: &[(f64, f64)]| window.iter().map(|step| step.1).sum::<f64>() / WINDOW as f64;
    let lowest = steps.windows(WINDOW).map(mean).fold(f64::INFINITY, f64::min);
    steps.windows(WINDOW).last().is_some_and(|last| mean(last) > factor * lowest)
}

/// The steps (rate for 256 images, loss) of a test with their smoothed losses: means with weights of a normal distribution around
/// each step, so that the curve lies where the losses are and does not lag behind them. `share` is the images of a step by 256.
pub fn smoothed(steps: &[(f64, f64)], share: f64) -> Vec<Tried> {
    let mean = |at: usize| {
        let weight = |other: usize| (-0.5 * ((other as f64 - at as f64) / DEVIATION).powi(2)).exp();
        let weights = (0..steps.len()).map(weight);
        let (sum, all) = steps
            .iter()
            .zip(weights)
            .fold((0.0, 0.0), |(sum, all), (step, weight)| (sum + weight * step.1, all + weight));
        sum / all
    };
    let tried =
        |(at, &(lr, loss)): (usize, &(f64, f64))| Tried { lr, rate: lr * share, loss, smoothed: mean(at) };
    steps.iter().enumerate().map(tried).collect()
}

/// The rate that a test suggests, and what it saw. All rates are for 256 images a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// As `train --lr` takes it: two digits of half of `lowest`.
    pub lr: f64,
    /// Where half of the smoothed loss's fall to its lowest value is done, and where it is lowest.
    pub halfway: f64,
    pub lowest: f64,
    /// The smoothed loss at the first rate, at `lowest`, and at the last rate that was tried.
    pub first_loss: f64,
    pub lowest_loss: f64,
    pub last_loss: f64,
}

/// How much smaller the suggested rate is than that of the lowest loss (docs/decisions/150).
const BELOW: f64 = 2.0;
/// A fall of the smoothed loss counts where it is so many times its error.
const CLEAR: f64 = 4.0;

/// The rate that a test suggests.
///
/// # Errors
/// Why it suggests none.
pub fn suggested(tried: &[Tried]) -> Result<Suggestion, String> {
    let lowest = (0..tried.len()).min_by(|&a, &b| tried[a].smoothed.total_cmp(&tried[b].smoothed));
    let (Some(first), Some(last), Some(at)) = (tried.first(), tried.last(), lowest) else {
        return Err("no step has a loss".into());
    };
    let (lowest, before) = (&tried[at], &tried[..=at]);
    let fall = first.smoothed - lowest.smoothed;
    if fall <= CLEAR * error(before) {
        return Err(format!(
            "the loss does not fall clearly, from {:.3} to {:.3} at {}",
            first.smoothed,
            lowest.smoothed,
            printed(lowest.lr)
        ));
    }
    let half = first.smoothed - fall / 2.0;
    let halfway = before.iter().find(|tried| tried.smoothed <= half).unwrap_or(lowest);
    Ok(Suggestion {
        lr: two_digits(lowest.lr / BELOW),
        halfway: halfway.lr,
        lowest: lowest.lr,
        first_loss: first.smoothed,
        lowest_loss: lowest.smoothed,
        last_loss: last.smoothed,
    })
}

/// The standard error of a smoothed loss, from how far the losses lie from it.
fn error(tried: &[Tried]) -> f64 {
    let variance = tried.iter().map(|tried| (tried.loss - tried.smoothed).powi(2)).sum::<f64>()
        / tried.len().max(1) as f64;
    // So many losses are as good as the weighted ones.
    let losses = 2.0 * std::f64::consts::PI.sqrt() * DEVIATION;
    (variance / losses).sqrt()
}

fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

/// A rate for people.
pub fn printed(rate: f64) -> String {
    two_digits(rate).to_string()
}

impl Suggestion {
    /// In words.
    pub fn said(&self) -> String {
        let Suggestion { lr, halfway, lowest, first_loss, lowest_loss, last_loss } = self;
        let after = if last_loss > lowest_loss {
            format!("at the highest one that was tried, it is {last_loss:.3}")
        } else {
            "higher ones were not tried".to_owned()
        };
        format!(
            "The smoothed loss is {first_loss:.3} at the lowest rate. Half of its fall is done at {}, and it is lowest at {}, with {lowest_loss:.3}; \
             {after}. Suggested is half of the rate of the lowest loss: --lr {lr}. All rates are for 256 images a step.",
            printed(*halfway),
            printed(*lowest)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses of a test that falls around a rate of 0.1, is lowest at 2, and rises steeply beyond.
    fn steps(noise: f64, fall: f64) -> Vec<(f64, f64)> {
        (0..200)
            .map(|step| {
                let lr = 1e-4 * 1e6_f64.powf(f64::from(step) / 199.0);
                let loss = 2.3 - fall / (1.0 + (0.1 / lr).powi(2)) + fall * (lr / 6.0).powi(2);
                (lr, loss + noise * (f64::from(step * 37 % 100) / 50.0 - 1.0))
            })
            .collect()
    }

    #[test]
    fn half_of_the_rate_of_the_lowest_loss_is_suggested() {
        let quiet = suggested(&smoothed(&steps(0.0, 1.5), 0.125)).unwrap();
        assert!((0.5..3.0).contains(&quiet.lowest) && (0.05..0.2).contains(&quiet.halfway), "{quiet:?}");
        assert!((quiet.lr / (quiet.lowest / 2.0) - 1.0).abs() < 0.05, "{quiet:?}");
        let noisy = suggested(&smoothed(&steps(0.3, 1.5), 0.125)).unwrap();
        assert!((noisy.lowest / quiet.lowest).ln().abs() < 1.0, "{noisy:?}");
        assert!(noisy.said().contains(&format!("--lr {}", noisy.lr)), "{}", noisy.said());
        // Nothing is learnt: no rate is better than others.
        let error = suggested(&smoothed(&steps(0.3, 0.0), 0.125)).unwrap_err();
        assert!(error.contains("does not fall clearly"), "{error}");
        assert!(suggested(&[]).is_err());
    }

    #[test]
    fn steps_are_read_as_they_were_written() {
        let tried = smoothed(&steps(0.1, 1.0), 0.125);
        assert_eq!(tried[0].rate, tried[0].lr * 0.125);
        assert_eq!(decode(&encode(&tried)).unwrap(), tried);
        for text in ["", "lr,rate\n", &format!("{HEADER}\n1,2,3\n"), &format!("{HEADER}\n1,2,3,x\n")] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_test_ends_where_the_loss_is_beyond_all_measure() {
        let level: Vec<(f64, f64)> =
            (0..40).map(|step| (f64::from(step), 2.0 + f64::from(step % 3))).collect();
        assert!(!is_beyond(&level, 4.0));
        let rising: Vec<(f64, f64)> =
            level.iter().copied().chain((0..WINDOW).map(|_| (50.0, 13.0))).collect();
        assert!(is_beyond(&rising, 4.0) && !is_beyond(&rising[..rising.len() - 2], 4.0));
        // A single loss is no trend.
        assert!(!is_beyond(&[(1.0, 1.0), (2.0, 100.0)], 4.0));
    }
}
