//! Rules of shape: how far the stages of a network may differ from those of networks that people deploy.
//!
//! A score that grows with depth and width alone puts nearly all layers into the last stage, and makes hidden
//! convolutions as wide as the space allows. The rules keep a search among shapes that published networks have; the
//! constants of each space are what published networks reach at most (docs/decisions/087-rules-of-shape.md).
//!
//! A *stage* is the row of residual super blocks between two reductions of the map. Its depth is the number of
//! sublayers, its width the most output channels of a block, its hidden width the most channels that a convolution
//! with a window reads inside a block. The *stem* is the row of convolutions before the first residual block.

use crate::plainnet::chain::{Chain, Link};
use crate::plainnet::{SuperBlock, SuperKind};
use serde::{Deserialize, Serialize};

/// The limits on the stages of a network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeRules {
    /// Most part of the depth that one stage may have, 0 to 1.
    pub deepest_stage: f64,
    /// Most depth of the last stage, in multiples of the depth of the stage before it.
    pub last_stage: f64,
    /// Most width of the last stage; a stage before another one has at most half of what that may have.
    pub last_width: u32,
    /// Most hidden width.
    pub hidden_width: u32,
    /// Most output channels of a convolution of the stem.
    pub stem_width: u32,
    /// Most growth of the width from a stage to the next.
    pub width_growth: f64,
    /// Most shrinking of the width from a stage to the next: how many times as wide the earlier one may be.
    pub width_shrink: f64,
    /// Most growth of the hidden width from a stage to the next.
    pub hidden_growth: f64,
}

/// One of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    DeepestStage,
    LastStage,
    StageWidth,
    HiddenWidth,
    StemWidth,
    WidthGrowth,
    WidthShrink,
    HiddenGrowth,
}

/// A rule that a network breaks, or comes nearest to breaking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub rule: Rule,
    /// What the network has.
    pub value: f64,
    pub limit: f64,
}

impl Load {
    /// The part of the limit that is used; greater than 1 where the rule is broken.
    pub fn share(&self) -> f64 {
        self.value / self.limit
    }

    /// What the network has, as a sentence.
    pub fn sentence(&self) -> String {
        let Load { value, limit, .. } = self;
        match self.rule {
            Rule::DeepestStage => format!(
                "one stage has {:.0} % of the depth; published networks have at most {:.0} %",
                100.0 * value,
                100.0 * limit
            ),
            Rule::LastStage => format!(
                "the last stage is {value:.1} times as deep as the one before; in published networks at most {limit} times"
            ),
            Rule::StageWidth => format!(
                "a stage is as wide as {value} channels would be at the end, where widths double from stage to stage; in published networks at most {limit}"
            ),
            Rule::HiddenWidth => format!(
                "a convolution inside a block has {value} channels; in published networks at most {limit}"
            ),
            Rule::StemWidth => {
                format!("the first convolution has {value} channels; in published networks at most {limit}")
            }
            Rule::WidthShrink => format!(
                "a stage is {value:.1} times as wide as the one after; in published networks at most {limit} times"
            ),
            Rule::WidthGrowth => format!(
                "a stage is {value:.1} times as wide as the one before; in published networks at most {limit} times"
            ),
            Rule::HiddenGrowth => format!(
                "a stage is inside {value:.1} times as wide as the one before; in published networks at most {limit} times"
            ),
        }
    }
}

/// A row of residual blocks between two reductions of the map.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stage {
    pub depth: u32,
    pub width: u32,
    pub hidden: u32,
}

impl Stage {
    fn add(&mut self, block: &SuperBlock) {
        self.depth += block.sublayers.unsigned_abs();
        self.width = self.width.max(block.out_c.unsigned_abs());
        self.hidden = self.hidden.max(hidden_width(block));
    }
}

