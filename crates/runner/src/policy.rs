//! How long and how often a network is run to be timed.

use super::energy;
use serde::{Deserialize, Serialize};

/// How long and how often to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The least number of warm-up runs. Long kernels make do with fewer: see `warmup_max_ns`.
    pub warmup_min_runs: u32,
    /// The least time of the warm-up.
    pub warmup_min_ns: u64,
    /// After this time, three warm-up runs are enough.
    pub warmup_max_ns: u64,
    /// The warm-up ends when the median of the last five runs differs by less than this share from the median of the
    /// five before.
    pub stable_within: f64,
    /// The least number of timed samples; the paper takes 30.
    pub min_runs: u32,
    /// The greatest number of timed samples.
    pub max_runs: u32,
    /// Sampling ends when half the 95 % interval of the median, relative to the median, is below this.
    pub target_half_width: f64,
    /// A measurement whose half interval is wider than this counts as noisy.
    pub noisy_half_width: f64,
    /// Time after which no samples are added to the first `min_runs`.
    pub max_ns: u64,
    /// The least time of a sample.
    pub min_sample_ns: u64,
    /// After this time of undisturbed samples, three of them are enough, where the samples of several passes are pooled. `None`:
    /// `min_runs` are taken, however long they last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_after_ns: Option<u64>,
    /// Time that may be spent on waiting until the core is at its usual speed and on repeating disturbed samples.
    pub patience_ns: u64,
    /// Whether the caches are emptied before each sample, which then is a single run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cold_caches: bool,
    /// Time for which a whole network runs once more to read its energy. `None`: nobody asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_ns: Option<u64>,
}

impl Policy {
    /// For a computer that is wired to the mains: a short warm-up and short samples.
    pub const HOST: Policy = Policy {
        warmup_min_runs: 10,
        warmup_min_ns: 30_000_000,
        warmup_max_ns: 150_000_000,
        stable_within: 0.05,
        min_runs: 30,
        max_runs: 1_000,
        target_half_width: 0.01,
        noisy_half_width: 0.05,
        max_ns: 600_000_000,
        min_sample_ns: 200_000,
        few_after_ns: None,
        patience_ns: 1_800_000_000,
        cold_caches: false,
        energy_ns: None,
    };

    /// For one of many rows of a dataset on such a computer. A fit takes the mean over many rows, so that a median known to 3 %
    /// is as good for it as one known to 1 %, and more rows are better than longer ones. Runs of long networks differ less than those of
    /// short kernels, and fewer of them are taken.
    pub const HOST_ROW: Policy =
        Policy { min_runs: 18, target_half_width: 0.03, few_after_ns: Some(150_000_000), ..Policy::HOST };

    /// For a GPU. Its clocks rise under load, so the warm-up is longer; samples are long compared with the wait for the
    /// GPU that ends each of them.
    pub const GPU: Policy = Policy {
        warmup_min_runs: 10,
        warmup_min_ns: 200_000_000,
        warmup_max_ns: 1_000_000_000,
        stable_within: 0.03,
        min_runs: 30,
        max_runs: 1_000,
        target_half_width: 0.01,
        noisy_half_width: 0.05,
        max_ns: 1_000_000_000,
        min_sample_ns: 1_000_000,
        few_after_ns: None,
        patience_ns: 0,
        cold_caches: false,
        energy_ns: None,
    };

    /// For a phone: half a second of warm-up, in which its governor raises the clock, and longer samples.
    pub const PHONE: Policy = Policy {
        warmup_min_runs: 10,
        warmup_min_ns: 500_000_000,
        warmup_max_ns: 1_500_000_000,
        stable_within: 0.02,
        min_runs: 30,
        max_runs: 2_000,
        target_half_width: 0.01,
        noisy_half_width: 0.05,
        max_ns: 10_000_000_000,
        min_sample_ns: 2_000_000,
        few_after_ns: None,
        patience_ns: 0,
        cold_caches: false,
        energy_ns: None,
    };
}

impl Policy {
    /// Most runs of a warm-up, and most samples.
    pub const MOST_RUNS: u32 = 1_000_000;
    /// The longest time that a policy may ask for: a day.
    pub const LONGEST_NS: u64 = 86_400_000_000_000;

    /// Checks that every number is one that a measurement can have.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), PolicyError> {
        let runs = [
            ("warmup_min_runs", self.warmup_min_runs),
            ("min_runs", self.min_runs),
            ("max_runs", self.max_runs),
        ];
        if let Some((field, runs)) = runs.into_iter().find(|(_, runs)| *runs > Policy::MOST_RUNS) {
            return Err(PolicyError::Runs { field, runs });
        }
        let times = [
            ("warmup_min_ns", self.warmup_min_ns),
            ("warmup_max_ns", self.warmup_max_ns),
            ("max_ns", self.max_ns),
            ("min_sample_ns", self.min_sample_ns),
            ("patience_ns", self.patience_ns),
            ("few_after_ns", self.few_after_ns.unwrap_or(0)),
            ("energy_ns", self.energy_ns.unwrap_or(0)),
        ];
        if let Some((field, ns)) = times.into_iter().find(|(_, ns)| *ns > Policy::LONGEST_NS) {
            return Err(PolicyError::Time { field, ns });
        }
        let shares = [
            ("stable_within", self.stable_within),
            ("target_half_width", self.target_half_width),
            ("noisy_half_width", self.noisy_half_width),
        ];
        match shares.into_iter().find(|(_, share)| !(share.is_finite() && *share >= 0.0)) {
            Some((field, share)) => Err(PolicyError::Share { field, share }),
            None => Ok(()),
        }
    }

    /// The policy of one of `rounds` passes, which together make as many runs as one pass would.
    #[must_use]
    pub fn split(self, rounds: u32) -> Policy {
        let rounds = rounds.max(1);
        Policy {
            warmup_min_runs: self.warmup_min_runs.div_ceil(rounds).max(3),
            warmup_min_ns: self.warmup_min_ns / u64::from(rounds),
            warmup_max_ns: self.warmup_max_ns / u64::from(rounds),
            patience_ns: self.patience_ns / u64::from(rounds),
            ..self.launch(rounds)
        }
    }

    /// The policy of one of `launches` fresh processes. The runs are divided among them, but every process has to warm
    /// up by itself.
    #[must_use]
    pub fn launch(self, launches: u32) -> Policy {
        let launches = launches.max(1);
        Policy {
            min_runs: self.min_runs.div_ceil(launches),
            max_runs: self.max_runs.div_ceil(launches),
            max_ns: self.max_ns / u64::from(launches),
            few_after_ns: self.few_after_ns.map(|ns| ns / u64::from(launches)),
            ..self
        }
    }

    /// The longest time that timing can take by the clock, if one run of the network takes `run_ns`.
    pub fn at_most_ns(&self, run_ns: u64) -> u64 {
        let fewest = u64::from(self.min_runs.max(1)) + 5;
        let energy = self.energy_ns.map_or(0, |ns| energy::at_most_ns(ns, run_ns));
        let timing = self.warmup_max_ns + self.max_ns + 2 * self.patience_ns;
        timing + fewest * run_ns.max(self.min_sample_ns) + energy
    }
}

/// Why a policy makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    #[error("{field} {runs} is out of range; use up to {}", Policy::MOST_RUNS)]
    Runs { field: &'static str, runs: u32 },
    #[error("{field} {ns} is longer than a day")]
    Time { field: &'static str, ns: u64 },
    #[error("{field} {share} is no share")]
    Share { field: &'static str, share: f64 },
}
