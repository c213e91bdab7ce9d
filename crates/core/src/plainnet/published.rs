//! Networks known by name: the 15 published ZenNets (docs/plainnet.md, section 6.6), ResNet-18/50 and
//! MobileNetV2, and the initial structures of the searches (section 6.4).
//!
//! ResNets and MobileNetV2 are written in basic blocks. They differ from the originals in two details, because PlainNet
//! has no other layers: a projection has a bias, and MobileNetV2's ReLU6 is a ReLU. Neither changes a latency by a
//! measurable amount.

use super::{Model, notation};

struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    structure: &'static str,
    resolution: u32,
    classes: u32,
    se: bool,
}

/// Start of the CIFAR searches.
pub const INIT_CIFAR: &str = concat!(
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)",
    "SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)",
);
/// Start of the latency searches. Its last block declares 256 channels in where 512 arrive, as in the
/// released code (docs/plainnet.md, section 6.4). Re-link it before use.
pub const INIT_IMAGENET_LATENCY: &str = concat!(
    "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,128,2,64,1)",
    "SuperResK3K3(128,256,2,128,1)SuperResK3K3(256,512,2,256,1)SuperConvK1BNRELU(256,512,1,1)",
);
/// Start of the FLOPs searches.
pub const INIT_IMAGENET_FLOPS: &str = concat!(
    "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,32,2,8,1)SuperResIDWE6K3(32,48,2,32,1)",
    "SuperResIDWE6K3(48,96,2,48,1)SuperResIDWE6K3(96,128,2,96,1)SuperConvK1BNRELU(128,2048,1,1)",
);

/// Names of all known networks, in the order of the publications.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// Other spellings of the name of a known network.
pub fn aliases(name: &str) -> &'static [&'static str] {
    ENTRIES.iter().find(|entry| entry.name == name).map_or(&[], |entry| entry.aliases)
}

/// The paper that describes the known network of this name.
pub fn source(name: &str) -> &'static str {
    match name {
        "resnet18" | "resnet50" => "He et al. 2016",
        "mobilenet_v2" => "Sandler et al. 2018",
        _ => "Lin et al. 2021, Zen-NAS",
    }
}

/// The network called `name`, if it is known.
pub fn by_name(name: &str) -> Option<Model> {
    let entry = ENTRIES.iter().find(|e| e.name == name || e.aliases.contains(&name))?;
    Some(Model {
        name: Some(entry.name.to_owned()),
        network: notation::parse(entry.structure).ok()?,
        resolution: entry.resolution,
        classes: entry.classes,
        se: entry.se,
    })
}

