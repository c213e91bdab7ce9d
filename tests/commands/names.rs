//! One resolver of networks for all commands: names and their spellings, structures, files, run folders; lists of which one
//! item is wrong; what was meant by a name that is not known.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use serde_json::Value;
use std::path::Path;

/// The JSON on stdout of a command that fails with `code`.
fn failed_json(dir: &Path, args: &[&str], code: i32) -> Value {
    let output = edgezen(dir, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stderr.contains("error"), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

#[test]
fn every_command_knows_every_kind_of_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("mine.txt"), "SuperConvK3BNRELU(3,8,2,1)\n  SuperResK3K3(8,16,1,8,1)\n\nmine\n")
        .unwrap();
    edgezen_json(dir, &["export", "resnet18", "--resolution", "64", "-o", "r.onnx", "--json"]);
    let search =
        ["search", "--flops", "20M", "--space", "mobilenet", "--iterations", "200", "--population", "8"];
    let run = ["--resolution", "32x32", "--classes", "10", "--out", "runs/mine", "--json"];
    edgezen_json(dir, &[&search[..], &run].concat());
    let spaced = "SuperConvK3BNRELU( 3,8, 2,1 )\n SuperResK3K3(8,16,1,8,1)";
    let with_structure = ["resnet50", "mobilenet_v2", "mine.txt", spaced, "runs/mine", "runs/mine/best.txt"];
    let without = ["mobilenet_v3_large", "efficientnet_b0", "zoo:mobilenet_v1_0.25@128", "r.onnx"];
    let all = [&with_structure[..], &without].concat();

    let predicted = edgezen_json(dir, &[&["predict", "--device", "pixel2", "--json"], &all[..]].concat());
    let infos = edgezen_json(dir, &[&["info", "--json"], &all[..]].concat());
    assert_eq!((list(&predicted).len(), list(&infos).len()), (all.len(), all.len()));
    for (info, net) in list(&infos).iter().zip(&all) {
        assert!(
            number(&info["exact"], "macs") > 1e5 && number(&info["exact"], "params") > 1e3,
            "{net}: {info}"
        );
        assert!(
            number(info, "weighted_layers") >= 4.0 && number(info, "peak_activation_bytes") > 1e4,
            "{net}"
        );
    }
    // The best of a run is taken as it was searched for.
    assert_eq!((number(&infos[4], "resolution"), number(&infos[4], "classes")), (32.0, 10.0));
    assert_eq!((text(&infos[4], "net"), text(&predicted[4], "net")), (text(&infos[5], "net"), "runs/mine"));
    assert_eq!(list(&infos[3]["blocks"]).len(), 2);

    let measured = ["mine.txt", "runs/mine", "zoo:mobilenet_v1_0.25@128"];
    let measured =
        edgezen_json(dir, &[&["measure", "--device", "simulated", "--json"], &measured[..]].concat());
    assert!(list(&measured).iter().all(|row| number(row, "median_ms") > 0.0), "{measured}");
    let scored = edgezen_json(dir, &[&["score", "--json"], &with_structure[..]].concat());
    assert!(list(&scored).iter().all(|row| number(row, "score") > 1.0), "{scored}");
    // A code whose network is a chain of convolutions has one, too.
    let chain = edgezen_json(dir, &["score", "zoo:mobilenet_v1_0.25@128", "--json"]);
    assert!(number(&chain[0], "score") > 1.0, "{chain}");
    for net in ["mobilenet_v3_large", "efficientnet_b0", "r.onnx"] {
        refused(dir, &["score", net], 2, &[net, "a score needs one", "edgezen networks"]);
    }
    let init = ["search", "--flops", "20M", "--init", "efficientnet_b0"];
    refused(dir, &init, 2, &["efficientnet_b0", "a search starts from one"]);
    refused(dir, &["export", "efficientnet_b0", "-o", "e.py"], 2, &["PyTorch module", "structure"]);
    refused(dir, &["export", "r.onnx", "-o", "s.onnx"], 2, &["ONNX file already"]);
    edgezen_json(dir, &["export", "mobilenet_v3_small", "--resolution", "64", "-o", "m.onnx", "--json"]);
    let again = edgezen_json(dir, &["info", "m.onnx", "mobilenet_v3_small", "--resolution", "64", "--json"]);
    assert_eq!(again[0]["exact"]["macs"], again[1]["exact"]["macs"]);
    for options in [&[][..], &["--int8"]] {
        let export =
            ["export", "mobilenet_v3_small", "--resolution", "64", "-o", "m.tflite", "--force", "--json"];
        let written = edgezen_json(dir, &[&export[..], options].concat());
        let only_latency = written["note"].as_str().is_some_and(|note| note.contains("for latency only"));
        assert_eq!(
            (written["int8"].as_bool(), only_latency),
            (Some(!options.is_empty()), !options.is_empty())
        );
        let info = edgezen_json(dir, &["info", "m.tflite", "--json"]);
        assert_eq!(info["exact"]["macs"], again[1]["exact"]["macs"]);
        assert_eq!((text(&info, "kind"), &info["kernels"]), ("tflite", &again[1]["kernels"]));
    }
    let predicted = edgezen_json(dir, &["predict", "--device", "host", "m.tflite", "--json"]);
    assert!(number(&predicted[0], "ms") > 0.0, "{predicted}");
    refused(dir, &["export", "m.tflite", "-o", "s.tflite"], 2, &["TensorFlow Lite file already"]);
    refused(dir, &["export", "m.tflite", "-o", "s.onnx"], 2, &["weights are not read"]);
    refused(dir, &["export", "resnet18", "-o", "r.py", "--int8"], 2, &["--int8"]);
    refused(dir, &["info", "m.tflite", "--resolution", "65"], 2, &["of 64, not of 65"]);
    refused(dir, &["score", "m.tflite"], 2, &["TensorFlow Lite file", "a score needs one"]);
    std::fs::write(dir.join("bad.tflite"), b"\x08\0\0\0TFL3\xff\xff\xff\xff").unwrap();
    refused(dir, &["info", "bad.tflite"], 7, &["bad.tflite", "damaged"]);
    refused(dir, &["info", "runs"], 2, &["not that of a run"]);
    refused(dir, &["info", "efficientnet_b0", "--classes", "10"], 2, &["--classes has no effect"]);
}

