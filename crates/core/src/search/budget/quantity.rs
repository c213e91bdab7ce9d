//! The quantities that a budget can bound, one row each.
//!
//! A new quantity is a variant of [`Quantity`] and a row of `ENTRIES`: everything else (evaluation, options of the
//! command line, files, tables, messages) goes through them in a loop.

use super::scale::{QuantityError, Scale};
use crate::plainnet::cost::Official;
use crate::plainnet::{self, SuperBlock};
use crate::units;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a budget bounds. The order is that in which budgets are evaluated, as in the released code: layers, size,
/// FLOPs, then what belongs to the network as built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Number of layers (docs/plainnet.md, section 3.3).
    Layers,
    /// Official number of parameters (docs/plainnet.md, section 3.1).
    Params,
    /// Official multiply-accumulates (docs/plainnet.md, section 3.2).
    Flops,
    /// Peak activation memory of one image in f32, in bytes.
    Memory,
    /// Bytes of all trained parameters in f32, as an app downloads them.
    Weights,
    /// Predicted latency per image on one device, in nanoseconds.
    Latency,
    /// Predicted throughput of one device that states throughputs, as the nanoseconds of an image while others are under way:
    /// fewer of them are more images per second.
    Throughput,
}

/// How a quantity of a network is computed, cheapest first.
pub(super) enum Source {
    /// Counted from the list of blocks.
    Structure(fn(&[SuperBlock]) -> f64),
    /// Read from the official costs.
    Official(fn(&Official) -> f64),
    /// Read from the network as built; computed only where it is bounded.
    Built(fn(&Built) -> f64),
    /// Predicted for one device.
    Predicted,
}

/// What is known of a network as built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Built {
    /// Most elements of feature maps that are alive at once.
    pub peak_elements: u64,
    /// Trained parameters (docs/plainnet.md, section 3.4).
    pub weights: u64,
}

impl Built {
    /// What is known of `count` parts like this one.
    pub fn times(self, count: u32) -> Built {
        Built { weights: self.weights * u64::from(count), ..self }
    }

    /// What is known of a network whose parts are these two.
    pub fn with(self, next: Built) -> Built {
        Built {
            peak_elements: self.peak_elements.max(next.peak_elements),
            weights: self.weights + next.weights,
        }
    }
}

/// All that the program knows of a quantity.
struct Entry {
    quantity: Quantity,
    /// In results and options: `params`.
    name: &'static str,
    /// Where a value stands under this name alone, with the unit: `memory_bytes`.
    column: &'static str,
    /// After a printed value: `18 layers`, `8 MB of activations`; empty where the unit says it.
    noun: &'static str,
    /// What the number is, where the number stands apart from it.
    title: &'static str,
    /// Why a network is rejected.
    excess: &'static str,
    /// What an option bounds, and an example of a value.
    option: (&'static str, &'static str),
    /// After the value in the name of a run folder; none where the folder does not name it.
    in_folder: Option<&'static str>,
    scale: Scale,
    source: Source,
}

const ENTRIES: [Entry; Quantity::COUNT] = [
    Entry {
        quantity: Quantity::Layers,
        name: "layers",
        column: "layers",
        noun: "layers",
        title: "layers",
        excess: "too many layers",
        option: ("layers", "18"),
        in_folder: None,
        scale: Scale::Whole,
        source: Source::Structure(|blocks| plainnet::layers(blocks) as f64),
    },
    Entry {
        quantity: Quantity::Params,
        name: "params",
        column: "params",
        noun: "parameters",
        title: "parameters",
        excess: "too many parameters",
        option: ("official parameters", "1M"),
        in_folder: Some("params"),
        scale: Scale::Prefixed,
        source: Source::Official(|official| official.params.0),
    },
    Entry {
        quantity: Quantity::Flops,
        name: "flops",
        column: "flops",
        noun: "FLOPs",
        title: "FLOPs (multiply-adds)",
        excess: "too many FLOPs",
        option: ("official FLOPs", "400M"),
        in_folder: Some("flops"),
        scale: Scale::Prefixed,
        source: Source::Official(|official| official.flops.0),
    },
    Entry {
        quantity: Quantity::Memory,
        name: "memory",
        column: "memory_bytes",
        noun: "of activations",
        title: "peak activations, fp32",
        excess: "too much memory",
        option: ("peak activation memory, one image in fp32", "8MB"),
        in_folder: Some(""),
        scale: Scale::Bytes,
        source: Source::Built(|built| built.peak_elements as f64 * 4.0),
    },
    Entry {
        quantity: Quantity::Weights,
        name: "weights",
        column: "weights_bytes",
        noun: "of weights",
        title: "weights, fp32",
        excess: "too many bytes of weights",
        option: ("weights in fp32, as an app downloads them", "20MB"),
        in_folder: Some("weights"),
        scale: Scale::Bytes,
        source: Source::Built(|built| built.weights as f64 * 4.0),
    },
    Entry {
        quantity: Quantity::Latency,
        name: "latency",
        column: "latency_ms",
        noun: "",
        title: "latency",
        excess: "too slow",
        option: ("latency per image", "80ms"),
        in_folder: Some(""),
        scale: Scale::Time,
        source: Source::Predicted,
    },
    Entry {
        quantity: Quantity::Throughput,
        name: "throughput",
        column: "images_per_s",
        noun: "",
        title: "throughput",
        excess: "too few images per second",
        option: ("images per second with several under way", "2000/s"),
        in_folder: Some(""),
        scale: Scale::Rate,
        source: Source::Predicted,
    },
];

