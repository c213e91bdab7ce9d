//! What is compared in Table 1, and with how much work.

use edgezen_core::plainnet::published;
use edgezen_core::proxy;
use serde::{Deserialize, Serialize};

/// The score that the others are compared with.
pub const ZEN: &str = "zen";

/// Accuracies of the paper's Table 1, on CIFAR-10 and CIFAR-100 (percent), by the name of the proxy here.
pub const PAPER: [(&str, [f64; 2]); 6] = [
    (ZEN, [96.2, 80.1]),
    ("flops", [93.1, 64.7]),
    ("grad-norm", [92.8, 65.4]),
    ("synflow", [95.1, 75.9]),
    ("te-nas", [96.1, 77.2]),
    ("naswot", [96.0, 77.5]),
];

/// The paper's random networks on CIFAR-10 and CIFAR-100: the mean, and the deviation over 32 networks.
pub const PAPER_RANDOM: [(f64, f64); 2] = [(93.5, 0.7), (71.1, 3.1)];

/// What the searches begin with: the paper's structure for images of CIFAR, with three stages.
pub const START: &str = published::INIT_CIFAR;
/// Search Space I of the paper.
pub const SPACE: &str = "resnet";

/// What a search may visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freedom {
    /// Networks that keep the rules of shape, with at most as many layers as published networks.
    Rules,
    /// Any shape, with the same limit on the layers: `search --any-shape`.
    AnyShape,
    /// Any shape and any number of layers.
    AnyDepth,
}

impl Freedom {
    pub const ALL: [Freedom; 3] = [Freedom::Rules, Freedom::AnyShape, Freedom::AnyDepth];

    /// In words, behind the name of a score.
    pub fn words(self) -> &'static str {
        match self {
            Freedom::Rules => "rules of shape",
            Freedom::AnyShape => "any shape",
            Freedom::AnyDepth => "any shape and depth",
        }
    }
}

/// What networks are searched by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    pub proxy: String,
    pub freedom: Freedom,
}

impl Contestant {
    pub fn name(&self) -> String {
        match self.freedom {
            Freedom::Rules => self.proxy.clone(),
            freedom => format!("{}, {}", self.proxy, freedom.words()),
        }
    }

    /// What the paper says of it, which knows no rules of shape, and has a limit on the layers.
    pub fn paper(&self) -> Option<[f64; 2]> {
        let known = PAPER.iter().find(|(name, _)| *name == self.proxy && self.freedom == Freedom::Rules);
        known.map(|(_, accuracies)| *accuracies)
    }
}

/// How much is searched and trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Names of the registry; the Zen-Score is always among them.
    pub proxies: Vec<String>,
    /// Searches by each proxy.
    pub search_seeds: u32,
    /// Trainings of each network that was searched.
    pub training_seeds: u32,
    pub iterations: u64,
    /// Members of the population of a search.
    pub population: u32,
    /// Most parameters.
    pub params: u64,
    /// Random networks, each trained once.
    pub random: u32,
    /// Networks on each curve of rising scores.
    pub levels: u32,
    /// Iterations of the search behind a curve, and members of its population: a score in closed form can take many.
    pub curve_iterations: u64,
    pub curve_population: u32,
    pub seed: u64,
}

impl Settings {
    /// All contestants: the proxies under the rules of shape, and the Zen-Score with less of them.
    pub fn contestants(&self) -> Vec<Contestant> {
        let mut names: Vec<&str> = vec![ZEN];
        for name in &self.proxies {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let ruled = names.into_iter().map(|name| (name, Freedom::Rules));
        let free = [(ZEN, Freedom::AnyShape), (ZEN, Freedom::AnyDepth)];
        ruled.chain(free).map(|(proxy, freedom)| Contestant { proxy: proxy.to_owned(), freedom }).collect()
    }

    /// The first proxy that there is none of.
    pub fn unknown_proxy(&self) -> Option<&str> {
        self.proxies.iter().map(String::as_str).find(|name| proxy::by_name(name).is_none())
    }

    /// The seed of the search with this number, or of the training: neighbouring seeds of the experiment share none.
    pub fn nth_seed(&self, number: u32) -> u64 {
        self.seed.wrapping_mul(1_000).wrapping_add(u64::from(number))
    }
}

/// What networks are trained on, and how. Trainings of different tasks have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// `digits`, `cifar10`, `cifar100`.
    pub data: String,
    /// SHA-256 of its files.
    pub sha256: String,
    pub classes: u32,
    /// Side of the images, in pixels.
    pub resolution: u32,
    /// Images to learn from, to choose the epoch by, and to judge by.
    pub images: [usize; 3],
    pub recipe: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_proxies_are_registered_and_zen_comes_first() {
        let settings = Settings {
            proxies: PAPER.iter().rev().map(|(name, _)| (*name).to_owned()).collect(),
            search_seeds: 5,
            training_seeds: 3,
            iterations: 1,
            population: 2,
            params: 1,
            random: 0,
            levels: 0,
            curve_iterations: 1,
            curve_population: 2,
            seed: 7,
        };
        assert_eq!(settings.unknown_proxy(), None);
        let contestants = settings.contestants();
        let names: Vec<String> = contestants.iter().map(Contestant::name).collect();
        assert_eq!(names[0], "zen");
        assert_eq!(names[6..], ["zen, any shape", "zen, any shape and depth"]);
        assert_eq!(contestants[0].paper(), Some([96.2, 80.1]));
        assert_eq!(contestants[7].paper(), None);
        assert_eq!((settings.nth_seed(0), settings.nth_seed(2)), (7_000, 7_002));
        let unknown = Settings { proxies: vec!["zen".into(), "colour".into()], ..settings };
        assert_eq!(unknown.unknown_proxy(), Some("colour"));
    }
}
