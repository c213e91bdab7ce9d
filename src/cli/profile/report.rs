//! What `edgezen profile` says in the end.

use crate::cli::count::counted;
use crate::cli::{Exit, Failure, output};
use edgezen_core::measurement::Quality;
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::CampaignOutcome;
use edgezen_lab::dataset::LookupRow;
use edgezen_lab::device::complaint::Complaint;
use edgezen_runner::{Outputs, TimedBy};
use serde::Serialize;
use std::path::Path;

/// What a profile came to.
#[derive(Serialize)]
pub struct Profile {
    pub dataset: String,
    pub identity: String,
    /// Of the phone, where there may be several.
    pub serial: Option<String>,
    pub configurations: usize,
    pub kernels: usize,
    pub blocks: usize,
    pub networks: usize,
    pub failed: Vec<FailedConfiguration>,
    pub good: usize,
    pub noisy: usize,
    pub drifted: usize,
    pub throttled: usize,
    pub bimodal: usize,
    /// Whose clock was read: the `stopwatch`'s, or a `tool`'s.
    pub timed_by: TimedBy,
    /// `compared` with tract's before anything was timed, the `reference` itself, or `unchecked`; absent where the device
    /// does not tell.
    pub outputs: Option<Outputs>,
    /// Measurements that were made again, because the device was hot or slow.
    pub repeated: usize,
    /// How much slower than usual the slowest sentinel was.
    pub worst_drift_percent: f64,
    /// What made the device unfit to measure when it was begun, as `devices doctor` says it.
    pub unfit: Vec<Complaint>,
    pub seconds: f64,
    pub lookup_table: String,
    pub next: String,
}

#[derive(Serialize)]
pub struct FailedConfiguration {
    pub configuration: String,
    pub reason: String,
}

/// Counts what the dataset in `dir` holds; it adds to that in `refined`, if any.
pub fn report(
    outcome: &CampaignOutcome,
    dir: &Path,
    refined: Option<&Path>,
    serial: Option<String>,
    seconds: f64,
) -> Profile {
    let all: Vec<String> = refined.into_iter().chain([dir]).map(|dir| dir.display().to_string()).collect();
    let samples = &outcome.dataset.samples;
    let of_type = |name: &str| samples.iter().filter(|s| s.subject.type_name() == name).count();
    let of_quality = |quality: Quality| samples.iter().filter(|s| s.quality == quality).count();
    Profile {
        dataset: dir.display().to_string(),
        identity: outcome.dataset.identity.to_string(),
        serial,
        configurations: samples.len(),
        kernels: of_type("kernel"),
        blocks: of_type("block"),
        networks: of_type("network"),
        failed: outcome
            .failed
            .iter()
            .map(|(subject, reason)| FailedConfiguration {
                configuration: subject.to_string(),
                reason: reason.clone(),
            })
            .collect(),
        good: of_quality(Quality::Good),
        noisy: of_quality(Quality::Noisy),
        drifted: of_quality(Quality::Drifted),
        throttled: of_quality(Quality::Throttled),
        bimodal: of_quality(Quality::Bimodal),
        timed_by: outcome.timed_by,
        outputs: outcome.outputs,
        repeated: outcome.repeated,
        worst_drift_percent: 100.0 * outcome.worst_drift,
        unfit: Vec::new(),
        seconds,
        lookup_table: dir.join(edgezen_lab::campaign::folder::LOOKUP_TABLE).display().to_string(),
        // The predictor of the dataset that was refined is there already.
        next: format!(
            "edgezen fit --data {}{}",
            all.join(" "),
            if refined.is_some() { " --force" } else { "" }
        ),
    }
}

/// The lookup table and the counts, for people.
pub fn text(report: &Profile, lookup: &[LookupRow]) -> String {
    let rows: Vec<Vec<String>> = lookup
        .iter()
        .map(|row| vec![row.block.clone(), row.resolution.to_string(), three_digits(row.median_ms)])
        .collect();
    // Measurements that refine a dataset have no blocks.
    let mut out = match rows.is_empty() {
        true => String::new(),
        false => output::table(&["block", "side", "ms"], &rows) + "\n",
    };
    out += &format!(
        "{}, {} and {} of {} in {:.0} s",
        counted(report.kernels, "kernel"),
        counted(report.blocks, "block"),
        counted(report.networks, "network"),
        report.identity,
        report.seconds
    );
    let flagged = [
        (report.good, "good"),
        (report.noisy, "noisy"),
        (report.drifted, "drifted"),
        (report.throttled, "throttled"),
        (report.bimodal, "bimodal"),
        (report.failed.len(), "failed"),
        (report.repeated, "measured again"),
    ];
    for (count, what) in flagged.into_iter().filter(|(count, _)| *count > 0) {
        out += &format!(", {count} {what}");
    }
    for complaint in &report.unfit {
        out += &format!("\nmeasured on a device that was not fit for it: {}", complaint.finding);
    }
    if report.timed_by == TimedBy::Tool {
        out += "\ntimed by the tool itself; outputs unchecked";
    }
    out + &format!("\nin {}\nnext: {}\n", report.dataset, report.next)
}

/// A profile that is mostly of a throttled device, or of one that was slower than usual, is one, and not good enough.
pub fn judge(reports: &[Profile]) -> Result<(), Failure> {
    let slow = |report: &Profile| report.throttled + report.drifted;
    let Some(bad) = reports.iter().find(|report| 2 * slow(report) > report.configurations) else {
        return Ok(());
    };
    let counted = [(bad.throttled, "throttled"), (bad.drifted, "drifted")];
    let counted: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} of {} configurations are {what}", bad.configurations))
        .collect();
    let message = format!(
        "{}: {} (the sentinel was up to {:.0} % slower than usual)",
        bad.dataset,
        counted.join(", "),
        bad.worst_drift_percent
    );
    Err(Failure::new(Exit::Quality, message)
        .remedy("let the device cool down, out of its case and off the charger, close other programs, and profile it again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_lab::device::complaint::Severity;

    #[test]
    fn a_profile_of_an_unfit_device_says_so() {
        let complaint = Complaint {
            severity: Severity::Unfit,
            finding: "load average 9.00 on 2 cores".into(),
            remedy: "stop other programs".into(),
        };
        let profile = Profile {
            dataset: "data".into(),
            identity: "host@tract@fp32".into(),
            serial: None,
            configurations: 12,
            kernels: 10,
            blocks: 1,
            networks: 1,
            failed: Vec::new(),
            good: 12,
            noisy: 0,
            drifted: 0,
            throttled: 0,
            bimodal: 0,
            timed_by: TimedBy::Stopwatch,
            outputs: None,
            repeated: 0,
            worst_drift_percent: 0.0,
            unfit: vec![complaint],
            seconds: 1.0,
            lookup_table: "data/lookup_table.csv".into(),
            next: "edgezen fit --data data".into(),
        };
        let said = text(&profile, &[]);
        assert!(said.contains("not fit for it: load average 9.00 on 2 cores"), "{said}");
        assert!(said.starts_with("10 kernels, 1 block and 1 network of"), "no table without blocks: {said}");
        assert!(!text(&Profile { unfit: Vec::new(), ..profile }, &[]).contains("not fit"));
    }
}
