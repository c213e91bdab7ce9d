//! Convolutional networks that learned from transformers: ConvNeXt (Liu et al. 2022) and its second version (Woo et al.
//! 2023), RepViT (Wang et al. 2024) and MobileNet v4 (Qin et al. 2024).
//!
//! Layer normalisations, GELU and the response normalisation of ConvNeXt v2 are passes over the map: they can be priced,
//! and not be run or exported.

use super::builder::{Net, divisible};
use crate::plainnet::graph::{Act, Op};

pub(super) const EXAMPLES: &[&str] = &["convnext_tiny", "mobilenetv4_conv_medium", "repvit_m1_0"];
const CLASSES: u32 = 1000;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let net = Net::new(3, side);
    if let Some(size) = name.strip_prefix("convnextv2_") {
        return ConvNext::sized(size).map(|shape| shape.build(net, true));
    }
    if let Some(size) = name.strip_prefix("convnext_") {
        return ConvNext::sized(size).map(|shape| shape.build(net, false));
    }
    if let Some(size) = name.strip_prefix("mobilenetv4_conv_") {
        return mobilenet_v4(net, size);
    }
    name.strip_prefix("repvit_").and_then(|size| repvit(net, size))
}

/// Blocks and channels of each stage.
struct ConvNext([u32; 4], [u32; 4]);

impl ConvNext {
    fn sized(size: &str) -> Option<ConvNext> {
        Some(match size {
            "atto" => ConvNext([2, 2, 6, 2], [40, 80, 160, 320]),
            "femto" => ConvNext([2, 2, 6, 2], [48, 96, 192, 384]),
            "pico" => ConvNext([2, 2, 6, 2], [64, 128, 256, 512]),
            "nano" => ConvNext([2, 2, 8, 2], [80, 160, 320, 640]),
            "tiny" => ConvNext([3, 3, 9, 3], [96, 192, 384, 768]),
            "small" => ConvNext([3, 3, 27, 3], [96, 192, 384, 768]),
            "base" => ConvNext([3, 3, 27, 3], [128, 256, 512, 1024]),
            "large" => ConvNext([3, 3, 27, 3], [192, 384, 768, 1536]),
            _ => return None,
        })
    }

    /// `second`: a normalisation of the responses takes the place of the layers' scales.
    fn build(&self, mut net: Net, second: bool) -> Net {
        let ConvNext(blocks, widths) = *self;
        for (stage, (count, width)) in blocks.into_iter().zip(widths).enumerate() {
            patches(&mut net, width, if stage == 0 { 4 } else { 2 });
            for _ in 0..count {
                let start = net.at;
                net.biased(width, 7, 1, width).pass().biased(4 * width, 1, 1, 1).pass();
                if second {
                    // The norm of each channel, the division by their mean, and the scaled sum.
                    net.pass().pass().pass();
                }
                net.biased(width, 1, 1, 1).add(start);
            }
        }
        net.then(Op::GlobalAvgPool).pass().linear(CLASSES, Act::None);
        net
    }
}

/// Patches of `side` × `side` pixels become one: the stem, with its normalisation behind, and the steps between stages, with
/// theirs before.
fn patches(net: &mut Net, out_c: u32, side: u32) {
    let stem = net.at == 0;
    if !stem {
        net.pass();
    }
    let (in_c, map) = (net.channels(), net.side());
    let window = crate::plainnet::Window {
        kernel: [side; 2],
        stride: [side; 2],
        dilation: [1, 1],
        out: [(map / side).max(1); 2],
        transposed: false,
    };
    net.then(Op::AnyConv { in_c, out_c, groups: 1, bias: true, window });
    if stem {
        net.pass();
    }
}

/// A universal inverted bottleneck: kernels of the depthwise convolutions before the expansion and in the middle (0: none),
/// expansion, channels.
type Bottleneck = (u32, u32, u32, u32);

/// The chains of stages, each of which begins with stride 2.
static V4_SMALL: [&[Bottleneck]; 2] = [
    &[(5, 5, 3, 96), (0, 3, 2, 96), (0, 3, 2, 96), (0, 3, 2, 96), (0, 3, 2, 96), (3, 0, 4, 96)],
    &[(3, 3, 6, 128), (5, 5, 4, 128), (0, 5, 4, 128), (0, 5, 3, 128), (0, 3, 4, 128), (0, 3, 4, 128)],
];
static V4_MEDIUM: [&[Bottleneck]; 3] = [
    &[(3, 5, 4, 80), (3, 3, 2, 80)],
    &[
        (3, 5, 6, 160),
        (3, 3, 4, 160),
        (3, 3, 4, 160),
        (3, 5, 4, 160),
        (3, 3, 4, 160),
        (3, 0, 4, 160),
        (0, 0, 2, 160),
        (3, 0, 4, 160),
    ],
    &[
        (5, 5, 6, 256),
        (5, 5, 4, 256),
        (3, 5, 4, 256),
        (3, 5, 4, 256),
        (0, 0, 4, 256),
        (3, 0, 4, 256),
        (3, 5, 2, 256),
        (5, 5, 4, 256),
        (0, 0, 4, 256),
        (0, 0, 4, 256),
        (5, 0, 2, 256),
    ],
];