/// Most channels that a convolution with a window reads or writes inside a residual block.
fn hidden_width(block: &SuperBlock) -> u32 {
    let inside = block.bottleneck.unsigned_abs();
    match block.kind {
        SuperKind::Conv { .. } => 0,
        SuperKind::Residual { .. } => inside.max(block.out_c.unsigned_abs()),
        SuperKind::Bottleneck { .. } => inside,
        SuperKind::Inverted { expansion, .. } => inside.saturating_mul(expansion.into()),
    }
}

/// Most output channels of the convolutions before the first residual block; those of the first convolution where there is
/// no residual block.
fn stem_width(blocks: &[SuperBlock]) -> u32 {
    let convs = blocks.iter().position(|block| !block.kind.is_conv()).unwrap_or(1);
    blocks.iter().take(convs).map(|block| block.out_c.unsigned_abs()).max().unwrap_or(0)
}

/// The stages of a network, in their order.
pub fn stages(blocks: &[SuperBlock]) -> Vec<Stage> {
    let mut stages = Vec::new();
    each_stage(blocks, |stage| stages.push(stage));
    stages
}

/// Calls `seen` for every stage; keeps nothing, because a search asks for every candidate.
fn each_stage(blocks: &[SuperBlock], mut seen: impl FnMut(Stage)) {
    let mut stage = Stage::default();
    for block in blocks {
        if block.stride > 1 && stage.depth > 0 {
            seen(std::mem::take(&mut stage));
        }
        if !block.kind.is_conv() {
            stage.add(block);
        }
    }
    if stage.depth > 0 {
        seen(stage);
    }
}

/// Calls `seen` for every stage of a chain of convolutions behind the first one: the convolutions with a window that write maps
/// of one size. Its depth is their number, its hidden width what they read (and, where they are dense, write), its width
/// what the convolution behind them writes.
fn each_stage_of_chain(chain: &Chain, mut seen: impl FnMut(Stage)) {
    let mut stage = Stage::default();
    let mut behind_window = false;
    for link in chain.links.iter().skip(1).filter(|link| !link.pool) {
        let Link { in_c, out_c, kernel, stride, .. } = *link;
        if kernel > 1 {
            if stride > 1 && stage.depth > 0 {
                seen(std::mem::take(&mut stage));
            }
            stage.depth += 1;
            let dense = !link.is_depthwise();
            stage.hidden = stage.hidden.max(if dense { in_c.max(out_c) } else { in_c });
            stage.width = stage.width.max(if dense { out_c } else { 0 });
        } else if behind_window {
            stage.width = stage.width.max(out_c);
        }
        behind_window = kernel > 1;
    }
    if stage.depth > 0 {
        seen(stage);
    }
}

impl ShapeRules {
    /// The rule that `blocks` break most, or come nearest to breaking; nothing where there are no blocks.
    pub fn fullest(&self, blocks: &[SuperBlock]) -> Option<Load> {
        let stem = (!blocks.is_empty()).then(|| stem_width(blocks));
        self.judge(stem, |seen| each_stage(blocks, seen))
    }

    /// Whether a network of another search space keeps all rules, as far as its convolutions say.
    pub fn allow_chain(&self, chain: &Chain) -> bool {
        let stem = chain.links.first().map(|link| link.out_c);
        self.judge(stem, |seen| each_stage_of_chain(chain, seen)).is_none_or(|load| load.share() <= 1.0)
    }

    /// The fullest rule of a network with a stem of this width and with the stages that `each_stage` tells.
    fn judge(&self, stem: Option<u32>, each_stage: impl FnOnce(&mut dyn FnMut(Stage))) -> Option<Load> {
        // With its share, which takes a division.
        let mut fullest: Option<(Load, f64)> = None;
        self.loads(stem, each_stage, |load| {
            let share = load.share();
            if fullest.is_none_or(|(_, known)| share > known) {
                fullest = Some((load, share));
            }
        });
        fullest.map(|(load, _)| load)
    }

