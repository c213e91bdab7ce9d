//! Table 3 of the paper: what searches cost, with the time of searches by this program, measured in the same run.
//!
//! The paper's numbers are GPU days on the authors' computers; those measured here are seconds on this one, for the set-ups
//! that were released with the paper, by their own rules: 480,000 networks each. A network that is found so has not been
//! trained, and no accuracy is claimed for it.

use super::ExperimentError;
use super::searched::{V100, kernels};
use crate::catalogue::Catalogue;
use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::grid;
use edgezen_core::plainnet::{notation, relink};
use edgezen_core::proxy::{Mode, Proxy, Setup};
use edgezen_core::search::preset::{self, Preset};
use edgezen_core::search::{Rules, Search, TrackedDevice};
use edgezen_core::{proxy, space};
use std::fmt::Write;
use std::time::Instant;

/// A line of the paper's table: method, how it searches, top-1 in percent, GPU days, remark.
type Paper = (&'static str, &'static str, f64, Option<f64>, &'static str);
const PAPER: [Paper; 19] = [
    ("AmoebaNet-A", "EA", 74.5, Some(3150.0), "on TPUs"),
    ("EcoNAS", "EA", 74.8, Some(8.0), ""),
    ("CARS-I", "EA", 75.2, Some(0.4), ""),
    ("GeNet", "EA", 72.1, Some(17.0), ""),
    ("DARTS", "GD", 73.1, Some(4.0), ""),
    ("SNAS", "GD", 72.7, Some(1.5), ""),
    ("PC-DARTS", "GD", 75.8, Some(3.8), ""),
    ("ProxylessNAS", "GD", 75.1, Some(8.3), ""),
    ("GDAS", "GD", 74.0, Some(0.8), ""),
    ("FBNetV2-L1", "GD", 77.2, Some(25.0), ""),
    ("NASNet-A", "RL", 74.0, Some(1800.0), ""),
    ("Mnasnet-A", "RL", 75.2, None, ""),
    ("MetaQNN", "RL", 77.4, Some(96.0), ""),
    ("PNAS", "SMBO", 74.2, Some(224.0), ""),
    ("SemiNAS", "SSL", 76.5, Some(4.0), ""),
    ("TE-NAS", "ZS", 74.1, Some(0.2), ""),
    ("OFANet", "PS", 80.1, Some(51.6), ""),
    ("EfficientNet-B7", "scaling", 84.4, Some(3800.0), "estimated by the authors of FBNetV2"),
    ("Zen-NAS", "ZS", 83.6, Some(0.5), "the paper's own search"),
];
/// What the letters mean.
const KINDS: &str = "EA: evolutionary algorithm; GD: gradient descent; RL: reinforcement learning; SMBO: sequential model-based\n\
                     optimisation; SSL: semi-supervised; ZS: zero-shot; PS: progressive shrinking";
const PAPER_SOURCE: &str = "Lin et al. 2021, Zen-NAS, table 3";
/// The set-ups that are searched: the largest latency, and a number of multiply-adds.
const PRESETS: [&str; 2] = ["Zen_NAS_ImageNet_latency1.2ms", "Zen_NAS_ImageNet_flops400M"];
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// How long is searched, and with how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub seed: u64,
    pub iterations: u64,
    pub threads: usize,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Row {
    pub method: String,
    pub kind: &'static str,
    /// Top-1 on ImageNet in percent, as published; absent for what was not trained.
    pub top1: Option<f64>,
    /// As published.
    pub gpu_days: Option<f64>,
    /// Measured here.
    pub seconds: Option<f64>,
    pub threads: Option<usize>,
    /// Networks that were scored here, and the best score.
    pub scored: Option<u64>,
    pub score: Option<f64>,
    pub source: String,
    pub remark: String,
}

/// The paper's lines, then those measured here.
///
/// # Errors
/// A predictor that cannot be used, or a search that finds nothing.
pub fn run(
    catalogue: &Catalogue,
    settings: Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, ExperimentError> {
    let mut rows: Vec<Row> = PAPER.iter().map(of_paper).collect();
    for preset in PRESETS.iter().filter_map(|name| preset::by_name(name)) {
        progress(preset.name);
        rows.push(measured(preset, catalogue, settings)?);
    }
    Ok(rows)
}

fn of_paper(&(method, kind, top1, gpu_days, remark): &Paper) -> Row {
    Row {
        method: method.to_owned(),
        kind,
        top1: Some(top1),
        gpu_days,
        seconds: None,
        threads: None,
        scored: None,
        score: None,
        source: PAPER_SOURCE.to_owned(),
        remark: remark.to_owned(),
    }
}

/// Searches with a released set-up, by its rules.
fn measured(preset: &Preset, catalogue: &Catalogue, settings: Settings) -> Result<Row, ExperimentError> {
    let unknown = |name: &str| ExperimentError::NoSuchSpace { name: name.to_owned() };
    let space = space::by_name(preset.space).ok_or_else(|| unknown(preset.space))?;
    let entry = proxy::by_name(preset.proxy).ok_or_else(|| unknown(preset.proxy))?;
    let proxy: Box<dyn Proxy> = (entry.make)(Setup { mode: Mode::Reference, resolution: preset.resolution });
    let device = match preset.budget.0.is_per_device() {
        true => Some(TrackedDevice { name: "v100".to_owned(), predictor: kernels(catalogue, V100)?.into() }),
        false => None,
    };
    let mut initial = notation::parse(preset.initial)?.super_blocks("a search varies")?;
    relink(&mut initial);
    let search = Search {
        initial,
        proxy: Some(&*proxy),
        budgets: preset.budgets(device),
        rules: Rules { iterations: settings.iterations, ..Rules::REFERENCE },
        ..Search::new(space)
            .any_shape()
            .input(preset.resolution, preset.classes)
            .seed(settings.seed)
            .threads(settings.threads)
    };
    let started = Instant::now();
    let outcome = search.run()?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Row {
        method: format!("edgezen, {}", preset.name),
        kind: "ZS",
        top1: None,
        gpu_days: None,
        seconds: Some(seconds),
        threads: Some(settings.threads),
        scored: Some(outcome.scored),
        score: Some(outcome.best.score),
        source: "measured here, in this run".to_owned(),
        remark: format!("{} iterations on this computer's CPU; not trained", outcome.iterations),
    })
}

fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

impl Row {
    /// The cells of a table for people and of the CSV.
    pub fn cells(&self) -> Vec<String> {
        vec![
            self.method.clone(),
            self.kind.to_owned(),
            cell(self.top1),
            cell(self.gpu_days),
            self.seconds.map_or_else(String::new, |seconds| format!("{seconds:.2}")),
            cell(self.threads),
            cell(self.scored),
            self.score.map_or_else(String::new, |score| format!("{score:.1}")),
            self.source.clone(),
            self.remark.clone(),
        ]
    }

    /// Days of computing, published or measured.
    fn days(&self) -> Option<f64> {
        self.gpu_days.or(self.seconds.map(|seconds| seconds / SECONDS_OF_A_DAY))
    }
}

/// The names of [`Row::cells`].
pub const HEADER: [&str; 10] =
    ["method", "kind", "top1", "gpu_days", "seconds", "threads", "scored", "score", "source", "remark"];

/// The rows as CSV; texts are quoted.
pub fn csv(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let quoted = |(i, cell): (usize, String)| if i == 0 || i >= 8 { format!("\"{cell}\"") } else { cell };
        row.cells().into_iter().enumerate().map(quoted).collect::<Vec<_>>().join(",") + "\n"
    };
    format!("{}\n{}", HEADER.join(","), rows.iter().map(line).collect::<String>())
}

