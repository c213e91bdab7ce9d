//! What a network outside PlainNet is described by: quantities summed over the kernels of its blocks.

use crate::plainnet::lowering::Lowering;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::features;
use crate::predictor::features::{Machine, Named, Quantities};
use crate::predictor::roofline::Roofline;
use crate::zoo::fbnet;
use crate::zoo::fbnet::FbNet;
use crate::zoo::{Encoded, Part, Space, accel_nasbench, nasbench201};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A quantity summed over a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// Blocks of this group only, or of all groups that begin like it (`stage*`); absent: all blocks.
    pub group: Option<String>,
    /// Kernels of this kind only; absent: all kernels.
    pub kind: Option<KernelKind>,
    /// Blocks of this place only; absent: of all places.
    pub place: Option<u8>,
    pub of: Amount,
}

impl Sum {
    /// Over all blocks and kernels.
    fn of(of: Amount) -> Sum {
        Sum { group: None, kind: None, place: None, of }
    }

    fn in_group(self, pattern: &str) -> Sum {
        Sum { group: Some(pattern.to_owned()), ..self }
    }

    /// How firmly nothing is believed of its price, beside others that are counted in the same blocks: the more choices a
    /// pattern fixes, the fewer networks speak for it.
    pub fn fineness(&self) -> f64 {
        let Some(pattern) = self.group.as_deref().filter(|pattern| pattern.contains('?')) else { return 1.0 };
        let fixed = pattern.bytes().filter(u8::is_ascii_digit).count();
        match (fixed, pattern.contains('-')) {
            (0, _) => 0.1,
            (1, _) => 1.0,
            (_, true) => 10.0,
            (_, false) => 30.0,
        }
    }

    fn takes(&self, part: &Part) -> bool {
        self.group.as_deref().is_none_or(|pattern| belongs(part.group, pattern))
            && self.place.is_none_or(|place| part.place == Some(place))
    }
}

/// What is summed: something of networks, or a feature of kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Blocks,
    /// One if there is any block; not a sum.
    Present,
    /// Side of the input image; not a sum.
    InputSide,
    /// Outputs of depthwise convolutions with each line filled up to whole strips of seven, 10^6.
    Strips,
    /// MACs of depthwise convolutions with maps filled up to whole tiles of 16 × 16, 10^6.
    TiledWindows,
    /// Outputs of convolutions, 10^6: gates and pools run beside them.
    ConvOutputs,
    Feature(Named),
}

const OWN: [Amount; 6] = [
    Amount::Blocks,
    Amount::Present,
    Amount::InputSide,
    Amount::Strips,
    Amount::TiledWindows,
    Amount::ConvOutputs,
];
/// Outputs of a line that are computed together.
const STRIP: u32 = 7;
/// Side of a tile of the map.
const TILE: u32 = 16;

/// Whether a block of `group` is meant by `pattern`: `?` stands for any letter, `*` at the end for any rest.
pub fn belongs(group: &str, pattern: &str) -> bool {
    let (begins, open) = pattern.strip_suffix('*').map_or((pattern, false), |begins| (begins, true));
    let fits = |(a, b): (u8, u8)| b == b'?' || a == b;
    let long_enough = if open { group.len() >= begins.len() } else { group.len() == begins.len() };
    long_enough && group.bytes().zip(begins.bytes()).all(fits)
}

impl Amount {
    pub fn name(&self) -> &'static str {
        match self {
            Amount::Blocks => "blocks",
            Amount::Present => "present",
            Amount::InputSide => "input_side",
            Amount::Strips => "strips_melements",
            Amount::TiledWindows => "tiled_window_mmacs",
            Amount::ConvOutputs => "conv_output_melements",
            Amount::Feature(feature) => feature.0.name,
        }
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Amount::Blocks | Amount::Present | Amount::InputSide => "1",
            Amount::Strips | Amount::ConvOutputs => "10^6",
            Amount::TiledWindows => "10^6 MAC",
            Amount::Feature(feature) => feature.0.unit,
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format!("unknown feature {name:?}"));
        let own = OWN.into_iter().find(|amount| amount.name() == name);
        own.or_else(|| features::by_name(&name).map(|f| Amount::Feature(Named(f)))).ok_or_else(unknown)
    }
}

/// The values of `sums` for a network that runs with `batch` images.
pub fn values(network: &Encoded, sums: &[Sum], batch: u32, machine: &Machine) -> Vec<f64> {
    Summing::new(sums.to_vec(), batch, *machine).values(network)
}

