//! The networks of Accel-NASBench: chains of inverted residuals in the frame of EfficientNet-B0, for ImageNet. Their trained
//! accuracies are published.
//!
//! The data do not say which activation was used; Swish is assumed, as in EfficientNet.

use super::builder::Net;
use super::{CodeError, Part, Visit, number};
use crate::plainnet::graph::Act;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// Number of blocks.
pub const BLOCKS: usize = 7;
/// Places: the first layer of each block, and the others. Stem and head have none.
pub const PLACES: u8 = 2 * BLOCKS as u8;
const EXPANSIONS: [u8; 3] = [1, 4, 6];
const KERNELS: [u8; 2] = [3, 5];
const WIDTHS: [u32; BLOCKS] = [16, 24, 40, 80, 112, 192, 320];
const STRIDES: [u32; BLOCKS] = [1, 2, 2, 2, 1, 2, 1];
/// Most layers of each block.
const MOST_LAYERS: [u8; BLOCKS] = [3, 3, 3, 3, 3, 4, 3];
const SIDE: u32 = 224;

/// The choices of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Choice {
    pub expansion: u8,
    pub kernel: u8,
    pub layers: u8,
    pub squeeze_excite: bool,
}

/// A network of Accel-NASBench. As text: `e1k3l1s1_e6k3l2s1_…`, seven blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccelNasBench(pub [Choice; BLOCKS]);

/// The groups: what a layer is, as `e4k3s1`. The first layer of a block also says what it follows, because runtimes join
/// the two: `e4k3s1-e6s0r1` follows a layer of expansion 6 without squeeze-excite that ends with a residual sum.
pub fn groups() -> &'static [&'static str] {
    static GROUPS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let layers = || {
            let choices = EXPANSIONS.into_iter().flat_map(|e| KERNELS.into_iter().map(move |k| (e, k)));
            choices.flat_map(|(e, k)| [0, 1].map(|s| format!("e{e}k{k}s{s}")))
        };
        let before = || {
            let choices = EXPANSIONS.into_iter().flat_map(|e| [0, 1].map(|s| (e, s)));
            choices.flat_map(|(e, s)| [0, 1].map(|r| format!("-e{e}s{s}r{r}")))
        };
        let joined = layers().flat_map(|layer| before().map(move |before| format!("{layer}{before}")));
        let names = ["stem".to_owned(), "head".to_owned()].into_iter().chain(layers()).chain(joined);
        names.map(|name| &*name.leak()).collect()
    });
    &GROUPS
}

/// Patterns of groups at each place, from coarse to fine: any layer, its expansion, its kernel, its squeeze-excite, all
/// three; and where a block follows another, the expansion with what the layer before was.
pub fn patterns() -> impl Iterator<Item = (u8, String)> {
    (0..PLACES).flat_map(|place| {
        let mut patterns = vec!["e?k?s?*".to_owned()];
        patterns.extend(EXPANSIONS.map(|e| format!("e{e}k?s?*")));
        patterns.extend(KERNELS.map(|k| format!("e?k{k}s?*")));
        patterns.extend([0, 1].map(|s| format!("e?k?s{s}*")));
        for e in EXPANSIONS {
            patterns.extend(KERNELS.into_iter().flat_map(|k| [0, 1].map(|s| format!("e{e}k{k}s{s}*"))));
        }
        if place > 0 && place % 2 == 0 {
            for e in EXPANSIONS {
                patterns.extend([0, 1].map(|r| format!("e{e}k?s?-e?s?r{r}")));
                patterns.extend([0, 1].map(|s| format!("e{e}k?s?-e?s{s}r?")));
                patterns.extend(EXPANSIONS.map(|before| format!("e{e}k?s?-e{before}s?r?")));
            }
        }
        patterns.into_iter().map(move |pattern| (place, pattern))
    })
}

/// The group called `name`.
fn group(name: &str) -> &'static str {
    groups().iter().find(|group| **group == name).copied().unwrap_or_default()
}

impl AccelNasBench {
    pub(super) fn each_part(&self, visit: &mut Visit<'_>) {
        visit(number([0, 0, 0, 0]), &|| {
            let mut stem = Net::new(3, SIDE);
            stem.conv(32, 3, 2, Act::Swish);
            Part::new("stem", stem.graph)
        });
        let (mut channels, mut side) = (32, SIDE.div_ceil(2));
        for (block, choice) in self.0.iter().enumerate() {
            for layer in 0..choice.layers {
                let stride = if layer == 0 { STRIDES[block] } else { 1 };
                let Choice { expansion, kernel, squeeze_excite, .. } = *choice;
                // Runtimes join the first layer of a block with the one before it.
                let before = block.checked_sub(1).filter(|_| layer == 0).map(|before| self.0[before]);
                let followed = before.map_or([0; 3], |before| {
                    [before.expansion, u8::from(before.squeeze_excite), u8::from(before.layers > 1)]
                });
                let place = 2 * block as u8 + u8::from(layer > 0);
                let digits =
                    |fields: [u8; 3]| fields.iter().fold(0, |number, &field| 10 * number + u32::from(field));
                let own = digits([expansion, kernel, squeeze_excite.into()]);
                visit(number([1, place.into(), own, digits(followed)]), &|| {
                    let mut net = Net::new(channels, side);
                    let middle = channels * u32::from(expansion);
                    if middle != channels {
                        net.conv(middle, 1, 1, Act::Swish);
                    }
                    net.depthwise(u32::from(kernel), stride, Act::Swish);
                    if squeeze_excite {
                        net.squeeze_excite(channels / 4, Act::Sigmoid);
                    }
                    net.conv(WIDTHS[block], 1, 1, Act::None);
                    if stride == 1 && channels == WIDTHS[block] {
                        net.add(0);
                    }
                    let mut name = format!("e{expansion}k{kernel}s{}", u8::from(squeeze_excite));
                    if before.is_some() {
                        let [expansion, gated, residual] = followed;
                        name += &format!("-e{expansion}s{gated}r{residual}");
                    }
                    Part { place: Some(place), ..Part::new(group(&name), net.graph) }
                });
                (channels, side) = (WIDTHS[block], side.div_ceil(stride));
            }
        }
        visit(number([2, 0, 0, 0]), &|| {
            let mut head = Net::new(channels, side);
            head.conv(1280, 1, 1, Act::Swish).classifier(1000);
            Part::new("head", head.graph)
        });
    }
}

