//! `edgezen search` as a user runs it.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::runs;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let winner = runs::read_result(&dir.path().join("runs/pixel2-80ms-seed0")).unwrap().winner.unwrap();
    assert_eq!(run.front.last().map(|found| &found.net), Some(&winner.greatest.net));
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

/// What must not depend on interruptions, in the files of a finished run.
fn outcome(dir: &Path) -> Vec<Vec<u8>> {
    let names = ["run.toml", "best.txt", "best.onnx", "front.json", "history.csv", "archive.parquet"];
    let mut all: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect();
    let result = runs::read_result(dir).unwrap();
    let kept = (result.best, result.front, result.iterations, result.scored, result.rejected);
    all.push(format!("{kept:?} {:?}", result.explanation).into_bytes());
    all
}

fn spawn(dir: &Path, args: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const INTERRUPTED: [&str; 14] = [
    "search",
    "--params",
    "1M",
    "--layers",
    "18",
    "--resolution",
    "32",
    "--device",
    "v100",
    "--iterations",
    "200000",
    "--checkpoint-every",
    "5ms",
    "--resume",
];

#[test]
fn kills_do_not_change_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let command = |out: &'static str| [&INTERRUPTED[..], &["--out", out]].concat();
    let started = Instant::now();
    assert!(edgezen(dir, &command("whole")).status.success());
    let usual = started.elapsed();
    let mut moment = 5;
    for kill in 0..6 {
        let mut child = spawn(dir, &command("killed"));
        moment = (moment * 31 + 17) % 53;
        std::thread::sleep(usual * (moment + 10) / 100);
        child.kill().unwrap();
        let _ = child.wait().unwrap();
        println!("kill {kill} after {} %", moment + 10);
    }
    assert!(edgezen(dir, &command("killed")).status.success());
    assert!(outcome(&dir.join("killed")) == outcome(&dir.join("whole")), "a kill changed the result");
    // A finished run gives its result again, and the options need not be repeated.
    let again = edgezen_json(dir, &["search", "--resume", "--out", "killed", "--json"]);
    assert_eq!(again["best"]["net"], text(&edgezen_json(dir, &["info", "whole/best.txt", "--json"]), "net"));
    assert!(outcome(&dir.join("killed")) == outcome(&dir.join("whole")));
    refused(dir, &["search", "--resume", "--out", "killed", "--seed", "9"], 2, &["has seed", "not 9"]);
    // Another search does not go on with it, and a damaged checkpoint is refused.
    let other = [&command("killed")[..], &["--seed", "3"]].concat();
    refused(dir, &other, 2, &["seed", "--resume --out killed"]);
    let path = dir.join("killed/checkpoint");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    refused(dir, &command("killed"), 7, &["checkpoint", "checksum"]);
    refused(dir, &["search", "--resume"], 2, &["--out"]);
    refused(dir, &["search", "--resume", "--out", "nowhere"], 2, &["nowhere"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Longer than anyone waits; the checkpoint comes with the signal.
    let long = [
        "search",
        "--params",
        "1M",
        "--layers",
        "18",
        "--resolution",
        "32",
        "--iterations",
        "400000000",
        "--checkpoint-every",
        "100s",
        "--out",
        "long",
    ];
    let child = spawn(dir, &long);
    let began = Instant::now();
    while !dir.join("long/run.toml").exists() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("--resume --out long"), "{stderr}");
    assert!(dir.join("long/checkpoint").exists());
    refused(dir, &["report", "long"], 2, &["not finished", "--resume"]);
}

/// Seconds for a score, and a handful of iterations: the search does not wait for the end of a round.
#[cfg(unix)]
#[test]
fn a_slow_proxy_can_be_interrupted_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let command = |iterations: &'static str, batch: &'static str, out: &'static str| {
        let mut args =
            vec!["search", "--proxy", "te-nas", "--space", "resnet", "--params", "300k", "--layers", "10"];
        args.extend(["--resolution", "64", "--population", "4", "--checkpoint-every", "1ms", "--resume"]);
        args.extend(["--iterations", iterations, "--batch", batch, "--out", out]);
        args
    };
    let interrupt = |args: &[&str], wait: Duration| {
        let out = dir.join(args[args.len() - 1]);
        let child = spawn(dir, args);
        while !out.join("checkpoint").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(wait);
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // A score takes longer than anyone would wait: it is given up.
    let (code, stderr) = interrupt(&command("1000", "256", "long"), Duration::ZERO);
    assert!(code == Some(130) && stderr.contains("interrupted after 0 of 1000"), "{code:?} {stderr}");
    assert!(stderr.contains("--resume --out long"), "{stderr}");

    assert!(edgezen(dir, &command("12", "4", "whole")).status.success());
    interrupt(&command("12", "4", "cut"), Duration::from_millis(100));
    assert!(edgezen(dir, &command("12", "4", "cut")).status.success());
    assert!(outcome(&dir.join("cut")) == outcome(&dir.join("whole")), "an interruption changed the result");
    refused(dir, &command("12", "8", "cut"), 2, &["batch"]);
    refused(dir, &["search", "--params", "1M", "--batch", "8"], 2, &["zen", "--batch"]);
}

