//! The card of a deployed network: all that is known of its file, as JSON and as a page.

use super::layers::Layer;
use crate::images::answers::Share;
use edgezen_core::units::{Bytes, Macs, Params, three_digits};
use serde::Serialize;
use std::fmt::Write as _;

/// The version of the JSON.
pub const VERSION: u32 = 1;

/// All that is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    pub version: u32,
    pub network: NetworkFacts,
    pub file: FileFacts,
    pub runtime: RuntimeFacts,
    pub data: DataFacts,
    pub accuracy: Accuracy,
    /// Absent for files in floats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    pub latency: LatencyFacts,
    /// What was asked for, and whether it is kept.
    pub budgets: Vec<Kept>,
    pub licence: String,
    /// The commands that make this file again.
    pub repeat: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkFacts {
    pub structure: String,
    pub name: Option<String>,
    pub resolution: u32,
    pub se: bool,
    pub classes: Vec<String>,
    pub params: f64,
    pub macs: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileFacts {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    /// Of the file with the trained weights.
    pub weights_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuntimeFacts {
    pub name: String,
    pub version: String,
    pub precision: String,
    pub threads: u32,
    /// The largest deviation of the outputs in floats from those of the reference, relative to the length of these.
    pub deviation_from_reference: f64,
    /// The runtime that the outputs were compared with.
    pub reference: String,
    /// Images whose outputs were compared.
    pub compared: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataFacts {
    pub folder: String,
    /// SHA-256 of the test images.
    pub sha256: String,
    pub test_images: usize,
    /// The folder that they are from, or how they were held back.
    pub test_from: String,
    /// Files that could not be read and were left out.
    pub left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Share of the test images that the file names right in the runtime, from 0 to 1, with its interval of 95 % (bootstrap).
    pub top1: Share,
    /// The same of the network in floats, in the same runtime.
    pub top1_in_floats: Share,
    /// How much the file gains over the network in floats on the same images; below zero where it loses.
    pub gain_over_floats: Share,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantisation {
    /// `minmax`, `entropy`, or a percentage.
    pub method: String,
    /// Images that the ranges of the maps are from; none of them is a test image.
    pub images: usize,
    /// Layers that are computed in floats, by their node.
    pub in_floats: Vec<usize>,
    /// The layers that lose most by their integers.
    pub worst: Vec<Layer>,
}

/// Latencies for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyFacts {
    pub device: String,
    pub median_ms: f64,
    pub ci95_ms: [f64; 2],
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub first_ms: Option<f64>,
    pub load_ms: Option<f64>,
    /// The most memory that it took to load and run the network.
    pub peak_memory_bytes: Option<f64>,
    pub launches: usize,
    /// `good`, or why not.
    pub quality: String,
    pub reason: Option<String>,
    /// What the machine did meanwhile, and what it is.
    pub conditions: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    pub quantity: String,
    pub limit: f64,
    pub value: f64,
    pub kept: bool,
}

fn percent(share: &Share) -> String {
    format!("{:.2} % ({:.2} to {:.2} %)", 100.0 * share.share, 100.0 * share.lower, 100.0 * share.upper)
}

impl Card {
    /// The page, in Markdown.
    pub fn page(&self) -> String {
        let Card { network, file, runtime, data, accuracy, latency, .. } = self;
        let mut page = format!("# {}\n\n", plain(network.name.as_deref().unwrap_or("A deployed network")));
        let mut line = |what: &str, value: String| {
            let _ = writeln!(page, "| {what} | {value} |");
        };
        line("", String::new());
        line("---", "---".into());
        line("file", format!("`{}`, {}", plain(&file.name), Bytes(file.bytes as f64)));
        line(
            "runtime",
            format!(
                "{} {}, {}, {} threads",
                runtime.name, runtime.version, runtime.precision, runtime.threads
            ),
        );
        line(
            "accuracy in this runtime",
            format!("{} of {} test images", percent(&accuracy.top1), data.test_images),
        );
        line("the same in floats", percent(&accuracy.top1_in_floats));
        line("gain over floats", percent(&accuracy.gain_over_floats));
        line(
            "latency",
            format!(
                "{} ms (95 % of later launches: {} to {} ms), on {}",
                three_digits(latency.median_ms),
                three_digits(latency.ci95_ms[0]),
                three_digits(latency.ci95_ms[1]),
                plain(&latency.device)
            ),
        );
        line(
            "90 % and 99 % of the runs",
            format!("{} and {} ms", three_digits(latency.p90_ms), three_digits(latency.p99_ms)),
        );
        line(
            "quality of the measurement",
            match &latency.reason {
                Some(reason) => format!("{}: {}", latency.quality, plain(reason)),
                None => latency.quality.clone(),
            },
        );
        if let Some(bytes) = latency.peak_memory_bytes {
            line("memory", Bytes(bytes).to_string());
        }
        line("parameters", Params(network.params).to_string());
        line("multiply-accumulates", Macs(network.macs).to_string());
        line("image", format!("{0}×{0} pixels, red, green and blue", network.resolution));
        line("classes", format!("{}", network.classes.len()));
        for Kept { quantity, limit, value, kept } in &self.budgets {
            let verdict = if *kept { "kept" } else { "not kept" };
            line(
                &format!("budget: {quantity}"),
                format!("{} of {}, {verdict}", three_digits(*value), three_digits(*limit)),
            );
        }
        line("licence", plain(&self.licence));
        let _ = write!(
            page,
            "\nShares in brackets are intervals of 95 % from images drawn anew (bootstrap). The test images are {}: {}. They chose \
             nothing. The outputs in floats deviate from those of {} by {:.1e} of their length, on {} images.\n",
            data.test_images,
            plain(&data.test_from),
            runtime.reference,
            runtime.deviation_from_reference,
            runtime.compared
        );
        if data.left_out > 0 {
            let _ = writeln!(
                page,
                "\n{} files of the folder could not be read and were left out.",
                data.left_out
            );
        }
        if let Some(Quantisation { method, images, in_floats, worst }) = &self.quantisation {
            let _ = write!(
                page,
                "\n## Integers\n\nThe ranges of the maps are from {images} images to learn from (method: {method}). \
                 Weights have a scale for each channel. Layers in floats: {}.\n\nThe layers that lose most, each in integers alone:\n\n\
                 | node | layer | deviation of the outputs |\n|---|---|---|\n",
                match in_floats.len() {
                    0 => "none".to_owned(),
                    _ => in_floats.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(", "),
                }
            );
            for Layer { node, operation, error } in worst {
                let _ = writeln!(page, "| n{node} | {operation} | {:.2} % |", 100.0 * error);
            }
        }
        let _ = write!(
            page,
            "\n## Structure\n\n```\n{}\n```\n\n## How to repeat it\n\n```sh\n",
            plain(&network.structure)
        );
        for command in &self.repeat {
            let _ = writeln!(page, "{}", plain(command));
        }
        page.push_str("```\n");
        let _ = write!(
            page,
            "\nSHA-256 of the file: `{}`; of the weights: `{}`; of the test images: `{}`.\n",
            file.sha256, file.weights_sha256, data.sha256
        );
        page
    }
}

/// A text as part of a line or a cell of the page.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().replace('|', "\\|")
}
