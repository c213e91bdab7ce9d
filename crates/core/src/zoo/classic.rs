//! Networks of servers and desktops: AlexNet, VGG, ResNet and its relatives, SqueezeNet, GoogLeNet,
//! DenseNet.

use super::builder::Net;
use crate::plainnet::graph::{Act, Op};

pub(super) const EXAMPLES: &[&str] = &[
    "alexnet",
    "vgg16",
    "resnet50",
    "resnet50_vd",
    "se_resnet50_vd",
    "resnext50_32x4d",
    "resnet_v2_101",
    "squeezenet_1.1",
    "googlenet",
    "densenet121",
];
const CLASSES: u32 = 1000;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let net = Net::new(3, side);
    match name {
        "alexnet" => Some(alexnet(net)),
        "vgg11" => Some(vgg(net, [1, 1, 2, 2, 2])),
        "vgg13" => Some(vgg(net, [2, 2, 2, 2, 2])),
        "vgg16" => Some(vgg(net, [2, 2, 3, 3, 3])),
        "vgg19" => Some(vgg(net, [2, 2, 4, 4, 4])),
        "squeezenet_1.1" => Some(squeezenet(net)),
        "googlenet" => Some(googlenet(net)),
        "resnet_v2_101" => Some(resnet_v2(net, [3, 4, 23, 3])),
        "densenet121" => Some(densenet(net, 64, 32, [6, 12, 24, 16])),
        "densenet161" => Some(densenet(net, 96, 48, [6, 12, 36, 24])),
        "densenet169" => Some(densenet(net, 64, 32, [6, 12, 32, 32])),
        "densenet201" => Some(densenet(net, 64, 32, [6, 12, 48, 32])),
        "densenet264" => Some(densenet(net, 64, 32, [6, 12, 64, 48])),
        _ => Residual::by_name(name).map(|residual| residual.build(net)),
    }
}

/// AlexNet (Krizhevsky 2014, "One weird trick").
fn alexnet(mut net: Net) -> Net {
    net.conv(64, 11, 4, Act::Relu).max_pool(3, 2).conv(192, 5, 1, Act::Relu).max_pool(3, 2);
    net.conv(384, 3, 1, Act::Relu).conv(256, 3, 1, Act::Relu).conv(256, 3, 1, Act::Relu).max_pool(3, 2);
    net.then(Op::AdaptiveAvgPool { size: 6 }).linear(4096, Act::Relu).linear(4096, Act::Relu);
    net.linear(CLASSES, Act::None);
    net
}

/// VGG (Simonyan & Zisserman 2015, table 1).
fn vgg(mut net: Net, counts: [u32; 5]) -> Net {
    for (count, channels) in counts.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..count {
            net.conv(channels, 3, 1, Act::Relu);
        }
        net.max_pool(2, 2);
    }
    net.linear(4096, Act::Relu).linear(4096, Act::Relu).linear(CLASSES, Act::None);
    net
}

/// ResNet (He et al. 2016) with its usual variations.
struct Residual {
    counts: [u32; 4],
    bottleneck: bool,
    /// Three 3×3 convolutions as stem, and pooled shortcuts.
    vd: bool,
    squeeze_excite: bool,
    /// Number of groups of the 3×3 convolution, and the width of one group where the stage has 64 channels.
    groups: Option<(u32, u32)>,
}

impl Residual {
    /// `resnet50`, `resnet50_vd`, `se_resnext101_32x4d`, `resnext50_vd_64x4d`.
    fn by_name(name: &str) -> Option<Residual> {
        let (squeeze_excite, name) = match name.strip_prefix("se_") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        // Twice as wide inside its bottlenecks (Zagoruyko & Komodakis 2016).
        if let Some(deep) = name.strip_prefix("wide_resnet").and_then(|rest| rest.strip_suffix("_2")) {
            let plain =
                Residual::by_name(&format!("resnet{deep}")).filter(|plain| plain.bottleneck && !plain.vd);
            return plain
                .filter(|_| !squeeze_excite)
                .map(|plain| Residual { groups: Some((1, 128)), ..plain });
        }
        let (grouped, rest) = match name.strip_prefix("resnext") {
            Some(rest) => (true, rest),
            None => (false, name.strip_prefix("resnet")?),
        };
        let mut parts = rest.split('_');
        let (bottleneck, counts) = match parts.next()? {
            "18" => (false, [2, 2, 2, 2]),
            "34" => (false, [3, 4, 6, 3]),
            "50" => (true, [3, 4, 6, 3]),
            "101" => (true, [3, 4, 23, 3]),
            "152" => (true, [3, 8, 36, 3]),
            "200" => (true, [3, 12, 48, 3]),
            _ => return None,
        };
        let (mut vd, mut groups) = (false, None);
        for part in parts {
            match part {
                "vd" => vd = true,
                "32x4d" if grouped => groups = Some((32, 4)),
                "64x4d" if grouped => groups = Some((64, 4)),
                "32x8d" if grouped => groups = Some((32, 8)),
                "32x16d" if grouped => groups = Some((32, 16)),
                "32x32d" if grouped => groups = Some((32, 32)),
                "32x48d" if grouped => groups = Some((32, 48)),
                _ => return None,
            }
        }
        (grouped == groups.is_some() && (bottleneck || !grouped)).then_some(Residual {
            counts,
            bottleneck,
            vd,
            squeeze_excite,
            groups,
        })
    }

