//! Networks of other search spaces and papers, as graphs. Public tables of latencies refer to them.
//!
//! A network here is a code (the choices of its search space, or a name) that expands into [`Part`]s:
//! its blocks, each with the group that it belongs to (its operation, or its stage) and the graph of
//! what it computes. Latency predictors of such tables sum quantities over the kernels of each group.

pub mod accel_nasbench;
mod builder;
pub mod classic;
pub mod dfnet;
pub mod dla;
pub mod efficientnets;
pub mod fbnet;
pub mod inception;
pub mod inverted;
pub mod known;
pub mod mobile;
pub mod modern;
mod named;
pub mod nasbench201;
pub mod nasbench_macro;
pub mod ofa;
pub mod regnet;
pub mod resnest;

pub use accel_nasbench::AccelNasBench;
pub use fbnet::FbNet;
pub use known::Known;
pub use named::Named;
pub use nasbench_macro::NasBenchMacro;
pub use nasbench201::NasBench201;
pub use ofa::Ofa;

use crate::plainnet::Graph;
use std::fmt;
use std::str::FromStr;

/// A block of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The operation chosen, or the stage: one of [`Space::groups`].
    pub group: &'static str,
    /// One of [`Space::places`]; `None` in spaces that have none, and for blocks that all networks share.
    pub place: Option<u8>,
    /// What the block computes for one image.
    pub graph: Graph,
}

/// What looks at the blocks of a network: the number that a block is known by, if it has one, and the block itself.
pub type Visit<'a> = dyn FnMut(Option<u64>, &dyn Fn() -> Part) + 'a;

/// A number of some fields, each smaller than 2^16.
fn number(fields: [u32; 4]) -> Option<u64> {
    Some(fields.iter().fold(0, |number, &field| number << 16 | u64::from(field)))
}

impl Part {
    fn new(group: &'static str, graph: Graph) -> Part {
        Part { group, place: None, graph }
    }
}

/// The search space, or other source, that a code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// FBNet's 22 layers of nine operations, for CIFAR-100.
    FbNet,
    /// The cells of NAS-Bench-201, for CIFAR-10.
    NasBench201,
    /// Once-for-all networks in the space of MobileNetV3, for ImageNet.
    Ofa,
    /// The inverted residuals of Accel-NASBench, for ImageNet.
    AccelNasBench,
    /// The eight layers of NAS-Bench-Macro, for CIFAR-10.
    NasBenchMacro,
    /// Networks that have a name.
    Named,
}

impl Space {
    pub const ALL: [Space; 6] = [
        Space::FbNet,
        Space::NasBench201,
        Space::Ofa,
        Space::AccelNasBench,
        Space::NasBenchMacro,
        Space::Named,
    ];

