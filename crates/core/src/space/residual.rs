//! Search Space I of the paper, `XXBL` in the released code: basic and bottleneck residual blocks as in
//! ResNet (docs/plainnet.md, section 4).

use super::{NetworkRange, SearchSpace, ShapeRules};
use crate::plainnet::{SuperKind, published};

pub struct ResidualSpace;

impl SearchSpace for ResidualSpace {
    fn name(&self) -> &'static str {
        "resnet"
    }
    fn reference_name(&self) -> &'static str {
        "XXBL"
    }
    fn kinds(&self) -> &[(SuperKind, u32)] {
        &[
            (SuperKind::Bottleneck { kernel: 3 }, 3),
            (SuperKind::Bottleneck { kernel: 5 }, 3),
            (SuperKind::Bottleneck { kernel: 7 }, 2),
            (SuperKind::Residual { kernel: 3 }, 3),
            (SuperKind::Residual { kernel: 5 }, 3),
            (SuperKind::Residual { kernel: 7 }, 2),
        ]
    }
    fn max_channels(&self) -> i32 {
        2048
    }
    fn width_is_fixed(&self, _: SuperKind) -> bool {
        false
    }
    fn default_structure(&self) -> &'static str {
        published::INIT_IMAGENET_LATENCY
    }
    fn profiled(&self) -> Vec<NetworkRange> {
        let start = self.default_structure();
        let cifar = published::INIT_CIFAR;
        vec![
            NetworkRange { start, resolution: 224, classes: 1000, max_layers: 14, macs: (3e8, 4e9) },
            NetworkRange { start: cifar, resolution: 32, classes: 10, max_layers: 18, macs: (2e7, 6e8) },
        ]
    }
    fn shape_rules(&self) -> ShapeRules {
        ShapeRules {
            // ResNet-200: 48 of 66.
            deepest_stage: 0.73,
            // ZenNet-0.3ms: 10 after 2.
            last_stage: 5.0,
            // ZenNet-1.2ms; ResNets have 2048, 1024, 512 and 256.
            last_width: 2496,
            // ResNets and VGG.
            hidden_width: 512,
            // ZenNet-1M for CIFAR; ResNets and VGG have 64.
            stem_width: 88,
            // ZenNet-1.2ms: 432 after 80.
            width_growth: 5.4,
            // ZenNet-0.5M for CIFAR: 32 after 144.
            width_shrink: 4.5,
            // ZenNet-0.3ms, -0.5ms and -1.2ms: 128 after 32.
            hidden_growth: 4.0,
        }
    }
}