#[test]
fn a_report_is_one_page_and_repeats_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = [
        "search",
        "--space",
        "mobilenet",
        "--latency",
        "pixel2=60ms",
        "--latency",
        "v100=0.3ms",
        "--params",
        "8M",
        "--memory",
        "12MB",
        "--iterations",
        "20000",
        "--out",
        "demo",
        "--json",
    ];
    let found = edgezen_json(dir, &args);
    let front = list(&found["front"]);
    assert!((20..=60).contains(&front.len()), "{} networks on the front", front.len());
    for device in ["pixel2", "v100"] {
        let on = |found: &&Value| list(&found["on_front"]).iter().any(|name| name == device);
        let points: Vec<(f64, f64)> = front
            .iter()
            .filter(on)
            .map(|found| (number(&found["latency"][device], "ms"), number(found, "score")))
            .collect();
        let mut sorted = points.clone();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(points.len() > 9 && sorted.windows(2).all(|pair| pair[0].1 < pair[1].1), "{device}");
        // How wide a short run gets depends on the draw: 1.8 to 4.5 times over eight seeds.
        assert!(sorted[sorted.len() - 1].0 > 1.5 * sorted[0].0, "{device}: the range is small");
    }
    let binding = &found["explanation"]["budgets"][0];
    assert!(number(binding, "share") > 0.9 && number(binding, "share") <= 1.0, "{binding}");

    let written = edgezen_json(dir, &["report", "demo", "--json"]);
    let page = std::fs::read_to_string(dir.join(text(&written, "report"))).unwrap();
    for word in ["<svg", "pixel2", "v100", "ZenNet-400M", "MobileNetV2", "ResNet-50", "prefers-color-scheme"]
    {
        assert!(page.contains(word), "no {word}");
    }
    for foreign in ["http:", "https:", " src=", "<link", "<img", "url(", "NaN", "inf"] {
        let page = page.split("<script>").next().unwrap();
        assert!(!page.replace("info", "").contains(foreign), "{foreign} in the page");
    }
    let plots = list(&written["plots"]);
    assert_eq!(plots.len(), 5, "{plots:?}");
    for plot in plots {
        let svg = std::fs::read_to_string(dir.join(plot.as_str().unwrap())).unwrap();
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("prefers-color-scheme"), "{plot}");
    }
    // The command on the page finds the same networks.
    let (_, command) = page.split_once("<pre>edgezen ").unwrap();
    let command = command.split_once("</pre>").unwrap().0.replace('\\', " ");
    let repeat: Vec<&str> = command.split_whitespace().chain(["--out", "again", "--json"]).collect();
    let again = edgezen_json(dir, &repeat);
    assert_eq!((&again["best"], &again["front"]), (&found["best"], &found["front"]));
    // Elsewhere, and of what is no run.
    edgezen_json(dir, &["report", "demo", "-o", "page.html", "--json"]);
    assert!(dir.join("page.html").exists() && dir.join("page_plots/blocks.svg").exists());
    refused(dir, &["report", "nowhere"], 2, &["nowhere"]);
}

#[test]
fn the_table_fits_80_columns() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "search",
        "--space",
        "mobilenet",
        "--latency",
        "pixel2=60ms",
        "--latency",
        "v100=0.3ms",
        "--params",
        "8M",
        "--iterations",
        "10000",
        "--out",
        "demo",
    ];
    let output = edgezen(dir.path(), &args);
    let stdout = String::from_utf8_lossy(&output.stdout);
    for line in stdout.lines().filter(|line| !line.starts_with("SuperConv")) {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    for word in [
        "used of the budgets;",
        "within the budgets",
        "cheapest edits",
        "front",
        "per second",
        "budget 60.0 ms",
    ] {
        assert!(stdout.contains(word), "no {word:?} in {stdout}");
    }
}

