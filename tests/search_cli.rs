//! `edgezen search` as a user runs it.

use crate::cli::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::runs;

#[test]
fn pixel2_main_command() {
    let dir = tempfile::tempdir().unwrap();
    let output =
        edgezen(dir.path(), &["search", "--device", "pixel2", "--latency", "80ms", "--iterations", "20000"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["SuperConvK3BNRELU(3,", "Zen-Score", "pixel2", "interval", "budget 80.0 ms"] {
        assert!(stdout.contains(word), "no {word:?} in {stdout}");
    }
    let run = runs::read(&dir.path().join("runs/pixel2-80ms-seed0")).unwrap();
    assert!(stdout.contains(&run.best));
    assert_eq!(run.front.last().map(|found| found.net.as_str()), Some(run.best.as_str()));
    // The same command again does not touch the first run.
    let again =
        edgezen(dir.path(), &["search", "--device", "pixel2", "--latency", "80ms", "--iterations", "2000"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(dir.path().join("runs/pixel2-80ms-seed0-2/best.onnx").exists());
    assert_eq!(runs::read(&dir.path().join("runs/pixel2-80ms-seed0")).unwrap().best, run.best);
}

#[test]
fn presets_beat_the_published_network_with_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let run = |threads: &str| {
        let args =
            ["search", "--preset", "Zen_NAS_cifar_params1M", "--seed", "1", "--threads", threads, "--json"];
        edgezen_json(dir.path(), &args)
    };
    let one = run("1");
    let best = &one["best"];
    assert!(number(best, "params") <= 1e6 && number(best, "layers") <= 18.0, "{best}");
    assert_eq!(one["mode"], "reference");
    assert_eq!(one["iterations"], 480_000);
    let score = |net: &str| {
        let args = ["score", net, "--mode", "reference", "--resolution", "32", "--json"];
        number(&edgezen_json(dir.path(), &args)[0], "score")
    };
    let ours = score(text(best, "net"));
    assert!((ours - number(best, "score")).abs() < 1e-9);
    assert!(ours >= score("zennet_cifar10_model_size1M_res32") + 2.0, "{ours}");
    let two = run("2");
    for field in ["best", "front", "scored", "rejected", "seed"] {
        assert_eq!(one[field], two[field], "{field}");
    }
}

#[test]
fn v100_preset_respects_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let preset = "Zen_NAS_ImageNet_latency0.3ms";
    let args = ["search", "--preset", preset, "--device", "v100", "--iterations", "20000", "--json"];
    let found = edgezen_json(dir.path(), &args);
    let best = &found["best"];
    assert!(number(&best["latency"]["v100"], "ms") <= 0.3, "{best}");
    assert!(number(best, "layers") <= 16.0);
    let predicted = edgezen_json(dir.path(), &["predict", "--device", "v100", text(best, "net"), "--json"]);
    let ratio = number(&predicted[0], "ms") / number(&best["latency"]["v100"], "ms");
    assert!((ratio - 1.0).abs() < 1e-6, "search and predict differ by {ratio}");
    assert!(list(&found["front"]).len() > 3);
}

#[test]
fn several_devices_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "search",
        "--space",
        "mobilenet",
        "--latency",
        "pixel2=90ms",
        "--latency",
        "v100=0.2ms",
        "--params",
        "8M",
        "--layers",
        "14",
        "--iterations",
        "10000",
        "--out",
        "demo",
        "--json",
    ];
    let found = edgezen_json(dir.path(), &args);
    let latency = &found["best"]["latency"];
    assert!(number(&latency["pixel2"], "ms") <= 90.0 && number(&latency["v100"], "ms") <= 0.2, "{latency}");
    assert_eq!(found["run_dir"], "demo");
}

#[test]
fn impossible_and_unclear_requests() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let short = |args: &[&'static str]| {
        let mut all = vec!["search", "--iterations", "100"];
        all.extend(args);
        all
    };
    refused(
        dir,
        &short(&["--device", "pixel2", "--latency", "1ms"]),
        6,
        &["pixel2", "smallest reachable latency", "ms"],
    );
    refused(dir, &short(&["--params", "10"]), 6, &["smallest reachable"]);
    refused(dir, &short(&["--device", "pixel2", "--latency", "80"]), 2, &["unit"]);
    refused(dir, &short(&["--device", "pixle2", "--latency", "80ms"]), 2, &["pixle2", "pixel2"]);
    refused(dir, &short(&["--latency", "80ms"]), 2, &["--device"]);
    refused(dir, &short(&[]), 2, &["--latency"]);
    refused(dir, &short(&["--preset", "Zen"]), 2, &["Zen_NAS_cifar_params1M"]);
    refused(dir, &short(&["--preset", "Zen_NAS_ImageNet_latency0.3ms"]), 2, &["--device"]);
    refused(dir, &short(&["--flops", "400M", "--init", "resnet18"]), 2, &["super block"]);
    refused(dir, &short(&["--flops", "400M", "--confidence", "2"]), 2, &["0.5"]);
    assert!(!dir.join("runs").exists(), "a refused search leaves nothing");
}

#[test]
fn the_best_can_be_scored_again_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "search",
        "--space",
        "resnet",
        "--init",
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperConvK1BNRELU(16,32,1,1)",
    ];
    let more =
        ["--params", "40k", "--layers", "5", "--resolution", "16", "--iterations", "2000", "--seed", "3"];
    let asked = ["--rescore", "exact", "--rescore-top", "6"];
    let all: Vec<&str> = args.into_iter().chain(more).chain(asked).chain(["--json"]).collect();
    let found = edgezen_json(dir.path(), &all);
    let rescored = &found["rescored"];
    assert_eq!(rescored["networks"], 6, "{rescored}");
    assert_eq!(rescored["mode"], "paper");
    assert!((-1.0..=1.0).contains(&number(rescored, "kendall")), "{rescored}");
    let ranking = list(&rescored["ranking"]);
    assert!(ranking.windows(2).all(|pair| number(&pair[0], "exact") >= number(&pair[1], "exact")));
    let first = ranking.iter().find(|row| row["place"] == 1).unwrap();
    assert_eq!(first["net"], found["best"]["net"]);
    // What `score` says with the same seed.
    let net = text(first, "net");
    let args = ["score", net, "--engine", "exact", "--resolution", "16", "--seed", "3", "--json"];
    assert_eq!(number(&edgezen_json(dir.path(), &args)[0], "score"), number(first, "exact"));
    let plain: Vec<&str> = args_without(&all, "--json");
    let output = edgezen(dir.path(), &plain);
    assert!(String::from_utf8_lossy(&output.stdout).contains("rank agreement over 6 networks: Kendall"));
    refused(
        dir.path(),
        &["search", "--params", "1M", "--proxy", "flops", "--rescore", "exact"],
        2,
        &["flops", "zen"],
    );
    refused(dir.path(), &["search", "--params", "1M", "--rescore-top", "4"], 2, &["--rescore"]);
}

fn args_without<'a>(args: &[&'a str], flag: &str) -> Vec<&'a str> {
    args.iter().copied().filter(|arg| *arg != flag).collect()
}
