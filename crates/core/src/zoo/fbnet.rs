//! FBNet (Wu et al., CVPR 2019) as HELP and HW-NAS-Bench measure it: 22 layers with one of nine
//! operations each, for 32×32 images and 100 classes.

use super::builder::Net;
use super::{CodeError, Part, Visit, integers, number};
use crate::plainnet::graph::Act;
use std::fmt;
use std::str::FromStr;

pub const LAYERS: usize = 22;
/// The operations, in the order of their numbers.
pub const OPS: [&str; 9] =
    ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"];
/// The groups of blocks: one for each operation, and one for what all networks share. A skip that changes nothing
/// computes nothing; it is not a block.
pub const GROUPS: [&str; 10] =
    ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip", "fixed"];
/// Kernel size, expansion and groups of the first eight operations.
const SHAPES: [(u32, u32, u32); 8] =
    [(3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1)];
/// Width, number of layers and stride of each stage.
const STAGES: [(u32, usize, u32); 7] =
    [(16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1)];

/// Number of places: one for the first layer of each stage, and one for the other layers of each stage that has any.
pub const PLACES: u8 = 12;

/// A network of FBNet's space: the number of the operation of each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FbNet(pub [u8; LAYERS]);

impl FbNet {
    /// # Errors
    /// Another number of layers, or an operation that does not exist.
    pub fn new(ops: &[u32]) -> Result<FbNet, CodeError> {
        let ops: [u32; LAYERS] =
            ops.try_into().map_err(|_| CodeError(format!("{} layers instead of {LAYERS}", ops.len())))?;
        match ops.iter().position(|&op| op as usize >= OPS.len()) {
            Some(layer) => Err(CodeError(format!("layer {layer}: operation {} is not 0 to 8", ops[layer]))),
            None => Ok(FbNet(ops.map(|op| op as u8))),
        }
    }

    pub(super) fn each_part(&self, visit: &mut Visit<'_>) {
        visit(number([0, 0, 0, 0]), &|| {
            let mut stem = Net::new(3, 32);
            stem.conv(16, 3, 1, Act::Relu);
            Part::new("fixed", stem.graph)
        });
        let (mut channels, mut side, mut layer) = (16, 32, 0);
        let mut place = 0;
        for (stage, (width, count, stride)) in STAGES.into_iter().enumerate() {
            for i in 0..count {
                // A stage begins at one place, and all its other layers are at the next.
                place += u8::from(stage > 0 && i == 0 || i == 1);
                let stride = if i == 0 { stride } else { 1 };
                let op = usize::from(self.0[layer]);
                let shape = SHAPES.get(op);
                // A skip that changes nothing computes nothing.
                if shape.is_some() || stride > 1 || channels != width {
                    visit(number([1, op as u32, place.into(), 0]), &|| {
                        let mut net = Net::new(channels, side);
                        match shape {
                            Some(&shape) => mbconv(&mut net, width, stride, shape),
                            None => drop(net.conv(width, 1, stride, Act::Relu)),
                        }
                        Part { place: Some(place), ..Part::new(OPS[op], net.graph) }
                    });
                }
                (channels, side, layer) = (width, side / stride, layer + 1);
            }
        }
        visit(number([2, 0, 0, 0]), &|| {
            let mut head = Net::new(channels, side);
            head.conv(1504, 1, 1, Act::Relu).classifier(100);
            Part::new("fixed", head.graph)
        });
    }
}

fn mbconv(net: &mut Net, width: u32, stride: u32, (kernel, expansion, groups): (u32, u32, u32)) {
    let (input, in_c) = (net.at, net.channels());
    net.grouped(in_c * expansion, 1, 1, groups, Act::Relu).depthwise(kernel, stride, Act::Relu).grouped(
        width,
        1,
        1,
        groups,
        Act::None,
    );
    if stride == 1 && in_c == width {
        net.add(input);
    }
}

impl fmt::Display for FbNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|op| op.to_string()).join(","))
    }
}

impl FromStr for FbNet {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        FbNet::new(&integers(text, LAYERS)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::lowering;

    fn parts(ops: [u8; LAYERS]) -> Vec<Part> {
        let mut parts = Vec::new();
        FbNet(ops).each_part(&mut |_, part| parts.push(part()));
        parts
    }

    #[test]
    fn blocks_of_an_operation_and_a_place_are_alike() {
        let mut known = std::collections::BTreeMap::new();
        for op in 0..OPS.len() as u8 {
            for part in parts([op; LAYERS]).into_iter().filter(|part| part.group != "fixed") {
                let place = part.place.unwrap();
                assert!(place < PLACES);
                let first = known.entry((part.group, place)).or_insert_with(|| part.graph.clone());
                assert_eq!(*first, part.graph);
            }
        }
        // Twelve for each operation, but a skip computes something where the map changes only.
        assert_eq!(known.len(), 8 * 12 + 6);
    }

    #[test]
    fn layers_have_their_published_costs() {
        // MACs and weights of single layers from the table of HELP.
        let cost = |op: u8, layer: usize| {
            let mut ops = [8; LAYERS];
            ops[layer] = op;
            let parts = parts(ops);
            let part = parts.iter().find(|part| part.group == OPS[usize::from(op)]).unwrap();
            let kernels = lowering::fused(&part.graph);
            let biases: f64 = kernels.iter().map(|k| f64::from(k.out_c)).sum();
            let macs: f64 = kernels.iter().map(|k| k.macs()).sum();
            (macs, kernels.iter().map(|k| k.params()).sum::<f64>() - biases)
        };
        assert_eq!(cost(0, 0), (671_744.0, 656.0));
        assert_eq!(cost(5, 0), (671_744.0, 656.0));
        assert_eq!(cost(1, 5), (448_512.0, 888.0));
        assert_eq!(cost(7, 20), (6_941_952.0, 433_872.0));
        assert_eq!(cost(6, 21), (4_954_752.0, 309_672.0));
    }
}
