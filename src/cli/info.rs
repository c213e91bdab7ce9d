//! `edgezen info NET`: what a network consists of and what it costs.

use super::net::{self, NetOptions};
use super::{Failure, Global, output};
use edgezen_core::plainnet::{Model, Variant, cost};
use edgezen_core::units::{Bytes, Macs, Params};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure string, file, or published name
    net: String,
    #[command(flatten)]
    options: NetOptions,
}

#[derive(Serialize)]
struct Info {
    net: String,
    name: Option<String>,
    resolution: u32,
    classes: u32,
    se: bool,
    /// Sum of sublayers; absent for networks of basic blocks.
    layers: Option<u32>,
    convs: i64,
    official: OfficialCost,
    exact: ExactCost,
    /// With squeeze-excite, whether or not the network uses it.
    official_se: OfficialCost,
    exact_se: ExactCost,
    /// As scores see it: without residual links.
    official_no_reslink: OfficialCost,
    peak_activation_bytes: u64,
    kernels: usize,
    blocks: Vec<BlockInfo>,
}

#[derive(Serialize)]
struct OfficialCost {
    params: f64,
    flops: f64,
}

#[derive(Serialize)]
struct ExactCost {
    params: i64,
    macs: i64,
    conv_macs: i64,
    fc_macs: i64,
    conv_bias_adds: i64,
    bn_elements: i64,
    convs: i64,
    bns: i64,
    pre_gap_shape: [i64; 3],
}

#[derive(Serialize)]
struct BlockInfo {
    block: String,
    input_resolution: i64,
    output_resolution: i64,
    params: f64,
    flops: f64,
    expanded: String,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let model = net::model(&args.net, args.options)?;
    let info = info(&model)?;
    global.output().result(&info, || text(&info))
}

fn info(model: &Model) -> Result<Info, Failure> {
    let official = |variant| -> Result<OfficialCost, Failure> {
        let (params, flops) = model.official(variant)?;
        Ok(OfficialCost { params: params.0, flops: flops.0 })
    };
    let exact = |variant| -> Result<ExactCost, Failure> {
        let cost = model.exact(variant)?;
        Ok(ExactCost {
            params: cost.params,
            macs: cost.macs(),
            conv_macs: cost.conv_macs,
            fc_macs: cost.fc_macs,
            conv_bias_adds: cost.conv_bias_adds,
            bn_elements: cost.bn_elements,
            convs: cost.convs,
            bns: cost.bns,
            pre_gap_shape: [i64::from(model.network.out_c()), cost.resolution, cost.resolution],
        })
    };
    let exact_built = exact(Variant::BUILT)?;
    let mut blocks = Vec::new();
    let mut resolution = i64::from(model.resolution);
    for block in &model.network.blocks {
        let cost = cost::official(std::slice::from_ref(block), resolution, Variant::BUILT)?;
        let expanded = block.expand(Variant::built(model.se));
        blocks.push(BlockInfo {
            block: block.to_string(),
            input_resolution: resolution,
            output_resolution: cost.resolution,
            params: cost.params.0,
            flops: cost.flops.0,
            expanded: expanded.iter().map(ToString::to_string).collect(),
        });
        resolution = cost.resolution;
    }
    Ok(Info {
        net: model.network.to_string(),
        name: model.name.clone(),
        resolution: model.resolution,
        classes: model.classes,
        se: model.se,
        layers: model.network.layers(),
        convs: exact_built.convs,
        official: official(Variant::BUILT)?,
        exact: exact_built,
        official_se: official(Variant::BUILT_SE)?,
        exact_se: exact(Variant::BUILT_SE)?,
        official_no_reslink: official(Variant::SCORED)?,
        peak_activation_bytes: model.peak_activations()?.0 as u64,
        kernels: model.kernels()?.len(),
        blocks,
    })
}

fn text(info: &Info) -> String {
    let exact = if info.se { &info.exact_se } else { &info.exact };
    let layers = info.layers.map_or("-".to_owned(), |n| n.to_string());
    let mut out = String::new();
    if let Some(name) = &info.name {
        out += &format!("{name}\n");
    }
    out += &format!(
        "input 3×{0}×{0}, {1} classes{2}\n",
        info.resolution,
        info.classes,
        if info.se { ", squeeze-excite" } else { "" }
    );
    out += &format!("layers {layers}, convolutions {}, kernels {}\n", exact.convs, info.kernels);
    out += &format!(
        "official  {} parameters, {} FLOPs\n",
        Params(info.official.params),
        Macs(info.official.flops)
    );
    out +=
        &format!("exact     {} parameters, {} MACs\n", Params(exact.params as f64), Macs(exact.macs as f64));
    out += &format!("peak activation memory {}\n\n", Bytes(info.peak_activation_bytes as f64));
    let rows: Vec<Vec<String>> = info
        .blocks
        .iter()
        .map(|b| {
            vec![
                b.block.clone(),
                format!("{}→{}", b.input_resolution, b.output_resolution),
                Params(b.params).to_string(),
                Macs(b.flops).to_string(),
            ]
        })
        .collect();
    out + &output::table(&["block", "side", "params", "FLOPs"], &rows)
}
