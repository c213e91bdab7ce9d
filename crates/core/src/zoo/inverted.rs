//! Searched chains of inverted residuals that differ from block to block: DNANet (Li et al. 2020, "Blockwisely Supervised
//! Neural Architecture Search with Knowledge Distillation") and MnasNet-A1 (Tan et al. 2019).

use super::builder::{Net, divisible, width};
use super::mobile::{Unit, bottleneck};
use crate::plainnet::graph::Act;

pub(super) const EXAMPLES: &[&str] = &["dnanet_a", "semnasnet_1.0"];
const CLASSES: u32 = 1000;

/// Equal blocks: how many, kernel, expansion, channels out, stride of the first, squeeze-excite.
type Row = (u32, u32, u32, u32, u32, bool);

const fn row(count: u32, kernel: u32, expansion: u32, out_c: u32, stride: u32) -> Row {
    (count, kernel, expansion, out_c, stride, true)
}

const DNA_A: &[Row] = &[
    row(1, 3, 1, 16, 1),
    row(1, 5, 3, 24, 2),
    row(1, 3, 3, 24, 1),
    row(1, 3, 6, 24, 1),
    row(2, 3, 3, 40, 2),
    row(1, 5, 3, 40, 1),
    row(1, 3, 6, 40, 1),
    row(1, 7, 6, 80, 2),
    row(1, 3, 3, 80, 1),
    row(1, 5, 3, 80, 1),
    row(1, 3, 6, 80, 1),
    row(1, 5, 6, 96, 1),
    row(2, 5, 3, 96, 1),
    row(1, 5, 6, 96, 1),
    row(1, 5, 6, 160, 2),
    row(3, 5, 3, 160, 1),
    row(1, 5, 6, 160, 1),
    row(1, 3, 6, 320, 1),
];
const DNA_B: &[Row] = &[
    row(1, 3, 1, 16, 1),
    row(1, 3, 3, 24, 2),
    row(1, 5, 3, 24, 1),
    row(1, 7, 6, 24, 1),
    row(1, 7, 6, 40, 2),
    row(1, 5, 3, 40, 1),
    row(1, 7, 6, 40, 1),
    row(1, 5, 6, 80, 2),
    row(2, 5, 3, 80, 1),
    row(1, 3, 6, 80, 1),
    row(1, 5, 6, 96, 1),
    row(2, 5, 3, 96, 1),
    row(1, 5, 6, 96, 1),
    row(1, 7, 6, 192, 2),
    row(3, 5, 3, 192, 1),
    row(1, 7, 6, 192, 1),
    row(1, 3, 6, 320, 1),
];
const DNA_C: &[Row] = &[
    row(1, 3, 1, 16, 1),
    row(1, 5, 6, 24, 2),
    row(1, 3, 6, 24, 1),
    row(2, 5, 6, 40, 2),
    row(1, 3, 6, 40, 1),
    row(1, 5, 6, 40, 1),
    row(1, 5, 6, 80, 2),
    row(1, 3, 6, 80, 1),
    row(2, 5, 6, 80, 1),
    row(1, 3, 6, 112, 1),
    row(2, 5, 6, 112, 1),
    row(1, 5, 3, 112, 1),
    row(1, 5, 6, 192, 2),
    row(1, 5, 3, 192, 1),
    row(2, 5, 6, 192, 1),
    row(1, 3, 6, 320, 1),
];
const DNA_D: &[Row] = &[
    row(1, 3, 1, 16, 1),
    row(1, 7, 6, 24, 2),
    row(1, 5, 6, 24, 1),
    row(1, 7, 6, 24, 1),
    row(4, 7, 6, 40, 2),
    row(1, 7, 6, 80, 2),
    row(2, 5, 6, 80, 1),
    row(1, 7, 6, 80, 1),
    row(1, 7, 6, 112, 1),
    row(1, 5, 6, 112, 1),
    row(1, 7, 6, 112, 1),
    row(1, 5, 6, 112, 1),
    row(1, 7, 6, 192, 2),
    row(3, 5, 6, 192, 1),
    row(1, 7, 6, 192, 1),
    row(1, 3, 6, 320, 1),
];
/// MnasNet-A1 (table 3 and figure 7 of its paper).
const MNASNET_A1: &[Row] = &[
    (1, 3, 1, 16, 1, false),
    (2, 3, 6, 24, 2, false),
    (3, 5, 3, 40, 2, true),
    (4, 3, 6, 80, 2, false),
    (2, 3, 6, 112, 1, true),
    (3, 5, 6, 160, 2, true),
    (1, 3, 6, 320, 1, false),
];

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    if let Some(width) = width(name, "semnasnet_") {
        return Some(chain(Net::new(3, side), MNASNET_A1, width, Act::Relu));
    }
    let rows = match name.strip_prefix("dnanet_")? {
        "a" => DNA_A,
        "b" => DNA_B,
        "c" => DNA_C,
        "d" => DNA_D,
        _ => return None,
    };
    Some(chain(Net::new(3, side), rows, 1.0, Act::Swish))
}

fn chain(mut net: Net, rows: &[Row], width: f64, act: Act) -> Net {
    let wide = |c: u32| divisible(f64::from(c) * width, 8);
    net.conv(32, 3, 2, act);
    for &(count, kernel, expansion, out_c, stride, squeeze_excite) in rows {
        for block in 0..count {
            let in_c = net.channels();
            let unit = Unit {
                kernel,
                middle: in_c * expansion,
                out_c: wide(out_c),
                stride: if block == 0 { stride } else { 1 },
                act,
                se: squeeze_excite.then_some((in_c / 4, Act::Sigmoid)),
            };
            bottleneck(&mut net, unit);
        }
    }
    net.conv(1280, 1, 1, act).classifier(CLASSES);
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_the_costs_that_their_authors_state() {
        // 10^6 parameters and multiply-adds: the authors' table, and that of timm for MnasNet-A1. The authors of DNANet count
        // more than multiply-adds of convolutions.
        for (name, params, mmacs) in [
            ("dnanet_a", 4.2, 348.0),
            ("dnanet_b", 4.9, 394.0),
            ("dnanet_c", 5.3, 466.0),
            ("dnanet_d", 6.4, 611.0),
            ("semnasnet_1.0", 3.89, 320.0),
            ("semnasnet_0.75", 2.91, 230.0),
        ] {
            let cost = graph_cost::of(&by_name(name, 224).unwrap().graph);
            let (own_params, own_mmacs) = (cost.params as f64 / 1e6, cost.macs as f64 / 1e6);
            assert!((own_params - params).abs() < 0.06, "{name}: {own_params} {params}");
            assert!((own_mmacs / mmacs - 1.0).abs() < 0.045, "{name}: {own_mmacs} {mmacs}");
        }
        assert!(by_name("dnanet_e", 224).is_none());
    }
}
