//! Mobile networks: MobileNet v1 to v3, MnasNet, ProxylessNAS, EfficientNet, ShuffleNet v2.

use super::builder::{Net, divisible, width};
use crate::plainnet::graph::Act;

pub(super) const EXAMPLES: &[&str] = &[
    "mobilenet_v1_0.25",
    "mobilenet_v2_1.0",
    "mobilenet_v3_large_1.0",
    "mobilenet_v3_small_minimalistic",
    "mnasnet_1.0",
    "proxylessnas_mobile",
    "efficientnet_b0",
    "shufflenet_v2_1.0",
    "pplcnet_1.0",
];
const CLASSES: u32 = 1000;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let net = Net::new(3, side);
    if let Some(width) = width(name, "mobilenet_v1_") {
        return Some(mobilenet_v1(net, width));
    }
    if let Some(width) = width(name, "mobilenet_v2_") {
        return Some(mobilenet_v2(net, width));
    }
    if let Some(width) = width(name, "mnasnet_") {
        return Some(inverted(net, Scaling { width, depth: 1.0 }, &MNASNET, false));
    }
    if let Some(width) = width(name, "pplcnet_") {
        return Some(pplcnet(net, width));
    }
    if let Some(width) = width(name, "shufflenet_v2_") {
        return shufflenet_v2(net, width);
    }
    for (prefix, large) in [("mobilenet_v3_large_", true), ("mobilenet_v3_small_", false)] {
        if name.strip_prefix(prefix) == Some("minimalistic") {
            return Some(mobilenet_v3(net, large, 1.0, true));
        }
        if let Some(width) = width(name, prefix) {
            return Some(mobilenet_v3(net, large, width, false));
        }
    }
    if let Some(scaling) = Scaling::of_efficientnet(name) {
        return Some(inverted(net, scaling, &EFFICIENTNET, true));
    }
    (name == "proxylessnas_mobile").then(|| proxylessnas(net))
}

/// MobileNet v1 (Howard et al. 2017, table 1).
fn mobilenet_v1(mut net: Net, width: f64) -> Net {
    let wide = |c: u32| ((f64::from(c) * width) as u32).max(8);
    let rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    let tail = [(512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)];
    net.conv(wide(32), 3, 2, Act::Relu6);
    for (out_c, stride) in rows.into_iter().chain(tail) {
        net.depthwise(3, stride, Act::Relu6).conv(wide(out_c), 1, 1, Act::Relu6);
    }
    net.classifier(CLASSES);
    net
}

/// MobileNet v2 (Sandler et al. 2018, table 2).
fn mobilenet_v2(mut net: Net, width: f64) -> Net {
    let rows = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    let wide = |c: u32| divisible(f64::from(c) * width, 8);
    net.conv(wide(32), 3, 2, Act::Relu6);
    for (expansion, out_c, count, stride) in rows {
        for i in 0..count {
            let stride = if i == 0 { stride } else { 1 };
            let middle = net.channels() * expansion;
            bottleneck(
                &mut net,
                Unit { kernel: 3, middle, out_c: wide(out_c), stride, act: Act::Relu6, se: None },
            );
        }
    }
    let last = if width > 1.0 { wide(1280) } else { 1280 };
    net.conv(last, 1, 1, Act::Relu6).classifier(CLASSES);
    net
}

/// An inverted residual block.
pub(super) struct Unit {
    pub kernel: u32,
    pub middle: u32,
    pub out_c: u32,
    pub stride: u32,
    pub act: Act,
    /// Hidden channels and gate of a squeeze-excite.
    pub se: Option<(u32, Act)>,
}

pub(super) fn bottleneck(net: &mut Net, unit: Unit) {
    let (start, in_c) = (net.at, net.channels());
    if unit.middle != in_c {
        net.conv(unit.middle, 1, 1, unit.act);
    }
    net.depthwise(unit.kernel, unit.stride, unit.act);
    if let Some((hidden, gate)) = unit.se {
        net.squeeze_excite(hidden, gate);
    }
    net.conv(unit.out_c, 1, 1, Act::None);
    if unit.stride == 1 && in_c == unit.out_c {
        net.add(start);
    }
}

/// Kernel, expanded channels, channels, squeeze-excite, hard swish, stride.
type Row3 = (u32, u32, u32, bool, bool, u32);
const LARGE: [Row3; 15] = [
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];
const SMALL: [Row3; 11] = [
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2),
    (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2),
    (5, 240, 40, true, true, 1),
    (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1),
    (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2),
    (5, 576, 96, true, true, 1),
    (5, 576, 96, true, true, 1),
];

