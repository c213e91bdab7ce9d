//! `edgezen score` and `edgezen experiment` as a user runs them.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::proxy;
use serde_json::Value;

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK1K3K1(8,16,2,8,1)SuperConvK1BNRELU(16,24,1,1)";

fn score(args: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<&str> = ["score"].iter().chain(args).chain(&["--json"]).copied().collect();
    edgezen_json(dir.path(), &all)
}

#[test]
fn every_flag_shows_in_the_json() {
    let scores = score(&[
        SMALL,
        "resnet18",
        "--engine",
        "exact",
        "--mode",
        "reference",
        "--batch",
        "2",
        "--repeats",
        "3",
        "--resolution",
        "32",
    ]);
    assert_eq!(list(&scores).len(), 2);
    let first = &scores[0];
    let fields: Vec<&String> = first.as_object().unwrap().keys().collect();
    let want =
        ["batch", "engine", "mode", "net", "proxy", "repeats", "resolution", "score", "seconds", "std"];
    assert_eq!(fields, want);
    assert_eq!(text(first, "net"), SMALL);
    assert_eq!((text(first, "engine"), text(first, "mode")), ("exact", "reference"));
    assert_eq!(["batch", "repeats", "resolution"].map(|key| number(first, key)), [2.0, 3.0, 32.0]);
    assert!(number(first, "std") > 0.0 && number(first, "seconds") > 0.0);
    assert_eq!(text(&scores[1], "net"), "resnet18");
}

/// Draws are taken until the standard error is as asked for; where images hardly differ, two of them stand for sixteen.
#[test]
fn a_standard_error_is_kept() {
    let of = |error: &str, more: &[&str]| {
        let args = [SMALL, "--engine", "exact", "--resolution", "16", "--error", error];
        score(&[&args[..], more].concat())[0].clone()
    };
    let rough = of("0.1", &[]);
    assert_eq!(["batch", "bias"].map(|key| number(&rough, key)), [2.0, 0.1]);
    assert!(number(&rough, "repeats") >= 4.0 && number(&rough, "error") <= 0.1, "{rough}");
    let exact = of("0.02", &["--threads", "1"]);
    assert_eq!((number(&exact, "batch"), exact.get("bias")), (16.0, None));
    assert!(number(&exact, "repeats") > 4.0 && number(&exact, "error") <= 0.02, "{exact}");
    let difference = (number(&rough, "score") - number(&exact, "score")).abs();
    assert!(difference < 4.0 * number(&rough, "error") + 0.1, "{rough} {exact}");
    // Neither threads nor a batch that is the usual one change the draws.
    let same = of("0.02", &["--threads", "2", "--batch", "16"]);
    assert_eq!(number(&same, "score"), number(&exact, "score"));
}

#[test]
fn a_standard_error_that_takes_too_many_draws_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let net = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)";
    let args = ["score", net, "--engine", "exact", "--resolution", "16", "--error", "1e-9"];
    refused(
        dir.path(),
        &args,
        2,
        &["0.000000001", "draws of this network", "100000 are the most", "--error", "or larger"],
    );
}

#[test]
fn residual_links_and_squeeze_excite_stay_in_where_asked() {
    let net = "zennet_imagenet1k_flops400M_SE_res224";
    let exact = ["--engine", "exact", "--batch", "2", "--resolution", "32"];
    let of = |more: &[&str]| {
        let args: Vec<&str> = [net].iter().chain(&exact).chain(more).copied().collect();
        score(&args)[0].clone()
    };
    let (vanilla, built) = (of(&[]), of(&["--built"]));
    assert_eq!((vanilla.get("built"), &built["built"]), (None, &Value::Bool(true)));
    assert_ne!(number(&vanilla, "score"), number(&built, "score"));
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["score", net, "--built"], 2, &["residual links", "SuperResIDWE", "--engine exact"]);
    refused(dir.path(), &["score", net, "--proxy", "flops", "--built"], 2, &["flops", "--built"]);
}