    /// Calls `seen` for every rule that says something of a network with a stem of this width and with the stages that
    /// `each_stage` tells.
    fn loads(
        &self,
        stem: Option<u32>,
        each_stage: impl FnOnce(&mut dyn FnMut(Stage)),
        mut seen: impl FnMut(Load),
    ) {
        let mut take = |rule: Rule, value: f64, limit: f64| seen(Load { rule, value, limit });
        if let Some(width) = stem {
            take(Rule::StemWidth, width.into(), self.stem_width.into());
        }
        let (mut before, mut count, mut depth, mut deepest) = (None, 0, 0, 0);
        let mut last_growth = None;
        // The greatest width as it would be at the end, doubled for each stage on the way.
        let mut widest = 0_u32;
        each_stage(&mut |stage: Stage| {
            take(Rule::HiddenWidth, stage.hidden.into(), self.hidden_width.into());
            if let Some(Stage { depth, width, hidden }) = before {
                let growth = |now: u32, before: u32| f64::from(now) / f64::from(before.max(1));
                take(Rule::WidthGrowth, growth(stage.width, width), self.width_growth);
                take(Rule::WidthShrink, growth(width, stage.width), self.width_shrink);
                take(Rule::HiddenGrowth, growth(stage.hidden, hidden), self.hidden_growth);
                last_growth = Some(growth(stage.depth, depth));
            }
            widest = widest.saturating_mul(2).max(stage.width);
            (count, depth, deepest) = (count + 1, depth + stage.depth, deepest.max(stage.depth));
            before = Some(stage);
        });
        if count > 0 {
            take(Rule::StageWidth, widest.into(), self.last_width.into());
        }
        if let Some(growth) = last_growth {
            take(Rule::LastStage, growth, self.last_stage);
        }
        // Two stages share their depth somehow: only of three or more can one have nearly all of it.
        if count > 2 {
            take(Rule::DeepestStage, f64::from(deepest) / f64::from(depth), self.deepest_stage);
        }
    }

    /// How much of its limit the fullest rule takes; at most 1 where all rules are kept.
    pub fn load(&self, blocks: &[SuperBlock]) -> f64 {
        let stem = (!blocks.is_empty()).then(|| stem_width(blocks));
        // A search asks for every candidate, and not which rule it is.
        let mut fullest: Option<f64> = None;
        self.loads(
            stem,
            |seen| each_stage(blocks, seen),
            |load| {
                let share = load.share();
                if fullest.is_none_or(|known| share > known) {
                    fullest = Some(share);
                }
            },
        );
        fullest.unwrap_or(0.0)
    }