/// MobileNet v3 (Howard et al. 2019, tables 1 and 2). The minimalistic variants have no squeeze-excite, no hard
/// swish and only 3×3 kernels.
fn mobilenet_v3(mut net: Net, large: bool, width: f64, minimal: bool) -> Net {
    let wide = |c: u32| divisible(f64::from(c) * width, 8);
    let smooth = if minimal { Act::Relu } else { Act::HardSwish };
    let (rows, head) = if large { (&LARGE[..], 1280) } else { (&SMALL[..], 1024) };
    net.conv(wide(16), 3, 2, smooth);
    for &(kernel, middle, out_c, se, swish, stride) in rows {
        let middle = wide(middle);
        let unit = Unit {
            kernel: if minimal { 3 } else { kernel },
            middle,
            out_c: wide(out_c),
            stride,
            act: if swish { smooth } else { Act::Relu },
            se: (se && !minimal).then(|| (divisible(f64::from(middle) / 4.0, 8), Act::HardSigmoid)),
        };
        bottleneck(&mut net, unit);
    }
    let last = rows.last().map_or(0, |row| 6 * row.2);
    net.conv(wide(last), 1, 1, smooth);
    net.then(crate::plainnet::graph::Op::GlobalAvgPool);
    net.linear(if width > 1.0 { wide(head) } else { head }, smooth).linear(CLASSES, Act::None);
    net
}