#[test]
fn exact_scores_are_seeded_and_do_not_depend_on_threads() {
    let of = |seed: &str, threads: &str| {
        let args = [SMALL, "--engine", "exact", "--resolution", "16", "--seed", seed, "--threads", threads];
        number(&score(&args)[0], "score")
    };
    let args = [SMALL, "--engine", "exact", "--resolution", "16", "--seed", "1", "--independent"];
    assert_ne!(of("1", "1"), number(&score(&args)[0], "score"));
    assert_eq!(of("1", "1"), of("1", "2"));
    assert_ne!(of("1", "1"), of("2", "1"));
}

#[test]
fn engines_agree_in_both_modes() {
    let net = "SuperConvK3BNRELU(3,64,1,1)SuperResK3K3(64,64,2,64,3)SuperConvK1BNRELU(64,128,1,1)";
    for mode in ["paper", "reference"] {
        let of = |engine: &[&str]| {
            let args: Vec<&str> = [net, "--mode", mode].iter().chain(engine).copied().collect();
            number(&score(&args)[0], "score")
        };
        let (closed, exact) = (of(&["--engine", "closed"]), of(&["--engine", "exact"]));
        assert!((closed - exact).abs() < 0.5, "{mode}: {closed} and {exact}");
    }
}

#[test]
fn every_proxy_scores_and_searches() {
    let dir = tempfile::tempdir().unwrap();
    for entry in proxy::registry() {
        let name = entry.name;
        let mut args = vec![SMALL, "--proxy", name, "--resolution", "16", "--classes", "10"];
        if entry.with_batch.is_some() {
            args.extend(["--batch", "4"]);
        }
        let scores = score(&args);
        assert_eq!(text(&scores[0], "proxy"), name);
        assert!(number(&scores[0], "score").is_finite(), "{name}");

        // Eight maps of side 8 are quick enough for the slowest of them.
        let args = [
            "search",
            "--space",
            "mobilenet",
            "--init",
            "SuperConvK3BNRELU(3,8,1,1)SuperResIDWE1K3(8,8,1,8,1)SuperConvK1BNRELU(8,16,1,1)",
            "--params",
            "3k",
            "--layers",
            "4",
            "--resolution",
            "8",
            "--classes",
            "10",
            "--iterations",
            "6",
            "--population",
            "4",
            "--proxy",
            name,
            "--json",
        ];
        let found = edgezen_json(dir.path(), &args);
        assert_eq!(text(&found, "proxy"), name);
        assert!(number(&found["best"], "score").is_finite() && number(&found, "scored") >= 1.0, "{name}");
        assert!(number(&found["best"], "params") <= 3_000.0, "{name}");
    }
}

#[test]
fn networks_with_pools_and_linear_layers_have_scores() {
    let scores = score(&["resnet18", "resnet50", "mobilenet_v2"]);
    // Exact scores of batches of eight images, to within the error that docs/closed-form.md gives.
    for (row, exact) in list(&scores).iter().zip([55.0, 134.9, 91.3]) {
        assert!((number(row, "score") - exact).abs() < 0.6, "{row}");
    }
}

#[test]
fn networks_without_a_score_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Closed form: what it does not cover, by name.
    let swish = "ConvKX(3,8,3,1)BN(8)Swish(8)";
    refused(dir, &["score", swish], 2, &["Swish(8)", "--engine exact"]);
    let bare = "ConvKX(3,8,3,1)BN(8)";
    refused(dir, &["score", bare], 2, &["ReLU"]);
    // No network at all.
    refused(dir, &["score", ""], 2, &["unknown network"]);
    std::fs::write(dir.join("empty.txt"), "\n").unwrap();
    refused(dir, &["score", "empty.txt"], 2, &["empty"]);
    refused(dir, &["score", "SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(9,8,1,1)"], 2, &["9", "8"]);
    refused(
        dir,
        &["score", "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,8,2,1)", "--resolution", "1"],
        2,
        &["stride"],
    );
    // A map of one value, one image: nothing for BN to normalise.
    let single =
        ["score", "SuperConvK3BNRELU(3,8,1,1)", "--engine", "exact", "--batch", "1", "--resolution", "1"];
    refused(dir, &single, 2, &["single value"]);
    let synflow = ["score", "SuperConvK3BNRELU(3,8,1,1)", "--proxy", "synflow", "--resolution", "1"];
    refused(dir, &synflow, 2, &["one pixel", "larger resolution"]);
    // Two images with one pattern.
    let naswot =
        ["score", "SuperConvK1BNRELU(3,1,1,1)", "--proxy", "naswot", "--resolution", "1", "--batch", "32"];
    refused(dir, &naswot, 2, &["same activation pattern"]);
    refused(
        dir,
        &["score", "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,8,1,8,1)", "--proxy", "deepmad"],
        2,
        &["DeepMAD"],
    );
}

