//! The stopwatch: it warms a network up, then times it until the median is known well enough.
//!
//! 1. One run is timed on its own and kept apart: the caches are cold, memory is not mapped yet, the clocks are low.
//! 2. Warm-up runs follow until enough runs *and* enough time have passed, and the last runs are stable.
//! 3. A sample is the time of `k` runs together, where `k` is chosen so that it lasts long enough for the clock.
//! 4. Where the core's pace is probed (see [`super::pace`]), a sample begins when the core is at its usual speed, or when
//!    the policy's patience is used up. A second probe, after the sample, tells whether the core stayed at that speed.
//! 5. At least `min_runs` undisturbed samples are taken. More follow until the 95 % interval of the median (from order
//!    statistics) is narrow enough, or the time is up.
//!
//! No sample is dropped: each is returned as it was read, with its probe.

use super::caches::Flush;
use super::clock::Clock;
use super::pace::{Pace, undisturbed};
use edgezen_core::measurement::{LaunchMedian, Quality, Summary};
use edgezen_core::stats;
use edgezen_core::units::{ImplausibleLatency, Latency};
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
    /// Time that may be spent on waiting until the core is at its usual speed and on repeating disturbed samples.
    pub patience_ns: u64,
    /// Whether the caches are emptied before each sample, which then is a single run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cold_caches: bool,
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
        patience_ns: 1_800_000_000,
        cold_caches: false,
    };

    /// For one of many rows of a dataset on such a computer. A fit takes the mean over many rows, so that a median known to 3 %
    /// is as good for it as one known to 1 %, and more rows are better than longer ones.
    pub const HOST_ROW: Policy = Policy { min_runs: 18, target_half_width: 0.03, ..Policy::HOST };

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
        patience_ns: 0,
        cold_caches: false,
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
        patience_ns: 0,
        cold_caches: false,
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
            ..self
        }
    }

    /// The longest time that [`sample`] can take by the clock, if one run of the network takes `run_ns`.
    pub fn at_most_ns(&self, run_ns: u64) -> u64 {
        let fewest = u64::from(self.min_runs.max(1)) + 5;
        self.warmup_max_ns + self.max_ns + 2 * self.patience_ns + fewest * run_ns.max(self.min_sample_ns)
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
    /// The threshold that [`pooled`] judges by.
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

    /// Finds the part of a sample that does not grow with its number of runs. It is the intercept of the line through
    /// the medians of this chain of runs and of a `shorter` one; the slope of that line is then the median of
    /// [`Timing::per_run_ns`]. A negative intercept is noise, and nothing is subtracted.
    #[must_use]
    pub fn less_overhead_of(mut self, shorter: &Timing) -> Timing {
        let (long, short) = (f64::from(self.k), f64::from(shorter.k));
        let chain = |timing: &Timing| Some(pooled([timing])?.0.median.ns() * f64::from(timing.k));
        if let (Some(of_long), Some(of_short)) = (chain(&self), chain(shorter))
            && long > short
        {
            let slope = (of_long - of_short) / (long - short);
            let overhead = (of_long - slope * long).clamp(0.0, of_short);
            let before = self.overhead_ns.replace(overhead);
            // Of each sample a latency must be left that can be read back.
            if self.check().is_err() {
                self.overhead_ns = before;
            }
        }
        self
    }

    /// The timing of a piece of work, of which a run of this graph holds `times.0` and a run of the `shorter` one `times.1`: each
    /// run counts as so many, and the time that both graphs have in common is the overhead. `None` where the difference is no
    /// time, or where there are no samples.
    #[must_use]
    pub fn repeated(mut self, shorter: &Timing, times: (u32, u32)) -> Option<Timing> {
        let run = |timing: &Timing| Some(pooled([timing])?.0.median.ns());
        let (long, short) = (run(&self)?, run(shorter)?);
        let (more, fewer) = (f64::from(times.0), f64::from(times.1));
        let slope = (long - short) / (more - fewer);
        // Too small a difference is noise, and no latency that could be read back.
        Latency::measured_ns(slope).ok()?;
        // A negative intercept is noise, and nothing is subtracted.
        let overhead = (long - slope * more).clamp(0.0, short);
        self.overhead_ns = Some(overhead * f64::from(self.k));
        self.k = self.k.checked_mul(times.0)?;
        self.first_ns = self.first_ns.map(|ns| (ns / u64::from(times.0)).max(1));
        // Of each sample a latency must be left that can be read back; where too little is left of the fastest, noise decided.
        self.check().is_ok().then_some(self)
    }

    /// `None` if there are no samples.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.per_run_ns(), self.k)
    }
}

