//! Search Space I of the paper, `XXBL` in the released code: basic and bottleneck residual blocks as in
//! ResNet (docs/plainnet.md, section 4).

use super::SearchSpace;
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
}