    /// The prefix of the codes of this space.
    pub fn name(self) -> &'static str {
        match self {
            Space::FbNet => "fbnet",
            Space::NasBench201 => "nasbench201",
            Space::Ofa => "ofa",
            Space::AccelNasBench => "anb",
            Space::NasBenchMacro => "nbm",
            Space::Named => "zoo",
        }
    }

    /// The groups that the blocks of its networks belong to.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Space::FbNet => &fbnet::GROUPS,
            Space::NasBench201 => &nasbench201::GROUPS,
            Space::Ofa => &ofa::GROUPS,
            Space::AccelNasBench => accel_nasbench::groups(),
            Space::NasBenchMacro => &nasbench_macro::GROUPS,
            Space::Named => &[named::GROUP],
        }
    }

    /// The number of places in its networks. Blocks at one place read and write maps of the same sizes.
    pub fn places(self) -> u8 {
        match self {
            Space::FbNet => fbnet::PLACES,
            Space::AccelNasBench => accel_nasbench::PLACES,
            Space::NasBench201 | Space::Ofa | Space::NasBenchMacro | Space::Named => 0,
        }
    }

    /// An example of a code of this space, for messages.
    pub fn example(self) -> &'static str {
        match self {
            Space::FbNet => "fbnet:7,8,1,8,… (22 operations from 0 to 8)",
            Space::NasBench201 => "nasbench201:nor_conv_3x3,none,… (six operations)",
            Space::Ofa => "ofa:224;2,3,4,3,2;3,5,…;4,6,… (resolution; 5 depths; 20 kernels; 20 expansions)",
            Space::AccelNasBench => "anb:e1k3l1s1_e6k3l2s0_… (seven blocks)",
            Space::NasBenchMacro => "nbm:01200221 (eight digits from 0 to 2)",
            Space::Named => "zoo:mobilenet_v3_large_1.0@224",
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A network outside PlainNet. As text: `fbnet:7,8,…`, `zoo:mobilenet_v1_0.25@160`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoded {
    FbNet(FbNet),
    NasBench201(NasBench201),
    Ofa(Ofa),
    AccelNasBench(AccelNasBench),
    NasBenchMacro(NasBenchMacro),
    Named(Named),
}

/// Why a text is no code of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodeError(pub String);

impl Encoded {
    pub fn space(&self) -> Space {
        match self {
            Encoded::FbNet(_) => Space::FbNet,
            Encoded::NasBench201(_) => Space::NasBench201,
            Encoded::Ofa(_) => Space::Ofa,
            Encoded::AccelNasBench(_) => Space::AccelNasBench,
            Encoded::NasBenchMacro(_) => Space::NasBenchMacro,
            Encoded::Named(_) => Space::Named,
        }
    }

    /// Its blocks in order. Blocks that compute nothing are left out.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        self.each_part(&mut |_, part| parts.push(part()));
        parts
    }

    /// Gives `visit` its blocks in order, each with what it is known by: blocks of networks of one space that are known by the same number are
    /// alike. Where a space has no such numbers, it is nothing. A block is put together where it is asked for.
    pub fn each_part(&self, visit: &mut Visit<'_>) {
        let whole = |visit: &mut Visit<'_>, parts: Vec<Part>| {
            parts.into_iter().for_each(|part| visit(None, &|| part.clone()));
        };
        match self {
            Encoded::FbNet(code) => code.each_part(visit),
            Encoded::NasBench201(code) => code.each_part(visit),
            Encoded::Ofa(code) => code.each_part(visit),
            Encoded::AccelNasBench(code) => code.each_part(visit),
            Encoded::NasBenchMacro(code) => whole(visit, code.parts()),
            Encoded::Named(named) => whole(visit, named.parts()),
        }
    }

    /// Whether `text` begins as a code does.
    pub fn is_code(text: &str) -> bool {
        text.split_once(':').is_some_and(|(space, _)| Space::ALL.iter().any(|known| known.name() == space))
    }
}

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.space())?;
        match self {
            Encoded::FbNet(code) => code.fmt(f),
            Encoded::NasBench201(code) => code.fmt(f),
            Encoded::Ofa(code) => code.fmt(f),
            Encoded::AccelNasBench(code) => code.fmt(f),
            Encoded::NasBenchMacro(code) => code.fmt(f),
            Encoded::Named(code) => code.fmt(f),
        }
    }
}

impl FromStr for Encoded {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let (space, code) = text.split_once(':').unwrap_or((text, ""));
        let bad = |e: CodeError| CodeError(format!("{space} code {code:?}: {e}"));
        match space {
            "fbnet" => code.parse().map(Encoded::FbNet).map_err(bad),
            "nasbench201" => code.parse().map(Encoded::NasBench201).map_err(bad),
            "ofa" => code.parse().map(Encoded::Ofa).map_err(bad),
            "anb" => code.parse().map(Encoded::AccelNasBench).map_err(bad),
            "nbm" => code.parse().map(Encoded::NasBenchMacro).map_err(bad),
            "zoo" => code.parse().map(Encoded::Named).map_err(bad),
            _ => {
                let known: Vec<&str> = Space::ALL.iter().map(|space| space.example()).collect();
                Err(CodeError(format!("{text:?} is no code of a network; known: {}", known.join(", "))))
            }
        }
    }
}