const ENTRIES: &[Entry] = &[
    Entry {
        name: "zennet_cifar10_model_size05M_res32",
        aliases: &["zennet_cifar_model_size05M_res32"],
        structure: concat!(
            "SuperConvK3BNRELU(3,64,1,1)SuperResK1K5K1(64,168,1,16,3)SuperResK1K3K1(168,80,2,32,4)",
            "SuperResK1K5K1(80,112,2,16,3)SuperResK1K5K1(112,144,1,24,3)SuperResK1K3K1(144,32,2,40,1)",
            "SuperConvK1BNRELU(32,512,1,1)",
        ),
        resolution: 32,
        classes: 10,
        se: false,
    },
    Entry {
        name: "zennet_cifar10_model_size1M_res32",
        aliases: &["zennet_cifar_model_size1M_res32"],
        structure: concat!(
            "SuperConvK3BNRELU(3,88,1,1)SuperResK1K7K1(88,120,1,16,1)SuperResK1K7K1(120,192,2,16,3)",
            "SuperResK1K5K1(192,224,1,24,4)SuperResK1K5K1(224,96,2,24,2)SuperResK1K3K1(96,168,2,40,3)",
            "SuperResK1K3K1(168,112,1,48,3)SuperConvK1BNRELU(112,512,1,1)",
        ),
        resolution: 32,
        classes: 10,
        se: false,
    },
    Entry {
        name: "zennet_cifar10_model_size2M_res32",
        aliases: &["zennet_cifar_model_size2M_res32"],
        structure: concat!(
            "SuperConvK3BNRELU(3,32,1,1)SuperResK1K5K1(32,120,1,40,1)SuperResK1K5K1(120,176,2,32,3)",
            "SuperResK1K7K1(176,272,1,24,3)SuperResK1K3K1(272,176,1,56,3)SuperResK1K3K1(176,176,1,64,4)",
            "SuperResK1K5K1(176,216,2,40,2)SuperResK1K3K1(216,72,2,56,2)SuperConvK1BNRELU(72,512,1,1)",
        ),
        resolution: 32,
        classes: 10,
        se: false,
    },
    Entry {
        name: "zennet_cifar100_model_size05M_res32",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,64,1,1)SuperResK1K5K1(64,168,1,16,3)SuperResK1K3K1(168,80,2,32,4)",
            "SuperResK1K5K1(80,112,2,16,3)SuperResK1K5K1(112,144,1,24,3)SuperResK1K3K1(144,32,2,40,1)",
            "SuperConvK1BNRELU(32,512,1,1)",
        ),
        resolution: 32,
        classes: 100,
        se: false,
    },
    Entry {
        name: "zennet_cifar100_model_size1M_res32",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,88,1,1)SuperResK1K7K1(88,120,1,16,1)SuperResK1K7K1(120,192,2,16,3)",
            "SuperResK1K5K1(192,224,1,24,4)SuperResK1K5K1(224,96,2,24,2)SuperResK1K3K1(96,168,2,40,3)",
            "SuperResK1K3K1(168,112,1,48,3)SuperConvK1BNRELU(112,512,1,1)",
        ),
        resolution: 32,
        classes: 100,
        se: false,
    },
    Entry {
        name: "zennet_cifar100_model_size2M_res32",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,32,1,1)SuperResK1K5K1(32,120,1,40,1)SuperResK1K5K1(120,176,2,32,3)",
            "SuperResK1K7K1(176,272,1,24,3)SuperResK1K3K1(272,176,1,56,3)SuperResK1K3K1(176,176,1,64,4)",
            "SuperResK1K5K1(176,216,2,40,2)SuperResK1K3K1(216,72,2,56,2)SuperConvK1BNRELU(72,512,1,1)",
        ),
        resolution: 32,
        classes: 100,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_flops400M_SE_res224",
        aliases: &["zennet_imagenet1k_flops400M_res224"],
        structure: concat!(
            "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,40,2,40,1)SuperResIDWE1K7(40,64,2,64,1)",
            "SuperResIDWE4K7(64,96,2,96,5)SuperResIDWE2K7(96,224,2,224,5)SuperConvK1BNRELU(224,2048,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: true,
    },
    Entry {
        name: "zennet_imagenet1k_flops600M_SE_res224",
        aliases: &["zennet_imagenet1k_flops600M_res224"],
        structure: concat!(
            "SuperConvK3BNRELU(3,24,2,1)SuperResIDWE1K7(24,48,2,48,1)SuperResIDWE2K7(48,72,2,72,1)",
            "SuperResIDWE6K7(72,96,2,88,5)SuperResIDWE4K7(96,192,2,168,5)SuperConvK1BNRELU(192,2048,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: true,
    },
    Entry {
        name: "zennet_imagenet1k_flops900M_SE_res224",
        aliases: &["zennet_imagenet1k_flops900M_res224"],
        structure: concat!(
            "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K7(16,48,2,72,1)SuperResIDWE2K7(48,72,2,64,3)",
            "SuperResIDWE2K7(72,152,2,144,3)SuperResIDWE2K7(152,360,2,352,4)",
            "SuperResIDWE4K7(360,288,1,264,3)SuperConvK1BNRELU(288,2048,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: true,
    },
    Entry {
        name: "zennet_imagenet1k_latency01ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,24,2,1)SuperResK3K3(24,32,2,64,1)SuperResK5K5(32,64,2,32,1)",
            "SuperResK5K5(64,168,2,96,1)SuperResK1K5K1(168,320,1,120,1)SuperResK1K5K1(320,640,2,304,3)",
            "SuperResK1K5K1(640,512,1,384,1)SuperConvK1BNRELU(512,2384,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_latency02ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,24,2,1)SuperResK1K5K1(24,32,2,32,1)SuperResK1K7K1(32,104,2,64,1)",
            "SuperResK1K5K1(104,512,2,160,1)SuperResK1K5K1(512,344,1,192,1)",
            "SuperResK1K5K1(344,688,2,320,4)SuperResK1K5K1(688,680,1,304,3)",
            "SuperConvK1BNRELU(680,2552,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_latency03ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,24,2,1)SuperResK1K5K1(24,64,2,32,1)SuperResK1K3K1(64,128,2,128,1)",
            "SuperResK1K7K1(128,432,2,128,1)SuperResK1K5K1(432,272,1,160,1)",
            "SuperResK1K5K1(272,848,2,384,4)SuperResK1K5K1(848,848,1,320,3)",
            "SuperResK1K5K1(848,456,1,320,3)SuperConvK1BNRELU(456,6704,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_latency05ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,8,2,1)SuperResK1K7K1(8,64,2,32,1)SuperResK1K3K1(64,152,2,128,1)",
            "SuperResK1K5K1(152,640,2,192,4)SuperResK1K5K1(640,640,1,192,2)",
            "SuperResK1K5K1(640,1536,2,384,4)SuperResK1K5K1(1536,816,1,384,3)",
            "SuperResK1K5K1(816,816,1,384,3)SuperConvK1BNRELU(816,5304,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_latency08ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,16,2,1)SuperResK1K5K1(16,64,2,64,1)SuperResK1K3K1(64,240,2,128,2)",
            "SuperResK1K7K1(240,640,2,160,3)SuperResK1K7K1(640,768,1,192,4)",
            "SuperResK1K5K1(768,1536,2,384,5)SuperResK1K5K1(1536,1536,1,384,3)",
            "SuperResK1K5K1(1536,2304,1,384,5)SuperConvK1BNRELU(2304,4912,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "zennet_imagenet1k_latency12ms_res224",
        aliases: &[],
        structure: concat!(
            "SuperConvK3BNRELU(3,32,2,1)SuperResK1K5K1(32,80,2,32,1)SuperResK1K7K1(80,432,2,128,5)",
            "SuperResK1K7K1(432,640,2,192,3)SuperResK1K7K1(640,1008,1,160,5)",
            "SuperResK1K7K1(1008,976,1,160,4)SuperResK1K5K1(976,2304,2,384,5)",
            "SuperResK1K5K1(2304,2496,1,384,5)SuperConvK1BNRELU(2496,3072,1,1)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "resnet18",
        aliases: &[],
        structure: concat!(
            "ConvKX(3,64,7,2)BN(64)RELU(64)MaxPool(64,3,2)",
            "ResBlock(64,1,ConvKX(64,64,3,1)BN(64)RELU(64)ConvKX(64,64,3,1)BN(64))RELU(64)",
            "ResBlock(64,1,ConvKX(64,64,3,1)BN(64)RELU(64)ConvKX(64,64,3,1)BN(64))RELU(64)",
            "ResBlock(64,2,ConvKX(64,128,3,2)BN(128)RELU(128)ConvKX(128,128,3,1)BN(128))RELU(128)",
            "ResBlock(128,1,ConvKX(128,128,3,1)BN(128)RELU(128)ConvKX(128,128,3,1)BN(128))RELU(128)",
            "ResBlock(128,2,ConvKX(128,256,3,2)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256))RELU(256)",
            "ResBlock(256,1,ConvKX(256,256,3,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256))RELU(256)",
            "ResBlock(256,2,ConvKX(256,512,3,2)BN(512)RELU(512)ConvKX(512,512,3,1)BN(512))RELU(512)",
            "ResBlock(512,1,ConvKX(512,512,3,1)BN(512)RELU(512)ConvKX(512,512,3,1)BN(512))RELU(512)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "resnet50",
        aliases: &[],
        structure: concat!(
            "ConvKX(3,64,7,2)BN(64)RELU(64)MaxPool(64,3,2)",
            "ResBlock(64,1,ConvKX(64,64,1,1)BN(64)RELU(64)ConvKX(64,64,3,1)BN(64)RELU(64)",
            "ConvKX(64,256,1,1)BN(256))RELU(256)",
            "ResBlock(256,1,ConvKX(256,64,1,1)BN(64)RELU(64)ConvKX(64,64,3,1)BN(64)RELU(64)",
            "ConvKX(64,256,1,1)BN(256))RELU(256)",
            "ResBlock(256,1,ConvKX(256,64,1,1)BN(64)RELU(64)ConvKX(64,64,3,1)BN(64)RELU(64)",
            "ConvKX(64,256,1,1)BN(256))RELU(256)",
            "ResBlock(256,2,ConvKX(256,128,1,1)BN(128)RELU(128)ConvKX(128,128,3,2)BN(128)RELU(128)",
            "ConvKX(128,512,1,1)BN(512))RELU(512)",
            "ResBlock(512,1,ConvKX(512,128,1,1)BN(128)RELU(128)ConvKX(128,128,3,1)BN(128)RELU(128)",
            "ConvKX(128,512,1,1)BN(512))RELU(512)",
            "ResBlock(512,1,ConvKX(512,128,1,1)BN(128)RELU(128)ConvKX(128,128,3,1)BN(128)RELU(128)",
            "ConvKX(128,512,1,1)BN(512))RELU(512)",
            "ResBlock(512,1,ConvKX(512,128,1,1)BN(128)RELU(128)ConvKX(128,128,3,1)BN(128)RELU(128)",
            "ConvKX(128,512,1,1)BN(512))RELU(512)",
            "ResBlock(512,2,ConvKX(512,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,2)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,1,ConvKX(1024,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,1,ConvKX(1024,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,1,ConvKX(1024,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,1,ConvKX(1024,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,1,ConvKX(1024,256,1,1)BN(256)RELU(256)ConvKX(256,256,3,1)BN(256)RELU(256)",
            "ConvKX(256,1024,1,1)BN(1024))RELU(1024)",
            "ResBlock(1024,2,ConvKX(1024,512,1,1)BN(512)RELU(512)ConvKX(512,512,3,2)BN(512)RELU(512)",
            "ConvKX(512,2048,1,1)BN(2048))RELU(2048)",
            "ResBlock(2048,1,ConvKX(2048,512,1,1)BN(512)RELU(512)ConvKX(512,512,3,1)BN(512)RELU(512)",
            "ConvKX(512,2048,1,1)BN(2048))RELU(2048)",
            "ResBlock(2048,1,ConvKX(2048,512,1,1)BN(512)RELU(512)ConvKX(512,512,3,1)BN(512)RELU(512)",
            "ConvKX(512,2048,1,1)BN(2048))RELU(2048)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
    Entry {
        name: "mobilenet_v2",
        aliases: &["mobilenetv2"],
        structure: concat!(
            "ConvKX(3,32,3,2)BN(32)RELU(32)ConvDW(32,3,1)BN(32)RELU(32)ConvKX(32,16,1,1)BN(16)",
            "ConvKX(16,96,1,1)BN(96)RELU(96)ConvDW(96,3,2)BN(96)RELU(96)ConvKX(96,24,1,1)BN(24)",
            "ResBlock(24,1,ConvKX(24,144,1,1)BN(144)RELU(144)ConvDW(144,3,1)BN(144)RELU(144)",
            "ConvKX(144,24,1,1)BN(24))ConvKX(24,144,1,1)BN(144)RELU(144)ConvDW(144,3,2)BN(144)RELU(144)",
            "ConvKX(144,32,1,1)BN(32)",
            "ResBlock(32,1,ConvKX(32,192,1,1)BN(192)RELU(192)ConvDW(192,3,1)BN(192)RELU(192)",
            "ConvKX(192,32,1,1)BN(32))",
            "ResBlock(32,1,ConvKX(32,192,1,1)BN(192)RELU(192)ConvDW(192,3,1)BN(192)RELU(192)",
            "ConvKX(192,32,1,1)BN(32))ConvKX(32,192,1,1)BN(192)RELU(192)ConvDW(192,3,2)BN(192)RELU(192)",
            "ConvKX(192,64,1,1)BN(64)",
            "ResBlock(64,1,ConvKX(64,384,1,1)BN(384)RELU(384)ConvDW(384,3,1)BN(384)RELU(384)",
            "ConvKX(384,64,1,1)BN(64))",
            "ResBlock(64,1,ConvKX(64,384,1,1)BN(384)RELU(384)ConvDW(384,3,1)BN(384)RELU(384)",
            "ConvKX(384,64,1,1)BN(64))",
            "ResBlock(64,1,ConvKX(64,384,1,1)BN(384)RELU(384)ConvDW(384,3,1)BN(384)RELU(384)",
            "ConvKX(384,64,1,1)BN(64))ConvKX(64,384,1,1)BN(384)RELU(384)ConvDW(384,3,1)BN(384)RELU(384)",
            "ConvKX(384,96,1,1)BN(96)",
            "ResBlock(96,1,ConvKX(96,576,1,1)BN(576)RELU(576)ConvDW(576,3,1)BN(576)RELU(576)",
            "ConvKX(576,96,1,1)BN(96))",
            "ResBlock(96,1,ConvKX(96,576,1,1)BN(576)RELU(576)ConvDW(576,3,1)BN(576)RELU(576)",
            "ConvKX(576,96,1,1)BN(96))ConvKX(96,576,1,1)BN(576)RELU(576)ConvDW(576,3,2)BN(576)RELU(576)",
            "ConvKX(576,160,1,1)BN(160)",
            "ResBlock(160,1,ConvKX(160,960,1,1)BN(960)RELU(960)ConvDW(960,3,1)BN(960)RELU(960)",
            "ConvKX(960,160,1,1)BN(160))",
            "ResBlock(160,1,ConvKX(160,960,1,1)BN(960)RELU(960)ConvDW(960,3,1)BN(960)RELU(960)",
            "ConvKX(960,160,1,1)BN(160))ConvKX(160,960,1,1)BN(960)RELU(960)ConvDW(960,3,1)BN(960)",
            "RELU(960)ConvKX(960,320,1,1)BN(320)ConvKX(320,1280,1,1)BN(1280)RELU(1280)",
        ),
        resolution: 224,
        classes: 1000,
        se: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_usable_network() {
        for name in names() {
            let model = by_name(name).unwrap();
            model.validate().unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}
