//! Inception v3 (Szegedy et al. 2016) and Inception v4 (Szegedy et al. 2017), without the auxiliary classifier of training.
//!
//! Their windows are no squares, or unpadded: 299 pixels become 149, 147, 73 and so on.

use super::builder::Net;
use crate::plainnet::Window;
use crate::plainnet::graph::{Act, Op};

pub(super) const EXAMPLES: &[&str] = &["inception_v3", "inception_v4"];
const CLASSES: u32 = 1000;
/// The smallest image of which something is left after all unpadded windows.
const SMALLEST: u32 = 75;

/// The network called `name`, if it is one of these.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let net = Net::new(3, side);
    match name {
        "inception_v3" if side >= SMALLEST => Some(v3(net)),
        "inception_v4" if side >= SMALLEST => Some(v4(net)),
        _ => None,
    }
}

/// A window over the map of `net`.
fn window(net: &Net, kernel: [u32; 2], stride: u32, padded: bool) -> Window {
    let out = kernel.map(|k| {
        let covered = if padded { net.side() + 2 * (k / 2) } else { net.side() };
        (covered - k) / stride + 1
    });
    Window { kernel, stride: [stride; 2], dilation: [1, 1], out, transposed: false }
}

/// A padded convolution with a window of any sides, its normalisation and ReLU.
fn conv(net: &mut Net, out_c: u32, kernel: [u32; 2]) -> &mut Net {
    let (in_c, window) = (net.channels(), window(net, kernel, 1, true));
    net.then(Op::AnyConv { in_c, out_c, groups: 1, bias: false, window });
    net.then(Op::BatchNorm).act(Act::Relu)
}

/// An unpadded convolution with a window of three by three.
fn valid(net: &mut Net, out_c: u32, stride: u32) -> &mut Net {
    let (in_c, window) = (net.channels(), window(net, [3, 3], stride, false));
    net.then(Op::AnyConv { in_c, out_c, groups: 1, bias: false, window });
    net.then(Op::BatchNorm).act(Act::Relu)
}

/// Unpadded maximum over three by three pixels.
fn shrink(net: &mut Net) -> &mut Net {
    let window = window(net, [3, 3], 2, false);
    net.then(Op::AnyPool { window })
}

/// Padded mean over three by three pixels.
fn smooth(net: &mut Net) -> &mut Net {
    let window = window(net, [3, 3], 1, true);
    net.then(Op::AnyPool { window })
}

/// A branch of a module: the same input, one after another.
type Branch<'a> = &'a dyn Fn(&mut Net);