/// Kernel, expansion, channels, blocks, stride.
type Row = (u32, u32, u32, u32, u32);
/// MnasNet-B1 (Tan et al. 2019).
const MNASNET: [Row; 7] = [
    (3, 1, 16, 1, 1),
    (3, 3, 24, 3, 2),
    (5, 3, 40, 3, 2),
    (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
];
/// EfficientNet-B0 (Tan & Le 2019).
const EFFICIENTNET: [Row; 7] = [
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
];

/// Factors of the channels and of the blocks of a stage.
#[derive(Clone, Copy)]
struct Scaling {
    width: f64,
    depth: f64,
}

impl Scaling {
    /// Those of EfficientNet-B0 to B7 (Tan & Le 2019), which grow in width, depth and resolution together.
    fn of_efficientnet(name: &str) -> Option<Scaling> {
        let (width, depth) = match name.strip_prefix("efficientnet_")? {
            "b0" => (1.0, 1.0),
            "b1" => (1.0, 1.1),
            "b2" => (1.1, 1.2),
            "b3" => (1.2, 1.4),
            "b4" => (1.4, 1.8),
            "b5" => (1.6, 2.2),
            "b6" => (1.8, 2.6),
            "b7" => (2.0, 3.1),
            _ => return None,
        };
        Some(Scaling { width, depth })
    }
}

/// A chain of inverted residuals; with squeeze-excite and swish, or with ReLU alone.
fn inverted(mut net: Net, scaling: Scaling, rows: &[Row], efficient: bool) -> Net {
    let wide = |c: u32| divisible(f64::from(c) * scaling.width, 8);
    let act = if efficient { Act::Swish } else { Act::Relu };
    net.conv(wide(32), 3, 2, act);
    for &(kernel, expansion, out_c, count, stride) in rows {
        for i in 0..(f64::from(count) * scaling.depth).ceil() as u32 {
            let in_c = net.channels();
            let unit = Unit {
                kernel,
                middle: in_c * expansion,
                out_c: wide(out_c),
                stride: if i == 0 { stride } else { 1 },
                act,
                se: efficient.then_some((in_c.div_ceil(4), Act::Sigmoid)),
            };
            bottleneck(&mut net, unit);
        }
    }
    net.conv(if efficient { wide(1280) } else { 1280 }, 1, 1, act).classifier(CLASSES);
    net
}

/// ProxylessNAS-Mobile (Cai et al. 2019): kernel, expansion, channels, stride of each block.
fn proxylessnas(mut net: Net) -> Net {
    let blocks: [(u32, u32, u32, u32); 20] = [
        (3, 1, 16, 1),
        (5, 3, 32, 2),
        (3, 3, 32, 1),
        (7, 3, 40, 2),
        (3, 3, 40, 1),
        (5, 3, 40, 1),
        (5, 3, 40, 1),
        (7, 6, 80, 2),
        (5, 3, 80, 1),
        (5, 3, 80, 1),
        (5, 3, 80, 1),
        (5, 6, 96, 1),
        (5, 3, 96, 1),
        (5, 3, 96, 1),
        (5, 3, 96, 1),
        (7, 6, 192, 2),
        (7, 6, 192, 1),
        (7, 3, 192, 1),
        (7, 3, 192, 1),
        (7, 6, 320, 1),
    ];
    net.conv(32, 3, 2, Act::Relu6);
    for (kernel, expansion, out_c, stride) in blocks {
        let middle = net.channels() * expansion;
        bottleneck(&mut net, Unit { kernel, middle, out_c, stride, act: Act::Relu6, se: None });
    }
    net.conv(1280, 1, 1, Act::Relu6).classifier(CLASSES);
    net
}

/// PP-LCNet (Cui et al. 2021), table 2: kernel, channels, stride, squeeze-excite.
fn pplcnet(mut net: Net, width: f64) -> Net {
    let wide = |c: u32| divisible(f64::from(c) * width, 8);
    let head = [(3, 32, 1), (3, 64, 2), (3, 64, 1), (3, 128, 2), (3, 128, 1), (3, 256, 2)];
    let tail = [(5, 256, 1), (5, 256, 1), (5, 256, 1), (5, 256, 1), (5, 256, 1), (5, 512, 2), (5, 512, 1)];
    net.conv(wide(16), 3, 2, Act::HardSwish);
    for (kernel, out_c, stride) in head.into_iter().chain(tail) {
        net.depthwise(kernel, stride, Act::HardSwish);
        if out_c == 512 {
            let hidden = net.channels() / 4;
            net.squeeze_excite(hidden, Act::HardSigmoid);
        }
        net.conv(wide(out_c), 1, 1, Act::HardSwish);
    }
    net.then(crate::plainnet::graph::Op::GlobalAvgPool);
    net.linear(1280, Act::HardSwish).linear(CLASSES, Act::None);
    net
}

/// ShuffleNet v2 (Ma et al. 2018, table 5). The channel shuffle only moves data; the concatenation stands for it.
fn shufflenet_v2(mut net: Net, width: f64) -> Option<Net> {
    let widths = [
        (0.33, [32, 64, 128, 512]),
        (0.5, [48, 96, 192, 1024]),
        (1.0, [116, 232, 464, 1024]),
        (1.5, [176, 352, 704, 1024]),
        (2.0, [244, 488, 976, 2048]),
    ];
    let (_, [a, b, c, last]) = widths.into_iter().find(|(known, _)| (known - width).abs() < 1e-9)?;
    net.conv(24, 3, 2, Act::Relu).max_pool(3, 2);
    for (channels, count) in [(a, 4), (b, 8), (c, 4)] {
        let half = channels / 2;
        for i in 0..count {
            let start = net.at;
            if i == 0 {
                net.depthwise(3, 2, Act::None).conv(half, 1, 1, Act::Relu);
                let left = net.at;
                net.at = start;
                net.conv(half, 1, 1, Act::Relu).depthwise(3, 2, Act::None).conv(half, 1, 1, Act::Relu);
                let right = net.at;
                net.concat(vec![left, right]);
            } else {
                // Half of the channels skip the unit: they are the first input of the concatenation.
                let kept = net.slice(0, half).at;
                net.at = start;
                net.slice(half, half);
                net.conv(half, 1, 1, Act::Relu).depthwise(3, 1, Act::None).conv(half, 1, 1, Act::Relu);
                let right = net.at;
                net.concat(vec![kept, right]);
            }
        }
    }
    net.conv(last, 1, 1, Act::Relu).classifier(CLASSES);
    Some(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{graph_cost, lowering};

    #[test]
    fn networks_have_their_published_costs() {
        // Millions of MACs as the papers and the tables of TensorFlow give them. The small MobileNet v3 had 66 in
        // the first edition of its paper and in TensorFlow's table, 57 as its layers stand in the last one.
        for (name, side, mmacs) in [
            ("mobilenet_v1_1.0", 224, 569.0),
            ("mobilenet_v1_0.25", 224, 41.0),
            ("mobilenet_v2_1.0", 224, 300.0),
            ("mobilenet_v2_1.4", 224, 582.0),
            ("mobilenet_v2_0.35", 224, 59.0),
            ("mobilenet_v3_large_1.0", 224, 217.0),
            ("mobilenet_v3_large_0.75", 224, 155.0),
            ("mobilenet_v3_small_1.0", 224, 57.0),
            ("mobilenet_v3_large_minimalistic", 224, 209.0),
            ("mnasnet_1.0", 224, 315.0),
            ("proxylessnas_mobile", 224, 320.0),
            ("efficientnet_b0", 224, 390.0),
            ("efficientnet_b1", 240, 700.0),
            ("efficientnet_b2", 260, 1000.0),
            ("efficientnet_b4", 380, 4200.0),
            ("efficientnet_b7", 600, 37_000.0),
            ("shufflenet_v2_1.0", 224, 146.0),
            ("pplcnet_1.0", 224, 161.0),
        ] {
            let net = by_name(name, side).unwrap();
            let macs: f64 = lowering::fused(&net.graph).iter().map(|k| k.macs()).sum();
            assert!((macs / 1e6 / mmacs - 1.0).abs() < 0.1, "{name}: {macs}");
        }
    }

    #[test]
    fn mobilenet_v3_has_its_published_number_of_parameters() {
        let cost = graph_cost::of(&by_name("mobilenet_v3_large_1.0", 224).unwrap().graph);
        assert!((cost.params as f64 / 5.48e6 - 1.0).abs() < 0.01, "{}", cost.params);
        // 15 blocks with two or three convolutions, eight of them with squeeze-excite, a stem, and a head.
        assert_eq!((cost.convs, cost.linears), (62, 2));
    }
}