/// With fewer undisturbed samples than this, all samples are used, and the measurement counts as noisy.
const MIN_UNDISTURBED: usize = 5;

/// The summary of the samples of several passes taken together, with its quality; `None` if there are no samples.
///
/// Passes lie minutes apart, so that the median is not that of one lucky or unlucky moment. Where the
/// core's pace was probed, only the undisturbed samples count.
pub fn pooled<'a>(passes: impl IntoIterator<Item = &'a Timing>) -> Option<(Summary, Quality)> {
    let passes: Vec<&Timing> = passes.into_iter().collect();
    let k = passes.iter().map(|timing| timing.k).max()?;
    let threshold = passes.iter().map(|timing| timing.noisy_half_width).fold(f64::INFINITY, f64::min);
    // Every pass may have seen the core faster: the shortest usual probe of all passes is the best estimate.
    let usual = passes.iter().filter_map(|timing| timing.usual_probe_ns).min();
    let (mut all, mut calm) = (Vec::new(), Vec::new());
    for timing in &passes {
        calm.extend(timing.undisturbed_ns(usual));
        all.extend(timing.per_run_ns());
    }
    let few = usual.is_some() && calm.len() < MIN_UNDISTURBED;
    let chosen = if usual.is_some() && !few { &calm } else { &all };
    let summary = Summary::of(chosen, k)?;
    let steady = !few && summary.relative_half_width() <= threshold;
    Some((summary, if steady { Quality::Good } else { Quality::Noisy }))
}

/// With fewer undisturbed samples than this, the median of a launch is that of all its samples.
const MIN_OF_LAUNCH: usize = 3;

/// The median of each of `passes`, every one of them a launch. Launches without samples are left out. Where the core's
/// pace was probed, undisturbed samples count; a launch without them shows by its median how disturbed it was.
pub fn launch_medians<'a>(passes: impl IntoIterator<Item = &'a Timing>) -> Vec<LaunchMedian> {
    let passes: Vec<&Timing> = passes.into_iter().collect();
    let usual = passes.iter().filter_map(|timing| timing.usual_probe_ns).min();
    let of_launch = |timing: &&Timing| {
        let calm = timing.undisturbed_ns(usual);
        let chosen = if calm.len() < MIN_OF_LAUNCH { timing.per_run_ns() } else { calm };
        let median = stats::median(&chosen).filter(|&median| median > 0.0)?;
        Some(LaunchMedian { median: Latency::from_ns(median), error: stats::median_error(&chosen)? / median })
    };
    passes.iter().filter_map(of_launch).collect()
}

/// Why nothing was measured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError<E> {
    #[error(transparent)]
    Run(E),
    #[error("the output changed from one run to the next: the engine does not compute the same twice")]
    Inconsistent,
    #[error("the clock went backwards during a run")]
    Clock,
}