/// Finds the values of sums for networks of one space, which are built of few blocks: what each block adds is remembered.
pub struct Summing {
    sums: Vec<Sum>,
    batch: u32,
    machine: Machine,
    /// By the number of a block, and whether it is the first one of its network.
    known: FxHashMap<(u64, bool), Box<[Addend]>>,
}

/// Blocks before all are forgotten; bounds the memory to some tens of MB.
const REMEMBERED: usize = 1 << 13;

/// What a block adds to one of the sums.
#[derive(Clone, Copy)]
struct Addend {
    /// The place of the sum in their list.
    sum: usize,
    amount: Added,
}

#[derive(Clone, Copy)]
enum Added {
    Amount(f64),
    /// The sum is one from now on.
    Present,
}

impl Summing {
    /// For networks that run with `batch` images.
    pub fn new(sums: Vec<Sum>, batch: u32, machine: Machine) -> Summing {
        Summing { sums, batch, machine, known: FxHashMap::default() }
    }

    pub fn values(&mut self, network: &Encoded) -> Vec<f64> {
        let Summing { sums, batch, machine, known } = self;
        if known.len() > REMEMBERED {
            known.clear();
        }
        let mut values = vec![0.0; sums.len()];
        let mut add = |addends: &[Addend]| {
            for &Addend { sum, amount } in addends {
                match amount {
                    Added::Amount(amount) => values[sum] += amount,
                    Added::Present => values[sum] = 1.0,
                }
            }
        };
        let mut first = true;
        network.each_part(&mut |number, part| {
            let addends = || addends(&part(), first, sums, *batch, machine);
            match number {
                Some(number) => add(known.entry((number, first)).or_insert_with(|| addends().into())),
                None => add(&addends()),
            }
            first = false;
        });
        values
    }
}

/// What a block adds to `sums`. `first`: it is the first one of its network.
fn addends(part: &Part, first: bool, sums: &[Sum], batch: u32, machine: &Machine) -> Vec<Addend> {
    let kernels: Vec<(Kernel, Quantities)> = Lowering::Fused
        .kernels(&part.graph)
        .iter()
        .map(|kernel| kernel.with_batch(batch))
        .map(|kernel| (kernel, Quantities::of(&kernel, machine)))
        .collect();
    let addend = |(index, sum): (usize, &Sum)| {
        let amount = match sum.of {
            Amount::Blocks => 1.0,
            Amount::Present => return Addend { sum: index, amount: Added::Present },
            Amount::InputSide if first => f64::from(part.graph.input().h),
            Amount::InputSide => 0.0,
            Amount::Strips => kernels.iter().map(|(kernel, _)| strips(kernel)).sum(),
            Amount::TiledWindows => kernels.iter().map(|(kernel, _)| tiled_windows(kernel)).sum(),
            Amount::ConvOutputs => {
                let convs = kernels.iter().filter(|(kernel, _)| kernel.macs() > 0.0);
                convs.map(|(kernel, _)| kernel.output_elements() * 1e-6).sum()
            }
            Amount::Feature(feature) => kernels
                .iter()
                .filter(|(kernel, _)| sum.kind.is_none_or(|wanted| wanted == kernel.kind))
                .map(|(_, quantities)| feature.0.of(quantities))
                .sum(),
        };
        Addend { sum: index, amount: Added::Amount(amount) }
    };
    let adds = |addend: &Addend| !matches!(addend.amount, Added::Amount(0.0));
    sums.iter().enumerate().filter(|(_, sum)| sum.takes(part)).map(addend).filter(adds).collect()
}

/// What kernels are looked at with: amounts only, no rates, which such a table does not tell.
pub fn machine(precision: &str) -> Machine {
    let source = String::new();
    let roofline =
        Roofline { peak_gmacs_per_s: 1.0, gbytes_per_s: 1.0, launch_ns: 0.0, processors: None, source };
    Machine::new(precision, &roofline)
}

fn strips(kernel: &Kernel) -> f64 {
    if kernel.kind != KernelKind::Dwconv {
        return 0.0;
    }
    let line = kernel.out_w().div_ceil(STRIP) * STRIP;
    f64::from(kernel.batch) * f64::from(kernel.out_c) * f64::from(kernel.out_h()) * f64::from(line) * 1e-6
}

fn tiled_windows(kernel: &Kernel) -> f64 {
    if kernel.kind != KernelKind::Dwconv {
        return 0.0;
    }
    let up = |side: u32| f64::from(side.div_ceil(TILE) * TILE);
    let map = up(kernel.out_h()) * up(kernel.out_w());
    f64::from(kernel.batch) * f64::from(kernel.out_c) * kernel.fan_in() * map * 1e-6
}