#[test]
fn verifying_corrects_the_predictor_until_networks_fit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let data = ["profile", "--device", "simulated", "--samples", "60", "-o", "data", "--json"];
    edgezen_json(dir, &data);
    edgezen_json(dir, &["fit", "--data", "data", "--json"]);
    // The device is half as fast as when it was profiled.
    let args = [
        "search",
        "--device",
        "simulated",
        "--latency",
        "4ms",
        "--iterations",
        "20000",
        "--verify",
        "3",
        "--simulate",
        "slow_after=0",
        "--out",
        "run",
        "--json",
    ];
    let found = edgezen_json(dir, &args);
    let verified = list(&found["verified"]);
    let inside = verified.iter().filter(|row| row["inside_budget"] == true).count();
    assert!(inside >= 3, "{verified:?}");
    assert!(verified.iter().any(|row| row["inside_budget"] == false), "nothing was wrong at first");
    let rounds = list(&found["verification"]["rounds"]);
    assert!(number(&rounds[0], "correction") == 1.0 && number(&rounds[0], "refitted") > 1.2, "{rounds:?}");
    let last = &rounds[rounds.len() - 1]["networks"][0];
    let error = number(last, "predicted_ms") / number(last, "measured_ms") - 1.0;
    assert!(error.abs() < 0.2, "still wrong by {error}");
    // The best network is one that was measured inside the budget.
    let best = &found["best"]["net"];
    assert!(verified.iter().any(|row| &row["net"] == best && row["inside_budget"] == true));
    let record = runs::read_verification(&dir.join("run")).unwrap().unwrap();
    assert_eq!(record.inside_budget, inside);
    let page = edgezen_json(dir, &["report", "run", "--json"]);
    assert!(list(&page["plots"]).iter().any(|plot| plot.as_str().unwrap().ends_with("measured.svg")));
    // Without the means to measure, nothing begins.
    refused(dir, &["search", "--device", "v100", "--latency", "1ms", "--verify", "2"], 2, &["measured"]);
    // What was to be measured when the search was killed is measured when it goes on.
    let args =
        ["search", "--device", "simulated", "--latency", "4ms", "--iterations", "400000", "--verify", "1"];
    let more = ["--threads", "1", "--checkpoint-every", "1ms", "--out", "killed"];
    let mut search = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args([&args[..], &more].concat())
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !dir.join("killed/checkpoint").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    search.kill().unwrap();
    search.wait().unwrap();
    let resumed = edgezen_json(dir, &["search", "--resume", "--out", "killed", "--json"]);
    assert!(!list(&resumed["verified"]).is_empty(), "{resumed}");
    // A search whose budgets are those of another command line does not know which run is meant.
    refused(dir, &["search", "--resume", "--kernels", "3", "--out", "killed"], 2, &["alone goes on"]);
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
    let asked = ["--winner", "score", "--rescore", "exact", "--rescore-top", "6"];
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
    // What `score` says of the best with the same seed.
    let (best, asked) = (&ranking[0], ["--engine", "exact", "--error", "0.1"]);
    let more = ["--resolution", "16", "--seed", "3", "--json"];
    let score = &edgezen_json(dir.path(), &[&["score", text(best, "net")], &asked[..], &more].concat())[0];
    for (ours, theirs) in [("score", "exact"), ("error", "error"), ("repeats", "draws")] {
        assert_eq!(number(score, ours), number(best, theirs), "{score} {best}");
    }
    assert!(number(best, "error") <= 0.1, "{best}");
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