    fn build(&self, mut net: Net) -> Net {
        if self.vd {
            net.conv(32, 3, 2, Act::Relu).conv(32, 3, 1, Act::Relu).conv(64, 3, 1, Act::Relu);
        } else {
            net.conv(64, 7, 2, Act::Relu);
        }
        net.max_pool(3, 2);
        for (stage, (count, width)) in self.counts.into_iter().zip([64, 128, 256, 512]).enumerate() {
            for i in 0..count {
                self.unit(&mut net, width, if i == 0 && stage > 0 { 2 } else { 1 });
            }
        }
        net.classifier(CLASSES);
        net
    }

    fn unit(&self, net: &mut Net, width: u32, stride: u32) {
        let (start, in_c) = (net.at, net.channels());
        let out_c = if self.bottleneck { 4 * width } else { width };
        if self.bottleneck {
            let (groups, middle) = self.groups.map_or((1, width), |(g, w)| (g, g * w * width / 64));
            net.conv(middle, 1, 1, Act::Relu).grouped(middle, 3, stride, groups, Act::Relu);
            net.conv(out_c, 1, 1, Act::None);
        } else {
            net.conv(width, 3, stride, Act::Relu).conv(width, 3, 1, Act::None);
        }
        if self.squeeze_excite {
            net.squeeze_excite(out_c / 16, Act::Sigmoid);
        }
        let body = net.at;
        net.at = start;
        if in_c != out_c || stride > 1 {
            if self.vd && stride > 1 {
                net.max_pool(2, stride).conv(out_c, 1, 1, Act::None);
            } else {
                net.conv(out_c, 1, stride, Act::None);
            }
        }
        net.add(body).act(Act::Relu);
    }
}

/// ResNet-v2 with pre-activation bottlenecks. As in TensorFlow's model, the last unit of a stage has the stride.
fn resnet_v2(mut net: Net, counts: [u32; 4]) -> Net {
    net.then(Op::Conv { in_c: 3, out_c: 64, kernel: 7, stride: 2, groups: 1, bias: true }).max_pool(3, 2);
    for (stage, (count, width)) in counts.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for unit in 0..count {
            let stride = if stage < 3 && unit + 1 == count { 2 } else { 1 };
            let (start, in_c) = (net.at, net.channels());
            net.then(Op::BatchNorm).act(Act::Relu).conv(width, 1, 1, Act::Relu);
            net.conv(width, 3, stride, Act::Relu);
            net.then(Op::Conv { in_c: width, out_c: 4 * width, kernel: 1, stride: 1, groups: 1, bias: true });
            let body = net.at;
            net.at = start;
            if in_c != 4 * width {
                let out_c = 4 * width;
                net.then(Op::Conv { in_c, out_c, kernel: 1, stride: 1, groups: 1, bias: true });
            } else if stride > 1 {
                net.max_pool(1, stride);
            }
            net.add(body);
        }
    }
    net.then(Op::BatchNorm).act(Act::Relu).classifier(CLASSES + 1);
    net
}

/// SqueezeNet 1.1 (Iandola et al. 2016).
fn squeezenet(mut net: Net) -> Net {
    let fire = |net: &mut Net, squeeze: u32, expand: u32| {
        net.conv(squeeze, 1, 1, Act::Relu);
        let start = net.at;
        net.conv(expand, 1, 1, Act::Relu);
        let narrow = net.at;
        net.at = start;
        net.conv(expand, 3, 1, Act::Relu);
        let wide = net.at;
        net.concat(vec![narrow, wide]);
    };
    net.conv(64, 3, 2, Act::Relu).max_pool(3, 2);
    fire(&mut net, 16, 64);
    fire(&mut net, 16, 64);
    net.max_pool(3, 2);
    fire(&mut net, 32, 128);
    fire(&mut net, 32, 128);
    net.max_pool(3, 2);
    for (squeeze, expand) in [(48, 192), (48, 192), (64, 256), (64, 256)] {
        fire(&mut net, squeeze, expand);
    }
    net.conv(CLASSES, 1, 1, Act::Relu).then(Op::GlobalAvgPool);
    net
}