#[test]
fn usage_errors_are_whole_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let output = edgezen(dir.path(), &["fit", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(text(&error["error"], "message").contains("--data"), "{error}");
}

#[test]
fn one_bad_network_leaves_the_others_their_answers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("bad.txt"), "Oops(1)").unwrap();
    let nets = ["resnet18", "resnet-50", "bad.txt", "mobilenet_v2"];
    for command in [&["predict", "--device", "pixel2"][..], &["score"], &["info"]] {
        let rows = failed_json(dir, &[command, &nets, &["--json"]].concat(), 7);
        let rows = list(&rows);
        assert_eq!(rows.len(), 4, "{command:?}");
        assert!(rows[0].get("error").is_none() && rows[3].get("error").is_none(), "{command:?}");
        assert_eq!((text(&rows[1], "net"), number(&rows[1]["error"], "code")), ("resnet-50", 2.0));
        assert!(text(&rows[1]["error"], "remedy").contains("did you mean resnet50"), "{}", rows[1]);
        assert_eq!(number(&rows[2]["error"], "code"), 7.0);
        let output = edgezen(dir, &[command, &nets].concat());
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(stdout.contains("resnet18") || stdout.contains("3×224×224"), "{stdout}");
        assert_eq!(stderr.matches("error: ").count(), 2, "{stderr}");
    }
    // Nothing is measured before all networks are known to be right, and what is right is measured.
    let rows = failed_json(dir, &["measure", "--device", "simulated", "toaster", "resnet18", "--json"], 2);
    assert!(number(&rows[1], "median_ms") > 0.0 && number(&rows[0]["error"], "code") == 2.0);
    let validate = ["validate", "--device", "simulated", "--predictor", "p.json", "--json"];
    let from =
        ["transfer", "--from", "pixel2@tflite", "--device", "simulated", "--samples", "12", "-o", "p.json"];
    assert_eq!(edgezen(dir, &from).status.code(), Some(0));
    let report = failed_json(dir, &[&validate[..], &["resnet18", "toaster", "mobilenet_v2"]].concat(), 2);
    let rows = list(&report["rows"]);
    assert!(number(&rows[0], "measured_ms") > 0.0 && number(&rows[2], "measured_ms") > 0.0, "{report}");
    assert_eq!((text(&rows[1], "net"), number(&rows[1]["error"], "code")), ("toaster", 2.0));
}