    /// Whether `blocks` keep all rules.
    pub fn allow(&self, blocks: &[SuperBlock]) -> bool {
        self.load(blocks) <= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{KernelKind, notation, published};
    use crate::space;
    use crate::zoo::{Encoded, Named};

    fn blocks(net: &str) -> Vec<SuperBlock> {
        notation::parse(net).unwrap().super_blocks("").unwrap()
    }

    /// The published networks whose blocks are of a space.
    fn published_in(space: &dyn space::SearchSpace) -> Vec<Vec<SuperBlock>> {
        let of_space = |blocks: &Vec<SuperBlock>| {
            let kinds = blocks.iter().map(|block| block.kind).filter(|kind| !kind.is_conv());
            kinds.clone().count() > 0
                && kinds.clone().all(|kind| space.kinds().iter().any(|(known, _)| *known == kind))
        };
        let networks = published::names().filter_map(published::by_name);
        networks.filter_map(|model| model.network.super_blocks("").ok()).filter(of_space).collect()
    }

    #[test]
    fn every_published_network_keeps_the_rules_and_they_are_no_wider_than_that() {
        for (name, networks) in [("resnet", 12), ("mobilenet", 3)] {
            let space = space::by_name(name).unwrap();
            let rules = space.shape_rules();
            let published = published_in(space);
            assert_eq!(published.len(), networks, "{name}");
            for blocks in &published {
                let load = rules.fullest(blocks).unwrap();
                assert!(load.share() <= 1.0, "{name}: {}", load.sentence());
            }
            assert!(rules.allow(&blocks(space.default_structure())), "{name}");
        }
        let most = |name: &str, of: &dyn Fn(&[Stage]) -> f64| {
            let networks = published_in(space::by_name(name).unwrap());
            networks.iter().map(|blocks| of(&stages(blocks))).fold(0.0, f64::max)
        };
        let growth = |of: fn(&Stage) -> u32| {
            move |stages: &[Stage]| {
                let pairs = stages.windows(2).map(|pair| f64::from(of(&pair[1])) / f64::from(of(&pair[0])));
                pairs.fold(0.0, f64::max)
            }
        };
        let last = |stages: &[Stage]| match stages {
            [.., before, last] => f64::from(last.depth) / f64::from(before.depth),
            _ => 0.0,
        };
        let resnet = space::by_name("resnet").unwrap().shape_rules();
        let tight =
            |limit: f64, found: f64| assert!((found..found + 0.051).contains(&limit), "{limit} for {found}");
        tight(resnet.last_stage, most("resnet", &last));
        let widest = |stages: &[Stage]| {
            f64::from(stages.iter().fold(0, |widest: u32, stage| (2 * widest).max(stage.width)))
        };
        tight(resnet.last_width.into(), most("resnet", &widest));
        tight(resnet.width_growth, most("resnet", &growth(|stage| stage.width)));
        tight(resnet.hidden_growth, most("resnet", &growth(|stage| stage.hidden)));
        let shrink = |stages: &[Stage]| {
            let pairs = stages.windows(2).map(|pair| f64::from(pair[0].width) / f64::from(pair[1].width));
            pairs.fold(0.0, f64::max)
        };
        tight(resnet.width_shrink, most("resnet", &shrink));
        // No published network of the space shrinks; stages of equal width are none that shrink.
        assert!(most("mobilenet", &shrink) <= 1.0);
        let mobilenet = space::by_name("mobilenet").unwrap().shape_rules();
        assert!(most("mobilenet", &growth(|stage| stage.hidden)) <= mobilenet.hidden_growth);
        tight(mobilenet.width_shrink, 1.0);
    }

    /// Widest convolutions with a window: dense ones, and depthwise ones.
    fn widest(name: &str) -> (u32, u32) {
        let network = Encoded::Named(Named::new(name, 224).unwrap());
        let (mut dense, mut depthwise) = (0, 0);
        for part in network.parts() {
            for kernel in
                crate::plainnet::lowering::fused(&part.graph).iter().filter(|kernel| kernel.kernel > 1)
            {
                match kernel.kind {
                    KernelKind::Conv if kernel.groups == 1 => {
                        dense = dense.max(kernel.in_c.min(kernel.out_c))
                    }
                    KernelKind::Dwconv => depthwise = depthwise.max(kernel.in_c),
                    _ => {}
                }
            }
        }
        (dense, depthwise)
    }

    /// Networks of the zoo whose convolutions with a window are dense, as those of the resnet space.
    const DENSE: [&str; 7] =
        ["vgg19", "resnet34", "resnet152", "resnet200", "se_resnet50_vd", "resnet_v2_101", "googlenet"];
    /// Networks of the zoo whose convolutions with a window are depthwise, as those of the mobilenet space.
    const MOBILE: [&str; 8] = [
        "mobilenet_v1_1.0",
        "mobilenet_v2_1.4",
        "mobilenet_v3_large_1.0",
        "mnasnet_1.0",
        "proxylessnas_mobile",
        "efficientnet_b0",
        "efficientnet_b1",
        "pplcnet_1.0",
    ];

    #[test]
    fn hidden_widths_are_those_of_the_zoo() {
        let most = DENSE.into_iter().map(|name| widest(name).0).max().unwrap();
        assert_eq!(space::by_name("resnet").unwrap().shape_rules().hidden_width, most);
        let most = MOBILE.into_iter().map(|name| widest(name).1).max().unwrap();
        assert_eq!(space::by_name("mobilenet").unwrap().shape_rules().hidden_width, most);
    }

    /// Output channels of the convolution that reads the image.
    fn stem_in_zoo(name: &str) -> u32 {
        let network = Encoded::Named(Named::new(name, 224).unwrap());
        let parts = network.parts();
        let kernels = parts.iter().flat_map(|part| crate::plainnet::lowering::fused(&part.graph));
        let of_image = kernels.filter(|kernel| kernel.kind == KernelKind::Conv && kernel.in_c == 3);
        of_image.map(|kernel| kernel.out_c).max().unwrap()
    }

    #[test]
    fn stems_are_those_of_published_networks() {
        for (name, zoo) in [("resnet", &DENSE[..]), ("mobilenet", &MOBILE[..])] {
            let space = space::by_name(name).unwrap();
            let published = published_in(space).iter().map(|blocks| stem_width(blocks)).max();
            let most = zoo.iter().copied().map(stem_in_zoo).max().max(published);
            assert_eq!(Some(space.shape_rules().stem_width), most, "{name}");
        }
    }

    #[test]
    fn a_stem_that_is_too_wide_and_a_stage_that_shrinks_break_a_rule() {
        let rules = space::by_name("mobilenet").unwrap().shape_rules();
        let net = |stem: u32, before: u32, last: u32| {
            blocks(&format!(
                "SuperConvK3BNRELU(3,{stem},2,1)SuperResIDWE2K3({stem},{before},2,{before},1)\
                 SuperResIDWE2K3({before},{last},2,{before},1)SuperConvK1BNRELU({last},2048,1,1)"
            ))
        };
        assert!(rules.allow(&net(32, 64, 136)), "{:?}", rules.fullest(&net(32, 64, 136)));
        let load = rules.fullest(&net(65_536, 64, 136)).unwrap();
        assert_eq!(load.rule, Rule::StemWidth);
        assert!(load.sentence().contains("65536 channels"), "{}", load.sentence());
        let load = rules.fullest(&net(32, 136, 16)).unwrap();
        assert_eq!((load.rule, load.value), (Rule::WidthShrink, 8.5));
        assert!(!rules.allow(&net(32, 136, 16)) && load.sentence().contains("8.5 times as wide"));
        // Every convolution before the first residual block is of the stem; the last one is not.
        let two =
            blocks("SuperConvK3BNRELU(3,16,2,1)SuperConvK3BNRELU(16,512,1,1)SuperResIDWE1K3(512,64,2,64,1)");
        assert_eq!(stem_width(&two), 512);
        let convs = blocks("SuperConvK3BNRELU(3,16,2,1)SuperConvK1BNRELU(16,2048,1,1)");
        assert!(stem_width(&convs) == 16 && rules.allow(&convs));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let rules = space::by_name("resnet").unwrap().shape_rules();
        let stem = "SuperConvK3BNRELU(3,32,2,1)";
        let stage = |input, out, hidden, depth| format!("SuperResK1K5K1({input},{out},2,{hidden},{depth})");
        let net = |stages: [String; 4]| blocks(&(stem.to_owned() + &stages.concat()));
        let late = net([
            stage(32, 64, 32, 1),
            stage(64, 128, 64, 1),
            stage(128, 256, 128, 1),
            stage(256, 512, 256, 25),
        ]);
        assert_eq!(stages(&late).iter().map(|stage| stage.depth).collect::<Vec<_>>(), [1, 1, 1, 25]);
        assert_eq!(rules.fullest(&late).unwrap().rule, Rule::LastStage);
        let early = net([
            stage(32, 64, 32, 25),
            stage(64, 128, 64, 1),
            stage(128, 256, 128, 1),
            stage(256, 512, 256, 1),
        ]);
        assert_eq!(rules.fullest(&early).unwrap().rule, Rule::DeepestStage);
        let wide = net([
            stage(32, 64, 32, 1),
            stage(64, 128, 64, 1),
            stage(128, 256, 128, 1),
            stage(256, 512, 2048, 1),
        ]);
        let load = rules.fullest(&wide).unwrap();
        assert!(
            load.rule == Rule::HiddenWidth && load.sentence().contains("2048 channels"),
            "{}",
            load.sentence()
        );
        assert!(!rules.allow(&wide) && rules.allow(&blocks(stem)));
    }
}