/// GoogLeNet (Szegedy et al. 2015, table 1).
fn googlenet(mut net: Net) -> Net {
    let modules: [[u32; 6]; 9] = [
        [64, 96, 128, 16, 32, 32],
        [128, 128, 192, 32, 96, 64],
        [192, 96, 208, 16, 48, 64],
        [160, 112, 224, 24, 64, 64],
        [128, 128, 256, 24, 64, 64],
        [112, 144, 288, 32, 64, 64],
        [256, 160, 320, 32, 128, 128],
        [256, 160, 320, 32, 128, 128],
        [384, 192, 384, 48, 128, 128],
    ];
    net.conv(64, 7, 2, Act::Relu).max_pool(3, 2).conv(64, 1, 1, Act::Relu).conv(192, 3, 1, Act::Relu);
    net.max_pool(3, 2);
    for (i, [one, three_in, three, five_in, five, pool]) in modules.into_iter().enumerate() {
        if i == 2 || i == 7 {
            net.max_pool(3, 2);
        }
        let start = net.at;
        let mut ends = Vec::new();
        net.conv(one, 1, 1, Act::Relu);
        ends.push(net.at);
        for (inner, outer, kernel) in [(three_in, three, 3), (five_in, five, 5)] {
            net.at = start;
            net.conv(inner, 1, 1, Act::Relu).conv(outer, kernel, 1, Act::Relu);
            ends.push(net.at);
        }
        net.at = start;
        net.max_pool(3, 1).conv(pool, 1, 1, Act::Relu);
        ends.push(net.at);
        net.concat(ends);
    }
    net.classifier(CLASSES);
    net
}

/// DenseNet (Huang et al. 2017, table 1).
fn densenet(mut net: Net, stem: u32, growth: u32, counts: [u32; 4]) -> Net {
    net.conv(stem, 7, 2, Act::Relu).max_pool(3, 2);
    for (block, count) in counts.into_iter().enumerate() {
        for _ in 0..count {
            let start = net.at;
            net.then(Op::BatchNorm).act(Act::Relu).conv(4 * growth, 1, 1, Act::Relu);
            let in_c = 4 * growth;
            net.then(Op::Conv { in_c, out_c: growth, kernel: 3, stride: 1, groups: 1, bias: false });
            let new = net.at;
            net.concat(vec![start, new]);
        }
        if block < 3 {
            let in_c = net.channels();
            net.then(Op::BatchNorm).act(Act::Relu);
            net.then(Op::Conv { in_c, out_c: in_c / 2, kernel: 1, stride: 1, groups: 1, bias: false });
            net.max_pool(2, 2);
        }
    }
    net.then(Op::BatchNorm).act(Act::Relu).classifier(CLASSES);
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::lowering;

    #[test]
    fn networks_have_their_published_costs() {
        // 10^9 MACs and 10^6 parameters as the papers and model zoos give them.
        for (name, gmacs, params) in [
            // 0.71, and 0.35 for SqueezeNet, with maps that are a pixel narrower, which graphs here cannot be.
            ("alexnet", 0.79, 61.1),
            ("vgg11", 7.6, 132.9),
            ("vgg16", 15.5, 138.4),
            ("resnet18", 1.82, 11.7),
            ("resnet50", 4.1, 25.6),
            ("resnet152", 11.5, 60.2),
            ("resnext50_32x4d", 4.2, 25.0),
            ("resnext101_32x16d", 36.3, 194.0),
            ("se_resnext50_32x4d", 4.2, 27.6),
            ("wide_resnet50_2", 11.4, 68.9),
            ("wide_resnet101_2", 22.8, 126.9),
            ("squeezenet_1.1", 0.38, 1.24),
            ("googlenet", 1.6, 7.0),
            ("densenet121", 2.9, 8.0),
        ] {
            let net = by_name(name, 224).unwrap();
            let kernels = lowering::fused(&net.graph);
            let macs: f64 = kernels.iter().map(|k| k.macs()).sum();
            let weights: f64 = kernels.iter().map(|k| k.params()).sum();
            assert!((macs / 1e9 / gmacs - 1.0).abs() < 0.1, "{name}: {macs}");
            assert!((weights / 1e6 / params - 1.0).abs() < 0.05, "{name}: {weights}");
        }
        let deep = by_name("resnet_v2_101", 299).unwrap();
        let weights: f64 = lowering::fused(&deep.graph).iter().map(|k| k.params()).sum();
        assert!((weights / 44.6e6 - 1.0).abs() < 0.02, "{weights}");
        for bad in [
            "wide_resnet18_2",
            "wide_resnet50_vd_2",
            "resnet",
            "resnet51",
            "resnext50",
            "resnet50_32x4d",
            "resnext18_32x4d",
            "resnet50_v",
        ] {
            assert!(by_name(bad, 224).is_none(), "{bad}");
        }
    }
}
