//! Structures against the golden data: parsing, expansion, splitting, scaling, costs.

use crate::golden::{json, list, number, text};
use edgezen::plainnet::block::{smart_round, smart_round_auto};
use edgezen::plainnet::{Block, Model, Network, SuperBlock, Variant, cost, notation, published, split};
use serde_json::Value;

fn only_super(structure: &str) -> Vec<SuperBlock> {
    notation::parse(structure).unwrap().super_blocks("the test splits").unwrap()
}

/// Automatic names differ from program to program.
fn hide_automatic_names(printed: &str) -> String {
    let mut out = String::new();
    let mut rest = printed;
    while let Some(at) = rest.find("uuid") {
        out += &rest[..at];
        out += "<auto>";
        rest = &rest[at + "uuid".len() + 32..];
    }
    out + rest
}

/// The reference rejects these by mistake, and edgezen accepts them (docs/plainnet.md, section 1.3).
const ACCEPTED_ON_PURPOSE: [&str; 2] =
    ["ResBlock(ConvKX(n1|8,8,3,1)BN(8))", "Sequential(ConvKX(8,8,3,1)BN(8))"];

#[test]
fn parsing() {
    for case in list(&json("parsing.json")) {
        let input = text(case, "input");
        let parsed = notation::parse(input);
        if case["accepted"] != true {
            let on_purpose = ACCEPTED_ON_PURPOSE.contains(&input);
            assert_eq!(parsed.is_ok(), on_purpose, "{input:?}: {parsed:?}");
            continue;
        }
        let network = parsed.unwrap_or_else(|e| panic!("{input:?}: {e}"));
        assert_eq!(network.blocks.len() as f64, number(case, "num_blocks"), "{input:?}");
        assert_eq!(hide_automatic_names(&network.to_string()), text(case, "printed"), "{input:?}");
        // The costs in this file are those of the first block.
        let first = &network.blocks[..network.blocks.len().min(1)];
        let cost = cost::official(first, 32, Variant::BUILT).unwrap();
        assert_eq!(cost.params.0, number(case, "model_size"), "{input:?}");
        assert_eq!(cost.flops.0, number(case, "flops_res32"), "{input:?}");
        if case["cost_error"].is_null() {
            assert_eq!(cost.resolution as f64, number(case, "out_res32"), "{input:?}");
            assert_eq!(f64::from(first[0].out_c()), number(case, "out_channels"), "{input:?}");
        }
    }
}

#[test]
fn expansions() {
    for case in list(&json("expansions.json")) {
        let structure = text(case, "block");
        let resolution = case["resolution"].as_i64().unwrap();
        let network = notation::parse(structure).unwrap();
        let variants = case["variants"].as_object().unwrap();
        assert_eq!(variants.len(), 8);
        for (name, want) in variants {
            let variant = Variant {
                reslink: !name.starts_with("no_reslink"),
                se: name.contains("_se"),
                bn: !name.contains("_nobn"),
            };
            let expanded: Vec<Block> = network.blocks.iter().flat_map(|b| b.expand(variant)).collect();
            let printed: String = expanded.iter().map(ToString::to_string).collect();
            assert_eq!(printed, text(want, "expanded"), "{structure} {name}");
            let whole = cost::official(&network.blocks, resolution, variant).unwrap();
            assert_eq!(whole.params.0, number(want, "model_size"), "{structure} {name}");
            assert_eq!(whole.flops.0, number(want, "flops"), "{structure} {name}");
            assert_eq!(whole.resolution as f64, number(want, "output_resolution"), "{structure} {name}");
            // The printed expansion costs the same, and so does the arithmetic over sublayers.
            let reparsed = notation::parse(&printed).unwrap();
            let again = cost::official(&reparsed.blocks, resolution, variant).unwrap();
            assert_eq!(again, whole, "{structure} {name}");
            for block in only_super(structure) {
                assert_eq!(
                    cost::official_block(&block, resolution, variant).unwrap(),
                    whole,
                    "{structure} {name}"
                );
            }
        }
        let blocks = split(&only_super(structure), 6);
        assert_eq!(Network::from(&blocks[..]).to_string(), text(case, "split_6"));
    }
}

#[test]
fn rounding() {
    for case in list(&json("rounding_and_lists.json")["smart_round"]) {
        let x = number(case, "x");
        assert_eq!(f64::from(smart_round(x, 8)), number(case, "base8"), "{x}");
        assert_eq!(f64::from(smart_round_auto(x)), number(case, "auto"), "{x}");
    }
}

#[test]
fn splits() {
    for case in list(&json("splits.json")) {
        let threshold = case["threshold"].as_i64().unwrap() as i32;
        let once = split(&only_super(text(case, "block")), threshold);
        assert_eq!(Network::from(&once[..]).to_string(), text(case, "once"), "{case}");
        let twice = split(&once, threshold);
        assert_eq!(Network::from(&twice[..]).to_string(), text(case, "twice"), "{case}");
    }
}

