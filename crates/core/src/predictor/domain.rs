//! Where a model was trained: the sets and ranges that its kernels came from.

use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::features;
use crate::predictor::features::{Machine, Named, Quantities};
use crate::predictor::ranges::{QUANTITIES, within};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The training domain of one kind of kernel: a part for each kernel size, because sizes come with their
/// own shapes (a 3×3 stem says nothing of 3×3 convolutions deep inside).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub parts: Vec<SizeDomain>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
}

/// The part of a domain for one kernel size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeDomain {
    /// Kernel size.
    pub kernel: u32,
    /// Strides seen.
    pub strides: Vec<u32>,
    /// Batches seen, where they are few; else their range counts.
    pub batches: Vec<u32>,
    /// Whether grouped (not depthwise) convolutions were among them.
    pub grouped: bool,
    pub ranges: Vec<Range>,
    /// Sides of the input and numbers of channels that come out, where the data lie on a grid of few:
    /// between its lines, predictions are interpolated. Empty where they do not.
    pub sides: Vec<u32>,
    pub channels: Vec<u32>,
    /// Likewise of channels that go in: others than come out, where widths keep to a few ratios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub feature: Named,
    pub low: f64,
    pub high: f64,
}

/// Whether a kernel lies in a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    Outside,
    /// Inside the ranges, and maybe between the lines of a grid.
    Inside {
        new_side: bool,
        new_channels: bool,
    },
}

/// How far beyond the extremes a value still counts as inside.
const MARGIN: f64 = 1.05;
/// More different values than this are a range and no list.
const LISTED_BATCHES: usize = 16;
const LISTED_SIDES: usize = 32;
const LISTED_CHANNELS: usize = 96;
/// Kernels to each line, at least, that make a grid.
const PER_LINE: usize = 10;

/// Quantities whose range is part of the domain. Kernels that only move data are known by how much.
fn ranged(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv | KernelKind::Dwconv | KernelKind::Linear => {
            &["batch", "in_c", "out_c", "in_h", "mmacs", "bytes_mb", "fan_in", "intensity"]
        }
        KernelKind::Maxpool | KernelKind::Pool => &["batch", "in_c", "in_h", "bytes_mb"],
        KernelKind::Add | KernelKind::Scale | KernelKind::Act | KernelKind::Concat => &["bytes_mb"],
    }
}

impl Domain {
    /// The domain that `kernels`, all of one kind, span.
    pub fn of<'a>(kernels: impl Iterator<Item = &'a Kernel>, machine: &Machine) -> Domain {
        let mut by_size: BTreeMap<u32, Vec<&Kernel>> = BTreeMap::new();
        for kernel in kernels {
            by_size.entry(kernel.kernel).or_default().push(kernel);
        }
        Domain {
            parts: by_size
                .into_iter()
                .map(|(size, kernels)| SizeDomain::of(size, &kernels, machine))
                .collect(),
            everything: false,
        }
    }

    /// A domain that holds all kernels: of models that are physics rather than experience.
    pub fn everything() -> Domain {
        Domain { parts: Vec::new(), everything: true }
    }

    /// Whether kernels of this size were among those that span the domain.
    pub fn knows(&self, size: u32) -> bool {
        self.everything || self.parts.iter().any(|part| part.kernel == size)
    }

    pub fn contains(&self, kernel: &Kernel, quantities: &Quantities) -> bool {
        self.membership(kernel, quantities) != Membership::Outside
    }

    pub fn membership(&self, kernel: &Kernel, quantities: &Quantities) -> Membership {
        if self.everything {
            return Membership::Inside { new_side: false, new_channels: false };
        }
        // No training data have other windows.
        if kernel.window.is_some_and(|window| window.is_odd()) {
            return Membership::Outside;
        }
        let part = self.parts.iter().find(|part| part.kernel == kernel.kernel);
        part.map_or(Membership::Outside, |part| part.membership(kernel, quantities))
    }

    /// What is wrong with a domain that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        if self.parts.is_empty() && !self.everything {
            return Err("an empty domain".into());
        }
        let lists =
            self.parts.iter().flat_map(|p| [&p.strides, &p.batches, &p.sides, &p.channels, &p.inputs]);
        if lists.into_iter().any(|list| list.windows(2).any(|pair| pair[0] >= pair[1])) {
            return Err("a list of the domain is not ascending".into());
        }
        let mut ranges = self.parts.iter().flat_map(|part| &part.ranges);
        ranges.try_for_each(|range| {
            let Range { feature, low, high } = range;
            check_range(*low, *high)
                .map_err(|reason| format!("the range of {} is no range: {reason}", feature.0.name))
        })
    }
}

/// Checks the ends of a range of quantities.
///
/// # Errors
/// They are none, or in the wrong order.
pub fn check_range(low: f64, high: f64) -> Result<(), String> {
    within("low", low, &QUANTITIES)?;
    within("high", high, &QUANTITIES)?;
    if low <= high { Ok(()) } else { Err(format!("low is {low} and high is {high}")) }
}

