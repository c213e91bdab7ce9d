//! What a calibration knows of a network: quantities of its chain.
//!
//! Logarithms of costs and the terms of the Zen-Score stand for the whole network, for each stage (the convolutions
//! that write maps of one size) and for each kind of convolution. All are sums or logarithms of sums over the chain,
//! so that a network of any search space has them.

use crate::plainnet::chain::{Chain, Link};
use crate::proxy::zen::ZenScore;
use crate::proxy::{Mode, ScoreError};

/// Number of features.
pub const COUNT: usize = WHOLE.len() + STAGES * PER_STAGE.len() + KINDS.len() * PER_KIND.len();
/// The place of the Zen-Score among the features.
pub const ZEN: usize = 0;

const WHOLE: [&str; 8] = [
    "zen",
    "log_macs",
    "log_params",
    "log_activations",
    "layers",
    "squeeze_excites",
    "shortcuts",
    "log_resolution",
];
/// Maps of the image's size, of a half of it, of a quarter, and so on; the last holds all smaller ones.
const STAGES: usize = 6;
const PER_STAGE: [&str; 7] =
    ["zen", "layers", "squeeze_excites", "log_macs", "log_params", "log_activations", "shortcuts"];
const KINDS: [&str; 3] = ["depthwise", "pointwise", "dense"];
const PER_KIND: [&str; 4] = ["zen", "layers", "log_macs", "log_activations"];

/// Logarithms are taken of a cost plus this, so that an absent stage or kind has one.
const LEAST_MACS: f64 = 1e5;
const LEAST_PARAMS: f64 = 1e3;
const LEAST_ACTIVATIONS: f64 = 1e3;

/// The features of a network, in the order of [`names`].
pub type Features = [f64; COUNT];

/// Names of the features: `zen`, `stage2_log_macs`, `depthwise_zen`.
pub fn names() -> Vec<String> {
    let stages = (0..STAGES).flat_map(|stage| PER_STAGE.map(|name| format!("stage{stage}_{name}")));
    let kinds = KINDS.iter().flat_map(|kind| PER_KIND.map(|name| format!("{kind}_{name}")));
    WHOLE.iter().map(|&name| name.to_owned()).chain(stages).chain(kinds).collect()
}

/// Sums over some of the convolutions.
#[derive(Clone, Copy, Default)]
struct Sums {
    zen: f64,
    layers: f64,
    squeeze_excites: f64,
    macs: f64,
    params: f64,
    activations: f64,
    shortcuts: f64,
}

impl Sums {
    fn add(&mut self, link: &Link, zen: f64) {
        self.zen += zen;
        self.shortcuts += f64::from(u8::from(link.residual));
        if link.pool {
            return;
        }
        self.layers += 1.0;
        self.squeeze_excites += f64::from(u8::from(link.se > 0));
        self.macs += link.macs();
        self.params += link.params();
        self.activations += link.elements();
    }

    fn log_macs(&self) -> f64 {
        (self.macs + LEAST_MACS).ln()
    }

    fn log_params(&self) -> f64 {
        (self.params + LEAST_PARAMS).ln()
    }

    fn log_activations(&self) -> f64 {
        (self.activations + LEAST_ACTIVATIONS).ln()
    }
}

/// The features of `chain`; `zen` is the closed form for its resolution.
///
/// # Errors
/// A chain without a Zen-Score.
pub fn of(chain: &Chain, zen: &ZenScore) -> Result<Features, ScoreError> {
    let terms = terms(chain, zen)?;
    let (mut whole, mut stages, mut kinds) =
        (Sums::default(), [Sums::default(); STAGES], [Sums::default(); KINDS.len()]);
    for (link, &term) in chain.links.iter().zip(&terms) {
        let halvings = (f64::from(chain.resolution) / f64::from(link.side.max(1))).log2().round();
        let stage = (halvings.max(0.0) as usize).min(STAGES - 1);
        let kind = if link.is_depthwise() { 0 } else { 1 + usize::from(link.kernel > 1 || link.groups > 1) };
        for sums in [&mut whole, &mut stages[stage], &mut kinds[kind]] {
            sums.add(link, term);
        }
    }
    let of_whole = [
        whole.zen,
        whole.log_macs(),
        whole.log_params(),
        whole.log_activations(),
        whole.layers,
        whole.squeeze_excites,
        whole.shortcuts,
        f64::from(chain.resolution).ln(),
    ];
    let of_stage = |sums: &Sums| {
        let logarithms = [sums.log_macs(), sums.log_params(), sums.log_activations()];
        let [macs, params, activations] = logarithms;
        [sums.zen, sums.layers, sums.squeeze_excites, macs, params, activations, sums.shortcuts]
    };
    let of_kind = |sums: &Sums| [sums.zen, sums.layers, sums.log_macs(), sums.log_activations()];
    let all =
        of_whole.into_iter().chain(stages.iter().flat_map(of_stage)).chain(kinds.iter().flat_map(of_kind));
    let mut features = [0.0; COUNT];
    for (slot, value) in features.iter_mut().zip(all) {
        *slot = value;
    }
    Ok(features)
}

/// What each link adds to the Zen-Score. A max pooling adds nothing; its stride counts as one of the convolution
/// behind it.
fn terms(chain: &Chain, zen: &ZenScore) -> Result<Vec<f64>, ScoreError> {
    let mut pooled = 1;
    let layers = chain.links.iter().filter_map(|link| {
        if link.pool {
            pooled *= link.stride;
            return None;
        }
        let stride = link.stride * std::mem::replace(&mut pooled, 1);
        Some(Link { stride, ..*link }.layer())
    });
    let mut scores = zen.after_each(layers)?.into_iter();
    let mut before = 0.0;
    let term = |link: &Link| match link.pool {
        true => 0.0,
        false => {
            let score = scores.next().unwrap_or(before);
            score - std::mem::replace(&mut before, score)
        }
    };
    Ok(chain.links.iter().map(term).collect())
}

/// As [`of`], with the closed form of `mode`.
///
/// # Errors
/// A chain without a Zen-Score.
pub fn of_chain(chain: &Chain, mode: Mode) -> Result<Features, ScoreError> {
    of(chain, &ZenScore::new(mode, chain.resolution))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;

    #[test]
    fn features_of_stages_and_kinds_add_up_to_those_of_the_whole() {
        let names = names();
        assert_eq!(names.len(), COUNT);
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let chain = Chain::of_model(&model).unwrap();
        let features = of_chain(&chain, Mode::Paper).unwrap();
        let sum = |of: &dyn Fn(&str) -> bool| -> f64 {
            names.iter().zip(features).filter(|(name, _)| of(name)).map(|(_, value)| value).sum()
        };
        for quantity in ["zen", "layers", "squeeze_excites", "shortcuts"] {
            let whole = sum(&|name| name == quantity);
            let stages = sum(&|name| name.starts_with("stage") && name.ends_with(&format!("_{quantity}")));
            assert!((whole - stages).abs() < 1e-9, "{quantity}: {whole} {stages}");
        }
        let kinds = sum(&|name| KINDS.iter().any(|kind| name == format!("{kind}_zen")));
        let score = ZenScore::new(Mode::Paper, 224).score_network(&model.network).unwrap();
        assert!((kinds - score).abs() < 1e-9 && (features[ZEN] - score).abs() < 1e-9);
        assert!(sum(&|name| name == "squeeze_excites") > 0.0);
    }
}
