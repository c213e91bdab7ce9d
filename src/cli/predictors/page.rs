//! `edgezen predictors page`: the page of the shipped predictors, docs/devices.md.

use crate::embedded::PREDICTORS;
use crate::shipped;
use edgezen_core::files::FileError;
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_lab::catalogue::{KnownDevice, Predictors, aliases};
use edgezen_lab::dataset::import::networks::HARDWARE;
use std::collections::BTreeMap;

/// Devices of this year and later are counted as those of today.
const RECENT: u16 = 2022;

/// What the page says of one predictor.
struct Line {
    identity: Identity,
    rows: u32,
    /// Of networks that the fit did not see, or of kernels where there are no networks.
    error: Option<Metrics>,
    /// What these are: `networks, 5 folds`.
    of: String,
    by_macs: Option<Metrics>,
    sources: Vec<String>,
    licence: String,
    /// What the source of the data says of the device.
    hardware: Option<String>,
}

fn hardware(notes: &[String]) -> Option<String> {
    let stated = notes.iter().find_map(|note| note.strip_prefix(HARDWARE));
    stated.map(|stated| stated.trim_end_matches('.').to_owned())
}

/// The text of the page.
///
/// # Errors
/// A shipped file that cannot be read.
pub fn text() -> Result<String, FileError> {
    let mut devices: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for entry in Predictors::new(PREDICTORS, Vec::new()).entries()? {
        let line = line(entry.load()?);
        devices.entry(line.identity.device.to_string()).or_default().push(line);
    }
    let known = shipped::known_devices()?;
    let of = |device: &str| known.iter().find(|known| known.id == device);
    let mut out = intro(&devices, of);
    for (device, lines) in &devices {
        out += &format!("\n## {device}\n\n{}", about(device, lines, of(device)));
        out += "| runtime | precision | batch | year | rows | error | of | line | inside | licence |\n";
        out += "|---|---|---|---|---|---|---|---|---|---|\n";
        for line in lines {
            out += &row(line);
        }
    }
    Ok(out)
}

/// What the page is, and how many devices there are, of which so many are of today.
fn intro<'a>(devices: &BTreeMap<String, Vec<Line>>, of: impl Fn(&str) -> Option<&'a KnownDevice>) -> String {
    let predictors: usize = devices.values().map(Vec::len).sum();
    let of_data = |lines: &[Line]| {
        lines.iter().flat_map(|line| &line.sources).filter_map(|s| year(s)?.parse::<u16>().ok()).max()
    };
    let is_recent = |year: Option<u16>| year.is_some_and(|year| year >= RECENT);
    let came_out = |device: &str| is_recent(of(device).and_then(|known| known.year));
    // The year of a table stands for that of the devices of which no source says it: those of its day.
    let (sourced, rest): (Vec<&String>, Vec<&String>) = devices.keys().partition(|device| came_out(device));
    let in_recent_data = |device: &&String| {
        of(device).and_then(|known| known.year).is_none()
            && devices.get(*device).is_some_and(|lines| is_recent(of_data(lines)))
    };
    let of_its_day: Vec<&String> = rest.into_iter().filter(in_recent_data).collect();
    let recent = sourced.iter().chain(&of_its_day);
    let copies: usize = recent.map(|device| aliases::copies(device).len()).sum();
    format!(
        "# Devices with a shipped predictor\n\n\
         `edgezen predictors page` writes this page from the shipped files, and a test compares both. There are {} devices with {predictors}\n\
         predictors. {} of them came out in {RECENT} or later; {} more, of which no source says when they came out, were measured for a\n\
         table of such a year; and {copies} more are devices for which the source lists the measurements of one of these. *Error* is the\n\
         mean error on networks that the fit did not see (on kernels, where it says so), beside that of a line through the\n\
         multiply-accumulates on the same rows; *inside* is the share of them inside the 90 % intervals. *Year* is the year that the\n\
         source of the data names. \"Throughput\" marks identities whose numbers are the time of an image while others are under way:\n\
         they are no latencies. [predictors.md](predictors.md) says how each figure is found; `edgezen devices show NAME` gives the\n\
         source of each fact about a device.\n",
        devices.len(),
        sourced.len(),
        of_its_day.len()
    )
}

