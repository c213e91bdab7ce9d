//! Search Space II of the paper, `IDW_fixfc` in the released code: inverted depthwise blocks as in MobileNet.
//! The last convolution keeps its width (docs/plainnet.md, section 4.2).

use super::{NetworkRange, SearchSpace, ShapeRules};
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
    fn profiled(&self) -> Vec<NetworkRange> {
        let start = self.default_structure();
        vec![NetworkRange { start, resolution: 224, classes: 1000, max_layers: 14, macs: (5e7, 9e8) }]
    }
    fn shape_rules(&self) -> ShapeRules {
        ShapeRules {
            // ShuffleNetV2 and ZenNet-900M: 8 of 16 and 7 of 14.
            deepest_stage: 0.5,
            // ZenNet-900M: 7 after 3.
            last_stage: 2.35,
            // MobileNetV2 of width 1.4, as the next one.
            last_width: 448,
            // EfficientNet-B1.
            hidden_width: 1920,
            // MobileNetV2 of width 1.4.
            stem_width: 48,
            // MobileNetV2: 320 after 96.
            width_growth: 3.4,
            // No published network of the space has a stage narrower than the one before.
            width_shrink: 1.0,
            // The networks of Accel-NASBench that none beats in accuracy and the A100's time (docs/decisions/091): ZenNet-400M
            // has 6 (384 after 64), and would leave out most of them.
            hidden_growth: 20.0,
        }
    }
}
