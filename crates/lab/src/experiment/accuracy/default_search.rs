//! What a search by default would choose of the networks of a table.
//!
//! A search by default keeps the rules of shape of its space and a limit on the depth that follows from the budget
//! (docs/decisions/087), maximises the Zen-Score of paper mode, and hands over the winner among the finalists
//! (docs/decisions/091). Of the limits on the depth the least is taken that any budget gives: that of the shallowest
//! published network of the space, in convolutions. Networks with depthwise convolutions are held against the rules of the
//! mobilenet space, others against those of the resnet space.

use crate::accuracy::Trained;
use edgezen_core::accuracy::features::ZEN;
use edgezen_core::plainnet::chain::{Chain, Link, STAGE_EXPONENT};
use edgezen_core::search::depth;
use edgezen_core::space::{self, SearchSpace};

/// The networks of a table as a search sees them.
pub struct DefaultSearch {
    /// The Zen-Score, and what ranks the finalists beside it; absent where a network has none.
    pub scores: Vec<Option<(f64, f64)>>,
    /// Whether the search may visit the network.
    pub visited: Vec<bool>,
}

/// The rules of one space.
struct Rules {
    space: &'static dyn SearchSpace,
    /// Most convolutions.
    deepest: usize,
}

impl Rules {
    fn of(name: &str, resolution: u32) -> Option<Rules> {
        let space = space::by_name(name)?;
        Some(Rules { space, deepest: depth::fewest_convolutions(space, resolution)? })
    }

    fn allow(&self, chain: &Chain) -> bool {
        chain.depth() <= self.deepest && self.space.shape_rules().allow_chain(chain)
    }
}

impl DefaultSearch {
    pub fn of(networks: &[Trained]) -> DefaultSearch {
        let resolution = networks.iter().find_map(|network| Some(network.known.chain.as_ref()?.resolution));
        let rules = |name| resolution.and_then(|resolution| Rules::of(name, resolution));
        let (mobile, dense) = (rules("mobilenet"), rules("resnet"));
        let scores = |network: &Trained| {
            let zen = network.known.features.as_ref()?[ZEN];
            Some((zen, network.known.chain.as_ref()?.stage_params(STAGE_EXPONENT)))
        };
        let visited = |network: &Trained| {
            let Some(chain) = &network.known.chain else { return false };
            let rules = if chain.links.iter().any(Link::is_depthwise) { &mobile } else { &dense };
            rules.as_ref().is_some_and(|rules| rules.allow(chain))
        };
        DefaultSearch {
            scores: networks.iter().map(scores).collect(),
            visited: networks.iter().map(visited).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::trained::Known;

    fn visited(net: &str) -> bool {
        let known = Known::of(net).unwrap();
        let network = Trained { net: net.to_owned(), accuracy: 70.0, rows: vec![0], known };
        DefaultSearch::of(&[network]).visited[0]
    }

    #[test]
    fn networks_as_people_deploy_them_may_be_visited() {
        for net in ["mobilenet_v2", "zoo:efficientnet_b0@224", "zennet_imagenet1k_flops400M_SE_res224"] {
            assert!(visited(net), "{net}");
        }
        // Nearly all layers in the last stage; and hidden widths that grow from 24 to 672.
        let tail = "anb:e1k3l1s0_e1k3l1s0_e1k3l1s0_e1k3l1s0_e1k3l1s0_e4k3l4s0_e4k3l3s0";
        assert!(!visited(tail));
        let jump = "anb:e1k3l1s0_e1k3l2s0_e1k3l1s0_e6k3l3s0_e6k3l2s0_e6k3l1s0_e6k3l1s0";
        assert!(!visited(jump));
    }
}
