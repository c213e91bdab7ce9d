//! The report of a run: one HTML page, and its plots as SVG files. Everything here is text made of data; whoever asks for
//! a report reads the run and writes the files.

pub mod architecture;
pub mod axis;
pub mod blocks;
pub mod caveats;
pub mod chart;
mod command;
mod comparisons;
mod explore;
mod foretelling;
mod html;
mod page;
mod plots;
pub mod svg;
pub mod tables;
mod together;
mod trained;

pub use command::command;
pub use comparisons::comparisons;
pub use foretelling::Foretelling;
pub use html::is_page;
pub use together::{MOST_RUNS, otherwise_predicted, unlike};
pub use trained::Trained;

use crate::runs::{Manifest, SearchResult};
use crate::trainings::Finalists;
use edgezen_core::search::HistoryPoint;
use std::collections::BTreeMap;
use svg::Drawing;

/// All that a report is made of.
pub struct Report {
    /// The run that the page is about.
    pub first: Run,
    /// `run.toml` of the first run as it stands.
    pub manifest_text: String,
    pub history: Vec<HistoryPoint>,
    /// Runs whose fronts are drawn beside that of the first; their scores mean the same ([`unlike`]).
    pub beside: Vec<Run>,
    /// What foretells the accuracy of networks, if there is something.
    pub foretelling: Option<Foretelling>,
    /// Known networks under the same conditions.
    pub comparisons: Vec<Comparison>,
    /// Those of its networks that were trained, if any were.
    pub finalists: Option<Finalists>,
    /// The command that repeats the run.
    pub command: String,
}

/// A finished run.
pub struct Run {
    /// What it is called: its folder.
    pub name: String,
    pub manifest: Manifest,
    pub result: SearchResult,
}

/// A known network, for comparison.
pub struct Comparison {
    pub name: String,
    /// Absent where the proxy is not defined for it.
    pub score: Option<f64>,
    /// The score is one draw of random weights, not the search's own formula.
    pub sampled: bool,
    pub params: f64,
    pub flops: f64,
    /// Predicted time of an image, by device.
    pub latency_ms: BTreeMap<String, f64>,
}

/// A page, whatever it is about.
pub enum Page {
    Run(Box<Report>),
    Trained(Trained),
}

impl Page {
    /// All plots.
    pub fn plots(&self) -> Vec<Plot> {
        match self {
            Page::Run(report) => report.plots().into_iter().chain(report.trained_plots()).collect(),
            Page::Trained(trained) => trained.plots(),
        }
    }

    pub fn html(&self) -> String {
        match self {
            Page::Run(report) => report.page(),
            Page::Trained(trained) => trained.page(),
        }
    }
}

/// A plot with the name of its file.
pub struct Plot {
    pub name: String,
    pub drawing: Drawing,
}

impl Plot {
    /// Whether it shows the front.
    fn is_front(&self) -> bool {
        self.name == "front" || self.name.starts_with("front-")
    }
}

impl Report {
    /// All plots, in the order of the page.
    pub fn plots(&self) -> Vec<Plot> {
        let mut plots = vec![Plot { name: "convergence".into(), drawing: self.convergence() }];
        let devices = self.devices();
        for device in &devices {
            let name = format!("front-{}", file_name(device));
            plots.push(Plot { name, drawing: self.front(Some(device)) });
        }
        if devices.is_empty() {
            plots.push(Plot { name: "front".into(), drawing: self.front(None) });
        }
        let parts = &self.first.result.explanation;
        plots.push(Plot { name: "blocks".into(), drawing: blocks::draw(parts, &devices) });
        let drawing = architecture::draw(parts, self.first.manifest.resolution, self.first.manifest.classes);
        plots.push(Plot { name: "architecture".into(), drawing });
        if !self.first.result.verified.is_empty() {
            plots.push(Plot { name: "measured".into(), drawing: self.measured() });
        }
        plots
    }

    /// The plots of its trainings.
    pub fn trained_plots(&self) -> Vec<Plot> {
        self.finalists.as_ref().map(trained::of_finalists).unwrap_or_default()
    }

    /// The whole page.
    pub fn page(&self) -> String {
        page::page(self, &self.plots(), &self.trained_plots())
    }

    /// All runs, the first in front.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        std::iter::once(&self.first).chain(&self.beside)
    }

    fn devices(&self) -> Vec<String> {
        self.first.manifest.device.iter().map(|device| device.name.clone()).collect()
    }

    /// What the score is called.
    fn score_name(&self) -> String {
        match self.first.result.proxy.as_str() {
            "zen" => format!("Zen-Score, {} mode", self.first.result.mode),
            other => other.to_owned(),
        }
    }
}

/// A device's name as part of a file's.
fn file_name(device: &str) -> String {
    device.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