/// The purely convolutional MobileNets v4.
fn mobilenet_v4(mut net: Net, size: &str) -> Option<Net> {
    let stages: &[&[Bottleneck]] = match size {
        "small" => {
            net.conv(32, 3, 2, Act::Relu).conv(32, 3, 2, Act::Relu).conv(32, 1, 1, Act::Relu);
            net.conv(96, 3, 2, Act::Relu).conv(64, 1, 1, Act::Relu);
            &V4_SMALL
        }
        "medium" => {
            net.conv(32, 3, 2, Act::Relu).conv(128, 3, 2, Act::Relu).conv(48, 1, 1, Act::None);
            &V4_MEDIUM
        }
        _ => return None,
    };
    for stage in stages {
        for (i, &(before, inside, expansion, out_c)) in stage.iter().enumerate() {
            let (start, in_c) = (net.at, net.channels());
            let stride = if i == 0 { 2 } else { 1 };
            if before > 0 {
                net.depthwise(before, if inside > 0 { 1 } else { stride }, Act::None);
            }
            net.conv(divisible(f64::from(expansion * in_c), 8), 1, 1, Act::Relu);
            if inside > 0 {
                net.depthwise(inside, stride, Act::Relu);
            }
            net.conv(out_c, 1, 1, Act::None);
            if stride == 1 && in_c == out_c {
                net.add(start);
            }
        }
    }
    net.conv(960, 1, 1, Act::Relu).then(Op::GlobalAvgPool);
    net.conv(1280, 1, 1, Act::Relu).linear(CLASSES, Act::None);
    Some(net)
}

/// RepViT as it runs: branches of the training are added to one convolution, and the two classifiers to one.
fn repvit(mut net: Net, size: &str) -> Option<Net> {
    let (widths, depths) = match size {
        "m0_9" => ([48, 96, 192, 384], [2, 2, 14, 2]),
        "m1_0" => ([56, 112, 224, 448], [2, 2, 14, 2]),
        "m1_1" => ([64, 128, 256, 512], [2, 2, 12, 2]),
        "m1_5" => ([64, 128, 256, 512], [4, 4, 24, 4]),
        "m2_3" => ([80, 160, 320, 640], [6, 6, 34, 2]),
        _ => return None,
    };
    let mixer = |net: &mut Net, gated: bool| {
        let width = net.channels();
        net.biased(width, 3, 1, width);
        if gated {
            net.squeeze_excite(divisible(f64::from(width) / 4.0, 8), Act::Sigmoid);
        }
    };
    let channels = |net: &mut Net| {
        let (start, width) = (net.at, net.channels());
        net.biased(2 * width, 1, 1, 1).pass().biased(width, 1, 1, 1).add(start);
    };
    net.biased(widths[0] / 2, 3, 2, 1).pass().biased(widths[0], 3, 2, 1);
    for (stage, (width, depth)) in widths.into_iter().zip(depths).enumerate() {
        if stage > 0 {
            let narrow = net.channels();
            mixer(&mut net, false);
            channels(&mut net);
            net.biased(narrow, 3, 2, narrow).biased(width, 1, 1, 1);
            channels(&mut net);
        }
        for block in 0..depth {
            mixer(&mut net, block % 2 == 0);
            channels(&mut net);
        }
    }
    net.classifier(CLASSES);
    Some(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    /// Parameters that are no weights of convolutions or linear layers: of layer normalisations, of the layers' scales or
    /// of the normalisation of responses.
    fn of_passes(name: &str) -> u64 {
        let Some(size) = name.strip_prefix("convnext") else { return 0 };
        let (second, size) = size.split_once('_').unwrap();
        let ConvNext(blocks, widths) = ConvNext::sized(size).unwrap();
        let each = if second == "v2" { 2 + 8 } else { 2 + 1 };
        let of_blocks: u32 = blocks.iter().zip(widths).map(|(count, width)| count * width * each).sum();
        let steps: u32 = 2 * widths[..3].iter().sum::<u32>() + 2 * widths[0] + 2 * widths[3];
        u64::from(of_blocks + steps)
    }

    #[test]
    fn networks_have_their_published_costs() {
        // As torchvision and timm publish them; RepViT as it runs, in millions, by its paper.
        for (name, side, params, gmacs) in [
            ("convnext_tiny", 224, 28_589_128, 4.456),
            ("convnext_small", 224, 50_223_688, 8.684),
            ("convnext_base", 224, 88_591_464, 15.355),
            ("convnext_large", 224, 197_767_336, 34.361),
            ("convnextv2_tiny", 224, 28_635_496, 4.47),
            ("convnextv2_base", 224, 88_717_800, 15.38),
            ("mobilenetv4_conv_small", 224, 3_774_024, 0.19),
            ("mobilenetv4_conv_medium", 224, 9_715_512, 0.84),
        ] {
            let found = graph_cost::of(&by_name(name, side).unwrap().graph);
            assert_eq!(found.params + of_passes(name), params, "{name}");
            assert!((found.macs as f64 / 1e9 / gmacs - 1.0).abs() < 0.03, "{name}: {}", found.macs);
        }
        for (name, params, gmacs) in [("repvit_m1_0", 6.8, 1.1), ("repvit_m2_3", 22.9, 4.5)] {
            let found = graph_cost::of(&by_name(name, 224).unwrap().graph);
            assert!((found.params as f64 / 1e6 / params - 1.0).abs() < 0.01, "{name}: {}", found.params);
            assert!((found.macs as f64 / 1e9 / gmacs - 1.0).abs() < 0.03, "{name}: {}", found.macs);
        }
        for bad in ["convnext_", "mobilenetv4_conv_large", "repvit_m9"] {
            assert!(by_name(bad, 224).is_none(), "{bad}");
        }
    }
}
