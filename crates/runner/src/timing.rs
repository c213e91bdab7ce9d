//! What a stopwatch saw of one network: its samples, and what can be read from them.

use super::pace::undisturbed;
use super::policy::Policy;
use edgezen_core::measurement::Summary;
use edgezen_core::units::{ImplausibleLatency, Latency};
use serde::{Deserialize, Serialize};

/// Whose clock was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedBy {
    /// This stopwatch, before and after each sample.
    #[default]
    Stopwatch,
    /// Another program, which ran the network and says how long a run took. Each of its calls is one sample of as many runs
    /// as it was asked for.
    Tool,
}

impl TimedBy {
    fn is_stopwatch(&self) -> bool {
        *self == TimedBy::Stopwatch
    }
}

/// What the stopwatch saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The very first run. `None` where a tool timed and does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ns: Option<u64>,
    pub warmup_runs: u32,
    /// Runs per sample.
    pub k: u32,
    /// Each sample: the time of `k` runs.
    pub samples_ns: Vec<u64>,
    /// The slower one of the probes before and after each sample; empty where the pace is not probed.
    pub probes_ns: Vec<u64>,
    /// Length of a probe at the core's usual speed, as far as it was known by then.
    pub usual_probe_ns: Option<u64>,
    /// Checksum of the output; a wrong run is not a fast one. `None`: nobody looked at the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<f64>,
    /// The threshold by which passes that are pooled are judged.
    pub noisy_half_width: f64,
    /// The time of each sample that was not spent on its runs. Waiting for a GPU takes this once a sample, however many
    /// runs were launched. See [`Timing::less_overhead_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead_ns: Option<f64>,
    #[serde(default, skip_serializing_if = "TimedBy::is_stopwatch")]
    pub timed_by: TimedBy,
}

/// Why a timing is none that a stopwatch gives.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TimingError {
    #[error("{0} samples; a measurement has 1 to {most}", most = 2 * Policy::MOST_RUNS)]
    Samples(usize),
    #[error("{probes} probes for {samples} samples")]
    Probes { probes: usize, samples: usize },
    #[error("{0} runs to a sample; there are 1 to {MOST_CHAINED}")]
    Chained(u32),
    #[error(transparent)]
    Latency(#[from] ImplausibleLatency),
    #[error("{field} {value} makes no sense")]
    Number { field: &'static str, value: f64 },
}

/// Most runs that are timed together.
const MOST_CHAINED: u32 = 1_000_000;

impl Timing {
    /// Checks a timing that comes from a file or another device.
    ///
    /// # Errors
    /// What no stopwatch gives: no samples or too many, runs of no time or of more than an hour, numbers that are not
    /// finite.
    pub fn check(&self) -> Result<(), TimingError> {
        let samples = self.samples_ns.len();
        // Disturbed samples come on top of those that count.
        if samples == 0 || samples > 2 * Policy::MOST_RUNS as usize {
            return Err(TimingError::Samples(samples));
        }
        let probes = self.probes_ns.len();
        if probes != 0 && probes != samples {
            return Err(TimingError::Probes { probes, samples });
        }
        if !(1..=MOST_CHAINED).contains(&self.k) {
            return Err(TimingError::Chained(self.k));
        }
        let (k, overhead) = (f64::from(self.k), self.overhead_ns.unwrap_or(0.0));
        let numbers = [("overhead_ns", overhead), ("noisy_half_width", self.noisy_half_width)];
        if let Some((field, value)) =
            numbers.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            return Err(TimingError::Number { field, value });
        }
        if let Some(value) = self.checksum.filter(|checksum| !checksum.is_finite()) {
            return Err(TimingError::Number { field: "checksum", value });
        }
        for &ns in self.samples_ns.iter().min().into_iter().chain(self.samples_ns.iter().max()) {
            Latency::measured_ns((ns as f64 - overhead) / k)?;
        }
        self.first_ns.map(|ns| Latency::measured_ns(ns as f64)).transpose()?;
        Ok(())
    }

    /// Time of one run, for each sample.
    pub fn per_run_ns(&self) -> Vec<f64> {
        let overhead = self.overhead_ns.unwrap_or(0.0);
        self.samples_ns.iter().map(|&ns| (ns as f64 - overhead) / f64::from(self.k.max(1))).collect()
    }

    /// Time of one run, for each sample that found the core at its usual speed; `usual_ns` is the length of a probe at that
    /// speed. All samples where the pace was not probed.
    pub fn undisturbed_ns(&self, usual_ns: Option<u64>) -> Vec<f64> {
        let Some(usual) = usual_ns else { return self.per_run_ns() };
        let pairs = self.per_run_ns().into_iter().zip(&self.probes_ns);
        pairs.filter(|&(_, &probe)| undisturbed(probe, usual)).map(|(run, _)| run).collect()
    }

    /// `None` if there are no samples.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.per_run_ns(), self.k)
    }
}

/// A timing without noise: thirty samples of `k` runs, each of which lasts `run_ns`.
#[cfg(test)]
pub(crate) fn steady(run_ns: u64, k: u32) -> Timing {
    Timing {
        first_ns: Some(run_ns),
        warmup_runs: 10,
        k,
        samples_ns: vec![run_ns * u64::from(k); 30],
        probes_ns: Vec::new(),
        usual_probe_ns: None,
        checksum: Some(1.5),
        noisy_half_width: 0.05,
        overhead_ns: None,
        timed_by: TimedBy::Stopwatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_timed_is_written_and_read_again() {
        let own = steady(1_000_000, 1);
        let text = serde_json::to_string(&own).unwrap();
        assert!(text.contains("\"first_ns\":1000000") && !text.contains("timed_by"), "{text}");
        let tool = Timing {
            first_ns: None,
            checksum: None,
            k: 50,
            samples_ns: vec![400_000_000, 380_000_000],
            timed_by: TimedBy::Tool,
            ..own
        };
        let text = serde_json::to_string(&tool).unwrap();
        assert!(text.contains("\"timed_by\":\"tool\"") && !text.contains("checksum"), "{text}");
        assert_eq!(serde_json::from_str::<Timing>(&text).unwrap(), tool);
        tool.check().unwrap();
        assert_eq!(tool.per_run_ns(), [8e6, 7.6e6]);
    }
}
