//! The sentinel: one and the same kernel, which shows how fast the device is.

use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};

/// The sentinel: a convolution of a size that is common in image networks.
pub const SENTINEL: Kernel = Kernel {
    kind: KernelKind::Conv,
    batch: 1,
    in_c: 64,
    out_c: 64,
    in_h: 28,
    in_w: 28,
    kernel: 3,
    stride: 1,
    groups: 1,
    act: Act::Relu,
    residual: false,
    window: None,
};
