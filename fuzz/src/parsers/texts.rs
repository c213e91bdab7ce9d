//! What people type: structures, codes of other search spaces, quantities.

use super::{Parser, Seeds, as_it_is, said, text};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::{Model, Variant, notation, published};
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::zen::ZenScore;
use edgezen_core::search::Quantity;
use edgezen_core::units::Latency;
use edgezen_core::zoo::{Encoded, Named};

pub const PARSERS: &[Parser] = &[
    Parser { name: "structure", seeds: structures, seal: as_it_is, parse: structure },
    Parser { name: "code", seeds: codes, seal: as_it_is, parse: code },
    Parser { name: "quantity", seeds: quantities, seal: as_it_is, parse: quantity },
];

fn structures() -> Seeds {
    let names = ["resnet18", "mobilenet_v2", "zennet_imagenet1k_latency05ms_res224"];
    let published = names.iter().filter_map(|name| published::by_name(name));
    let mut seeds: Vec<Vec<u8>> = published.map(|model| model.network.to_string().into_bytes()).collect();
    seeds.push(b"SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)".to_vec());
    Ok(seeds)
}

/// Its costs and its kernels; its score, where it has one.
fn structure(input: &[u8]) -> Result<(), String> {
    let network = notation::parse(notation::first_line(text(input)?)).map_err(said)?;
    let model = Model { name: None, network, resolution: 224, classes: 1000, se: false };
    model.validate().map_err(said)?;
    model.exact(Variant::BUILT).map_err(said)?;
    model.lowered(Lowering::Fused).map_err(said)?;
    ZenScore::new(Mode::Paper, model.resolution).score_network(&model.network).map(drop).or(Ok(()))
}

fn codes() -> Seeds {
    let codes = [
        "fbnet:7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5",
        "nasbench201:avg_pool_3x3,nor_conv_1x1,skip_connect,nor_conv_1x1,none,skip_connect",
        "ofa:204;2,2,2,2,3;7,5,5,5,7,7,5,7,5,7,3,7,5,3,7,3,5,3,5,3;6,4,4,6,6,3,4,3,3,6,3,3,3,6,3,4,6,4,3,6",
        "anb:e1k3l1s0_e1k3l1s1_e1k5l2s1_e1k3l3s0_e6k3l3s1_e4k5l4s1_e1k3l1s0",
        "nbm:01200221",
        "zoo:mobilenet_v3_large_1.0@224",
        "efficientnet_b0",
    ];
    Ok(codes.map(|code| code.as_bytes().to_vec()).to_vec())
}

fn code(input: &[u8]) -> Result<(), String> {
    let text = text(input)?;
    let encoded = match text.parse::<Encoded>() {
        Ok(encoded) => encoded,
        Err(error) => Encoded::Named(Named::new(text, 224).map_err(|_| said(error))?),
    };
    encoded.parts();
    Ok(())
}

fn quantities() -> Seeds {
    Ok(["80ms", "0.3ms", "250us", "1.5s", "900ns", "400M", "1.5G", "8MB", "18"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec())
}

fn quantity(input: &[u8]) -> Result<(), String> {
    let text = text(input)?;
    let latency = text.parse::<Latency>().map(|latency| drop(latency.to_string())).map_err(said);
    let limits = Quantity::of_networks()
        .map(|quantity| quantity.parse(text).map(|limit| drop(quantity.print(limit))).map_err(said));
    limits.fold(latency, Result::or)
}