/// Times `run`, which gives a checksum of its output.
///
/// # Errors
/// The first failing run, outputs that differ between runs, or a clock that goes backwards.
pub fn sample<E>(
    clock: &impl Clock,
    policy: &Policy,
    mut pace: Option<&mut Pace<'_>>,
    mut run: impl FnMut() -> Result<f64, E>,
) -> Result<Timing, SampleError<E>> {
    let start = clock.now_ns();
    let since = |start: u64| clock.now_ns().checked_sub(start).ok_or(SampleError::Clock);
    let checksum = run().map_err(SampleError::Run)?;
    let first_ns = since(start)?;
    let mut timed = |k: u32| -> Result<u64, SampleError<E>> {
        let start = clock.now_ns();
        let mut last = checksum;
        for _ in 0..k {
            last = run().map_err(SampleError::Run)?;
        }
        let ns = since(start)?;
        if last.to_bits() == checksum.to_bits() { Ok(ns) } else { Err(SampleError::Inconsistent) }
    };

    let mut warmup = Vec::new();
    while !warm(&warmup, clock.now_ns().saturating_sub(start), policy) {
        warmup.push(timed(1)? as f64);
    }

    let recent = &warmup[warmup.len().saturating_sub(5)..];
    let run_ns = stats::median(recent).unwrap_or(first_ns as f64).max(1.0);
    let mut flush = policy.cold_caches.then(Flush::new);
    let least_ns = if flush.is_some() { 0 } else { policy.min_sample_ns };
    let k = (least_ns as f64 / run_ns).ceil().clamp(1.0, 1e6) as u32;
    let started = clock.now_ns();
    let elapsed = || clock.now_ns().saturating_sub(started);
    let mut samples_ns = Vec::new();
    let mut probes_ns = Vec::new();
    // The samples that count, and the time that was spent on those that do not count.
    let mut calm = Vec::new();
    let mut lost_ns = 0;
    loop {
        let patient = lost_ns < policy.patience_ns;
        let samples = samples_ns.len() as u32;
        let counted = if patient { calm.len() as u32 } else { samples };
        if counted >= policy.min_runs.max(1) {
            let late = elapsed() >= policy.max_ns + lost_ns.min(policy.patience_ns);
            // Computing the interval sorts the samples, so it is done at every tenth sample only.
            let due = counted == policy.min_runs || counted.is_multiple_of(10);
            if late || samples >= policy.max_runs || (due && precise(&calm, policy)) {
                break;
            }
        }
        if let Some(flush) = &mut flush {
            flush.run();
        }
        let Some(pace) = pace.as_deref_mut() else {
            let ns = timed(k)?;
            samples_ns.push(ns);
            calm.push(ns);
            continue;
        };
        let begin = elapsed();
        let mut before = pace.probe(clock);
        while !undisturbed(before, pace.usual_ns()) && lost_ns + (elapsed() - begin) < policy.patience_ns {
            before = pace.probe(clock);
        }
        lost_ns += elapsed() - begin;
        let ns = timed(k)?;
        let probe = before.max(pace.probe(clock));
        samples_ns.push(ns);
        probes_ns.push(probe);
        if undisturbed(probe, pace.usual_ns()) {
            calm.push(ns);
        } else {
            lost_ns += ns;
        }
    }
    Ok(Timing {
        first_ns: Some(first_ns),
        warmup_runs: warmup.len() as u32,
        k,
        samples_ns,
        probes_ns,
        usual_probe_ns: pace.map(|pace| pace.usual_ns()),
        checksum: Some(checksum),
        noisy_half_width: policy.noisy_half_width,
        overhead_ns: None,
        timed_by: TimedBy::Stopwatch,
    })
}

fn warm(runs: &[f64], elapsed: u64, policy: &Policy) -> bool {
    let count = runs.len() as u32;
    if elapsed >= policy.warmup_max_ns {
        return count >= 3;
    }
    if count < policy.warmup_min_runs.max(3) || elapsed < policy.warmup_min_ns {
        return false;
    }
    let Some(before) = runs.len().checked_sub(10) else { return true };
    let (earlier, later) = runs[before..].split_at(5);
    match (stats::median(earlier), stats::median(later)) {
        (Some(earlier), Some(later)) => (later - earlier).abs() <= policy.stable_within * later,
        _ => true,
    }
}