impl fmt::Display for AccelNasBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (block, choice) in self.0.iter().enumerate() {
            let Choice { expansion, kernel, layers, squeeze_excite } = choice;
            let separator = if block == 0 { "" } else { "_" };
            write!(f, "{separator}e{expansion}k{kernel}l{layers}s{}", u8::from(*squeeze_excite))?;
        }
        Ok(())
    }
}

impl FromStr for AccelNasBench {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let parts: Vec<&str> = text.split('_').collect();
        let parts: [&str; BLOCKS] = parts.try_into().map_err(|parts: Vec<&str>| {
            CodeError(format!("{} blocks separated by _ instead of {BLOCKS}", parts.len()))
        })?;
        let mut choices = [Choice { expansion: 1, kernel: 3, layers: 1, squeeze_excite: false }; BLOCKS];
        for (block, part) in parts.into_iter().enumerate() {
            choices[block] = choice(part, MOST_LAYERS[block])
                .map_err(|reason| CodeError(format!("block {}, {part:?}: {reason}", block + 1)))?;
        }
        Ok(AccelNasBench(choices))
    }
}

/// Reads `e6k3l2s1`.
fn choice(text: &str, most_layers: u8) -> Result<Choice, String> {
    let form = || "not of the form e6k3l2s1".to_owned();
    let [b'e', e, b'k', k, b'l', l, b's', s] = *text.as_bytes() else { return Err(form()) };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0').ok_or_else(form);
    let (expansion, kernel, layers, se) = (digit(e)?, digit(k)?, digit(l)?, digit(s)?);
    if ![1, 4, 6].contains(&expansion) {
        return Err(format!("expansion {expansion} is none of 1, 4, 6"));
    }
    if ![3, 5].contains(&kernel) {
        return Err(format!("kernel {kernel} is neither 3 nor 5"));
    }
    if !(1..=most_layers).contains(&layers) {
        return Err(format!("{layers} layers; this block has 1 to {most_layers}"));
    }
    if se > 1 {
        return Err(format!("squeeze-excite {se} is neither 0 nor 1"));
    }
    Ok(Choice { expansion, kernel, layers, squeeze_excite: se == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph::Op;

    /// Parameters with those of BN, multiply-adds, and elements that BN writes, in millions.
    fn costs(code: &str) -> [f64; 3] {
        let mut parts = Vec::new();
        code.parse::<AccelNasBench>().unwrap().each_part(&mut |_, part| parts.push(part()));
        let mut sums = [0.0; 3];
        for node in parts.iter().flat_map(|part| &part.graph.nodes) {
            let out = node.shape;
            let (weights, biases, elements) = match node.op {
                Op::Conv { in_c, out_c, kernel, groups, bias, .. } => (
                    f64::from(in_c / groups * out_c * kernel * kernel),
                    if bias { f64::from(out_c) } else { 0.0 },
                    f64::from(out.h * out.w),
                ),
                Op::Linear { in_c, out_c, .. } => (f64::from(in_c * out_c), f64::from(out_c), 1.0),
                Op::BatchNorm => {
                    sums[2] += out.elements() as f64 / 1e6;
                    (0.0, 2.0 * f64::from(out.c), 0.0)
                }
                _ => continue,
            };
            sums[0] += (weights + biases) / 1e6;
            sums[1] += weights * elements / 1e6;
        }
        sums
    }

    #[test]
    fn networks_have_their_published_costs() {
        // The published operations count four for each element of a BN, and a few for squeeze-excite.
        for (code, params, operations) in [
            ("e1k3l1s0_e1k3l1s0_e4k5l1s0_e6k3l3s0_e4k3l1s0_e1k3l1s0_e4k3l1s0", 2.39586, 142.934),
            ("e1k3l1s0_e1k3l1s1_e1k5l2s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0", 3.64966, 206.068),
            ("e1k3l1s0_e1k3l1s1_e4k5l1s0_e1k3l3s0_e4k5l3s0_e4k3l4s1_e4k3l2s1", 4.84997, 247.964),
        ] {
            let [found, macs, normalised] = costs(code);
            assert!((found / params - 1.0).abs() < 1e-5, "{code}: {found}");
            let counted = macs + 4.0 * normalised;
            assert!((counted / operations - 1.0).abs() < 5e-3, "{code}: {counted}");
        }
    }
}