/// Kernels that the predictor was not fitted to are charged at the upper end, named, and left out by default.
#[test]
fn what_lies_outside_the_domain_is_charged_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let command = |more: &[&'static str]| {
        let mut args =
            vec!["search", "--device", "pixel2", "--latency", "30ms", "--iterations", "3000", "--json"];
        args.extend(more);
        args
    };
    let free = edgezen_json(dir, &command(&["--any-shape", "--out", "free"]));
    let latency = &free["best"]["latency"]["pixel2"];
    let (ms, charged) = (number(latency, "ms"), number(latency, "charged_ms"));
    assert!(ms < charged && charged <= 30.0 && charged <= number(latency, "upper_ms"), "{latency}");
    assert!((0.5..=1.0).contains(&number(latency, "budget_probability")), "{latency}");
    let rows = list(&free["extrapolated"]["pixel2"]);
    let shares: f64 = rows.iter().map(|row| number(row, "latency_share")).sum();
    assert!((shares + number(latency, "coverage") - 1.0).abs() < 1e-6, "{rows:?}");
    let unknown =
        |found: &Value| rows_of(found, "pixel2", "size").iter().any(|kernel| kernel.starts_with("dwconv"));
    assert!(unknown(&free), "{rows:?}");
    assert!(list(&free["degeneracies"]).iter().any(|found| found["kind"] == "unknown_kernels"), "{free}");
    // `predict` says the same of the network.
    let predicted =
        edgezen_json(dir, &["predict", "--device", "pixel2", text(&free["best"], "net"), "--json"]);
    assert!((number(&predicted[0], "charged_ms") / charged - 1.0).abs() < 1e-9, "{predicted}");
    assert_eq!(list(&predicted[0]["extrapolated"]).len(), rows.len());

    let usual = edgezen_json(dir, &command(&["--out", "usual"]));
    assert!(!unknown(&usual) && !text(&usual["best"], "net").contains("K7"), "{}", usual["best"]);
    assert_eq!(usual["degeneracies"], serde_json::json!([]));
    let manifest = |run: &str| runs::read_manifest(&dir.join(run)).unwrap();
    assert_eq!((manifest("usual").kernels, manifest("free").kernels), (Some(vec![3]), None));
    assert!(manifest("usual").shape.is_some() && manifest("free").shape.is_none());

    let some = edgezen_json(dir, &command(&["--kernels", "5,3", "--out", "some"]));
    assert!(!text(&some["best"], "net").contains("K7"));
    assert_eq!(manifest("some").kernels, Some(vec![3, 5]));
    let again = edgezen_json(dir, &["search", "--resume", "--out", "some", "--json"]);
    assert_eq!(again["best"], some["best"]);
    refused(dir, &command(&["--kernels", "3", "--resume", "--out", "some"]), 2, &["kernel sizes"]);
    refused(dir, &command(&["--kernels", "3,4"]), 2, &["size 4", "3, 5, 7"]);
}

/// The kernels of a device that are outside for this reason.
fn rows_of(found: &Value, device: &str, why: &str) -> Vec<String> {
    let rows = list(&found["extrapolated"][device]).iter().filter(|row| row["why"] == why);
    rows.map(|row| text(row, "kernel").to_owned()).collect()
}

#[test]
fn a_search_without_layers_has_a_limit_and_a_shape() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let flops = ["search", "--space", "mobilenet", "--flops", "400M", "--iterations", "4000", "--json"];
    let found = edgezen_json(dir, &[&flops[..], &["--out", "flops"]].concat());
    assert!(number(&found["best"], "layers") <= 14.0, "{}", found["best"]);
    assert_eq!(found["degeneracies"], serde_json::json!([]));
    assert!(found["rejected"]["misshapen"].as_u64().unwrap() > 0, "{}", found["rejected"]);
    let manifest = runs::read_manifest(&dir.join("flops")).unwrap();
    assert_eq!(manifest.budget.limits[edgezen::search::Quantity::Layers], Some(14.0));
    // The network with squeeze-excite costs what `predict --se` says.
    let args = ["search", "--latency", "host=15ms", "--se", "--iterations", "1500", "--out", "se", "--json"];
    let with_se = edgezen_json(dir, &args);
    let net = text(&with_se["best"], "net");
    let predicted = edgezen_json(dir, &["predict", "--device", "host", "--se", net, "--json"]);
    let ratio = number(&predicted[0], "ms") / number(&with_se["best"]["latency"]["host"], "ms");
    assert!((ratio - 1.0).abs() < 1e-6, "search and predict differ by {ratio}");
    // Presets are as they were released.
    let preset = "Zen_NAS_cifar_params1M";
    edgezen_json(dir, &["search", "--preset", preset, "--iterations", "500", "--out", "preset", "--json"]);
    let manifest = runs::read_manifest(&dir.join("preset")).unwrap();
    assert!(manifest.shape.is_none() && manifest.kernels.is_none() && !manifest.se);
}

