//! The stopwatch: it warms a network up, then times it until the median is known well enough.
//!
//! 1. One run is timed on its own and kept apart: the caches are cold, memory is not mapped yet, the clocks are low.
//! 2. Warm-up runs follow until enough runs *and* enough time have passed, and the last runs are stable.
//! 3. A sample is the time of `k` runs together, where `k` is chosen so that it lasts long enough for the clock.
//! 4. Where the core's pace is probed (see [`super::pace`]), a sample begins when the core is at its usual speed, or when
//!    the policy's patience is used up. A second probe, after the sample, tells whether the core stayed at that speed.
//! 5. At least `min_runs` undisturbed samples are taken; where passes are pooled, fewer of long runs. More follow until the 95 % interval
//!    of the median (from order statistics) is narrow enough, or the time is up.
//!
//! No sample is dropped: each is returned as it was read, with its probe.

use super::caches::Flush;
use super::clock::Clock;
use super::pace::{Pace, undisturbed};
use super::policy::Policy;
use super::timing::{TimedBy, Timing};
use edgezen_core::measurement::Summary;
use edgezen_core::stats;

/// As many samples as are taken at least, however long they last.
const FEW: usize = 3;

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
    let mut calm: Vec<u64> = Vec::new();
    let mut lost_ns = 0;
    loop {
        let long = policy.few_after_ns.is_some_and(|ns| calm.iter().sum::<u64>() >= ns);
        if long && calm.len() >= FEW.min(policy.min_runs as usize) {
            break;
        }
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
    use crate::passes::pooled;
    use edgezen_core::measurement::Quality;
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
    fn the_first_run_is_kept_apart() {
        let timing = timing(&Policy::HOST, |run| if run == 0 { 50_000_000 } else { 2_000_000 });
        assert_eq!(timing.first_ns, Some(50_000_000));
        assert_eq!(timing.warmup_runs, 10);
        assert!(timing.samples_ns.iter().all(|&ns| ns == 2_000_000));
    }

    #[test]
    fn three_samples_of_long_runs_are_enough_where_passes_are_pooled() {
        let pass = Policy::HOST_ROW.split(3);
        let samples = |ms: u64| timing(&pass, |_| ms * 1_000_000).samples_ns.len();
        assert_eq!((samples(1), samples(9), samples(10), samples(15), samples(90)), (6, 6, 5, 4, 3));
        assert_eq!(timing(&Policy::HOST, |_| 90_000_000).samples_ns.len(), 30);
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
