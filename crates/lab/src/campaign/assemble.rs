//! From a journal to a dataset: the passes of each configuration are pooled, judged and written.

use super::counted::{Counted, counted};
use super::drift;
use super::folder::{JOURNAL, LOOKUP_TABLE};
use super::heating::Heated;
use super::journal::{Header, Line, Turn};
use super::plan::Plan;
use super::{CampaignError, CampaignOutcome};
use crate::dataset;
use crate::dataset::{Dataset, Environment, Provenance, RawRun};
use edgezen_core::files::FileError;
use edgezen_core::measurement::{Quality, Sample, Subject, Summary};
use edgezen_core::stats;
use edgezen_runner::Timing;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// A measurement counts as contended if other programs used more than this share of the measured cores.
const CONTENDED: f64 = 0.02;

/// Writes the dataset that `lines` hold into `dir`.
///
/// # Errors
/// Nothing was measured, or the disk's.
pub fn finish(
    plan: &Plan,
    dir: &Path,
    header: &Header,
    lines: &[Line],
) -> Result<CampaignOutcome, CampaignError> {
    let results = Results::of(lines);
    let mut samples = Vec::new();
    let mut raw = Vec::new();
    let mut failed = Vec::new();
    let mut modes = Vec::new();
    let mut spreads = Vec::new();
    // In the order of the plan, whatever the order of measuring.
    for (index, subject) in plan.subjects.iter().enumerate() {
        let passes: Vec<&Pass<'_>> =
            results.passes.range((index, 0)..=(index, u32::MAX)).map(|(_, pass)| pass).collect();
        let pooled = edgezen_runner::pooled(passes.iter().map(|pass| pass.timing()));
        let reason = results.failed.get(&index);
        let (None, Some((summary, quality))) = (reason, pooled) else {
            let reason = reason.map_or("no samples came back", |reason| reason);
            failed.push((subject.clone(), reason.to_owned()));
            continue;
        };
        let row = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let two = two_modes(&passes);
        modes.extend(two.map(|modes| json!({ "sample": row, "low_ns": modes.low, "high_ns": modes.high, "high_share": modes.high_share })));
        spreads.extend(Spread::of(&passes, &summary));
        let quality = judged(&passes, quality, two.is_some());
        passes.iter().for_each(|pass| raw.extend(pass.raw(row)));
        samples.push(Sample {
            subject: subject.clone(),
            median: summary.median,
            summary: Some(summary),
            quality,
        });
    }
    if samples.is_empty() {
        let reason =
            failed.first().map_or("an empty plan".into(), |(_, reason): &(Subject, String)| reason.clone());
        return Err(CampaignError::NothingMeasured(reason));
    }
    let sentinels: Vec<f64> = drift::sentinels(lines).collect();
    let mut environment = Environment::try_from(header.environment.clone())
        .map_err(|e| FileError::damaged(&dir.join(JOURNAL), e))?;
    let usual = results.passes.values().filter_map(|pass| pass.timing().usual_probe_ns).min();
    environment.usual_probe_ns = usual.or(environment.usual_probe_ns);
    let usual_sentinel = drift::usual_ns(&sentinels);
    environment.usual_sentinel_ns = usual_sentinel.map(|ns| ns.round() as u64);
    let mut say = |name: &str, fact: serde_json::Value| environment.facts.insert(name.to_owned(), fact);
    say("sentinel_median_ns", json!(sentinels));
    say("contended_measurements", json!(results.passes.values().filter(|pass| pass.contended()).count()));
    say("repeated_measurements", json!(results.repeated));
    let first = results.passes.values().next().map(|pass| pass.counted.measured);
    let timed_by = first.map(|measured| measured.timing.timed_by).unwrap_or_default();
    let outputs = first.and_then(|measured| measured.outputs);
    say("timed_by", json!(timed_by));
    if let Some(outputs) = outputs {
        say("outputs", json!(outputs));
    }
    if !modes.is_empty() {
        say("bimodal", json!(modes));
    }
    if let Some((within, between)) = Spread::medians(&spreads) {
        say("relative_spread_within_launches", json!(within));
        say("relative_spread_between_launches", json!(between));
    }
    if !results.heated.is_empty() {
        say("heated", json!(results.heated));
    }
    if !results.sessions.is_empty() {
        say("restarts", json!(results.sessions));
    }
    let dataset = Dataset {
        identity: header.identity.clone(),
        samples,
        provenance: Provenance {
            source: "measured by edgezen profile".into(),
            licence: "CC0-1.0".into(),
            created: header.created.clone(),
            tool_version: header.tool_version.clone(),
            notes: failed.iter().map(|(s, reason)| format!("not measured: {s}: {reason}")).collect(),
        },
        environment,
    };
    dataset::write_raw(dir, &raw)?;
    let lookup = dataset::lookup_table(&dataset, &dir.join(LOOKUP_TABLE))?;
    dataset::write(dir, &dataset)?;
    let worst = sentinels.iter().copied().fold(0.0, f64::max);
    let worst_drift = usual_sentinel.map_or(0.0, |usual| (worst / usual - 1.0).max(0.0));
    let repeated = results.repeated;
    Ok(CampaignOutcome { dataset, failed, lookup, worst_drift, repeated, timed_by, outputs })
}