/// The rows as a page in Markdown.
pub fn page(rows: &[Row], settings: Settings) -> String {
    let mut page = String::from("# Table 3: what a search costs\n\n");
    let _ = writeln!(
        page,
        "Made by `edgezen experiment table3`. Accuracy and GPU days are **published** ({PAPER_SOURCE}); seconds are\n\
         **measured here**, in the run that wrote this page, on a CPU with {} threads. They are not the same quantity: the paper's\n\
         searches ran on GPUs, most of them with training, and the score of this program is a closed form.\n\
         {KINDS}.\n",
        settings.threads
    );
    page.push_str("| method | kind | top-1, % (published) | GPU days (published) | seconds (measured here) | remark |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        let dash = |cell: String| if cell.is_empty() { "–".to_owned() } else { cell };
        let cells = row.cells();
        let scored = row.scored.map(|scored| format!("; {scored} networks scored")).unwrap_or_default();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {}{scored} |",
            row.method,
            row.kind,
            dash(cells[2].clone()),
            dash(cells[3].clone()),
            dash(cells[4].clone()),
            row.remark
        );
    }
    page
}

/// Accuracy against days, as the text of an SVG file. What was measured here has no accuracy: a vertical line each.
pub fn svg(rows: &[Row]) -> String {
    let dot = |row: &Row| {
        let (days, top1) = (row.days()?, row.top1?);
        let about = format!("{}: {top1} %, {days} GPU days", row.method);
        Some(Dot { name: row.method.clone(), about, ..Dot::new(days, top1) })
    };
    let measured = rows.iter().filter(|row| row.seconds.is_some());
    let chart = Chart {
        title: "top-1 against the cost of the search".into(),
        x: Label { text: "days (published: GPU; here: CPU, seconds / 86,400)".into(), scale: Scale::Log },
        y: Label { text: "published top-1, %".into(), scale: Scale::Linear },
        series: vec![Series {
            name: "published".into(),
            colour: 2,
            mark: Mark::Named,
            points: rows.iter().filter_map(dot).collect(),
        }],
        limits: measured
            .filter_map(|row| Some((row.days()?, format!("here: {:.1} s", row.seconds?))))
            .collect(),
        diagonal: false,
    };
    grid("table3", &[chart.draw()], 1).standalone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn published_and_measured_costs_stand_side_by_side() {
        let settings = Settings { seed: 0, iterations: 300, threads: 1 };
        let rows = run(&catalogue::of_repository(), settings, &mut |_| {}).unwrap();
        assert_eq!(rows.len(), PAPER.len() + PRESETS.len());
        let zen = rows.iter().find(|row| row.method == "Zen-NAS").unwrap();
        assert_eq!((zen.top1, zen.gpu_days, zen.seconds), (Some(83.6), Some(0.5), None));
        let here: Vec<&Row> = rows.iter().filter(|row| row.seconds.is_some()).collect();
        assert_eq!(here.len(), 2);
        assert!(here.iter().all(|row| row.top1.is_none() && row.gpu_days.is_none() && row.scored > Some(0)));
        let csv = csv(&rows);
        assert_eq!(csv.lines().count(), rows.len() + 1);
        assert!(page(&rows, settings).contains("measured here") && svg(&rows).starts_with("<svg"));
    }
}