/// Comma-separated integers.
fn integers(text: &str, count: usize) -> Result<Vec<u32>, CodeError> {
    let values: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse::<u32>()).collect();
    match values {
        Ok(values) if values.len() == count => Ok(values),
        Ok(values) => Err(CodeError(format!("{} integers instead of {count}", values.len()))),
        Err(_) => Err(CodeError(format!("{text:?} are not {count} integers separated by commas"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use std::collections::BTreeMap;

    #[test]
    fn blocks_that_are_known_by_one_number_are_alike() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut pick = |choices: &[&str], count: usize, between: &str| -> String {
            let one = |_| choices[rng.random_range(0..choices.len())].to_owned();
            (0..count).map(one).collect::<Vec<_>>().join(between)
        };
        let mut known: BTreeMap<(Space, u64), Part> = BTreeMap::new();
        let mut seen = 0;
        for _ in 0..60 {
            let codes = [
                format!("fbnet:{}", pick(&["0", "1", "2", "3", "4", "5", "6", "7", "8"], 22, ",")),
                format!("nasbench201:{}", pick(&nasbench201::OPS, 6, ",")),
                format!(
                    "ofa:{};{};{};{}",
                    pick(&["160", "200", "224"], 1, ""),
                    pick(&["2", "3", "4"], 5, ","),
                    pick(&["3", "5", "7"], 20, ","),
                    pick(&["3", "4", "6"], 20, ",")
                ),
                format!("anb:{}", pick(&["e1k3l1s0", "e4k5l2s1", "e6k3l3s1", "e6k5l1s0"], 7, "_")),
            ];
            for code in codes {
                let encoded: Encoded = code.parse().unwrap();
                encoded.each_part(&mut |number, part| {
                    let known = known.entry((encoded.space(), number.unwrap())).or_insert_with(part);
                    assert_eq!(*known, part(), "{code}");
                    seen += 1;
                });
            }
        }
        assert!(seen > 5 * known.len(), "{seen} of {}", known.len());
    }

    #[test]
    fn codes_round_trip_and_others_are_refused() {
        let codes = [
            "fbnet:7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5",
            "nasbench201:avg_pool_3x3,nor_conv_1x1,skip_connect,nor_conv_1x1,none,skip_connect",
            "ofa:204;2,2,2,2,3;7,5,5,5,7,7,5,7,5,7,3,7,5,3,7,3,5,3,5,3;6,4,4,6,6,3,4,3,3,6,3,3,3,6,3,4,6,4,3,6",
            "anb:e1k3l1s0_e1k3l1s1_e1k5l2s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0",
            "nbm:01200221",
            "zoo:mobilenet_v3_large_1.0@224",
        ];
        for code in codes {
            let encoded: Encoded = code.parse().unwrap();
            assert_eq!(encoded.to_string(), code);
            let groups = encoded.space().groups();
            let parts = encoded.parts();
            assert!(!parts.is_empty() && parts.iter().all(|part| groups.contains(&part.group)));
        }
        for bad in [
            "",
            "fbnet:",
            "fbnet:1,2",
            "fbnet:9,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5",
            "nasbench201:conv,none,none,none,none,none",
            "ofa:1;2,2,2,2,3;7;6",
            "ofa:204;2,2,2,2,9;7,5,5,5,7,7,5,7,5,7,3,7,5,3,7,3,5,3,5,3;6,4,4,6,6,3,4,3,3,6,3,3,3,6,3,4,6,4,3,6",
            "anb:e1k3l1s0",
            "anb:e1k3l1s0_e1k3l1s1_e1k5l4s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0",
            "anb:e2k3l1s0_e1k3l1s1_e1k5l2s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0",
            "nbm:0120022",
            "nbm:01200223",
            "zoo:no_such_net@224",
            "zoo:mobilenet_v1_0.25",
            "zoo:mobilenet_v1_0.25@0",
            "zoo:mobilenet_v1_-1@224",
            "zoo:mobilenet_v1_nan@224",
            "zoo:mobilenet_v1_1e9@224",
        ] {
            assert!(bad.parse::<Encoded>().is_err(), "{bad}");
        }
    }
}
