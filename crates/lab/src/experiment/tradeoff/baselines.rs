//! The networks that the paper compares with, and what is published of their accuracy.

use crate::accuracy::AccuracyTable;
use edgezen_core::zoo::{Encoded, Named, known};

/// A family of baselines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    /// Names in the zoo.
    pub networks: &'static [&'static str],
}

/// Families whose structure is published.
pub const FAMILIES: &[Family] = &[
    Family { name: "ResNet", networks: &["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] },
    Family { name: "DenseNet", networks: &["densenet121", "densenet161", "densenet169", "densenet201"] },
    Family { name: "ResNeSt", networks: &["resnest50", "resnest101"] },
    Family {
        name: "RegNetX",
        networks: &[
            "regnetx_002",
            "regnetx_004",
            "regnetx_006",
            "regnetx_008",
            "regnetx_016",
            "regnetx_032",
            "regnetx_040",
            "regnetx_064",
            "regnetx_080",
            "regnetx_120",
            "regnetx_160",
            "regnetx_320",
        ],
    },
    Family {
        name: "RegNetY",
        networks: &[
            "regnety_002",
            "regnety_004",
            "regnety_006",
            "regnety_008",
            "regnety_016",
            "regnety_032",
            "regnety_040",
            "regnety_064",
            "regnety_080",
            "regnety_120",
            "regnety_160",
            "regnety_320",
        ],
    },
    Family { name: "DFNet", networks: &["dfnet_1", "dfnet_2", "dfnet_2a"] },
    Family { name: "MobileNetV2", networks: &["mobilenet_v2_0.5", "mobilenet_v2_1.0", "mobilenet_v2_1.4"] },
    Family {
        name: "MnasNet",
        networks: &[
            "mnasnet_0.5",
            "mnasnet_0.75",
            "mnasnet_1.0",
            "mnasnet_1.3",
            "semnasnet_0.75",
            "semnasnet_1.0",
        ],
    },
    Family {
        name: "EfficientNet",
        networks: &[
            "efficientnet_b0",
            "efficientnet_b1",
            "efficientnet_b2",
            "efficientnet_b3",
            "efficientnet_b4",
            "efficientnet_b5",
            "efficientnet_b6",
            "efficientnet_b7",
        ],
    },
    Family { name: "DNANet", networks: &["dnanet_a", "dnanet_b", "dnanet_c", "dnanet_d"] },
];

/// A published accuracy, in percent, of one network after one training recipe.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Published {
    pub top1: f64,
    pub source: String,
    pub recipe: String,
}

const DNA: &str = "authors (github.com/changlin31/DNA, README)";
const DFNET: &str = "authors (github.com/lixincn2015/Partial-Order-Pruning, README)";
const OFA: &str = "authors (github.com/mit-han-lab/once-for-all, README)";

/// Accuracies that no table has: name in the zoo, percent, source.
const BY_AUTHORS: [(&str, f64, &str); 7] = [
    ("dnanet_a", 77.1, DNA),
    ("dnanet_b", 77.5, DNA),
    ("dnanet_c", 77.8, DNA),
    ("dnanet_d", 78.4, DNA),
    ("dfnet_1", 69.78, DFNET),
    ("dfnet_2", 73.92, DFNET),
    ("dfnet_2a", 76.00, DFNET),
];

/// A baseline of the paper whose structure was released as a file of weights only, so that its latency is not predicted here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WithoutStructure {
    pub family: &'static str,
    pub network: &'static str,
    pub published: f64,
    pub source: &'static str,
    pub recipe: &'static str,
    /// 10^6, as published.
    pub params_m: f64,
    /// Multiply-adds, 10^6, as published.
    pub mmacs: f64,
}

/// The once-for-all networks that the paper compares with.
pub const WITHOUT_STRUCTURE: [WithoutStructure; 5] = [
    ofa("OFANet-389M", 79.1, "finetune@75", 8.4, 389.0),
    ofa("OFANet-482M", 79.6, "finetune@75", 9.1, 482.0),
    ofa("OFANet-595M", 80.0, "finetune@75", 9.1, 595.0),
    ofa("OFANet-9ms", 75.3, "finetune@25", 5.2, 313.0),
    ofa("OFANet-11ms", 76.1, "finetune@25", 6.2, 352.0),
];

const fn ofa(
    network: &'static str,
    published: f64,
    recipe: &'static str,
    params_m: f64,
    mmacs: f64,
) -> WithoutStructure {
    WithoutStructure { family: "OFANet", network, published, source: OFA, recipe, params_m, mmacs }
}

/// Recipes in the order in which one is drawn for a network: the ones nearest to those of the networks' own papers first.
const DRAWN: [(&str, &str); 6] = [
    ("torchvision", "IMAGENET1K_V1"),
    ("timm", "pycls_in1k"),
    ("timm", "rmsp_in1k"),
    ("timm", "tv_in1k"),
    ("timm", "in1k"),
    ("timm", "aa_in1k"),
];

/// A row of a table: the network as the zoo knows it, the side of the images, the recipe.
pub struct Row {
    pub network: String,
    pub resolution: u32,
    pub published: Published,
}

/// The rows of networks that the zoo knows, without those that saw further images in training.
pub fn rows(table: &AccuracyTable) -> Vec<Row> {
    let column = |name: &str| table.texts(name).unwrap_or_else(|| vec![String::new(); table.nets.len()]);
    let (sources, recipes, sides) = (column("source"), column("weights"), column("resolution"));
    let extra = table.numbers("extra_data").unwrap_or_default();
    let row = |(i, net): (usize, &Option<String>)| {
        if extra.get(i).copied().flatten().is_some_and(|extra| extra > 0.0) {
            return None;
        }
        let net = net.as_deref()?;
        let (network, resolution) = match net.parse::<Encoded>() {
            Ok(Encoded::Named(named)) => (named.name().to_owned(), named.resolution()),
            _ => {
                let listed = known::known_as(net)?;
                (listed.name.to_owned(), sides[i].parse().unwrap_or(listed.resolution))
            }
        };
        let (source, recipe) = (sources[i].clone(), recipes[i].clone());
        Some(Row { network, resolution, published: Published { top1: table.accuracies[i], source, recipe } })
    };
    table.nets.iter().enumerate().filter_map(row).collect()
}

/// What is published of a network on images of its own size: the recipe that is drawn comes first.
pub fn published(rows: &[Row], network: &str) -> Vec<Published> {
    let own = known::known_as(network).map_or(224, |known| known.resolution);
    let of = rows.iter().filter(|row| row.network == network && row.resolution == own);
    let mut found: Vec<Published> = of.map(|row| row.published.clone()).collect();
    let rank = |published: &Published| {
        let is = |(source, recipe): &(&str, &str)| published.source == *source && published.recipe == *recipe;
        DRAWN.iter().position(is).unwrap_or(DRAWN.len())
    };
    found.sort_by_key(rank);
    let by_authors = BY_AUTHORS.iter().filter(|(name, ..)| *name == network);
    found.extend(by_authors.map(|&(_, top1, source)| Published {
        top1,
        source: source.to_owned(),
        recipe: "as published".to_owned(),
    }));
    found
}

/// The network of the zoo called `name`, on images of the size that it was made for.
pub fn of_zoo(name: &str) -> Option<Encoded> {
    let own = known::known_as(name).map_or(224, |known| known.resolution);
    Named::new(name, own).ok().map(Encoded::Named)
}