#[test]
fn networks_of_one_name_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (folder, width) in [("a", 8), ("b", 16)] {
        std::fs::create_dir(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join("best.txt"), format!("SuperConvK3BNRELU(3,{width},2,1)"))
            .unwrap();
    }
    let rows = edgezen_json(dir, &["predict", "--device", "pixel2", "a/best.txt", "b/best.txt", "--json"]);
    assert_eq!((text(&rows[0], "net"), text(&rows[1], "net")), ("a/best.txt", "b/best.txt"));
}

#[test]
fn all_names_are_listed_with_their_costs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let all = edgezen_json(dir, &["networks", "--json"]);
    assert!(list(&all).len() > 80);
    let one = edgezen_json(dir, &["networks", "show", "mobilenet_v3_large", "--json"]);
    assert_eq!((text(&one, "name"), one["structure"].as_bool()), ("mobilenet_v3_large_1.0", Some(false)));
    assert!((number(&one, "macs") / 217e6 - 1.0).abs() < 0.1);
    let listed = edgezen(dir, &["networks"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("resnet50") && listed.contains("shufflenet_v2_x1_0"), "{listed}");
    refused(dir, &["networks", "show", "mobilenet_v3_larg"], 2, &["did you mean mobilenet_v3_large"]);
}

#[test]
fn odd_images_have_maps_that_are_rounded_up() {
    let dir = tempfile::tempdir().unwrap();
    let info = edgezen_json(dir.path(), &["info", "resnet18", "--resolution", "225", "--json"]);
    let sides: Vec<(f64, f64)> = list(&info["blocks"])
        .iter()
        .map(|block| (number(block, "input_resolution"), number(block, "output_resolution")))
        .collect();
    assert_eq!((sides[0], sides[3]), ((225.0, 113.0), (113.0, 57.0)));
    let last = info["exact"]["pre_gap_shape"][1].as_f64();
    assert_eq!(sides.last().map(|side| side.1), last);
}

#[test]
fn errors_are_json_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("model.onnx"), "x").unwrap();
    for (args, code, word) in [
        (&["info", "toaster"][..], 2, "toaster"),
        (&["predict", "--device", "toaster", "resnet18"], 2, "toaster"),
        (&["fit", "--data", "empty"], 2, "empty"),
        (&["search", "--device", "pixel2"], 2, "budget"),
        (&["search", "--params", "10"], 6, "smallest"),
        (&["info", "model.onnx"], 7, "model.onnx"),
        (&["predict", "--no-such-option"], 2, "--no-such-option"),
        (&["no-such-command"], 2, "no-such-command"),
    ] {
        let json = failed_json(dir, &[args, &["--json"]].concat(), code);
        assert_eq!(number(&json["error"], "code"), f64::from(code), "{json}");
        assert!(text(&json["error"], "message").contains(word), "{json}");
        assert!(json["error"].get("remedy").is_some(), "{json}");
    }
    let missing = failed_json(dir, &["info", "./modle.onnx", "--json"], 2);
    assert!(text(&missing["error"], "remedy").contains("did you mean model.onnx"), "{missing}");
}

