//! Where a model was trained: the sets and ranges that its kernels came from.

use super::features::{self, Named, Quantities};
use crate::plainnet::Kernel;
use serde::{Deserialize, Serialize};

/// The training domain of one kind of kernel: a part for each kernel size, because sizes come with their
/// own shapes (a 3×3 stem says nothing of 3×3 convolutions deep inside).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Kernel size.
    pub kernel: u32,
    /// Strides seen.
    pub strides: Vec<u32>,
    pub batches: Vec<u32>,
    /// Whether grouped (not depthwise) convolutions were among them.
    pub grouped: bool,
    pub ranges: Vec<Range>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub feature: Named,
    pub low: f64,
    pub high: f64,
}

/// Quantities whose range is part of the domain.
const RANGED: &[&str] = &["in_c", "out_c", "in_h", "mmacs", "bytes_mb", "fan_in", "intensity"];
/// How far beyond the extremes a value still counts as inside.
const MARGIN: f64 = 1.05;

impl Domain {
    /// The domain that `kernels` span.
    pub fn of<'a>(kernels: impl Iterator<Item = &'a Kernel>, bytes_per_element: f64) -> Domain {
        let mut domain = Domain::default();
        for kernel in kernels {
            let at = match domain.parts.binary_search_by_key(&kernel.kernel, |part| part.kernel) {
                Ok(at) => at,
                Err(at) => {
                    domain.parts.insert(at, Part::empty(kernel.kernel));
                    at
                }
            };
            domain.parts[at].add(kernel, &Quantities::of(kernel, bytes_per_element));
        }
        domain
    }

    /// A domain that holds all kernels: of models that are physics rather than experience.
    pub fn everything() -> Domain {
        Domain { parts: Vec::new(), everything: true }
    }

    pub fn contains(&self, kernel: &Kernel, quantities: &Quantities) -> bool {
        if self.everything {
            return true;
        }
        let part = self.parts.iter().find(|part| part.kernel == kernel.kernel);
        part.is_some_and(|part| part.contains(kernel, quantities))
    }

    /// What is wrong with a domain that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        if self.parts.is_empty() && !self.everything {
            return Err("an empty domain".into());
        }
        let mut ranges = self.parts.iter().flat_map(|part| &part.ranges);
        match ranges.find(|r| !(r.low.is_finite() && r.high.is_finite() && r.low <= r.high)) {
            Some(range) => Err(format!("the range of {} is no range", range.feature.0.name)),
            None => Ok(()),
        }
    }
}

impl Part {
    fn empty(kernel: u32) -> Part {
        let range = |feature| Range { feature, low: f64::INFINITY, high: 0.0 };
        let ranges = features::named(RANGED).into_iter().map(range).collect();
        Part { kernel, ranges, ..Part::default() }
    }

    fn add(&mut self, kernel: &Kernel, quantities: &Quantities) {
        for (set, value) in [(&mut self.strides, kernel.stride), (&mut self.batches, kernel.batch)] {
            if let Err(at) = set.binary_search(&value) {
                set.insert(at, value);
            }
        }
        self.grouped |= is_grouped(kernel);
        for range in &mut self.ranges {
            let value = range.feature.0.of(quantities);
            range.low = range.low.min(value);
            range.high = range.high.max(value);
        }
    }

    fn contains(&self, kernel: &Kernel, quantities: &Quantities) -> bool {
        self.strides.contains(&kernel.stride)
            && self.batches.contains(&kernel.batch)
            && (self.grouped || !is_grouped(kernel))
            && self.ranges.iter().all(|range| {
                let value = range.feature.0.of(quantities);
                value * MARGIN >= range.low && value <= range.high * MARGIN
            })
    }
}

fn is_grouped(kernel: &Kernel) -> bool {
    kernel.groups > 1 && kernel.groups != kernel.in_c
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::KernelKind;
    use crate::plainnet::graph::Act;

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
        };
        let wide = Kernel { in_c: 128, out_c: 128, groups: 128, ..kernel };
        let domain = Domain::of([kernel, wide].iter(), 4.0);
        let inside = |k: Kernel| domain.contains(&k, &Quantities::of(&k, 4.0));
        assert!(inside(kernel) && inside(Kernel { in_c: 64, out_c: 64, groups: 64, ..kernel }));
        assert!(!inside(Kernel { kernel: 5, ..kernel }) && !inside(Kernel { batch: 2, ..kernel }));
        assert!(!inside(Kernel { in_c: 256, out_c: 256, groups: 256, ..kernel }));
        domain.check().unwrap();
    }
}
