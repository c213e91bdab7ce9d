//! From the journals of all parts to one journal: what each unit measured is brought to the speed of the usual unit, which its
//! sentinels tell.

use super::error::PoolError;
use super::parts::{ANCHORS, Part};
use crate::campaign::drift;
use crate::campaign::journal::{Header, Line, Turn};
use edgezen_core::foreign::Name;
use edgezen_core::stats;
use edgezen_runner::{Measured, Timing};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// How one unit differs from the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitReport {
    pub unit: String,
    /// Its serial number or its address.
    pub serial: Option<String>,
    /// Configurations of the dataset that it measured.
    pub configurations: usize,
    /// The sentinel at its usual speed, in nanoseconds.
    pub sentinel_ns: Option<f64>,
    /// Its times are multiplied by this.
    pub factor: f64,
    /// How much slower than the usual unit it is by its sentinel, in per cent.
    pub slower_percent: f64,
    /// How much slower it still is after that, by the configurations that all units measured: what the sentinel does not show.
    pub anchors_percent: Option<f64>,
}

/// One journal of the whole plan.
pub struct Merged {
    pub header: Header,
    pub lines: Vec<Line>,
    pub units: Vec<UnitReport>,
}

/// Merges `parts`, which together hold everything that `total` configurations need. `header` is that of the new journal, without
/// identity and environment.
///
/// # Errors
/// Units that were not measured as the same identity.
pub fn merge(parts: &[Part], total: usize, header: Header) -> Result<Merged, PoolError> {
    let mut by_unit: BTreeMap<&Name, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.journal.is_some()) {
        by_unit.entry(&part.unit).or_default().push(part);
    }
    let mut identity = None;
    for part in by_unit.values().flatten() {
        let Some(journal) = &part.journal else { continue };
        let ours = &journal.header.identity;
        let theirs = identity.get_or_insert(ours);
        if *theirs != ours {
            return Err(PoolError::OtherIdentity {
                unit: part.unit.to_string(),
                ours: ours.to_string(),
                theirs: theirs.to_string(),
                difference: theirs.difference(ours),
            });
        }
    }
    let usual: BTreeMap<&Name, f64> = by_unit
        .iter()
        .filter_map(|(unit, parts)| {
            let sentinels: Vec<f64> = parts.iter().flat_map(|part| sentinels(part)).collect();
            Some((*unit, drift::usual_ns(&sentinels)?))
        })
        .collect();
    let reference = stats::median(&usual.values().copied().collect::<Vec<_>>());
    let factor = |unit: &Name| usual.get(unit).zip(reference).map_or(1.0, |(own, reference)| reference / own);
    // The first part that holds all passes of a configuration counts.
    let mut chosen: Vec<Option<(&Name, usize)>> = vec![None; total];
    for part in by_unit.values().flatten() {
        for index in part.progress().0 {
            chosen[index].get_or_insert((&part.unit, part.number));
        }
    }
    let mut lines = Vec::new();
    let mut serials = BTreeMap::new();
    let mut environment = None;
    for part in by_unit.values().flatten() {
        let Some(journal) = &part.journal else { continue };
        let counts = |local: usize| {
            let index = *part.indices.get(local)?;
            (chosen[index] == Some((&part.unit, part.number))).then_some(index)
        };
        let factor = factor(&part.unit);
        lines.extend(journal.lines.iter().filter_map(|line| of_whole(line, &counts, factor)));
        let facts = &journal.header.environment;
        serials
            .entry(&part.unit)
            .or_insert_with(|| facts.get("serial").and_then(|serial| serial.as_str()).map(str::to_owned));
        environment.get_or_insert(facts);
    }
    let anchors = anchors(&by_unit, &factor);
    let units: Vec<UnitReport> = by_unit
        .keys()
        .map(|&unit| UnitReport {
            unit: unit.to_string(),
            serial: serials.get(unit).cloned().flatten(),
            configurations: chosen.iter().flatten().filter(|(by, _)| *by == unit).count(),
            sentinel_ns: usual.get(unit).copied(),
            factor: factor(unit),
            slower_percent: 100.0 * (1.0 / factor(unit) - 1.0),
            anchors_percent: anchors.get(unit).copied(),
        })
        .collect();
    let mut environment = environment.cloned().unwrap_or_default();
    environment.insert("units".into(), json!(units));
    let identity = identity.cloned().unwrap_or_else(|| header.identity.clone());
    Ok(Merged { header: Header { identity, environment, ..header }, lines, units })
}

