//! DFNet ("Dongfeng": Li et al. 2019, "Partial Order Pruning"), as in the network files that its authors released.

use super::builder::Net;
use crate::plainnet::graph::Act;

pub(super) const EXAMPLES: &[&str] = &["dfnet_1"];
const CLASSES: u32 = 1000;

/// Blocks of one width: how many, channels inside, channels out, stride of the first. Where the channels differ, the
/// blocks are bottlenecks.
type Row = (u32, u32, u32, u32);

const DF1: &[Row] = &[(3, 64, 64, 2), (3, 128, 128, 2), (3, 256, 256, 2), (1, 512, 512, 1)];
const DF2: &[Row] = &[
    (2, 64, 64, 2),
    (1, 128, 128, 1),
    (10, 128, 128, 2),
    (1, 256, 256, 1),
    (4, 256, 256, 2),
    (2, 512, 512, 1),
];
const DF2A: &[Row] = &[
    (2, 64, 64, 2),
    (1, 128, 128, 1),
    (10, 128, 512, 2),
    (1, 256, 1024, 1),
    (4, 256, 1024, 2),
    (2, 512, 1024, 1),
];

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let rows = match name.strip_prefix("dfnet_")? {
        "1" => DF1,
        "2" => DF2,
        "2a" => DF2A,
        _ => return None,
    };
    let mut net = Net::new(3, side);
    net.conv(32, 3, 2, Act::Relu).conv(64, 3, 2, Act::Relu);
    for &(count, middle, out_c, stride) in rows {
        for block in 0..count {
            let stride = if block == 0 { stride } else { 1 };
            let (start, in_c) = (net.at, net.channels());
            if middle == out_c {
                net.conv(middle, 3, stride, Act::Relu).conv(out_c, 3, 1, Act::None);
            } else {
                net.conv(middle, 1, 1, Act::Relu).conv(middle, 3, stride, Act::Relu).conv(
                    out_c,
                    1,
                    1,
                    Act::None,
                );
            }
            let body = net.at;
            net.at = start;
            // The first block of a row projects, even where nothing changes.
            if (block == 0 && middle != out_c) || stride > 1 || in_c != out_c {
                net.conv(out_c, 1, stride, Act::None);
            }
            net.add(body).act(Act::Relu);
        }
    }
    net.classifier(CLASSES);
    Some(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_the_macs_that_their_authors_state() {
        for (name, mmacs, within) in
            [("dfnet_1", 746.0, 0.01), ("dfnet_2", 1770.0, 0.01), ("dfnet_2a", 1970.0, 0.03)]
        {
            let macs = graph_cost::of(&by_name(name, 224).unwrap().graph).macs as f64 / 1e6;
            assert!((macs / mmacs - 1.0).abs() < within, "{name}: {macs}");
        }
        assert!(by_name("dfnet_3", 224).is_none());
    }
}