/// A search of which choosing the winner finds greater scores than it found itself says nothing of the greatest score.
#[test]
fn a_search_that_was_too_short_does_not_speak_of_the_greatest_score() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["search", "--device", "pixel2", "--iterations", "500", "--latency", "1e9s", "--out", "short"];
    let output = edgezen(dir.path(), &args);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!stdout.contains("at least 95 %") && stdout.contains("networks. The search was too"), "{stdout}");
    let result = std::fs::read(dir.path().join("short/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
    let winner = &result["winner"];
    assert!(number(winner, "exceeding") > number(&winner["greatest"], "score"), "{winner}");
}

#[cfg(unix)]
#[test]
fn scoring_again_is_broken_off_and_taken_up() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let budget = ["search", "--params", "1M", "--space", "resnet", "--resolution", "96", "--winner", "score"];
    let more = ["--iterations", "500", "--rescore", "exact", "--rescore-top", "2", "--out", "run"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(budget)
        .args(more)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("are scored again") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("while the best networks were scored again"), "{said}");
    assert!(said.contains("--resume --rescore exact --rescore-top 2 --out run"), "{said}");
    // What was found is there, as the message says.
    assert!(said.contains("the search is over, and its result is in run"), "{said}");
    let known = runs::read_result(&dir.join("run")).unwrap();
    assert!(known.rescored.is_none() && dir.join("run/best.onnx").exists());
    assert_eq!(text(&edgezen_json(dir, &["info", "run", "--json"]), "net"), known.best.net);
    let manifest = std::fs::read_to_string(dir.join("run/run.toml")).unwrap();
    assert!(manifest.contains("[rescore]"), "{manifest}");
    // Whoever goes on need not ask for it again.
    let resumed = edgezen_json(dir, &["search", "--resume", "--out", "run", "--json"]);
    assert_eq!(resumed["rescored"]["networks"], 2, "{resumed}");
    assert_eq!(text(&resumed["best"], "net"), known.best.net);
    assert!(runs::read_result(&dir.join("run")).unwrap().rescored.is_some());
    let prolonged =
        edgezen_json(dir, &["search", "--resume", "--iterations", "600", "--out", "run", "--json"]);
    assert_eq!(prolonged["rescored"]["networks"], 2, "{prolonged}");
}

#[test]
fn wrong_values_are_answered_with_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let net = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)";
    for (args, words) in [
        (&["search", "--resolution", "7", "--params", "1M"][..], &["a larger --resolution"][..]),
        (&["predict", "--device", "pixel2", net, "--resolution", "100000"], &["1 to 65536 pixels"]),
        (&["score", net, "--engine", "exact", "--error", "0"], &["above zero", "--error 0.1"]),
        (&["score", net, "--engine", "exact", "--error", "nan"], &["above zero", "--error 0.1"]),
        (&["score", net, "--engine", "exact", "--error", "-1"], &["above zero", "--error 0.1"]),
        (&["search", "--device", "pixel2", "--latency", "-5ms"], &["-5ms", "must be greater than zero"]),
        (&["search", "--params", "-1"], &["must be greater than zero"]),
        (&["predict", "--device", "pixel2", net, "--latency", "-5ms"], &["must be greater than zero"]),
        (&["measure", "--device", "simulated", net, "--seconds", "-1"], &["0.1 to 86400 seconds"]),
        (&["search", "--params", "1M", "--iterations", "-1"], &["--iterations"]),
        (&["search", "--device", "pixel2", "--latency", "9ms", "--confidence", "-1"], &["--confidence 0.9"]),
    ] {
        let output = edgezen(dir, args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
        }
        assert!(!stderr.contains("as a value, use"), "{args:?}: {stderr}");
    }
    // What found nothing has left no run that would be in the way.
    assert!(!dir.join("runs").exists());
    let error = edgezen(dir, &["score", net, "--engine", "exact", "--error", "0", "--json"]);
    let error: serde_json::Value = serde_json::from_slice(&error.stdout).unwrap();
    let error = if error.is_array() { &error[0] } else { &error };
    assert!(error["error"]["remedy"].is_string(), "{error}");
}