#[test]
fn flags_that_do_not_fit_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &["score", SMALL, "--batch", "4"], 2, &["closed form", "--engine exact"]);
    refused(dir, &["score", SMALL, "--engine", "closed", "--repeats", "2"], 2, &["--repeats"]);
    refused(
        dir,
        &["score", SMALL, "--proxy", "flops", "--engine", "exact"],
        2,
        &["flops", "--engine closed"],
    );
    refused(dir, &["score", SMALL, "--proxy", "naswot", "--engine", "closed"], 2, &["naswot"]);
    refused(dir, &["score", SMALL, "--engine", "exact", "--batch", "0"], 2, &["batch"]);
    refused(dir, &["score", SMALL, "--error", "0.1"], 2, &["--engine exact", "leave out --error"]);
    let exact = ["score", SMALL, "--engine", "exact", "--error"];
    refused(dir, &[&exact[..], &["0"]].concat(), 2, &["above zero"]);
    refused(dir, &[&exact[..], &["0.1", "--repeats", "2"]].concat(), 2, &["--repeats"]);
    refused(dir, &["score", SMALL, "--mode", "released"], 2, &["paper", "reference"]);
    refused(dir, &["experiment", "fig99"], 2, &["fig2", "theorem1", "table2"]);
}

#[test]
fn experiments_write_a_table_and_a_drawing() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["experiment", "theorem1", "--repeats", "2", "-o", "out", "--json"];
    let report = edgezen_json(dir.path(), &args);
    assert_eq!(text(&report, "experiment"), "theorem1");
    // Four claims for each kind of BN.
    let says: Vec<&str> = list(&report["says"]).iter().filter_map(Value::as_str).collect();
    assert!(says.len() == 8 && says[0].starts_with("BN that takes no mean out"), "{says:?}");
    let csv = std::fs::read_to_string(dir.path().join(text(&report, "csv"))).unwrap();
    assert_eq!(csv.lines().count(), 1 + list(&report["rows"]).len());
    let svg = std::fs::read_to_string(dir.path().join(text(&report, "svg"))).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let before = csv.len();
    std::fs::create_dir(dir.path().join("taken")).unwrap();
    std::fs::create_dir(dir.path().join("taken/theorem1.csv")).unwrap();
    let output = edgezen(dir.path(), &["experiment", "theorem1", "--repeats", "1", "-o", "taken"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    // What is there already is not replaced.
    refused(
        dir.path(),
        &["experiment", "theorem1", "--repeats", "1", "-o", "out"],
        2,
        &["exists", "--force"],
    );
    assert_eq!(std::fs::read_to_string(dir.path().join("out/theorem1.csv")).unwrap().len(), before);
}

#[cfg(not(feature = "torch"))]
#[test]
fn what_needs_libtorch_says_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["train", "resnet18", "--data", "x"][..],
        &["score", "resnet18", "--engine", "torch"],
        &["experiment", "table1"],
        &["experiment", "random", "--epochs", "2"],
        &["evaluate", "resnet18", "--weights", "x", "--data", "y"],
    ] {
        refused(dir.path(), arguments, 2, &["feature torch", "scripts/setup-libtorch"]);
    }
}

#[test]
fn scores_have_their_mode() {
    let dir = tempfile::tempdir().unwrap();
    let net = "zennet_cifar10_model_size1M_res32";
    let scores = edgezen_json(dir.path(), &["score", net, "--mode", "reference", "--json"]);
    assert_eq!(scores[0]["mode"], "reference");
    assert!((number(&scores[0], "score") - 122.2).abs() < 1.0);
    let scores = edgezen_json(dir.path(), &["score", net, "--proxy", "flops", "--json"]);
    assert!(number(&scores[0], "score") > 1e8);
    refused(dir.path(), &["score", net, "--proxy", "luck"], 2, &["luck", "zen"]);
}