/// What the lines of a journal amount to.
#[derive(Default)]
struct Results<'a> {
    /// The measurements that count, by configuration and pass.
    passes: BTreeMap<(usize, u32), Pass<'a>>,
    failed: BTreeMap<usize, &'a str>,
    sessions: Vec<&'a crate::device::Facts>,
    /// How the device came to its plateau, each time.
    heated: Vec<&'a Heated>,
    repeated: usize,
}

/// One measurement that counts.
struct Pass<'a> {
    turn: Turn,
    counted: Counted<'a>,
    /// It lies between two slow sentinels.
    drifted: bool,
}

impl<'a> Results<'a> {
    fn of(lines: &'a [Line]) -> Results<'a> {
        let drifted = drift::drifted(lines);
        let pass = |((index, round), counted): ((usize, u32), Counted<'a>)| {
            let drifted = drifted.get(counted.line).copied().unwrap_or(false);
            ((index, round), Pass { turn: Turn { round, index }, counted, drifted })
        };
        let mut results = Results {
            passes: counted(lines, |_| true).into_iter().map(pass).collect(),
            ..Results::default()
        };
        for line in lines {
            match line {
                Line::Failed { index, reason } => {
                    results.failed.insert(*index, reason);
                }
                Line::Redo { of, .. } => results.repeated += of.len(),
                Line::Session { environment } => results.sessions.push(environment),
                Line::Heated { heated } => results.heated.push(heated),
                Line::Sample { .. } | Line::Flagged { .. } | Line::Sentinel { .. } | Line::Enough { .. } => {}
            }
        }
        results
    }
}

impl Pass<'_> {
    fn timing(&self) -> &Timing {
        &self.counted.measured.timing
    }

    fn contended(&self) -> bool {
        let measured = self.counted.measured;
        let times = measured.before.cpu_time.zip(measured.after.cpu_time);
        let others = times.and_then(|(before, after)| after.taken_by_others(&before));
        others.is_some_and(|share| share > CONTENDED)
    }

    /// Every timed run, for row `sample` of the dataset.
    fn raw(&self, sample: u32) -> Vec<RawRun> {
        let timing = self.timing();
        let (round, k) = (self.turn.round, timing.k);
        let calm = |run: usize| {
            let probe = timing.probes_ns.get(run)?;
            timing.usual_probe_ns.map(|usual| edgezen_runner::pace::undisturbed(*probe, usual))
        };
        let first = timing.first_ns.map(|ns| RawRun { sample, round, run: -1, ns, k: 1, undisturbed: None });
        let runs = timing.samples_ns.iter().enumerate().zip(0..);
        let runs = runs.map(|((i, &ns), run)| RawRun { sample, round, run, ns, k, undisturbed: calm(i) });
        first.into_iter().chain(runs).collect()
    }
}

/// The quality of a configuration. A flag needs more than half of its passes: one bad pass of three does not move the
/// median.
fn judged(passes: &[&Pass<'_>], pooled: Quality, two_modes: bool) -> Quality {
    let most =
        |is: &dyn Fn(&Pass<'_>) -> bool| 2 * passes.iter().filter(|pass| is(pass)).count() > passes.len();
    if most(&|pass| pass.counted.flagged == Some(Quality::Throttled)) {
        Quality::Throttled
    } else if most(&|pass| pass.drifted || pass.counted.flagged.is_some()) {
        Quality::Drifted
    } else if two_modes {
        Quality::Bimodal
    } else {
        pooled
    }
}

/// The two groups that the runs of all passes fall into, if they do. `None` where the core's pace was probed, because the
/// probes have decided already which runs count.
fn two_modes(passes: &[&Pass<'_>]) -> Option<stats::Modes> {
    if passes.iter().any(|pass| pass.timing().usual_probe_ns.is_some()) {
        return None;
    }
    let runs: Vec<f64> = passes.iter().flat_map(|pass| pass.timing().per_run_ns()).collect();
    stats::two_modes(&stats::sorted(&runs))
}

/// Standard deviations of a configuration, relative to its median.
struct Spread {
    within: f64,
    between: f64,
}

impl Spread {
    /// `None` for a single launch.
    fn of(passes: &[&Pass<'_>], summary: &Summary) -> Option<Spread> {
        let runs: Vec<Vec<f64>> = passes.iter().map(|pass| pass.timing().per_run_ns()).collect();
        let within: Option<Vec<f64>> = runs.iter().map(|runs| stats::std_dev(runs)).collect();
        let medians: Option<Vec<f64>> = runs.iter().map(|runs| stats::median(runs)).collect();
        let median = summary.median.ns();
        let between = stats::std_dev(&medians.filter(|medians| medians.len() > 1)?)?;
        Some(Spread { within: stats::mean(&within?)? / median, between: between / median })
    }

    /// Medians over all configurations.
    fn medians(all: &[Spread]) -> Option<(f64, f64)> {
        let of = |value: fn(&Spread) -> f64| stats::median(&all.iter().map(value).collect::<Vec<_>>());
        Some((of(|spread| spread.within)?, of(|spread| spread.between)?))
    }
}
