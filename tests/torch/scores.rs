//! Zen-Scores in libtorch: the golden values, and those of the native engine.

use crate::commands::{edgezen_json, refused};
use crate::golden::exact::{close, settings};
use crate::golden::{self, list, number, text};
use edgezen::engine::torch::zen;
use edgezen::plainnet::{notation, published};
use edgezen::proxy::Mode;
use edgezen::proxy::exact;
use edgezen::proxy::exact::{Norm, Settings, Variance};
use serde_json::Value;
use tch::Device;

fn run<T: zen::Element>(case: &Value, variance: Variance, norm: Norm, repeats: u32) -> exact::Exact {
    let network = notation::parse(text(case, "structure")).unwrap();
    let settings = settings(case, variance, norm, repeats);
    zen::score::<T>(Device::Cpu, &network, number(case, "resolution") as u32, &settings).unwrap()
}

#[test]
fn golden_scores_in_double_precision() {
    for (i, case) in list(&golden::json("scores.json")["cases"]).iter().enumerate() {
        let want = &case["components_fp64"];
        let exact = run::<f64>(case, Variance::Running, Norm::L1, 1);
        let sample = &exact.samples[0];
        let check =
            |got: f64, key: &str| close(got, number(want, key), 0.0, 1e-9, &format!("case {i} {key}"));
        check(exact.score, "score_official");
        check(run::<f64>(case, Variance::Batch, Norm::L2, 1).score, "score_paper_l2_with_batch_stats");
        check(sample.delta_l1, "delta_l1_mean");
        check(sample.delta_l2, "delta_l2_mean");
        check(sample.output_l1, "pre_gap_sum_abs");
        assert_eq!(sample.bn.len() as f64, number(want, "num_bn"));
    }
}

#[test]
fn golden_scores_in_single_precision() {
    for (i, case) in list(&golden::json("scores.json")["cases"]).iter().enumerate() {
        // In the deepest network rounding errors grow from layer to layer (docs/plainnet.md, section 5.2).
        let tolerance = if i == 6 { 0.1 } else { 1e-3 };
        let three = run::<f32>(case, Variance::Running, Norm::L1, 3);
        let want = &case["official_function_fp32_repeat3"];
        close(three.score, number(want, "avg_nas_score"), tolerance, 0.0, &format!("case {i}"));
        close(three.std, number(want, "std_nas_score"), tolerance, 0.0, &format!("case {i}, deviation"));
    }
}

#[test]
fn both_engines_give_published_networks_the_same_scores() {
    for name in ["zennet_cifar10_model_size1M_res32", "zennet_imagenet1k_flops400M_SE_res224", "resnet18"] {
        let network = published::by_name(name).unwrap().network;
        for mode in [Mode::Paper, Mode::Reference] {
            let settings = Settings { repeats: 2, batch: 4, ..Settings::new(mode, 7) };
            let native = exact::score::<f64>(&network, 32, &settings).unwrap();
            let torch = zen::score::<f64>(Device::Cpu, &network, 32, &settings).unwrap();
            close(torch.score, native.score, 0.0, 1e-7, name);
            close(torch.std, native.std, 1e-6, 0.0, name);
        }
    }
}

#[test]
fn the_command_line_has_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let net = "zennet_cifar10_model_size05M_res32";
    let score = |engine: &str| {
        let args =
            ["score", net, "--engine", engine, "--batch", "4", "--repeats", "2", "--seed", "3", "--json"];
        edgezen_json(dir.path(), &args)[0].clone()
    };
    let (torch, native) = (score("torch"), score("exact"));
    assert_eq!((torch["engine"].as_str(), torch["batch"].as_u64()), (Some("torch"), Some(4)));
    // The command line computes in single precision, whose rounding grows with depth as the disturbance does; in double precision
    // both agree to 1e-7 (above).
    close(number(&torch, "score"), number(&native, "score"), 0.2, 0.0, net);
    close(number(&torch, "std"), number(&native, "std"), 0.2, 0.0, net);
    let one =
        ["score", "SuperConvK3BNRELU(3,8,1,1)", "--resolution", "1", "--engine", "torch", "--batch", "1"];
    refused(dir.path(), &one, 2, &["single value"]);
}

#[test]
fn the_other_proxies_are_the_native_ones() {
    let dir = tempfile::tempdir().unwrap();
    for (proxy, batch, tolerance) in [
        ("grad-norm", "4", 1e-4),
        ("synflow", "1", 1e-9),
        ("synflow-original", "1", 1e-9),
        ("naswot", "8", 1e-3),
        ("te-nas", "4", 1e-4),
        ("te-nas-regions", "4", 1e-4),
    ] {
        let score = |engine: &str| {
            // Deep networks multiply rounding.
            let net = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)SuperResIDWE2K3(16,24,2,24,1)";
            let args = [
                "score",
                net,
                "--resolution",
                "32",
                "--classes",
                "10",
                "--proxy",
                proxy,
                "--engine",
                engine,
                "--batch",
                batch,
                "--repeats",
                "2",
                "--json",
            ];
            edgezen_json(dir.path(), &args)[0].clone()
        };
        let (torch, native) = (score("torch"), score("exact"));
        close(number(&torch, "score"), number(&native, "score"), 0.0, tolerance, proxy);
        assert_eq!(torch["batch"], native["batch"], "{proxy}");
    }
    refused(
        dir.path(),
        &["score", "resnet18", "--proxy", "flops", "--engine", "torch"],
        2,
        &["no torch engine"],
    );
}
