//! Several runs on one page: which may be, in which colours, and how they differ.

use super::tables::{self, Table};
use super::{Report, Run};
use crate::runs::Manifest;
use edgezen_core::search::Quantity;

/// Most runs on a page: more colours cannot be told apart.
pub const MOST_RUNS: usize = 6;

/// The colour of the front of each run; green is the best network, violet are the known ones.
const COLOURS: [usize; MOST_RUNS] = [1, 2, 5, 6, 7, 8];

/// The number of the colour of the run at this place.
pub fn colour(place: usize) -> usize {
    COLOURS[place % MOST_RUNS]
}

/// Why the scores of two runs do not mean the same; none where they do.
pub fn unlike(first: &Manifest, other: &Manifest) -> Option<String> {
    let objective = |m: &Manifest| m.objective.as_ref().map(|objective| objective.sha256.clone());
    if objective(first) != objective(other) {
        return Some(
            "they maximised the accuracies of different calibrations, or one of them a score".into(),
        );
    }
    let pairs = [
        ("the score", first.proxy.clone(), other.proxy.clone()),
        ("the mode of the score", first.mode.to_string(), other.mode.to_string()),
        ("the side of the images", first.resolution.to_string(), other.resolution.to_string()),
        ("the number of classes", first.classes.to_string(), other.classes.to_string()),
    ];
    let (what, a, b) = pairs.into_iter().find(|(_, a, b)| a != b)?;
    Some(format!("{what} is {a} in one and {b} in the other"))
}

/// Devices on which two runs took predictions from different files, so that their latencies differ for that reason too.
pub fn otherwise_predicted(first: &Manifest, other: &Manifest) -> Vec<String> {
    let of = |m: &Manifest, name: &str| m.device.iter().find(|table| table.name == name).cloned();
    let differs = |table: &&crate::runs::DeviceTable| {
        of(other, &table.name).is_some_and(|theirs| {
            theirs.predictor != table.predictor || theirs.predictor_sha256 != table.predictor_sha256
        })
    };
    first.device.iter().filter(differs).map(|table| table.name.clone()).collect()
}

/// The runs of a page: what each handed over, and how it was searched.
pub fn table(report: &Report) -> Table {
    let devices = report.all_devices();
    let mut header = vec!["run".to_owned(), "score".to_owned()];
    header.extend(devices.iter().cloned());
    header.extend(Quantity::always_known().map(|quantity| quantity.noun().to_owned()));
    header.extend(["space", "iterations", "seed"].map(str::to_owned));
    let row = |run: &Run| {
        let best = &run.result.best;
        let mut row = vec![run.name.clone(), format!("{:.2}", best.score)];
        row.extend(devices.iter().map(|device| tables::cell(best.on(device).map(|p| p.value()))));
        row.extend(
            Quantity::always_known().map(|q| tables::cell(best.amounts[q].map(|value| q.print(value)))),
        );
        row.extend([
            run.manifest.space.clone(),
            run.result.iterations.to_string(),
            run.result.seed.to_string(),
        ]);
        row
    };
    Table { header, rows: report.runs().map(row).collect() }
}

/// Sentences that must stand beside the table.
pub fn caveats(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    let first = &report.first.manifest;
    for run in &report.beside {
        let devices = otherwise_predicted(first, &run.manifest);
        if !devices.is_empty() {
            said.push(format!(
                "{} took its latencies on {} from another predictor than {}: the difference between them is also one \
                 between the predictors.",
                run.name,
                devices.join(", "),
                report.first.name
            ));
        }
        if run.manifest.space != first.space {
            said.push(format!(
                "{} searched the {} space, {} the {} space: a score ranks the networks of one space.",
                run.name, run.manifest.space, report.first.name, first.space
            ));
        }
    }
    said
}