#[test]
fn devices_with_a_predictor_alone_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let devices = edgezen_json(dir, &["devices", "--json"]);
    let device =
        |name: &str| list(&devices["devices"]).iter().find(|row| row["name"] == name).cloned().unwrap();
    for name in ["orangepi5plus", "snapdragon410", "pixel1", "snapdragon855"] {
        assert!(!list(&device(name)["predictors"]).is_empty(), "{name}");
        let predicted = edgezen_json(dir, &["predict", "--device", name, "mobilenet_v2", "--json"]);
        assert!(number(&predicted[0], "ms") > 0.1, "{name}");
    }
    let search = ["search", "--device", "raspberrypi5", "--latency", "40ms", "--layers", "12"];
    let few = ["--iterations", "200", "--population", "8", "--out", "pi", "--json"];
    let found = edgezen_json(dir, &[&search[..], &few].concat());
    assert!(number(&found["best"]["latency"]["raspberrypi5"], "ms") <= 40.0);
    refused(
        dir,
        &["measure", "--device", "orangepi5plus", "resnet18"],
        2,
        &["no profile", "predict and search"],
    );
    // Only similar names are suggested, and none where there is none.
    refused(dir, &["measure", "--device", "hots", "resnet18"], 2, &["did you mean host?"]);
    let far = edgezen(dir, &["measure", "--device", "iphone", "resnet18"]);
    let far = String::from_utf8_lossy(&far.stderr).into_owned();
    assert!(!far.contains("did you mean") && far.contains("edgezen devices"), "{far}");
}

#[test]
fn a_search_without_a_budget_fails_at_once() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["search", "--device", "pixel2"], 2, &["without any budget", "--latency"]);
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn the_ending_of_a_file_names_its_format() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let net = "SuperConvK3BNRELU(3,8,2,1)";
    let files = [("a.onnx", "onnx"), ("a.tflite", "tflite"), ("a.py", "pytorch"), ("a.json", "json")];
    for (file, format) in files {
        let written = edgezen_json(dir, &["export", net, "-o", file, "--json"]);
        assert_eq!(text(&written, "format"), format);
    }
    edgezen_json(dir, &["export", net, "--format", "onnx", "-o", "a.bin", "--json"]);
    refused(dir, &["export", net, "--format", "onnx", "-o", "b.py"], 2, &["contradict", "FILE.onnx"]);
    refused(dir, &["export", net, "-o", "b"], 2, &["no format", "--format"]);
}

#[test]
fn values_that_differ_are_printed_apart() {
    let dir = tempfile::tempdir().unwrap();
    let output = edgezen(dir.path(), &["search", "--memory", "1B", "--layers", "6", "--resolution", "32"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{text}");
    // The smallest network, and a budget just below it.
    let smallest = text.split("the smallest reachable is ").nth(1).unwrap().lines().next().unwrap();
    let kilo: f64 = smallest.trim_end_matches("kB").parse().unwrap();
    let below = format!("{}kB", kilo - 1e-3 * kilo);
    let args = ["search", "--memory", &below, "--layers", "6", "--resolution", "32"];
    let output = edgezen(dir.path(), &args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("smallest reachable")).unwrap().to_owned();
    let (limit, reachable) = line.split_once(" of activations; the smallest reachable is ").unwrap();
    assert_ne!(limit.rsplit(' ').next(), Some(reachable), "{line}");
}

#[test]
fn quiet_is_quiet_and_verbose_says_more() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let args = ["score", "SuperConvK3BNRELU(3,8,1,1)"];
        String::from_utf8_lossy(&edgezen(dir.path(), &[&args[..], more].concat()).stderr).into_owned()
    };
    assert_eq!(run(&["-q"]), "");
    assert!(run(&["-v"]).contains("finished in"));
    let error = edgezen(dir.path(), &["score", "toaster", "-q"]);
    assert!(String::from_utf8_lossy(&error.stderr).contains("toaster"));
}