/// What is known of a device, its other names, and what the source of its data calls it.
fn about(device: &str, lines: &[Line], known: Option<&KnownDevice>) -> String {
    let mut said = Vec::new();
    if let Some(known) = known {
        let hardware = known.hardware();
        let dot = if hardware.is_empty() { "" } else { "." };
        said.push(format!("{}. {hardware}{dot}", known.title()).trim_end().to_owned());
    }
    let copies = aliases::copies(device);
    let others: Vec<String> =
        aliases::of(device).into_iter().filter(|other| !copies.contains(other)).collect();
    if !others.is_empty() {
        said.push(format!("Also `{}`.", others.join("`, `")));
    }
    if !copies.is_empty() {
        said.push(format!(
            "The source lists these measurements for `{}`, too: one measurement, not a second device.",
            copies.join("` and `")
        ));
    }
    if let Some(hardware) = lines.iter().find_map(|line| line.hardware.as_deref()) {
        said.push(format!("The source calls it {hardware}."));
    }
    said.iter().map(|sentence| format!("{sentence}\n\n")).collect()
}

fn line(predictor: AnyPredictor) -> Line {
    match predictor {
        AnyPredictor::Kernels(predictor) => {
            let file = predictor.file();
            let (p, m) = (&file.provenance, &file.metrics);
            Line {
                identity: file.identity.clone(),
                rows: p.kernels + p.blocks + p.networks,
                error: m.networks.or(m.kernels),
                of: match (m.networks, m.kernels) {
                    (Some(_), _) => format!("networks, {} folds", m.folds),
                    (None, Some(_)) => format!("kernels, {} folds", m.folds),
                    (None, None) => "nothing was held out".to_owned(),
                },
                by_macs: m.baseline_flops.filter(|line| m.networks.is_none_or(|n| n.rows == line.rows)),
                sources: p.sources.clone(),
                licence: file.licence.clone(),
                hardware: hardware(&p.notes),
            }
        }
        AnyPredictor::Networks(file) => Line {
            identity: file.identity.clone(),
            rows: file.provenance.networks,
            error: file.metrics.networks,
            of: "networks, each left out".to_owned(),
            by_macs: file.metrics.baseline_flops,
            sources: file.provenance.sources.clone(),
            licence: file.licence.clone(),
            hardware: hardware(&file.provenance.notes),
        },
    }
}

fn row(line: &Line) -> String {
    let Line { identity, rows, error, of, by_macs, sources, licence, .. } = line;
    let percent =
        |metrics: &Option<Metrics>| metrics.map_or("-".to_owned(), |m| format!("{:.1} %", m.mape_percent));
    let inside =
        error.and_then(|m| m.coverage_percent).map_or("-".to_owned(), |share| format!("{share:.0} %"));
    let runtime = if identity.is_throughput() {
        format!("`{}` (throughput)", identity.runtime)
    } else {
        format!("`{}`", identity.runtime)
    };
    let years: Vec<String> = sources.iter().filter_map(|source| year(source)).collect();
    let year = years.into_iter().max().unwrap_or_else(|| "-".to_owned());
    format!(
        "| {runtime} | {} | {} | {year} | {rows} | {} | {of} | {} | {inside} | {licence} |\n",
        identity.precision,
        identity.batch,
        percent(error),
        percent(by_macs)
    )
}

/// The last year that a source names.
fn year(source: &str) -> Option<String> {
    let words = source.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.len() == 4 && word.starts_with("20"))
        .filter(|word| word.parse::<u32>().is_ok())
        .max()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::year;

    #[test]
    fn years_are_read_from_sources() {
        assert_eq!(year("HELP (Lee et al., NeurIPS 2021), at 45f70eb9").as_deref(), Some("2021"));
        assert_eq!(year("Accel-NASBench at 42603572"), None);
    }
}