/// What is summed over networks of `space`: few enough quantities for some tens of networks, each with a
/// physical price.
pub fn candidates(space: Space) -> Vec<Sum> {
    let of_feature = |name: &str| features::by_name(name).map(|f| Sum::of(Amount::Feature(Named(f))));
    let sum = |kind: Option<KernelKind>, name: &str| Some(Sum { kind, ..of_feature(name)? });
    let blocks = |group: &str| Some(Sum::of(Amount::Blocks).in_group(group));
    let all = |of: Amount| Some(Sum::of(of));
    let in_stages = |sum: Option<Sum>| Some(sum?.in_group("stage*"));
    let (conv, dw, gate) = (Some(KernelKind::Conv), Some(KernelKind::Dwconv), Some(KernelKind::Scale));
    let found: Vec<Option<Sum>> = match space {
        Space::FbNet => vec![
            all(Amount::Blocks),
            blocks("skip"),
            sum(dw, "dw3_mmacs"),
            sum(dw, "dw5_mmacs"),
            sum(conv, "pointwise_mmacs"),
            sum(conv, "grouped_mmacs"),
            sum(conv, "mmacs").map(|sum| sum.in_group("skip")),
            sum(None, "output_mb"),
            sum(None, "weight_mb"),
            sum(dw, "channels"),
        ],
        Space::NasBench201 => space.groups().iter().filter(|g| **g != "fixed").map(|g| blocks(g)).collect(),
        Space::Ofa => vec![
            in_stages(all(Amount::Blocks)),
            in_stages(sum(conv, "pointwise_mmacs")),
            in_stages(sum(dw, "dw3_mmacs")),
            in_stages(sum(dw, "dw5_mmacs")),
            in_stages(sum(dw, "dw7_mmacs")),
            in_stages(all(Amount::ConvOutputs)),
            in_stages(sum(None, "weight_mb")),
            all(Amount::InputSide),
            in_stages(all(Amount::Strips)),
            in_stages(all(Amount::TiledWindows)),
            sum(conv, "mmacs").map(|sum| sum.in_group("head")),
        ],
        Space::AccelNasBench => vec![
            all(Amount::Blocks),
            sum(dw, "dw3_mmacs"),
            sum(dw, "dw5_mmacs"),
            sum(dw, "input_mb"),
            sum(dw, "output_mb"),
            sum(dw, "channels"),
            sum(conv, "launch"),
            sum(conv, "pointwise_mmacs"),
            sum(conv, "output_mb"),
            sum(conv, "residual_mb"),
            sum(gate, "launch"),
            sum(gate, "channels"),
            sum(gate, "bytes_mb"),
            sum(None, "weight_mb"),
        ],
        Space::NasBenchMacro => space.groups().iter().filter(|g| **g != "fixed").map(|g| blocks(g)).collect(),
        Space::Named => Vec::new(),
    };
    found.into_iter().flatten().collect()
}