fn sentinels(part: &Part) -> Vec<f64> {
    part.journal.as_ref().map_or_else(Vec::new, |journal| drift::sentinels(&journal.lines).collect())
}

/// The line of a part's journal as one of the whole; `None` for what does not count there.
fn of_whole(line: &Line, counts: &dyn Fn(usize) -> Option<usize>, factor: f64) -> Option<Line> {
    let turns = |of: &[Turn]| {
        let of: Vec<Turn> =
            of.iter().filter_map(|turn| Some(Turn { index: counts(turn.index)?, ..*turn })).collect();
        (!of.is_empty()).then_some(of)
    };
    Some(match line {
        Line::Sample { index, round, attempt, measured } => Line::Sample {
            index: counts(*index)?,
            round: *round,
            attempt: *attempt,
            measured: Box::new(Measured { timing: scaled(&measured.timing, factor), ..(**measured).clone() }),
        },
        Line::Failed { index, reason } => Line::Failed { index: counts(*index)?, reason: reason.clone() },
        Line::Sentinel { median_ns } => Line::Sentinel { median_ns: median_ns * factor },
        Line::Redo { of, reason } => Line::Redo { of: turns(of)?, reason: reason.clone() },
        Line::Flagged { of, quality, reason } => {
            Line::Flagged { of: turns(of)?, quality: *quality, reason: reason.clone() }
        }
        Line::Enough { index } => Line::Enough { index: counts(*index)? },
        Line::Heated { .. } | Line::Session { .. } => line.clone(),
    })
}

/// `timing` with all times multiplied by `factor`, those of the probes as well: a quicker core runs both in less time.
fn scaled(timing: &Timing, factor: f64) -> Timing {
    let one = |ns: u64| ((ns as f64 * factor).round() as u64).max(1);
    let all = |times: &[u64]| times.iter().map(|&ns| one(ns)).collect();
    Timing {
        first_ns: timing.first_ns.map(one),
        samples_ns: all(&timing.samples_ns),
        probes_ns: all(&timing.probes_ns),
        usual_probe_ns: timing.usual_probe_ns.map(one),
        overhead_ns: timing.overhead_ns.map(|ns| ns * factor),
        ..timing.clone()
    }
}

/// For each unit, how much slower than the median of all units it is in the part that all of them measured, in per cent.
fn anchors<'a>(
    by_unit: &BTreeMap<&'a Name, Vec<&Part>>,
    factor: &dyn Fn(&Name) -> f64,
) -> BTreeMap<&'a Name, f64> {
    let medians = |unit: &Name, parts: &[&Part]| -> BTreeMap<usize, f64> {
        let Some(part) = parts.iter().find(|part| part.number == ANCHORS) else { return BTreeMap::new() };
        let lines = part.journal.iter().flat_map(|journal| &journal.lines);
        let mut of: BTreeMap<usize, Vec<&Timing>> = BTreeMap::new();
        for line in lines {
            if let Line::Sample { index, measured, .. } = line {
                of.entry(part.indices[*index]).or_default().push(&measured.timing);
            }
        }
        let median = |(index, timings): (usize, Vec<&Timing>)| {
            Some((index, edgezen_runner::pooled(timings)?.0.median.ns() * factor(unit)))
        };
        of.into_iter().filter_map(median).collect()
    };
    let of_all: BTreeMap<&Name, BTreeMap<usize, f64>> =
        by_unit.iter().map(|(&unit, parts)| (unit, medians(unit, parts))).collect();
    let usual = |index: usize| {
        let values: Vec<f64> = of_all.values().filter_map(|medians| medians.get(&index).copied()).collect();
        (values.len() > 1).then(|| stats::median(&values)).flatten()
    };
    let off = |medians: &BTreeMap<usize, f64>| {
        let ratios: Vec<f64> = medians.iter().filter_map(|(&index, own)| Some(own / usual(index)?)).collect();
        stats::median(&ratios).map(|ratio| 100.0 * (ratio - 1.0))
    };
    of_all.iter().filter_map(|(&unit, medians)| Some((unit, off(medians)?))).collect()
}
