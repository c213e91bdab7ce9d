//! Predicted against measured, as `search --verify` and `validate` show it.

use super::failure::{Exit, Failure};
use super::output::{self, Output};
use super::target::show_step;
use crate::shipped;
use edgezen_lab::campaign::networks::Step;
use edgezen_lab::device;
use edgezen_lab::report::tables::{NOTHING, VerifiedRow};
use edgezen_lab::runs::Verified;
use edgezen_lab::verify::{Event, VerifyError, metrics};
use indicatif::ProgressBar;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses a device that nothing here can measure on.
pub fn check(device: Option<&str>) -> Result<(), Failure> {
    match device {
        Some(device) => Ok(device::find(&shipped::profiles(), device).map(|_| ())?),
        None => Err(Failure::usage("measuring needs --device")),
    }
}

/// Shows how far the measurements are.
pub struct Shown {
    output: Output,
    bar: ProgressBar,
    /// Measurements of the round that have begun.
    begun: u64,
    /// Notes of the device that were shown.
    told: BTreeSet<String>,
}

impl Shown {
    pub fn new(output: Output) -> Shown {
        Shown { output, bar: ProgressBar::hidden(), begun: 0, told: BTreeSet::new() }
    }

    pub fn show(&mut self, event: Event<'_>) {
        match event {
            Event::Round { .. } => {}
            Event::Begin { measurements } => {
                self.begun = 0;
                let template = "measuring {bar:30} {pos}/{len} {eta} left  {wide_msg}";
                self.bar = self.output.progress(measurements as u64, template);
            }
            Event::Measuring { .. } => output::begin_step(&self.bar, &mut self.begun),
            Event::Sentinel => show_step(&self.bar, Step::Sentinel),
            Event::Resting { left, reason } => show_step(&self.bar, Step::Resting { left, reason }),
            Event::Heating { so_far, sentinel } => show_step(&self.bar, Step::Heating { so_far, sentinel }),
            Event::Measured => self.bar.finish_and_clear(),
            // Every round opens the device anew, which says the same again.
            Event::Note(note) => {
                if self.told.insert(note.to_owned()) {
                    self.output.note(format!("note: {note}"));
                }
            }
            Event::QuickerCore => self.output.note(
                "the core is quicker now than while the predictor's data were taken: it predicts too much; profile again",
            ),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Failure {
        let message = error.to_string();
        match error {
            VerifyError::NoPredictor(_) | VerifyError::NoKernels(_) => Failure::usage(message),
            VerifyError::OtherIdentity(error) => error.into(),
            VerifyError::NoSamples { .. } => Failure::runtime(message),
            VerifyError::Interrupted { .. } => Failure::new(Exit::Interrupted, message)
                .remedy("the search itself is finished; the same command with --resume measures again"),
            VerifyError::Device(error) => error.into(),
            VerifyError::Search(error) => error.into(),
            VerifyError::Shape(error) => error.into(),
        }
    }
}

/// Refuses measurements of a device that had another speed than usual: they say nothing of its predictor. `again` is the command
/// that measures once more.
pub fn usual_speed<'a>(
    rows: impl IntoIterator<Item = &'a Verified>,
    again: Option<&str>,
) -> Result<(), Failure> {
    let Some(row) = rows.into_iter().find(|row| row.quality.is_of_another_speed()) else { return Ok(()) };
    let reason = row.reason.as_deref().unwrap_or("it is throttled");
    let message = format!("{} was not in the state in which it is predicted: {reason}", row.device);
    let again = again.map(|command| format!(": {command}")).unwrap_or_default();
    Err(Failure::new(Exit::Quality, message).remedy(format!(
        "let it cool down, off the charger, close other programs, and measure again{again}; if this is its usual speed now, \
         profile and fit it anew"
    )))
}

/// The rows as a table, and the metrics below it.
pub fn text(rows: &[Verified]) -> String {
    let short = |net: &str| match net.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &net[..cut]),
        None => net.to_owned(),
    };
    let label = |verified: &Verified| {
        let score = VerifiedRow::from(verified).score;
        score.map_or_else(|| short(&verified.net), |score| format!("score {score}"))
    };
    let row = |verified: &Verified| {
        let row = VerifiedRow::from(verified);
        let network = label(verified);
        let marks = [row.in_interval, row.in_budget, row.quality].map(str::to_owned);
        [network, row.predicted, row.measured, row.error].into_iter().chain(marks).collect()
    };
    let cells: Vec<Vec<String>> = rows.iter().map(row).collect();
    let header = ["network", "predicted", "measured", "error", "in interval", "in budget", "quality"];
    let mut out = output::table(&header, &cells);
    let mut reasons: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for row in rows {
        if let Some(reason) = row.reason.as_deref() {
            reasons.entry((row.quality.name(), reason)).or_default().push(label(row));
        }
    }
    for ((quality, reason), networks) in reasons {
        out += &format!("{quality}: {}: {reason}\n", networks.join(", "));
    }
    if let Some(metrics) = metrics(rows).filter(|_| rows.len() > 1) {
        let correlation = |value: Option<f64>| value.map_or(NOTHING.to_owned(), |v| format!("{v:.3}"));
        out += &format!(
            "\nMAPE {:.1} %, median {:.1} %, within 10 %: {:.0} %, Spearman {}, Kendall {},\n  in the 90 % interval: {:.0} %\n",
            metrics.mape_percent,
            metrics.median_percent,
            metrics.within_10_percent,
            correlation(metrics.spearman),
            correlation(metrics.kendall),
            metrics.coverage_percent.unwrap_or(0.0),
        );
    }
    out
}
