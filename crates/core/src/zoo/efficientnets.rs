//! Relatives of EfficientNet: those without squeeze-excite (EfficientNet-lite, 2020, github.com/tensorflow/tpu) and the
//! second version (Tan & Le 2021).

use super::builder::{Net, divisible};
use crate::plainnet::graph::{Act, Op};

pub(super) const EXAMPLES: &[&str] = &["efficientnet_v2_s", "efficientnet_lite0"];
const CLASSES: u32 = 1000;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let net = Net::new(3, side);
    if let Some(size) = name.strip_prefix("efficientnet_v2_") {
        return second(net, size);
    }
    name.strip_prefix("efficientnet_lite").and_then(|size| lite(net, size))
}

/// Equal blocks of EfficientNet v2: whether the expansion is fused with the depthwise convolution, expansion, channels,
/// count, stride. The others have squeeze-excite.
type Row2 = (bool, u32, u32, u32, u32);

fn second(mut net: Net, size: &str) -> Option<Net> {
    let (stem, rows): (u32, &[Row2]) = match size {
        "s" => (
            24,
            &[
                (true, 1, 24, 2, 1),
                (true, 4, 48, 4, 2),
                (true, 4, 64, 4, 2),
                (false, 4, 128, 6, 2),
                (false, 6, 160, 9, 1),
                (false, 6, 256, 15, 2),
            ],
        ),
        "m" => (
            24,
            &[
                (true, 1, 24, 3, 1),
                (true, 4, 48, 5, 2),
                (true, 4, 80, 5, 2),
                (false, 4, 160, 7, 2),
                (false, 6, 176, 14, 1),
                (false, 6, 304, 18, 2),
                (false, 6, 512, 5, 1),
            ],
        ),
        "l" => (
            32,
            &[
                (true, 1, 32, 4, 1),
                (true, 4, 64, 7, 2),
                (true, 4, 96, 7, 2),
                (false, 4, 192, 10, 2),
                (false, 6, 224, 19, 1),
                (false, 6, 384, 25, 2),
                (false, 6, 640, 7, 1),
            ],
        ),
        _ => return None,
    };
    net.conv(stem, 3, 2, Act::Swish);
    for &(fused, expansion, out_c, count, stride) in rows {
        for i in 0..count {
            let (start, in_c) = (net.at, net.channels());
            let (stride, middle) = (if i == 0 { stride } else { 1 }, expansion * in_c);
            if fused && expansion == 1 {
                net.conv(out_c, 3, stride, Act::Swish);
            } else if fused {
                net.conv(middle, 3, stride, Act::Swish).conv(out_c, 1, 1, Act::None);
            } else {
                net.conv(middle, 1, 1, Act::Swish).depthwise(3, stride, Act::Swish);
                gate(&mut net, in_c / 4, Act::Swish);
                net.conv(out_c, 1, 1, Act::None);
            }
            if stride == 1 && in_c == out_c {
                net.add(start);
            }
        }
    }
    net.conv(1280, 1, 1, Act::Swish).classifier(CLASSES);
    Some(net)
}

/// Squeeze-excite with another activation than ReLU inside.
fn gate(net: &mut Net, hidden: u32, act: Act) {
    let (map, channels) = (net.at, net.channels());
    net.then(Op::GlobalAvgPool).biased(hidden, 1, 1, 1).act(act);
    net.biased(channels, 1, 1, 1).act(Act::Sigmoid);
    net.at = net.graph.push(Op::Scale, vec![map, net.at]);
}

/// EfficientNet without squeeze-excite and with ReLU6; stem, head, and depth of the first and last stage do not grow.
fn lite(mut net: Net, size: &str) -> Option<Net> {
    let (width, depth) = match size {
        "0" => (1.0, 1.0),
        "1" => (1.0, 1.1),
        "2" => (1.1, 1.2),
        "3" => (1.2, 1.4),
        "4" => (1.4, 1.8),
        _ => return None,
    };
    // Kernel, expansion, channels, blocks, stride.
    let rows = [
        (3, 1, 16, 1, 1),
        (3, 6, 24, 2, 2),
        (5, 6, 40, 2, 2),
        (3, 6, 80, 3, 2),
        (5, 6, 112, 3, 1),
        (5, 6, 192, 4, 2),
        (3, 6, 320, 1, 1),
    ];
    net.conv(32, 3, 2, Act::Relu6);
    for (stage, (kernel, expansion, out_c, count, stride)) in rows.into_iter().enumerate() {
        let ends = stage == 0 || stage + 1 == rows.len();
        let count = if ends { count } else { (f64::from(count) * depth).ceil() as u32 };
        let out_c = divisible(f64::from(out_c) * width, 8);
        for i in 0..count {
            let (start, in_c) = (net.at, net.channels());
            let stride = if i == 0 { stride } else { 1 };
            if expansion > 1 {
                net.conv(expansion * in_c, 1, 1, Act::Relu6);
            }
            net.depthwise(kernel, stride, Act::Relu6).conv(out_c, 1, 1, Act::None);
            if stride == 1 && in_c == out_c {
                net.add(start);
            }
        }
    }
    net.conv(1280, 1, 1, Act::Relu6).classifier(CLASSES);
    Some(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_their_published_costs() {
        // As torchvision and the lite networks' authors publish them; the latter count more than convolutions.
        for (name, side, params, gmacs) in [
            ("efficientnet_v2_s", 384, 21_458_488, 8.366),
            ("efficientnet_v2_m", 480, 54_139_356, 24.582),
            ("efficientnet_v2_l", 480, 118_515_272, 56.08),
            ("efficientnet_lite0", 224, 4_652_008, 0.407),
            ("efficientnet_lite4", 300, 13_006_568, 2.62),
        ] {
            let found = graph_cost::of(&by_name(name, side).unwrap().graph);
            assert_eq!(found.params, params, "{name}");
            assert!((found.macs as f64 / 1e9 / gmacs - 1.0).abs() < 0.06, "{name}: {}", found.macs);
        }
        for bad in ["efficientnet_lite5", "efficientnet_v2_xl"] {
            assert!(by_name(bad, 224).is_none(), "{bad}");
        }
    }
}