#[test]
fn structure_scale() {
    for case in list(&json("structure_scale.json")) {
        let args = &case["args"];
        let factor = |name: &str| args[name].as_f64().or(args["scale"].as_f64()).unwrap_or(1.0);
        let block = only_super(text(case, "block"))[0];
        let scaled = block.scale(factor("channel_scale"), factor("sub_layer_scale"));
        assert_eq!(scaled.to_string(), text(case, "result"), "{case}");
    }
}

fn check_costs(model: &Model, case: &Value) {
    let variants = [
        ("reslink", Variant::BUILT),
        ("reslink_se", Variant::BUILT_SE),
        ("no_reslink", Variant::SCORED),
        ("no_reslink_se", Variant { se: true, ..Variant::SCORED }),
    ];
    for (name, variant) in variants {
        let (params, flops) = model.official(variant).unwrap();
        let want = &case["official"][name];
        assert_eq!(params.0, number(want, "model_size"), "{name} of {model:?}");
        assert_eq!(flops.0, number(want, "flops"), "{name} of {model:?}");
        let want = &case["exact"][name];
        if want.is_null() {
            continue;
        }
        let exact = model.exact(variant).unwrap();
        let pairs = [
            (exact.params, "trainable_params"),
            (exact.conv_macs, "conv_macs"),
            (exact.fc_macs, "fc_macs"),
            (exact.conv_bias_adds, "conv_bias_adds"),
            (exact.bn_elements, "bn_elements"),
            (exact.convs, "num_convs"),
            (exact.bns, "num_bns"),
        ];
        for (have, key) in pairs {
            if !want[key].is_null() {
                assert_eq!(have as f64, number(want, key), "{key}, {name} of {model:?}");
            }
        }
        let shape = [i64::from(model.network.out_c()), exact.resolution, exact.resolution];
        assert_eq!(serde_json::json!(shape), want["pre_gap_shape"], "{name} of {model:?}");
    }
}

#[test]
fn published_networks() {
    let cases = json("structures.json");
    assert_eq!(list(&cases).len(), 15);
    for case in list(&cases) {
        let name = text(case, "name");
        let model = published::by_name(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(model.network.to_string(), text(case, "canonical"));
        assert_eq!(f64::from(model.classes), number(case, "num_classes"));
        assert_eq!(f64::from(model.resolution), number(case, "resolution"));
        assert_eq!(model.se, name.contains("_SE_"));
        assert_eq!(f64::from(model.network.layers().unwrap()), number(case, "num_layers"));
        for (key, threshold) in [("split_threshold_6", 6), ("split_threshold_4", 4)] {
            let blocks = split(&only_super(text(case, "structure")), threshold);
            assert_eq!(Network::from(&blocks[..]).to_string(), text(case, key), "{name}");
        }
        check_costs(&model, case);
        let mut resolution = i64::from(model.resolution);
        let blocks = only_super(text(case, "structure"));
        for (block, want) in blocks.iter().zip(list(&case["per_super_block"])) {
            assert_eq!(block.to_string(), text(want, "block"));
            assert_eq!(resolution as f64, number(want, "input_resolution"));
            let cost = cost::official_block(block, resolution, Variant::BUILT).unwrap();
            assert_eq!(cost.params.0, number(want, "model_size"), "{name} {block}");
            assert_eq!(cost.flops.0, number(want, "flops"), "{name} {block}");
            resolution = cost.resolution;
        }
    }
}

#[test]
fn costs_of_mutated_networks() {
    for file in ["mutations_XXBL.json", "mutations_IDW_fixfc.json"] {
        for case in list(&json(file)) {
            let model = Model {
                name: None,
                network: notation::parse(text(case, "child")).unwrap(),
                resolution: number(case, "resolution") as u32,
                classes: number(case, "num_classes") as u32,
                se: false,
            };
            assert_eq!(f64::from(model.network.layers().unwrap()), number(case, "num_layers"));
            check_costs(&model, case);
        }
    }
}

#[test]
fn well_known_networks_have_their_sizes() {
    // The counts are torchvision's. A projection of a PlainNet has a bias besides (docs/plainnet.md,
    // section 2.5).
    for (name, params, projection_biases, gmacs) in [
        ("resnet18", 11_689_512, 128 + 256 + 512, 1.814),
        ("resnet50", 25_557_032, 256 + 512 + 1024 + 2048, 4.089),
        ("mobilenet_v2", 3_504_872, 0, 0.301),
    ] {
        let model = published::by_name(name).unwrap();
        let exact = model.exact(Variant::BUILT).unwrap();
        assert_eq!(exact.params, params + projection_biases, "{name}");
        assert!((exact.macs() as f64 / 1e9 - gmacs).abs() < 0.001, "{name}: {}", exact.macs());
        let kernels: f64 = model.kernels().unwrap().iter().map(|k| k.macs()).sum();
        assert_eq!(kernels, exact.macs() as f64, "{name}: kernels miss some of the work");
    }
}