/// Branches side by side, their maps one behind the other.
fn module(net: &mut Net, branches: &[Branch<'_>]) {
    let start = net.at;
    let mut ends = Vec::with_capacity(branches.len());
    for branch in branches {
        net.at = start;
        branch(net);
        ends.push(net.at);
    }
    net.concat(ends);
}

/// Two windows over the map that is reached, side by side.
fn fork(net: &mut Net, out_c: u32) {
    module(net, &[&|n| void(conv(n, out_c, [1, 3])), &|n| void(conv(n, out_c, [3, 1]))]);
}

fn void(_: &mut Net) {}

fn v3(mut net: Net) -> Net {
    let n = &mut net;
    valid(n, 32, 2);
    valid(n, 32, 1);
    conv(n, 64, [3, 3]);
    shrink(n);
    conv(n, 80, [1, 1]);
    valid(n, 192, 1);
    shrink(n);
    for pooled in [32, 64, 64] {
        module(
            n,
            &[
                &|n| void(conv(n, 64, [1, 1])),
                &|n| void(conv(conv(n, 48, [1, 1]), 64, [5, 5])),
                &|n| void(conv(conv(conv(n, 64, [1, 1]), 96, [3, 3]), 96, [3, 3])),
                &|n| void(conv(smooth(n), pooled, [1, 1])),
            ],
        );
    }
    module(
        n,
        &[
            &|n| void(valid(n, 384, 2)),
            &|n| void(valid(conv(conv(n, 64, [1, 1]), 96, [3, 3]), 96, 2)),
            &|n| void(shrink(n)),
        ],
    );
    for c in [128, 160, 160, 192] {
        module(
            n,
            &[
                &|n| void(conv(n, 192, [1, 1])),
                &|n| void(conv(conv(conv(n, c, [1, 1]), c, [1, 7]), 192, [7, 1])),
                &|n| {
                    conv(conv(conv(n, c, [1, 1]), c, [7, 1]), c, [1, 7]);
                    conv(conv(n, c, [7, 1]), 192, [1, 7]);
                },
                &|n| void(conv(smooth(n), 192, [1, 1])),
            ],
        );
    }
    module(
        n,
        &[
            &|n| void(valid(conv(n, 192, [1, 1]), 320, 2)),
            &|n| void(valid(conv(conv(conv(n, 192, [1, 1]), 192, [1, 7]), 192, [7, 1]), 192, 2)),
            &|n| void(shrink(n)),
        ],
    );
    for _ in 0..2 {
        module(
            n,
            &[
                &|n| void(conv(n, 320, [1, 1])),
                &|n| fork(conv(n, 384, [1, 1]), 384),
                &|n| fork(conv(conv(n, 448, [1, 1]), 384, [3, 3]), 384),
                &|n| void(conv(smooth(n), 192, [1, 1])),
            ],
        );
    }
    net.classifier(CLASSES);
    net
}

fn v4(mut net: Net) -> Net {
    let n = &mut net;
    valid(n, 32, 2);
    valid(n, 32, 1);
    conv(n, 64, [3, 3]);
    module(n, &[&|n| void(shrink(n)), &|n| void(valid(n, 96, 2))]);
    module(
        n,
        &[&|n| void(valid(conv(n, 64, [1, 1]), 96, 1)), &|n| {
            void(valid(conv(conv(conv(n, 64, [1, 1]), 64, [1, 7]), 64, [7, 1]), 96, 1))
        }],
    );
    module(n, &[&|n| void(valid(n, 192, 2)), &|n| void(shrink(n))]);
    for _ in 0..4 {
        module(
            n,
            &[
                &|n| void(conv(n, 96, [1, 1])),
                &|n| void(conv(conv(n, 64, [1, 1]), 96, [3, 3])),
                &|n| void(conv(conv(conv(n, 64, [1, 1]), 96, [3, 3]), 96, [3, 3])),
                &|n| void(conv(smooth(n), 96, [1, 1])),
            ],
        );
    }
    module(
        n,
        &[
            &|n| void(valid(n, 384, 2)),
            &|n| void(valid(conv(conv(n, 192, [1, 1]), 224, [3, 3]), 256, 2)),
            &|n| void(shrink(n)),
        ],
    );
    for _ in 0..7 {
        module(
            n,
            &[
                &|n| void(conv(n, 384, [1, 1])),
                &|n| void(conv(conv(conv(n, 192, [1, 1]), 224, [1, 7]), 256, [7, 1])),
                &|n| {
                    conv(conv(conv(n, 192, [1, 1]), 192, [7, 1]), 224, [1, 7]);
                    conv(conv(n, 224, [7, 1]), 256, [1, 7]);
                },
                &|n| void(conv(smooth(n), 128, [1, 1])),
            ],
        );
    }
    module(
        n,
        &[
            &|n| void(valid(conv(n, 192, [1, 1]), 192, 2)),
            &|n| void(valid(conv(conv(conv(n, 256, [1, 1]), 256, [1, 7]), 320, [7, 1]), 320, 2)),
            &|n| void(shrink(n)),
        ],
    );
    for _ in 0..3 {
        module(
            n,
            &[
                &|n| void(conv(n, 256, [1, 1])),
                &|n| fork(conv(n, 384, [1, 1]), 256),
                &|n| fork(conv(conv(conv(n, 384, [1, 1]), 448, [3, 1]), 512, [1, 3]), 256),
                &|n| void(conv(smooth(n), 256, [1, 1])),
            ],
        );
    }
    net.classifier(CLASSES);
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_their_published_costs() {
        // Parameters of torchvision's Inception v3 are 27,161,264 with the auxiliary classifier, which has 3,326,696; MACs
        // as torchvision and timm publish them, which leave out what pools do.
        for (name, params, gmacs) in
            [("inception_v3", 23_834_568, 5.713), ("inception_v4", 42_679_816, 12.28)]
        {
            let found = graph_cost::of(&by_name(name, 299).unwrap().graph);
            assert_eq!(found.params, params, "{name}");
            assert!((found.macs as f64 / 1e9 / gmacs - 1.0).abs() < 3e-3, "{name}: {}", found.macs);
        }
        assert!(by_name("inception_v3", 74).is_none() && by_name("inception_v3", 75).is_some());
    }
}