fn precise(samples_ns: &[u64], policy: &Policy) -> bool {
    let samples: Vec<f64> = samples_ns.iter().map(|&ns| ns as f64).collect();
    Summary::of(&samples, 1).is_some_and(|s| s.relative_half_width() <= policy.target_half_width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Fake;
    use std::cell::Cell;

    /// Times runs that last what `duration` says of their number.
    fn timing(policy: &Policy, duration: impl Fn(u64) -> u64) -> Timing {
        let clock = Fake::default();
        let runs = Cell::new(0);
        sample(&clock, policy, None, || {
            clock.pass(duration(runs.get()));
            runs.set(runs.get() + 1);
            Ok::<f64, ()>(1.5)
        })
        .unwrap()
    }

    #[test]
    fn a_steady_kernel_takes_the_least_runs() {
        // 1 ms: ten runs are 10 ms, thirty are needed to fill 30 ms of warm-up; the first counts.
        let timing = timing(&Policy::HOST, |_| 1_000_000);
        assert_eq!(timing.first_ns, Some(1_000_000));
        assert_eq!(timing.warmup_runs, 29);
        assert_eq!(timing.k, 1);
        assert_eq!(timing.samples_ns, vec![1_000_000; 30]);
        let summary = timing.summary().unwrap();
        assert_eq!((summary.median.ns(), summary.runs), (1e6, 30));
        assert_eq!(pooled([&timing]), Some((summary, Quality::Good)));
        assert_eq!((timing.checksum, timing.timed_by), (Some(1.5), TimedBy::Stopwatch));
    }

    #[test]
    fn what_a_tool_timed_is_written_and_read_again() {
        let own = timing(&Policy::HOST, |_| 1_000_000);
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

    #[test]
    fn the_first_run_is_kept_apart() {
        let timing = timing(&Policy::HOST, |run| if run == 0 { 50_000_000 } else { 2_000_000 });
        assert_eq!(timing.first_ns, Some(50_000_000));
        assert_eq!(timing.warmup_runs, 10);
        assert!(timing.samples_ns.iter().all(|&ns| ns == 2_000_000));
    }

    #[test]
    fn short_kernels_are_batched() {
        // 3 µs: 67 runs fill 0.2 ms.
        let timing = timing(&Policy::HOST, |_| 3_000);
        assert_eq!(timing.k, 67);
        assert_eq!(timing.samples_ns, vec![67 * 3_000; 30]);
        assert_eq!(timing.per_run_ns()[0], 3_000.0);
    }

    #[test]
    fn with_cold_caches_each_sample_is_a_run() {
        let policy = Policy { cold_caches: true, ..Policy::HOST };
        let timing = timing(&policy, |_| 3_000);
        assert_eq!((timing.k, timing.samples_ns[0]), (1, 3_000));
        // A runner that does not know the word refuses the job, which is why it is left out where it is not meant.
        let text = |policy: Policy| serde_json::to_string(&policy).unwrap();
        assert!(text(policy).contains("cold_caches") && !text(Policy::HOST).contains("cold_caches"));
    }

    #[test]
    fn what_a_chain_costs_beside_its_runs_is_taken_off() {
        // Each sample waits 100 µs for runs of 5 µs.
        let chain = |k: u64| Timing {
            k: k as u32,
            samples_ns: vec![100_000 + 5_000 * k; 30],
            ..timing(&Policy::HOST, |_| 1_000_000)
        };
        let timing = chain(200).less_overhead_of(&chain(50));
        assert_eq!(timing.overhead_ns, Some(100_000.0));
        assert_eq!(timing.summary().unwrap().median.ns(), 5_000.0);
        // One chain says nothing.
        assert_eq!(chain(200).less_overhead_of(&chain(200)).overhead_ns, None);
    }

    #[test]
    fn what_is_left_of_each_sample_can_be_read_back() {
        let steady = |ns: u64| timing(&Policy::HOST, move |_| ns);
        let (long, short) = (steady(4_000_000), steady(1_600_000));
        let of_kernel = long.clone().repeated(&short, (8, 2)).unwrap();
        assert_eq!((of_kernel.overhead_ns, of_kernel.k), (Some(800_000.0), 8));
        assert_eq!(of_kernel.summary().unwrap().median.ns(), 400_000.0);
        // One sample of the long graph took hardly more than what both graphs have in common: 5 ns for a kernel.
        let mut dip = long.clone();
        dip.samples_ns[7] = 800_040;
        assert_eq!(dip.repeated(&short, (8, 2)), None);
        // In a chain, nothing is subtracted then.
        let chain =
            |k: u64| Timing { k: k as u32, samples_ns: vec![100_000 + 5_000 * k; 30], ..steady(1_000_000) };
        let mut dip = chain(200);
        dip.samples_ns[7] = 101_000;
        let dip = dip.less_overhead_of(&chain(50));
        assert_eq!(dip.overhead_ns, None);
        dip.check().unwrap();
    }

    #[test]
    fn long_kernels_warm_up_three_times() {
        let timing = timing(&Policy::HOST, |_| 100_000_000);
        assert_eq!((timing.warmup_runs, timing.k, timing.samples_ns.len()), (3, 1, 30));
    }

    #[test]
    fn warm_up_waits_until_runs_are_stable() {
        // Getting faster until run 60.
        let timing = timing(&Policy::HOST, |run| 1_000_000 + 50_000 * 60_u64.saturating_sub(run));
        assert!(timing.warmup_runs > 40, "{}", timing.warmup_runs);
    }

    #[test]
    fn noisy_kernels_run_until_the_time_is_up() {
        // Two speeds, 1 and 2 ms: the interval of the median stays wide.
        let timing = timing(&Policy::HOST, |run| if run % 2 == 0 { 1_000_000 } else { 2_000_000 });
        let spent: u64 = timing.samples_ns.iter().sum();
        assert!(timing.samples_ns.len() > 300 && (600_000_000..603_000_000).contains(&spent));
        assert_eq!(pooled([&timing]).unwrap().1, Quality::Noisy);
    }

    #[test]
    fn passes_are_pooled() {
        let third = Policy::HOST.split(3);
        assert_eq!((third.min_runs, third.warmup_min_runs), (10, 4));
        let passes = [1_000_000, 1_100_000, 1_000_000].map(|ns| timing(&third, |_| ns));
        let (summary, _) = pooled(&passes).unwrap();
        assert_eq!((summary.runs, summary.median.ns(), summary.p90.ns()), (30, 1e6, 1.1e6));
        assert_eq!(pooled([]), None);
    }

    #[test]
    fn disturbed_samples_are_repeated_and_do_not_count() {
        // The core is slow in two of every three tenths of a second, runs and probes alike.
        let clock = Fake::default();
        let spend = |ns: u64| {
            for _ in 0..ns / 10_000 {
                let slow = clock.now_ns() / 100_000_000 % 3 != 0;
                clock.pass(if slow { 16_000 } else { 10_000 });
            }
        };
        let mut pace = Pace::new(|| spend(30_000));
        pace.learn(&clock, 1_000_000_000);
        let run = || {
            spend(5_000_000);
            Ok::<f64, ()>(1.0)
        };
        let timing = sample(&clock, &Policy::HOST, Some(&mut pace), run).unwrap();
        assert_eq!(timing.probes_ns.len(), timing.samples_ns.len());
        let (summary, quality) = pooled([&timing]).unwrap();
        assert_eq!((summary.median.ns(), quality), (5e6, Quality::Good));
        assert!(summary.runs >= 30, "{}", summary.runs);
        // All are kept.
        assert!(timing.samples_ns.iter().any(|&ns| ns > 5_000_000));
        // Without patience all samples count, as long as there are no undisturbed ones.
        let mut late = timing.clone();
        late.probes_ns.iter_mut().for_each(|probe| *probe = 60_000);
        assert_eq!(pooled([&late]).unwrap().1, Quality::Noisy);
    }

    #[test]
    fn every_launch_has_a_median() {
        let policy = Policy::HOST.launch(3);
        let passes = [1_000_000, 1_100_000].map(|ns| timing(&policy, |_| ns));
        let medians: Vec<f64> = launch_medians(&passes).iter().map(|launch| launch.median.ns()).collect();
        assert_eq!(medians, [1e6, 1.1e6]);
        // Two thirds of the samples of the first launch were disturbed, all of the second.
        let probed = |of: u64, passes: &Timing| Timing {
            samples_ns: (0..9).map(|i| if i % 3 < of { 1_500_000 } else { 1_000_000 }).collect(),
            probes_ns: (0..9).map(|i| if i % 3 < of { 16_000 } else { 10_000 }).collect(),
            usual_probe_ns: Some(10_000),
            ..passes.clone()
        };
        let passes = [probed(2, &passes[0]), probed(3, &passes[1])];
        let medians: Vec<f64> = launch_medians(&passes).iter().map(|launch| launch.median.ns()).collect();
        assert_eq!(medians, [1e6, 1.5e6]);
        assert_eq!(launch_medians([]), []);
    }

    #[test]
    fn a_run_that_computes_something_else_is_an_error() {
        let clock = Fake::default();
        let runs = Cell::new(0.0);
        let error = sample(&clock, &Policy::HOST, None, || {
            clock.pass(1_000_000);
            runs.set(runs.get() + 1.0);
            Ok::<f64, ()>(runs.get())
        });
        assert_eq!(error, Err(SampleError::Inconsistent));
        let error = sample(&clock, &Policy::HOST, None, || {
            // Set back by somebody in the fifth run.
            clock.set(if runs.replace(runs.get() + 1.0) == 5.0 { 0 } else { clock.now_ns() + 1_000_000 });
            Ok::<f64, ()>(1.5)
        });
        assert_eq!(error, Err(SampleError::Clock));
        assert_eq!(sample(&clock, &Policy::HOST, None, || Err("no")), Err(SampleError::Run("no")));
    }
}