impl SizeDomain {
    fn of(size: u32, kernels: &[&Kernel], machine: &Machine) -> SizeDomain {
        let distinct = |of: &dyn Fn(&Kernel) -> u32| -> Vec<u32> {
            kernels.iter().map(|kernel| of(kernel)).collect::<BTreeSet<u32>>().into_iter().collect()
        };
        let few = |list: Vec<u32>, limit: usize| if list.len() <= limit { list } else { Vec::new() };
        let line = |list: Vec<u32>, limit: usize| {
            if list.len() * PER_LINE <= kernels.len() { few(list, limit) } else { Vec::new() }
        };
        let mut part = SizeDomain {
            kernel: size,
            strides: distinct(&|kernel| kernel.stride),
            batches: few(distinct(&|kernel| kernel.batch), LISTED_BATCHES),
            grouped: kernels.iter().any(|kernel| is_grouped(kernel)),
            ranges: Vec::new(),
            sides: line(distinct(&|kernel| kernel.in_h), LISTED_SIDES),
            channels: line(distinct(&|kernel| kernel.out_c), LISTED_CHANNELS),
            inputs: line(distinct(&|kernel| kernel.in_c), LISTED_CHANNELS),
        };
        let quantities: Vec<Quantities> =
            kernels.iter().map(|kernel| Quantities::of(kernel, machine)).collect();
        for feature in kernels.first().map_or(Vec::new(), |kernel| features::named(ranged(kernel.kind))) {
            let values = || quantities.iter().map(|q| feature.0.of(q));
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
            part.ranges.push(Range { feature, low, high });
        }
        part
    }

    fn membership(&self, kernel: &Kernel, quantities: &Quantities) -> Membership {
        let inside = self.strides.binary_search(&kernel.stride).is_ok()
            && (self.batches.is_empty() || self.batches.binary_search(&kernel.batch).is_ok())
            && (self.grouped || !is_grouped(kernel))
            && self.ranges.iter().all(|range| {
                let value = range.feature.0.of(quantities);
                value * MARGIN >= range.low && value <= range.high * MARGIN
            });
        if !inside {
            return Membership::Outside;
        }
        let missing = |list: &[u32], value: u32| !list.is_empty() && list.binary_search(&value).is_err();
        Membership::Inside {
            new_side: missing(&self.sides, kernel.in_h) || missing(&self.sides, kernel.in_w),
            new_channels: missing(&self.channels, kernel.out_c) || missing(&self.inputs, kernel.in_c),
        }
    }
}

fn is_grouped(kernel: &Kernel) -> bool {
    kernel.groups > 1 && kernel.groups != kernel.in_c
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::plainnet::graph::Act;
    use crate::predictor::roofline::Roofline;

    fn unbounded() -> Roofline {
        Roofline {
            peak_gmacs_per_s: 1.0,
            gbytes_per_s: 1.0,
            launch_ns: 0.0,
            processors: None,
            source: "a test".into(),
        }
    }

    #[test]
    fn inside_and_outside() {
        let kernel = Kernel {
            kind: KernelKind::Dwconv,
            batch: 1,
            in_c: 32,
            out_c: 32,
            in_h: 56,
            in_w: 56,
            kernel: 3,
            stride: 1,
            groups: 32,
            act: Act::Relu,
            residual: false,
            window: None,
        };
        let wide = Kernel { in_c: 128, out_c: 128, groups: 128, ..kernel };
        let roofline = unbounded();
        let machine = Machine::new("fp32", &roofline);
        let domain = Domain::of([kernel, wide].iter(), &machine);
        let inside = |k: Kernel| domain.contains(&k, &Quantities::of(&k, &machine));
        assert!(inside(kernel) && inside(Kernel { in_c: 64, out_c: 64, groups: 64, ..kernel }));
        assert!(!inside(Kernel { kernel: 5, ..kernel }) && !inside(Kernel { batch: 2, ..kernel }));
        assert!(!inside(Kernel { in_c: 256, out_c: 256, groups: 256, ..kernel }));
        assert!(domain.knows(3) && !domain.knows(5) && Domain::everything().knows(5));
        domain.check().unwrap();
    }

    #[test]
    fn a_grid_knows_its_lines() {
        let kernel = |side: u32, channels: u32, i: u32| Kernel {
            kind: KernelKind::Conv,
            batch: 1 + i % 4,
            in_c: channels,
            out_c: channels,
            in_h: side,
            in_w: side,
            kernel: 3,
            stride: 1,
            groups: 1,
            act: Act::Relu,
            residual: i.is_multiple_of(2),
            window: None,
        };
        let sides = [7, 14, 28];
        let grid = sides.into_iter().flat_map(|side| (1..=5).map(move |c| (side, 8 * c)));
        let kernels: Vec<Kernel> =
            grid.flat_map(|(side, c)| (0..8).map(move |i| kernel(side, c, i))).collect();
        let machine = Machine::new("fp32", &unbounded());
        let domain = Domain::of(kernels.iter(), &machine);
        domain.check().unwrap();
        let membership = |k: Kernel| domain.membership(&k, &Quantities::of(&k, &machine));
        assert_eq!(
            membership(kernel(14, 16, 0)),
            Membership::Inside { new_side: false, new_channels: false }
        );
        assert_eq!(membership(kernel(20, 16, 0)), Membership::Inside { new_side: true, new_channels: false });
        assert_eq!(membership(kernel(14, 20, 0)), Membership::Inside { new_side: false, new_channels: true });
        assert_eq!(membership(kernel(112, 16, 0)), Membership::Outside);
    }
}
