//! Search Space II of the paper, `IDW_fixfc` in the released code: inverted depthwise blocks as in MobileNet.
//! The last convolution keeps its width (docs/plainnet.md, section 4.2).

use super::SearchSpace;
use crate::plainnet::{SuperKind, published};

pub struct InvertedSpace;

const fn kind(expansion: u8, kernel: u8) -> SuperKind {
    SuperKind::Inverted { expansion, kernel }
}

/// Types with the weights that they have in the released code by accident (docs/plainnet.md, section 4.3).
const KINDS: [(SuperKind, u32); 12] = [
    (kind(1, 3), 12),
    (kind(2, 3), 12),
    (kind(4, 3), 11),
    (kind(6, 3), 10),
    (kind(1, 5), 9),
    (kind(2, 5), 8),
    (kind(4, 5), 7),
    (kind(6, 5), 6),
    (kind(1, 7), 5),
    (kind(2, 7), 4),
    (kind(4, 7), 3),
    (kind(6, 7), 2),
];

impl SearchSpace for InvertedSpace {
    fn name(&self) -> &'static str {
        "mobilenet"
    }
    fn reference_name(&self) -> &'static str {
        "IDW_fixfc"
    }
    fn kinds(&self) -> &[(SuperKind, u32)] {
        &KINDS
    }
    fn max_channels(&self) -> i32 {
        // The space has no cap of its own; this one keeps integers small.
        crate::plainnet::shape::MAX_CHANNELS
    }
    fn width_is_fixed(&self, kind: SuperKind) -> bool {
        kind == SuperKind::Conv { kernel: 1 }
    }
    fn default_structure(&self) -> &'static str {
        published::INIT_IMAGENET_FLOPS
    }
}
