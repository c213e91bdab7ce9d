//! `edgezen info NET`: what a network consists of and what it costs.

use super::answers::Answers;
use super::net::{self, NetOptions};
use super::{Failure, Global, output};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::sections::Section;
use edgezen_core::plainnet::{Kernel, Model, Variant, cost, graph_cost};
use edgezen_core::units::{Bytes, Macs, Params};
use edgezen_lab::catalogue::networks::{AnyNetwork, Kind};
use edgezen_lab::prediction::Missing;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NET", required = true, help = net::NET)]
    nets: Vec<String>,
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
    /// Convolutions, those of shortcuts and squeeze-excite included, and fully connected layers.
    weighted_layers: u64,
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
    /// Sides of the maps that the block reads and writes.
    input_resolution: i64,
    output_resolution: i64,
    params: f64,
    flops: f64,
    expanded: String,
}

/// What is known of a network without a structure string.
#[derive(Serialize)]
struct GraphInfo {
    net: String,
    /// `zoo`, `code` or `onnx`.
    kind: &'static str,
    /// Channels, height and width of the image.
    input: [u32; 3],
    /// A network of basic blocks has no sublayers.
    layers: Option<u32>,
    /// Convolutions and fully connected layers.
    weighted_layers: u64,
    convs: u64,
    exact: GraphExact,
    peak_activation_bytes: u64,
    kernels: u64,
    /// Operators of a file that are not in the counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Missing>,
    blocks: Vec<SectionInfo>,
}

#[derive(Serialize)]
struct GraphExact {
    params: u64,
    macs: u64,
}

/// Kernels that belong together.
#[derive(Serialize)]
struct SectionInfo {
    block: String,
    kernels: usize,
    params: f64,
    macs: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyInfo {
    Structure(Box<Info>),
    Graph(GraphInfo),
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    if let [net] = &args.nets[..] {
        let info = any_info(net, args.options)?;
        return global.output().result(&info, || any_text(&info));
    }
    let answers = Answers::each(&args.nets, |net| any_info(net, args.options));
    let refused = answers
        .print(global.output(), |all| all.iter().map(|info| any_text(info)).collect::<Vec<_>>().join("\n"))?;
    refused.map_or(Ok(()), Err)
}

fn any_info(net: &str, options: NetOptions) -> Result<AnyInfo, Failure> {
    Ok(match net::any(net, options)? {
        AnyNetwork::PlainNet(model) => AnyInfo::Structure(Box::new(info(&model)?)),
        other => AnyInfo::Graph(graph_info(&other)?),
    })
}

fn any_text(info: &AnyInfo) -> String {
    match info {
        AnyInfo::Structure(info) => text(info),
        AnyInfo::Graph(info) => graph_text(info),
    }
}

fn graph_info(network: &AnyNetwork) -> Result<GraphInfo, Failure> {
    let cost = network.cost()?;
    let input = network.input()?;
    let section = |section: Section| SectionInfo {
        block: section.label,
        kernels: section.kernels.len(),
        params: section.kernels.iter().map(Kernel::params).sum(),
        macs: section.kernels.iter().map(Kernel::macs).sum(),
    };
    let unknown = network.imported().map(|imported| &imported.unknown[..]).unwrap_or_default();
    Ok(GraphInfo {
        net: network.name(),
        kind: match network.kind() {
            Kind::Structure => "structure",
            Kind::Zoo => "zoo",
            Kind::Code => "code",
            Kind::Onnx => "onnx",
            Kind::Tflite => "tflite",
        },
        input: [input.c, input.h, input.w],
        layers: None,
        weighted_layers: cost.weighted_layers(),
        convs: cost.convs,
        exact: GraphExact { params: cost.params, macs: cost.macs },
        peak_activation_bytes: 4 * cost.peak_elements,
        kernels: cost.kernels,
        left_out: unknown.iter().map(Missing::from).collect(),
        blocks: network.sections(Lowering::Fused)?.into_iter().map(section).collect(),
    })
}

fn graph_text(info: &GraphInfo) -> String {
    let [c, h, w] = info.input;
    let mut out = format!("{}\ninput {c}×{h}×{w}\n", info.net);
    out += &format!(
        "layers {} with weights, convolutions {}, kernels {}\n",
        info.weighted_layers, info.convs, info.kernels
    );
    let exact = &info.exact;
    out +=
        &format!("exact     {} parameters, {} MACs\n", Params(exact.params as f64), Macs(exact.macs as f64));
    out += &format!("peak activation memory {}\n", Bytes(info.peak_activation_bytes as f64));
    if !info.left_out.is_empty() {
        let names: Vec<String> = info.left_out.iter().map(Missing::to_string).collect();
        out += &format!("left out: {}\n", names.join(", "));
    }
    let row = |section: &SectionInfo| {
        vec![section.block.clone(), Params(section.params).to_string(), Macs(section.macs).to_string()]
    };
    let rows: Vec<Vec<String>> = info.blocks.iter().map(row).collect();
    out + "\n" + &output::table(&["block", "params", "MACs"], &rows)
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
    // The official counts round sides down at a stride; the maps of the network are rounded up.
    let (mut official_side, mut side) = (i64::from(model.resolution), i64::from(model.resolution));
    for block in &model.network.blocks {
        let block_alone = std::slice::from_ref(block);
        let cost = cost::official(block_alone, official_side, Variant::BUILT)?;
        let output_side = cost::exact(block_alone, side, Variant::BUILT)?.resolution;
        let expanded = block.expand(Variant::built(model.se));
        blocks.push(BlockInfo {
            block: block.to_string(),
            input_resolution: side,
            output_resolution: output_side,
            params: cost.params.0,
            flops: cost.flops.0,
            expanded: expanded.iter().map(ToString::to_string).collect(),
        });
        (official_side, side) = (cost.resolution, output_side);
    }
    Ok(Info {
        net: model.network.to_string(),
        name: model.name.clone(),
        resolution: model.resolution,
        classes: model.classes,
        se: model.se,
        layers: model.network.layers(),
        weighted_layers: graph_cost::of(&model.graph()?).weighted_layers(),
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
    let layers = match info.layers {
        Some(layers) => format!("{layers}, with weights {}", info.weighted_layers),
        None => format!("{} with weights", info.weighted_layers),
    };
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