/// What is counted beside [`candidates`] where hundreds of networks can pay for it.
pub fn details(space: Space) -> Vec<Sum> {
    match space {
        // Each operation at each place.
        Space::FbNet => {
            let of_op = |op: u8| Encoded::FbNet(FbNet([op; fbnet::LAYERS])).parts();
            let mut sums: Vec<Sum> = (0..fbnet::OPS.len() as u8)
                .flat_map(of_op)
                .filter(|part| part.place.is_some())
                .map(|part| Sum { place: part.place, ..Sum::of(Amount::Blocks).in_group(part.group) })
                .collect();
            sums.dedup();
            sums
        }
        // A kind of kernel that runs at all costs something once.
        Space::NasBench201 => {
            let ops = nasbench201::OPS.iter().filter(|op| **op != "none").map(|op| format!("{op}*"));
            let patterns = ops.chain(["nor_conv*".to_owned()]);
            patterns.map(|pattern| Sum::of(Amount::Present).in_group(&pattern)).collect()
        }
        Space::AccelNasBench => accel_nasbench::patterns()
            .map(|(place, pattern)| Sum { place: Some(place), ..Sum::of(Amount::Blocks).in_group(&pattern) })
            .collect(),
        Space::Ofa | Space::NasBenchMacro | Space::Named => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(code: &str, sums: &[Sum]) -> Vec<f64> {
        values(&code.parse().unwrap(), sums, 1, &machine("fp32"))
    }

    #[test]
    fn details_of_accel_nasbench_count_each_choice_and_each_boundary() {
        let sums = details(Space::AccelNasBench);
        let code = "anb:e1k3l1s1_e6k3l2s1_e6k5l2s1_e6k3l3s0_e6k5l3s1_e6k5l4s1_e6k3l1s1";
        let values = counted(code, &sums);
        let of = |place: u8, pattern: &str| {
            let at = sums.iter().position(|s| s.place == Some(place) && s.group.as_deref() == Some(pattern));
            values[at.unwrap()]
        };
        // Block 4 has a first layer and two more; it follows one with gates and with residuals.
        assert_eq!(
            (of(6, "e?k?s?*"), of(7, "e?k?s?*"), of(7, "e6k?s?*"), of(7, "e?k?s1*")),
            (1.0, 2.0, 2.0, 0.0)
        );
        assert_eq!((of(6, "e6k?s?-e?s?r1"), of(6, "e6k?s?-e?s1r?"), of(6, "e6k?s?-e?s0r?")), (1.0, 1.0, 0.0));
        assert!(belongs("e6k3s1-e1s0r0", "e?k3s?*") && !belongs("e6k3s1", "e?k3s?-e?s?r?"));
        let fineness = |pattern: &str| Sum::of(Amount::Blocks).in_group(pattern).fineness();
        let patterns = ["e?k?s?*", "e6k?s?*", "e6k?s?-e?s?r1", "e6k3s?*", "skip", "nor_conv*"];
        assert_eq!(patterns.map(fineness), [0.1, 1.0, 10.0, 30.0, 1.0, 1.0]);
        // Each layer once for each of five levels, and three for each boundary.
        assert_eq!(values.iter().sum::<f64>(), 5.0 * 16.0 + 3.0 * 6.0);
    }

    #[test]
    fn details_count_each_block_of_fbnet_once() {
        let sums = details(Space::FbNet);
        assert_eq!(sums.len(), 8 * 12 + 6);
        for code in [
            "fbnet:7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5",
            "fbnet:8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8",
        ] {
            let network: Encoded = code.parse().unwrap();
            let blocks = network.parts().iter().filter(|part| part.group != "fixed").count();
            assert_eq!(counted(code, &sums).iter().sum::<f64>(), blocks as f64);
        }
    }

    #[test]
    fn remembered_blocks_add_what_they_add_alone() {
        let codes = [
            "fbnet:7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5",
            "fbnet:8,8,1,8,4,8,0,8,7,4,1,4,7,3,2,7,3,2,4,2,6,5",
            "nasbench201:nor_conv_1x1,none,none,avg_pool_3x3,none,nor_conv_1x1",
            "nasbench201:nor_conv_1x1,none,skip_connect,avg_pool_3x3,none,nor_conv_3x3",
            "ofa:204;2,2,2,2,3;7,5,5,5,7,7,5,7,5,7,3,7,5,3,7,3,5,3,5,3;6,4,4,6,6,3,4,3,3,6,3,3,3,6,3,4,6,4,3,6",
            "ofa:160;2,4,2,2,3;7,5,3,5,7,7,5,7,5,7,3,7,5,3,7,3,5,3,5,3;6,4,4,6,6,3,4,3,3,6,3,3,3,6,3,4,6,4,3,6",
            "anb:e1k3l1s0_e1k3l1s1_e1k5l2s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0",
            "anb:e1k3l1s0_e1k3l2s1_e1k5l2s1_e4k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s1",
            "nbm:01200221",
            "nbm:11200221",
        ];
        for codes in codes.chunks(2) {
            let codes: Vec<Encoded> = codes.iter().map(|code| code.parse().unwrap()).collect();
            let space = codes[0].space();
            let sums = [candidates(space), details(space)].concat();
            let mut summing = Summing::new(sums.clone(), 4, machine("fp32"));
            for code in codes.iter().cycle().take(5) {
                assert_eq!(summing.values(code), values(code, &sums, 4, &machine("fp32")), "{code}");
            }
        }
    }

    #[test]
    fn what_is_present_counts_once_wherever_it_is() {
        // A 1×1 convolution twice, once of them dead, and a pool.
        let code = "nasbench201:nor_conv_1x1,none,none,avg_pool_3x3,none,nor_conv_1x1";
        let sums = details(Space::NasBench201);
        let patterns: Vec<&str> = sums.iter().filter_map(|sum| sum.group.as_deref()).collect();
        assert_eq!(
            patterns,
            ["skip_connect*", "nor_conv_1x1*", "nor_conv_3x3*", "avg_pool_3x3*", "nor_conv*"]
        );
        assert_eq!(counted(code, &sums), [0.0, 1.0, 0.0, 1.0, 1.0]);
    }
}
