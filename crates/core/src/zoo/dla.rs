//! Deep layer aggregation (Yu et al. 2018): trees of residual blocks, whose roots join all of them.

use super::builder::Net;
use crate::plainnet::graph::Act;

pub(super) const EXAMPLES: &[&str] = &["dla60", "dla102x"];
const CLASSES: u32 = 1000;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    name.strip_prefix("dla").and_then(|size| dla(Net::new(3, side), size))
}

/// What the trees of a DLA are made of.
struct Dla {
    levels: [u32; 4],
    /// Groups of the 3×3 convolutions, and the width of one group where a block has 64 channels.
    groups: u32,
    base: u32,
    /// Roots add the last block to their sum.
    residual_root: bool,
}

fn dla(mut net: Net, size: &str) -> Option<Net> {
    let (levels, groups, base, residual_root) = match size {
        "60" => ([1, 2, 3, 1], 1, 64, false),
        "60x" => ([1, 2, 3, 1], 32, 4, false),
        "102" => ([1, 3, 4, 1], 1, 64, true),
        "102x" => ([1, 3, 4, 1], 32, 4, true),
        "102x2" => ([1, 3, 4, 1], 64, 4, true),
        "169" => ([2, 3, 5, 1], 1, 64, true),
        _ => return None,
    };
    let dla = Dla { levels, groups, base, residual_root };
    net.conv(16, 7, 1, Act::Relu).conv(16, 3, 1, Act::Relu).conv(32, 3, 2, Act::Relu);
    for (level, width) in [128, 256, 512, 1024].into_iter().enumerate() {
        let mut children = Vec::new();
        if level > 0 {
            let bottom = net.at;
            net.max_pool(2, 2);
            children.push(net.at);
            net.at = bottom;
        }
        dla.tree(&mut net, dla.levels[level], width, 2, children);
    }
    net.classifier(CLASSES);
    Some(net)
}

impl Dla {
    /// A tree over the map that `net` is at; its root also reads `children`.
    fn tree(&self, net: &mut Net, levels: u32, width: u32, stride: u32, mut children: Vec<usize>) {
        if levels > 1 {
            self.tree(net, levels - 1, width, stride, Vec::new());
            children.push(net.at);
            return self.tree(net, levels - 1, width, 1, children);
        }
        let start = net.at;
        if stride > 1 {
            net.max_pool(2, stride);
        }
        if net.channels() != width {
            net.conv(width, 1, 1, Act::None);
        }
        let shortcut = net.at;
        net.at = start;
        self.block(net, width, stride, shortcut);
        let first = net.at;
        self.block(net, width, 1, first);
        let second = net.at;
        net.concat([vec![second, first], children].concat()).conv(width, 1, 1, Act::None);
        if self.residual_root {
            net.add(second);
        }
        net.act(Act::Relu);
    }

    fn block(&self, net: &mut Net, width: u32, stride: u32, shortcut: usize) {
        let middle = width * self.base / 64 * self.groups / 2;
        net.conv(middle, 1, 1, Act::Relu).grouped(middle, 3, stride, self.groups, Act::Relu);
        net.conv(width, 1, 1, Act::None).add(shortcut).act(Act::Relu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_their_published_costs() {
        // As torchvision and timm publish them.
        for (name, side, params, gmacs) in [
            ("dla60", 224, 22_036_632, 4.26),
            ("dla102", 224, 33_268_888, 7.19),
            ("dla102x", 224, 26_309_272, 5.89),
        ] {
            let found = graph_cost::of(&by_name(name, side).unwrap().graph);
            assert_eq!(found.params, params, "{name}");
            assert!((found.macs as f64 / 1e9 / gmacs - 1.0).abs() < 0.02, "{name}: {}", found.macs);
        }
        for bad in ["dla", "dla7"] {
            assert!(by_name(bad, 224).is_none(), "{bad}");
        }
    }
}
