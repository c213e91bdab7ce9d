//! The networks of NAS-Bench-Macro (Su et al., AAAI 2021): eight layers for CIFAR-10, each an identity or one of two inverted
//! residuals. All of them were trained, and their accuracies are published.

use super::builder::Net;
use super::{CodeError, Part};
use crate::plainnet::graph::Act;
use std::fmt;
use std::str::FromStr;

pub const LAYERS: usize = 8;
/// The groups of blocks: the operations, and what all networks share.
pub const GROUPS: [&str; 4] = ["identity", "k3_e3", "k5_e6", "fixed"];
/// Layers and channels of each stage.
const STAGES: [(usize, u32); 3] = [(2, 64), (3, 128), (3, 256)];

/// A network of NAS-Bench-Macro: the operation of each layer. 0 is the identity, at the head of a stage a 1×1 convolution of
/// stride 2; 1 is an inverted residual of kernel 3 and expansion 3; 2 one of kernel 5 and expansion 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NasBenchMacro(pub [u8; LAYERS]);

impl NasBenchMacro {
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut stem = Net::new(3, 32);
        stem.conv(32, 3, 1, Act::Relu);
        let mut parts = vec![Part::new("fixed", stem.graph)];
        let (mut channels, mut side, mut layer) = (32, 32, 0);
        for (count, width) in STAGES {
            for i in 0..count {
                let stride = if i == 0 { 2 } else { 1 };
                let op = self.0[layer];
                layer += 1;
                let mut net = Net::new(channels, side);
                match op {
                    0 if stride == 1 => continue,
                    0 => drop(net.conv(width, 1, stride, Act::None)),
                    _ => {
                        let (kernel, expansion) = if op == 1 { (3, 3) } else { (5, 6) };
                        net.conv(channels * expansion, 1, 1, Act::Relu)
                            .depthwise(kernel, stride, Act::Relu)
                            .conv(width, 1, 1, Act::None);
                        if stride == 1 {
                            net.add(0);
                        }
                    }
                }
                (channels, side) = (width, net.side());
                parts.push(Part::new(GROUPS[usize::from(op)], net.graph));
            }
        }
        let mut head = Net::new(channels, side);
        head.conv(1280, 1, 1, Act::Relu).classifier(10);
        parts.push(Part::new("fixed", head.graph));
        parts
    }
}

impl fmt::Display for NasBenchMacro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|op| write!(f, "{op}"))
    }
}

impl FromStr for NasBenchMacro {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let wrong = || CodeError(format!("{text:?} is not {LAYERS} digits from 0 to 2"));
        let digits: [u8; LAYERS] = text.as_bytes().try_into().map_err(|_| wrong())?;
        if !digits.iter().all(|digit| (b'0'..=b'2').contains(digit)) {
            return Err(wrong());
        }
        Ok(NasBenchMacro(digits.map(|digit| digit - b'0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph::Op;

    #[test]
    fn networks_have_their_published_costs() {
        for (code, params, flops) in [("00000000", 387_882, 7_713_280), ("00000001", 791_594, 14_115_328)] {
            let parts = code.parse::<NasBenchMacro>().unwrap().parts();
            let (mut weights, mut macs) = (0, 0);
            for node in parts.iter().flat_map(|part| &part.graph.nodes) {
                let out = node.shape;
                match node.op {
                    Op::Conv { in_c, out_c, kernel, groups, .. } => {
                        let own = in_c / groups * out_c * kernel * kernel;
                        weights += own;
                        macs += own * out.h * out.w;
                    }
                    Op::Linear { in_c, out_c, .. } => {
                        weights += in_c * out_c + out_c;
                        macs += in_c * out_c;
                    }
                    Op::BatchNorm => weights += 2 * out.c,
                    _ => {}
                }
            }
            assert_eq!((weights, macs), (params, flops), "{code}");
        }
    }
}
