//! ResNeSt (Zhang et al. 2020, "ResNeSt: Split-Attention Networks"): bottlenecks whose 3×3 convolution is split in two,
//! with a gate that weighs both halves.

use super::builder::Net;
use crate::plainnet::graph::{Act, Op};

pub(super) const EXAMPLES: &[&str] = &["resnest50"];
const CLASSES: u32 = 1000;
/// Splits of a convolution.
const RADIX: u32 = 2;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let (counts, stem) = match name.strip_prefix("resnest")? {
        "50" => ([3, 4, 6, 3], 32),
        "101" => ([3, 4, 23, 3], 64),
        "200" => ([3, 24, 36, 3], 64),
        "269" => ([3, 30, 48, 8], 64),
        _ => return None,
    };
    let mut net = Net::new(3, side);
    net.conv(stem, 3, 2, Act::Relu)
        .conv(stem, 3, 1, Act::Relu)
        .conv(2 * stem, 3, 1, Act::Relu)
        .max_pool(3, 2);
    for (stage, (count, width)) in counts.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for unit in 0..count {
            bottleneck(&mut net, width, if unit == 0 && stage > 0 { 2 } else { 1 });
        }
    }
    net.classifier(CLASSES);
    Some(net)
}

/// A bottleneck; its stride is that of a pooling behind the split convolution, and of one in the shortcut.
fn bottleneck(net: &mut Net, width: u32, stride: u32) {
    let (start, in_c, out_c) = (net.at, net.channels(), 4 * width);
    net.conv(width, 1, 1, Act::Relu);
    split_attention(net, width);
    if stride > 1 {
        net.max_pool(3, stride);
    }
    net.conv(out_c, 1, 1, Act::None);
    let body = net.at;
    net.at = start;
    if in_c != out_c || stride > 1 {
        if stride > 1 {
            net.max_pool(2, stride);
        }
        net.conv(out_c, 1, 1, Act::None);
    }
    net.add(body).act(Act::Relu);
}

/// A convolution to [`RADIX`] times `width` channels in as many groups, and the sum of its splits, each weighed channel by
/// channel by a gate that looks at their unweighted sum. The gate's softmax over the splits is a sigmoid where there are
/// two.
fn split_attention(net: &mut Net, width: u32) {
    net.grouped(RADIX * width, 3, 1, RADIX, Act::Relu);
    let splits = parts(net, width);
    net.at = splits[0];
    for &split in &splits[1..] {
        net.add(split);
    }
    let hidden = (width * RADIX / 4).max(32);
    net.then(Op::GlobalAvgPool);
    net.then(Op::Conv { in_c: width, out_c: hidden, kernel: 1, stride: 1, groups: 1, bias: true });
    net.then(Op::BatchNorm).act(Act::Relu);
    let out_c = RADIX * width;
    net.then(Op::Conv { in_c: hidden, out_c, kernel: 1, stride: 1, groups: 1, bias: true }).act(Act::Sigmoid);
    let gates = parts(net, width);
    let weighed: Vec<usize> = splits
        .into_iter()
        .zip(gates)
        .map(|(split, gate)| net.graph.push(Op::Scale, vec![split, gate]))
        .collect();
    net.at = weighed[0];
    for &split in &weighed[1..] {
        net.add(split);
    }
}

/// The splits of a map, `width` channels each.
fn parts(net: &mut Net, width: u32) -> Vec<usize> {
    let whole = net.at;
    let part = |split: u32| {
        net.at = whole;
        net.slice(split * width, width).at
    };
    (0..RADIX).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_the_parameters_and_macs_of_timm() {
        for (name, side, params, gmacs) in [
            ("resnest50", 224, 27.48, 5.4),
            ("resnest101", 256, 48.28, 13.38),
            ("resnest200", 320, 70.2, 35.69),
            ("resnest269", 416, 110.93, 77.69),
        ] {
            let cost = graph_cost::of(&by_name(name, side).unwrap().graph);
            let (own_params, own_gmacs) = (cost.params as f64 / 1e6, cost.macs as f64 / 1e9);
            assert!((own_params - params).abs() < 0.005, "{name}: {own_params} {params}");
            assert!((own_gmacs / gmacs - 1.0).abs() < 0.03, "{name}: {own_gmacs} {gmacs}");
        }
        assert!(by_name("resnest18", 224).is_none());
    }
}
