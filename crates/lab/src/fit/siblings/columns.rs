//! What the time of a network on an accelerator is made of: the columns whose prices sister devices share.

use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::features::{self, Machine, Quantities};
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::predictor::roofline::Roofline;
use std::collections::BTreeMap;

/// A part of a column: a feature of kernels of one kind, and how often it counts.
type Part = (KernelKind, &'static str, f64);

/// A matrix unit computes so many channels at once, and a depthwise convolution uses one of them.
const CHANNELS_AT_ONCE: f64 = 32.0;

const CONV: KernelKind = KernelKind::Conv;
const DW: KernelKind = KernelKind::Dwconv;

/// The columns with one price each, besides the constant of a network. They were chosen by leaving out networks
/// (docs/decisions/100-few-networks-many-siblings.md).
pub(super) fn columns() -> Vec<Vec<Part>> {
    let all = |feature: &'static str| KernelKind::ALL.map(|kind| (kind, feature, 1.0)).to_vec();
    let of = |kinds: &[KernelKind], feature: &'static str| -> Vec<Part> {
        kinds.iter().map(|&kind| (kind, feature, 1.0)).collect()
    };
    vec![
        all("launch"),
        all("channels"),
        // Weights come from memory, once an image.
        of(&[CONV, DW, KernelKind::Linear], "weight_mb"),
        vec![
            (CONV, "pointwise_mmacs", 1.0),
            (CONV, "spatial_mmacs", 1.0),
            (CONV, "grouped_mmacs", 1.0),
            (DW, "mmacs", CHANNELS_AT_ONCE),
        ],
        of(&[CONV], "output_mb"),
        of(&[CONV, DW, KernelKind::Scale, KernelKind::Act, KernelKind::Add], "spilled_melements"),
        of(&[CONV], "grouped"),
        of(&[KernelKind::Scale], "launch"),
        of(&[KernelKind::Act], "pass_mb"),
        of(&[KernelKind::Concat], "bytes_mb"),
    ]
}

/// A precision of one byte an element, in which networks of all precisions are summed: prices that precisions share are those of
/// elements.
const PER_ELEMENT: &str = "int8";
/// The unit of features that count bytes.
const MEGABYTES: &str = "MB";

/// The sums of `columns` over a network, with a byte for each element, and one for the constant.
pub(super) fn sums(columns: &[Vec<Part>], kernels: &[Kernel]) -> Vec<f64> {
    let unbounded = Roofline {
        peak_gmacs_per_s: 1.0,
        gbytes_per_s: 1.0,
        launch_ns: 0.0,
        processors: None,
        source: String::new(),
    };
    let machine = Machine::new(PER_ELEMENT, &unbounded);
    let quantities: Vec<(KernelKind, Quantities)> =
        kernels.iter().map(|kernel| (kernel.kind, Quantities::of(kernel, &machine))).collect();
    let of = |column: &Vec<Part>| -> f64 {
        let parts = column.iter().filter_map(|&(kind, name, times)| {
            let feature = features::by_name(name)?;
            let same = quantities.iter().filter(|(of, _)| *of == kind);
            Some(times * same.map(|(_, quantities)| feature.of(quantities)).sum::<f64>())
        });
        parts.sum()
    };
    columns.iter().map(of).chain([1.0]).collect()
}

/// The least price of a kernel: there is none that takes no time.
const LEAST_NS: f64 = 10.0;

/// Prices of the columns as models of the kinds of kernel, whose elements take so many bytes.
pub(super) fn models(
    columns: &[Vec<Part>],
    prices: &[f64],
    bytes_per_element: f64,
) -> BTreeMap<KernelKind, Linear> {
    let mut models: BTreeMap<KernelKind, Linear> = BTreeMap::new();
    for (column, price) in columns.iter().zip(prices) {
        for &(kind, name, times) in column {
            let Some(feature) = features::named(&[name]).pop() else { continue };
            let least = if name == "launch" { LEAST_NS } else { 0.0 };
            let per_unit = if feature.0.unit == MEGABYTES { bytes_per_element } else { 1.0 };
            let ns = (times * price / per_unit).max(least);
            let terms = &mut models.entry(kind).or_default().terms;
            match terms.iter_mut().find(|term| term.feature == feature) {
                Some(term) => term.ns += ns,
                None => terms.push(Term { feature, ns }),
            }
        }
    }
    for model in models.values_mut() {
        model.terms.retain(|term| term.ns > 0.0);
    }
    models
}
