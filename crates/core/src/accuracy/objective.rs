//! A calibration as what a search maximises.

use super::calibration::Calibrated;
use super::features;
use crate::plainnet::chain::{Chain, ChainError};
use crate::plainnet::{Block, Model, Variant};
use crate::proxy::zen::ZenScore;
use crate::proxy::{Candidate, Proxy, ScoreError};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The accuracy, in percent, that a calibration foretells of networks on images of one resolution.
pub struct Objective {
    calibrated: Calibrated,
    zen: ZenScore,
}

/// The name under which results are reported.
pub const NAME: &str = "accuracy";

impl Objective {
    pub fn new(calibrated: Calibrated, resolution: u32) -> Objective {
        let zen = ZenScore::new(calibrated.mode(), resolution);
        Objective { calibrated, zen }
    }

    fn of(&self, chain: &Chain) -> Result<f64, ScoreError> {
        Ok(self.calibrated.accuracy(&features::of(chain, &self.zen)?))
    }
}

impl From<ChainError> for ScoreError {
    fn from(error: ChainError) -> ScoreError {
        match error {
            ChainError::Shape(error) => ScoreError::Shape(error),
            ChainError::NoChain(_) => ScoreError::Undefined { proxy: NAME, reason: error.to_string() },
        }
    }
}

impl Proxy for Objective {
    fn name(&self) -> &'static str {
        NAME
    }

    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let blocks: Vec<Block> = candidate.blocks.iter().map(|&block| Block::Super(block)).collect();
        let links = Chain::links(&blocks, candidate.resolution, Variant::BUILT)?;
        self.of(&Chain { resolution: candidate.resolution, classes: candidate.classes, links })
    }

    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        self.of(&Chain::of_model(model)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::features::{COUNT, Features};
    use super::*;
    use crate::plainnet::published;
    use crate::proxy::Mode;
    use crate::proxy::zen::ZenScore;
    use crate::zoo::Encoded;

    fn chain(code: &str) -> Result<Chain, ChainError> {
        let parts = code.parse::<Encoded>().unwrap().parts();
        Chain::of_graphs(parts.iter().map(|part| &part.graph))
    }

    #[test]
    fn networks_of_other_spaces_have_chains() {
        let all_se = chain("anb:e1k3l1s1_e6k3l2s1_e6k5l2s1_e6k3l3s1_e6k5l3s1_e6k5l4s1_e6k3l1s1").unwrap();
        assert_eq!((all_se.resolution, all_se.classes), (224, 1000));
        // EfficientNet-B0: 16 depthwise convolutions with squeeze-excite, 9 shortcuts, 49 convolutions in all.
        let count = |of: fn(&crate::plainnet::chain::Link) -> bool| {
            all_se.links.iter().filter(|link| of(link)).count()
        };
        assert_eq!(count(|link| link.se > 0 && link.is_depthwise()), 16);
        assert_eq!((count(|link| link.residual), all_se.depth()), (9, 49));
        assert!((all_se.params() / 5_288_548.0 - 1.0).abs() < 1e-6, "{}", all_se.params());
        let zeros = chain("nbm:00000000").unwrap();
        assert_eq!((zeros.params(), zeros.macs(), zeros.depth()), (387_882.0, 7_713_280.0, 5));
        let cell = "nasbench201:avg_pool_3x3,nor_conv_1x1,skip_connect,nor_conv_1x1,none,skip_connect";
        assert!(matches!(chain(cell), Err(ChainError::NoChain(_))));
    }

    #[test]
    fn the_vanilla_network_of_a_plainnet_has_its_score() {
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let zen = ZenScore::new(Mode::Paper, 224);
        let chain = Chain::of_model(&model).unwrap();
        let score = zen.score_network(&model.network).unwrap();
        assert_eq!(zen.score_network(&chain.vanilla().network), Ok(score));
        let features: Features = features::of(&chain, &zen).unwrap();
        assert!((features[features::ZEN] - score).abs() < 1e-9 && features.len() == COUNT);
    }
}