impl Quantity {
    pub const COUNT: usize = Quantity::Throughput as usize + 1;

    /// All quantities, in the order of evaluation.
    pub fn all() -> impl Iterator<Item = Quantity> {
        ENTRIES.iter().map(|entry| entry.quantity)
    }

    /// The quantities that a network has by itself, in the order of evaluation: all but the latency and the throughput, of
    /// which there is one for each device.
    pub fn of_networks() -> impl Iterator<Item = Quantity> {
        Quantity::all().filter(|quantity| !quantity.is_per_device())
    }

    /// As [`Quantity::of_networks`], with those of `first` in front.
    pub fn starting_with(first: &[Quantity]) -> impl Iterator<Item = Quantity> {
        let others = Quantity::of_networks().filter(|quantity| !first.contains(quantity));
        first.iter().copied().chain(others)
    }

    /// The quantities that are computed for every network, in the order of evaluation.
    pub fn always_known() -> impl Iterator<Item = Quantity> {
        Quantity::all().filter(|quantity| quantity.is_always_known())
    }

    const fn entry(self) -> &'static Entry {
        &ENTRIES[self as usize]
    }

    /// In results and as an option: `params`.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// In files where a value stands under this name alone, with the unit: `memory_bytes`.
    pub fn column(self) -> &'static str {
        self.entry().column
    }

    /// After a printed value: `layers`, `of activations`; empty where the unit says it.
    pub fn noun(self) -> &'static str {
        self.entry().noun
    }

    /// What the number is, where the number stands apart from it.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// Why a network that exceeds it is rejected: `too many layers`.
    pub fn excess(self) -> &'static str {
        self.entry().excess
    }

    /// What an option bounds (`official FLOPs`), and an example of a value (`400M`).
    pub fn option(self) -> (&'static str, &'static str) {
        self.entry().option
    }

    /// After the value in the name of a run folder; none where the folder does not name it.
    pub fn in_folder(self) -> Option<&'static str> {
        self.entry().in_folder
    }

    pub fn scale(self) -> Scale {
        self.entry().scale
    }

    /// Whether a budget, as people read it, is the least that is allowed: images per second.
    pub fn is_at_least(self) -> bool {
        self.scale() == Scale::Rate
    }

    /// Whether each device has a value of its own.
    pub fn is_per_device(self) -> bool {
        matches!(self.entry().source, Source::Predicted)
    }

    /// Whether it is computed for every network, bounded or not.
    pub fn is_always_known(self) -> bool {
        matches!(self.entry().source, Source::Structure(_) | Source::Official(_))
    }

    pub(super) fn source(self) -> &'static Source {
        &self.entry().source
    }

    /// The unit of reported values: `ms`, `images/s` or `bytes`; none for numbers.
    pub fn unit(self) -> Option<&'static str> {
        self.scale().unit()
    }

    /// `value` in the unit of files and results.
    pub fn reported(self, value: f64) -> f64 {
        self.scale().reported(value)
    }

    /// The value that is `reported` in the unit of files and results.
    pub fn from_reported(self, reported: f64) -> f64 {
        self.scale().from_reported(reported)
    }

    /// `value` as people read it, without the noun.
    pub fn print(self, value: f64) -> String {
        self.scale().print(value)
    }

    /// Two values as people read them, without the noun, with enough digits to tell one from the other.
    pub fn print_apart(self, a: f64, b: f64) -> (String, String) {
        units::apart(a, b, |value, count| self.scale().print_digits(value, count))
    }

    /// `value` with the noun: `18 layers`.
    pub fn phrase(self, value: f64) -> String {
        self.with_noun(&self.print(value))
    }

    /// A printed value with the noun.
    pub fn with_noun(self, printed: &str) -> String {
        let noun = self.noun();
        format!("{printed}{}{noun}", if noun.is_empty() { "" } else { " " })
    }

    /// Reads a limit as people type it.
    ///
    /// # Errors
    /// Text that is no positive value of this quantity.
    pub fn parse(self, text: &str) -> Result<f64, QuantityError> {
        self.scale().parse(text)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_variants() {
        for (i, entry) in ENTRIES.iter().enumerate() {
            assert_eq!(entry.quantity as usize, i, "{}", entry.name);
            assert_eq!(serde_json::to_value(entry.quantity).unwrap(), entry.name);
        }
    }

    #[test]
    fn an_example_is_read_as_it_is_printed() {
        for quantity in Quantity::all() {
            let value = quantity.parse(quantity.option().1).unwrap();
            assert_eq!(quantity.from_reported(quantity.reported(value)), value);
            let printed = quantity.print(value).replace(' ', "");
            assert_eq!(quantity.parse(&printed), Ok(value), "{printed}");
            assert!(
                quantity.parse("0").is_err() && quantity.parse("-3").is_err() && quantity.parse("x").is_err()
            );
        }
    }
}
