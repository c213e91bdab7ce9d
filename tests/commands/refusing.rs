//! What a command refuses, it refuses before it has done anything, with what is wrong, where, and what to do next.

use super::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::dataset::Dataset;
use std::path::Path;

const NET: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,64,1,1)";
const PROFILE: [&str; 6] = ["profile", "--device", "simulated", "--rounds", "1", "--json"];

fn profile(dir: &Path, name: &str, more: &[&str]) {
    edgezen_json(dir, &[&PROFILE[..], &["-o", name], more].concat());
}

fn said(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = edgezen(dir, args);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_file_in_the_way_of_a_folder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("mine"), "mine").unwrap();
    let search =
        ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--iterations", "300"];
    let is_file = ["mine is a file, where a folder is needed", "another place"];
    for args in [
        &[&search[..], &["--out", "mine"]].concat(),
        &[&search[..], &["--out", "mine", "--force"]].concat(),
        &[&search[..], &["--out", "mine/run", "--force"]].concat(),
        &[&PROFILE[..], &["--samples", "12", "-o", "mine/data"]].concat(),
        &["jobs", "plan", NET, "-o", "mine/plan", "--", "score"].to_vec(),
        &["export", NET, "--format", "json", "-o", "mine/net.json"].to_vec(),
        &["predict", "--device", "v100", "mine/net.onnx"].to_vec(),
    ] {
        refused(dir, args, 2, &is_file);
    }
    assert_eq!(std::fs::read_to_string(dir.join("mine")).unwrap(), "mine");
    // Root may write everywhere.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let locked = dir.join("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
        if std::fs::write(locked.join("probe"), "").is_err() {
            for args in [
                &[&search[..], &["--out", "locked"]].concat(),
                &["export", NET, "--format", "json", "-o", "locked/net.json"].to_vec(),
            ] {
                refused(dir, args, 1, &["locked", "no permission", "another place"]);
            }
        }
    }
}

#[test]
fn a_result_has_the_ending_of_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    profile(dir, "data", &["--samples", "12"]);
    let accuracies = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/accuracies/accel_nasbench.csv.gz");
    edgezen_json(dir, &["jobs", "plan", NET, "-o", "plan", "--json", "--", "score", "--proxy", "flops"]);
    edgezen_json(dir, &["jobs", "run", "plan/job-00000.json", "--json"]);
    std::fs::write(dir.join("k.csv"), "kind,in_c,out_c,in_h,kernel\nconv,64,64,56,3\n").unwrap();
    std::fs::write(dir.join("n.csv"), "network\nmobilenet_v2\n").unwrap();
    for (args, words) in [
        (&["fit", "--data", "data", "-o", "p.txt"][..], ["a predictor in JSON", "-o p.json"]),
        (&["transfer", "--from", "pixel2", "--device", "simulated", "-o", "p.txt"], ["in JSON", "-o p.json"]),
        (&["jobs", "merge", "plan", "-o", "p.csv"], ["a list in JSON", "-o p.json"]),
        (&["calibrate", "--accuracies", accuracies, "-o", "p.txt"], ["in JSON", "-o p.json"]),
        (&["predict", "--device", "v100", "--kernels", "k.csv", "-o", "p.txt"], [".parquet", "p.csv"]),
        (&["predict", "--device", "pixel2", "--networks", "n.csv", "-o", "p.txt"], [".parquet", "p.csv"]),
        (&["predict", "--device", "pixel2", "--networks", "n.csv", "-o", "p"], [".parquet", "p.csv"]),
        (&["dataset", "export", "data", "--only", "kernels", "-o", "p.txt"], [".parquet", "p.csv"]),
        (&["import-weights", NET, "w.pth", "-o", "p.pth"], ["safetensors", "-o p.safetensors"]),
    ] {
        refused(dir, args, 2, &words);
    }
    for name in ["p", "p.txt", "p.csv", "p.pth", "p.json"] {
        assert!(!dir.join(name).exists(), "{name}");
    }
    edgezen_json(dir, &["jobs", "merge", "plan", "-o", "p.json", "--json"]);
}

#[test]
fn an_unfinished_profile_is_no_dataset_yet() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let begin = ["profile", "--device", "simulated", "--samples", "12", "-o", "data", "--seed", "7"];
    let (code, errors) = said(dir, &[&begin[..], &["--simulate", "lose_after=5"]].concat());
    assert_eq!(code, Some(4), "{errors}");
    let words =
        ["data: its profile is not finished", "edgezen profile --resume --device simulated@formula@fp32"];
    for args in [
        &["fit", "--data", "data"][..],
        &["dataset", "info", "data"],
        &["dataset", "export", "data", "-o", "out.csv"],
        &["evaluate", "--predictor", "pixel2", "--data", "data"],
        &["profile", "--device", "simulated", "--refine", "data"],
    ] {
        refused(dir, args, 2, &words);
    }
    // The command that is named finishes it.
    let (_, errors) = said(dir, &["fit", "--data", "data"]);
    let command = errors.split("edgezen ").nth(1).unwrap().lines().next().unwrap();
    let words: Vec<&str> = command.split_whitespace().collect();
    assert!(words.contains(&"data/plan.json") && words.contains(&"7"), "{command}");
    edgezen_json(dir, &[&words[..], &["--json"]].concat());
    assert_eq!(Dataset::read(&dir.join("data")).unwrap().samples.len(), 12);
}

#[test]
fn datasets_of_two_identities_say_in_what_they_differ() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    profile(dir, "one", &["--samples", "60"]);
    profile(dir, "hot", &["--samples", "12", "--state", "sustained"]);
    for args in [&["fit", "--data", "one", "hot"][..], &["dataset", "merge", "one", "hot", "-o", "both"]] {
        refused(dir, args, 2, &["hot", "its thermal state is sustained, not none", "never mix"]);
        let (_, errors) = said(dir, args);
        assert!(!errors.contains("Some("), "{errors}");
    }
    // What is leant on is other than what is fitted.
    std::fs::rename(dir.join("hot"), dir.join("other")).unwrap();
    let twice = ["fit", "--data", "one", "--prior", "./one", "-o", "p.json"];
    refused(dir, &twice, 2, &["./one holds the same measurements as one"]);
    // Nothing is left out by a name that nothing has, and that is said.
    let fit = ["fit", "--data", "one", "-o", "p.json", "--leave-out"];
    let (code, errors) = said(dir, &[&fit[..], &["nomatch"]].concat());
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("warning: --leave-out nomatch leaves out nothing"), "{errors}");
    let name = Dataset::read(&dir.join("one")).unwrap().samples[0].subject.to_string();
    let (code, errors) = said(dir, &[&fit[..], &[&name, "--force"]].concat());
    assert!(matches!(code, Some(0 | 7)) && !errors.contains("leaves out nothing"), "{errors}");
}

#[test]
fn the_least_time_of_a_profile_is_said_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (time, words) in [
        ("0s", ["at least 10 configurations", "--time 24s at least"]),
        ("1s", ["at least 10 configurations", "--time 24s at least"]),
        ("2000h", ["at most 100000 configurations", "at most"]),
    ] {
        // The profile of a Pixel 2 has three launches of 0.8 s.
        refused(dir, &["profile", "--device", "pixel2", "--time", time, "-o", "data"], 2, &words);
    }
    refused(dir, &["profile", "--device", "simulated", "--time", "soon"], 2, &["90s, 20m or 2h"]);
    refused(dir, &["profile", "--device", "simulated", "--time", "1e9h"], 2, &["2777h at most"]);
    assert!(!dir.join("data").exists());
}

#[test]
fn rows_of_another_identity_are_not_priced_as_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let write = |name: &str, rows: &str| {
        std::fs::write(dir.join(name), format!("network,precision,threads\n{rows}")).unwrap();
    };
    write(
        "n.csv",
        "mobilenet_v2,fp32,1\nmobilenet_v2,int8,1\nresnet18,fp32,1_big\nresnet18,,\nresnet18,fp32,4\n",
    );
    let predict = ["predict", "--device", "pixel2", "--networks"];
    let report = edgezen_json(dir, &[&predict[..], &["n.csv", "-o", "out.csv", "--json"]].concat());
    assert_eq!((number(&report, "rows"), number(&report, "other_identity")), (5.0, 2.0), "{report}");
    let out = std::fs::read_to_string(dir.join("out.csv")).unwrap();
    let is_priced: Vec<bool> = out.lines().skip(1).map(|line| !line.ends_with(",,,,")).collect();
    assert_eq!(is_priced, [true, false, true, true, false], "{out}");
    let (_, errors) = said(dir, &[&predict[..], &["n.csv", "-o", "out.csv"]].concat());
    for words in ["2 rows of n.csv are of another identity", "row 2 is of precision int8"] {
        assert!(errors.contains(words), "{errors}");
    }
    write("all.csv", "mobilenet_v2,fp32,4\nresnet18,fp32,2\n");
    let all = [&predict[..], &["all.csv", "-o", "x.csv"]].concat();
    refused(dir, &all, 2, &["another identity (threads 4)", "predictors list"]);
    // The Pixel 3 has a predictor of four threads.
    let four = ["predict", "--device", "pixel3", "--networks", "all.csv", "-o", "four.csv", "--json"];
    assert_eq!(number(&edgezen_json(dir, &four), "other_identity"), 1.0);
    refused(dir, &[&all[..4], &["n.csv", "-o", "strict.csv", "--strict"]].concat(), 5, &["row 2"]);
    // Kernels, too.
    std::fs::write(
        dir.join("k.csv"),
        "kind,in_c,out_c,in_h,kernel,threads\nconv,64,64,56,3,1\nconv,64,64,28,3,4\n",
    )
    .unwrap();
    let kernels = ["predict", "--device", "pixel2", "--kernels", "k.csv", "-o", "y.csv"];
    refused(dir, &kernels, 7, &["row 2", "threads", "while the predictor is for 1"]);
}

#[test]
fn a_table_of_others_means_in_predictions_what_it_means_in_evaluations() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Floats run in half precision there, and networks have names of their own.
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/tables/aihub/networks.csv.gz");
    let device = "galaxy_s25@qnn@fp16";
    let report =
        edgezen_json(dir, &["predict", "--device", device, "--networks", table, "-o", "o.csv", "--json"]);
    let others = number(&report, "other_identity");
    assert!(others > 0.0 && others < number(&report, "rows"), "{report}");
    let mut reader = csv::Reader::from_path(dir.join("o.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (model, precision, predicted) = (at("model"), at("precision"), at("predicted_ms"));
    let mut errors = Vec::new();
    for row in reader.records().map(Result::unwrap) {
        let ms = row[predicted].parse::<f64>();
        assert!(ms.is_err() || &row[precision] == "float", "{row:?}");
        let cells = [("device", "Samsung Galaxy S25"), ("runtime", "qnn_dlc"), ("primary_unit", "NPU")];
        if let (Ok(ms), true) = (ms, cells.iter().all(|&(column, cell)| &row[at(column)] == cell)) {
            errors.push((ms / row[at("inference_ms")].parse::<f64>().unwrap() - 1.0).abs());
        }
        assert!(!row[model].is_empty());
    }
    let judged = edgezen_json(dir, &["evaluate", "--predictor", device, "--data", table, "--json"]);
    assert_eq!(errors.len() as f64, number(&judged, "rows"));
    let mape = 100.0 * errors.iter().sum::<f64>() / errors.len() as f64;
    assert!((mape - number(&judged["metrics"], "mape_percent")).abs() < 1e-6, "{mape} {judged}");
    // What a row says beside a name counts, or is refused.
    std::fs::write(dir.join("n.csv"), "network,classes\nresnet18,1000\nresnet18,10\nresnet18,\n").unwrap();
    let predict = ["predict", "--device", "v100", "-q", "--json"];
    edgezen_json(dir, &[&predict[..], &["--networks", "n.csv", "-o", "p.csv"]].concat());
    let text = std::fs::read_to_string(dir.join("p.csv")).unwrap();
    let ms: Vec<f64> =
        text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    let alone = |more: &[&str]| {
        let row = &edgezen_json(dir, &[&predict[..], &["resnet18"], more].concat())[0];
        64.0 * number(row, "ms")
    };
    for (ms, alone) in ms.iter().zip([alone(&[]), alone(&["--classes", "10"]), alone(&[])]) {
        assert!((ms / alone - 1.0).abs() < 1e-9, "{ms} {alone}");
    }
    std::fs::write(dir.join("n.csv"), "network,classes\nmobilenet_v3_large,10\n").unwrap();
    refused(
        dir,
        &["predict", "--device", "v100", "--networks", "n.csv", "-o", "q.csv"],
        7,
        &["row 1", "no effect"],
    );
}

#[test]
fn names_of_networks_that_are_not_known_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let row = |net: &str| {
        format!("device,runtime,precision,threads,network,latency_ms\npixel2,tflite,fp32,1,{net},8\n")
    };
    std::fs::write(dir.join("t.csv"), row("mobilnet_v3_large")).unwrap();
    let words =
        ["none of its networks is known by its name: mobilnet_v3_large", "did you mean", "edgezen networks"];
    for args in [
        &["evaluate", "--predictor", "pixel2", "--data", "t.csv"][..],
        &["dataset", "import", "--format", "networks", "t.csv", "-o", "data"],
        &["transfer", "--from", "pixel3", "--device", "pixel2", "--data", "t.csv", "-o", "p.json"],
    ] {
        refused(dir, args, 2, &words);
    }
    std::fs::write(dir.join("t.csv"), row("mobilenet_v2")).unwrap();
    let import = ["dataset", "import", "--format", "networks", "t.csv", "-o", "data"];
    for date in ["yesterday", "2026-02-30", "1.3.2026"] {
        refused(dir, &[&import[..], &["--created", date]].concat(), 2, &["--created", "2026-03-01"]);
    }
    let imported = edgezen_json(dir, &[&import[..], &["--created", "2026-03-01", "--json"]].concat());
    assert_eq!(text(&imported["provenance"], "created"), "2026-03-01");
}

#[test]
fn a_file_of_another_runtime_is_sound_and_does_not_keep_others_from_being_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["m.tflite", "m.onnx"] {
        edgezen_json(dir, &["export", NET, "--resolution", "16", "-o", name, "--json"]);
    }
    std::fs::write(dir.join("rubbish.onnx"), "this is not a network").unwrap();
    let measure = ["measure", "--device", "simulated", "--simulate", "launches=0.005,load=0"];
    let words =
        ["m.tflite", "simulated runs no such file", ".onnx files", "--device host@litert for .tflite files"];
    refused(dir, &[&measure[..], &["m.tflite"]].concat(), 2, &words);
    let nets = ["m.tflite", "m.onnx", "rubbish.onnx", "mobilenet_v2"];
    let output = edgezen(dir, &[&measure[..], &nets, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = list(&rows);
    assert_eq!((&rows[0]["error"]["code"], &rows[2]["error"]["code"]), (&2.into(), &7.into()), "{rows:?}");
    for at in [1, 3] {
        assert!(number(&rows[at], "median_ms") > 0.0, "{}", rows[at]);
    }
    profile(dir, "data", &["--samples", "60"]);
    edgezen_json(dir, &["fit", "--data", "data", "--json"]);
    let output = edgezen(dir, &["validate", "--device", "simulated", "m.tflite", "m.onnx", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = list(&report["rows"]);
    assert_eq!((&rows[0]["error"]["code"], rows.len()), (&2.into(), 2), "{rows:?}");
    assert!(number(&rows[1], "measured_ms") > 0.0, "{}", rows[1]);
    // On this computer too.
    let host = ["measure", "--device", "host", "--seconds", "0.5", "m.tflite", "m.onnx", "--json"];
    let output = edgezen(dir, &host);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["error"]["code"], 2, "{rows}");
    assert!(number(&rows[1], "median_ms") > 0.0, "{rows}");
}

#[test]
fn options_of_devices_say_nothing_where_nothing_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let search = ["search", "--device", "pixel2", "--latency", "80ms", "--iterations", "300"];
    for option in [["--serial", "X"], ["--cores", "0"], ["--host", "pi@board"], ["--patience", "5"]] {
        refused(dir, &[&search[..], &option].concat(), 2, &[option[0], "--verify"]);
    }
    assert!(!dir.join("runs").exists());
    let transfer = ["transfer", "--from", "pixel3", "--device", "pixel2", "--data", "t.csv", "--serial", "X"];
    refused(dir, &transfer, 2, &["--serial", "nothing is measured"]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(search)
        .env("ANDROID_SERIAL", "X")
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn results_of_one_kind_do_not_go_into_the_folder_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let search =
        ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--space", "resnet", "--json"];
    edgezen_json(dir, &[&search[..], &["--iterations", "500", "--out", "run"]].concat());
    profile(dir, "data", &["--samples", "12"]);
    edgezen_json(dir, &["jobs", "plan", NET, "-o", "plan", "--json", "--", "score"]);
    // New measurements that are to take the place of others are under way.
    let anew = ["profile", "--device", "simulated", "--samples", "14", "-o", "data", "--force"];
    assert_eq!(said(dir, &[&anew[..], &["--simulate", "lose_after=5"]].concat()).0, Some(4));
    let journal = std::fs::read(dir.join("data/.next/journal.jsonl")).unwrap();
    let profile = [&PROFILE[..], &["--samples", "12"]].concat();
    for force in [&[][..], &["--force"]] {
        for (into, holds) in [("data", "a dataset"), ("plan", "a plan of jobs")] {
            let args = [&search[..], &["--iterations", "300", "--out", into], force].concat();
            refused(dir, &args, 2, &[into, &format!("holds {holds}"), "another place"]);
        }
        for (into, holds) in [("run", "the run of a search"), ("plan", "a plan of jobs")] {
            let args = [&profile[..], &["-o", into], force].concat();
            refused(dir, &args, 2, &[into, &format!("holds {holds}"), "another place"]);
            let args = [&["dataset", "merge", "data", "data", "-o", into][..], force].concat();
            refused(dir, &args, 2, &[into, "holds"]);
        }
    }
    for into in ["run", "data"] {
        refused(dir, &["jobs", "plan", NET, "-o", into, "--", "score"], 2, &[into, "holds"]);
    }
    assert_eq!(std::fs::read(dir.join("data/.next/journal.jsonl")).unwrap(), journal);
    edgezen_json(dir, &["search", "--resume", "--out", "run", "--json"]);
    assert_eq!(Dataset::read(&dir.join("data")).unwrap().samples.len(), 12);
}

#[test]
fn results_do_not_lie_inside_others_nor_in_folders_for_much_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let search =
        ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--iterations", "300"];
    edgezen_json(dir, &[&search[..], &["--out", "runs/a", "--json"]].concat());
    profile(dir, "data", &["--samples", "12"]);
    edgezen_json(dir, &["jobs", "plan", NET, "-o", "plan", "--json", "--", "score"]);
    std::fs::create_dir_all(dir.join("trained")).unwrap();
    std::fs::write(dir.join("trained/checkpoint.safetensors"), "weights").unwrap();
    let module = ["export", NET, "--format", "pytorch"];
    let measure = [&PROFILE[..], &["--samples", "12"]].concat();
    let plan = ["jobs", "plan", NET, "--"];
    let inside = "and is for that alone";
    for (into, words) in [
        ("data/raw", ["belongs to a dataset", inside]),
        ("data/raw/one/deep", ["belongs to a dataset", inside]),
        ("runs/a/front.csv", ["belongs to the run of a search", inside]),
        ("plan/results", ["belongs to a plan of jobs", inside]),
        ("trained/network-1/deep", ["belongs to a training", inside]),
        ("trained", ["holds a training", "also not with --force"]),
        ("/", ["the root of all files", "a folder inside is needed"]),
    ] {
        for command in [&search[..], &measure, &module] {
            refused(dir, &[command, &["-o", into, "--force"]].concat(), 2, &words);
        }
        refused(dir, &[&plan[..3], &["-o", into], &plan[3..], &["score"]].concat(), 2, &words);
    }
    for into in ["data", "runs/a", "plan"] {
        refused(dir, &[&module[..], &["-o", into, "--force"]].concat(), 2, &["not for other results"]);
    }
    for name in ["data/raw/one", "plan/results", "trained/network-1", "data/README.md.bak"] {
        assert!(!dir.join(name).exists(), "{name}");
    }
    // What has its place there, and what lies beside.
    edgezen_json(dir, &[&search[..], &["--out", "runs/b", "--json"]].concat());
    edgezen_json(dir, &[&search[..], &["--out", "runs/a/mine", "--json"]].concat());
    assert!(edgezen(dir, &[&module[..], &["-o", "modules/net"]].concat()).status.success());
    edgezen_json(dir, &["report", "runs/a", "--json"]);
    // A home folder, here that of the command.
    std::fs::create_dir(dir.join("home")).unwrap();
    std::fs::write(dir.join("home/letter.txt"), "mine").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(search).args(["--out", "home", "--force"]).current_dir(dir).env("HOME", dir.join("home"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("is your home folder"), "{said}");
}

#[test]
fn files_of_results_are_replaced_by_no_file_of_another_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let search =
        ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--iterations", "300"];
    edgezen_json(dir, &[&search[..], &["--out", "run", "--json"]].concat());
    profile(dir, "data", &["--samples", "12"]);
    edgezen_json(dir, &["jobs", "plan", NET, "-o", "jobs", "--json", "--", "score", "--proxy", "flops"]);
    edgezen_json(dir, &["jobs", "run", "jobs/job-00000.json", "--json"]);
    std::fs::write(dir.join("k.csv"), "kind,in_c,out_c,in_h,kernel\nconv,64,64,56,3\n").unwrap();
    for place in [
        "jobs/job-00000.json",
        "jobs/job-00001.json",
        "jobs/results/x.json",
        "run/front.json",
        "data/plan.json",
    ] {
        let before = std::fs::read(dir.join(place)).ok();
        let export = ["export", NET, "--format", "json", "-o", place, "--force"];
        refused(dir, &export, 2, &[place, "which nothing else replaces", "another place"]);
        assert_eq!(std::fs::read(dir.join(place)).ok(), before, "{place}");
    }
    refused(dir, &["export", NET, "-o", "run/best.onnx", "--force"], 2, &["the run of a search"]);
    let table =
        ["predict", "--device", "v100", "--kernels", "k.csv", "-o", "data/lookup_table.csv", "--force"];
    refused(dir, &table, 2, &["a dataset"]);
    // Other files may lie beside them.
    for place in ["run/best.tflite", "jobs/all.json"] {
        assert!(edgezen(dir, &["export", NET, "-o", place]).status.success(), "{place}");
    }
}

#[test]
fn what_is_wrong_comes_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["x.onnx", "x.tflite", "x.txt"] {
        std::fs::write(dir.join(name), b"\xff\x00no network").unwrap();
    }
    std::fs::write(dir.join("jobs.json"), r#"{"plan_version": 2, "sha256": "", "jobs": []}"#).unwrap();
    std::fs::write(dir.join("plan.json"), "{}").unwrap();
    let plan = ["profile", "--device", "simulated", "-o", "d", "--plan"];
    let search = ["search", "--params", "1M", "--iterations", "10"];
    for (args, code, words) in [
        (&["info", "x.onnx"][..], 7, &["torch.onnx.export", "edgezen export NET -o FILE.onnx"][..]),
        (&["predict", "x.tflite", "--device", "pixel2"], 7, &["edgezen export NET -o FILE.tflite"]),
        (&["info", "x.txt"], 7, &["structure string"]),
        (&["info", "zoo:foo"], 2, &["zoo:mobilenet_v3_large_1.0@224", "edgezen networks"]),
        (&["info", "zoo:resnet3@224"], 2, &["did you mean", "zoo:resnet34@224"]),
        (&["info", "zoo:resnet34"], 2, &["did you mean zoo:resnet34@224"]),
        (&["info", "zoo:resnet18"], 2, &["zoo:resnet18@224"]),
        (&["info", "nbm:1"], 2, &["nbm:01200221"]),
        (&["predict", "resnet18", "--device", "host@foo"], 2, &["--device host@tract or host@onnxruntime"]),
        (
            &["measure", "resnet18", "--device", "host@foo"],
            2,
            &["there is no runtime \"foo\"", "--device host@tract or"],
        ),
        (&["measure", "resnet18", "--device", "host@tract@fp8"], 2, &["--device host@tract@fp32"]),
        (
            &["measure", "resnet18", "--device", "host", "--threads", "64"],
            2,
            &["--threads 1", "host@onnxruntime"],
        ),
        (&[&search[..], &["--kernels", "4"]].concat(), 2, &["--kernels with some of 3, 5, 7"]),
        (&[&search[..], &["--init", "resnet18"]].concat(), 2, &["super blocks alone", "zennet_"]),
        (&[&search[..], &["--init", "SuperConvK3BNRELU(4,8,2,1)"]].concat(), 2, &["--init NET"]),
        (&[&plan[..], &["plan.json"]].concat(), 7, &["the plan.json of a dataset"]),
        (&[&plan[..], &["jobs.json"]].concat(), 7, &["edgezen jobs run"]),
        (&[&plan[..], &["x.onnx"]].concat(), 7, &["the plan.json of a dataset"]),
    ] {
        refused(dir, args, code, &[&["try: "][..], words].concat());
    }
}

#[test]
fn of_several_files_none_is_written_before_all_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (folder, file) in [("module", "requirements.txt"), ("man", "edgezen-search.1")] {
        std::fs::create_dir(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join(file), "mine").unwrap();
    }
    let module = ["export", NET, "--format", "pytorch", "-o", "module"];
    let man = ["manual", "--man", "man"];
    for (args, folder, file) in
        [(&module[..], "module", "requirements.txt"), (&man, "man", "edgezen-search.1")]
    {
        refused(dir, args, 2, &[file, "exists already", "--force"]);
        assert_eq!(std::fs::read_dir(dir.join(folder)).unwrap().count(), 1, "{folder}");
        assert!(edgezen(dir, &[args, &["--force"]].concat()).status.success(), "{folder}");
        assert!(std::fs::read_dir(dir.join(folder)).unwrap().count() >= 3, "{folder}");
    }
}

#[test]
fn a_structure_that_was_cut_off_is_not_taken_for_the_best_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let search = ["search", "--device", "pixel2", "--latency", "60ms", "--iterations", "500", "--out", "run"];
    let found = edgezen_json(dir, &[&search[..], &["--json"]].concat());
    let best = std::fs::read_to_string(dir.join("run/best.txt")).unwrap();
    // A file that is cut at the end of a block is a structure of its own.
    let cut = best.trim_end().rfind("Super").unwrap();
    std::fs::write(dir.join("run/best.txt"), &best[..cut]).unwrap();
    for args in [
        &["info", "run"][..],
        &["predict", "--device", "pixel2", "run"],
        &["export", "run", "--format", "json", "-o", "net.json"],
        &["validate", "run", "--device", "host"],
    ] {
        refused(dir, args, 7, &["run/best.txt", "result.json", "edgezen search --resume --out run"]);
    }
    assert!(!dir.join("net.json").exists());
    // As the remedy says.
    std::fs::remove_file(dir.join("run/best.txt")).unwrap();
    edgezen_json(dir, &["search", "--resume", "--out", "run", "--json"]);
    assert_eq!(std::fs::read_to_string(dir.join("run/best.txt")).unwrap(), best);
    assert_eq!(text(&edgezen_json(dir, &["info", "run", "--json"]), "net"), text(&found["best"], "net"));
}

#[test]
fn tables_of_networks_take_names_and_structures_in_each_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (one, two) = ("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,1,8,1)", "SuperConvK3BNRELU(3,16,2,1)");
    for column in ["network", "net", "model"] {
        let rows =
            format!("{column},resolution,latency_ms\n\"{one}\",64,8\n\"{two}\",96,9\nresnet18,224,70\n");
        std::fs::write(dir.join("t.csv"), rows).unwrap();
        let predict =
            ["predict", "--device", "pixel2", "--networks", "t.csv", "-o", "p.csv", "--force", "--json"];
        edgezen_json(dir, &predict);
        let out = std::fs::read_to_string(dir.join("p.csv")).unwrap();
        assert!(out.lines().skip(1).all(|line| !line.ends_with(",,,,")), "{out}");
        let evaluate = ["evaluate", "--predictor", "pixel2", "--data", "t.csv", "--json"];
        assert_eq!(number(&edgezen_json(dir, &evaluate), "rows"), 3.0);
    }
    // Of two columns, the one whose names are known.
    std::fs::write(dir.join("b.csv"), format!("net,model,latency_ms\n\"{one}\",mine,8\n")).unwrap();
    let evaluate = ["evaluate", "--predictor", "pixel2", "--data", "b.csv", "--json"];
    assert_eq!(number(&edgezen_json(dir, &evaluate), "rows"), 1.0);
    // A dataset, its table, and a dataset of that.
    let import = |table: &str, to: &str| {
        let args = [
            "dataset",
            "import",
            "--format",
            "networks",
            table,
            "-o",
            to,
            "--device",
            "mine",
            "--runtime",
            "tflite",
        ];
        edgezen_json(dir, &[&args[..], &["--precision", "fp32", "--json"]].concat())
    };
    import("t.csv", "first");
    edgezen_json(dir, &["dataset", "export", "first", "--only", "networks", "-o", "n.csv", "--json"]);
    import("n.csv", "second");
    let subjects = |folder: &str| {
        let samples = edgezen::dataset::Dataset::read(&dir.join(folder)).unwrap().samples;
        samples
            .into_iter()
            .map(|sample| format!("{:?} {:?}", sample.subject, sample.median))
            .collect::<Vec<_>>()
    };
    assert_eq!(subjects("first"), subjects("second"));
    assert_eq!(subjects("first").len(), 3);
    // What is in no table, and tables of nothing.
    std::fs::write(dir.join("o.csv"), "network,latency_ms\na.onnx,8\n").unwrap();
    refused(
        dir,
        &["predict", "--device", "pixel2", "--networks", "o.csv", "-o", "x.csv"],
        2,
        &["a.onnx", ".onnx files"],
    );
    std::fs::write(dir.join("o.csv"), "structure,latency_ms\na,8\n").unwrap();
    refused(
        dir,
        &["evaluate", "--predictor", "pixel2", "--data", "o.csv"],
        7,
        &["kind", "network, net or model"],
    );
}

#[test]
fn remedies_are_of_the_command_and_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // A predictor file is no calibration, whatever its version.
    let predictor = concat!(env!("CARGO_MANIFEST_DIR"), "/predictors/pixel2@tflite@fp32.json");
    let score = ["score", "resnet18", "--calibration", predictor];
    refused(dir, &score, 7, &["not a calibration file", "edgezen calibrate"]);
    std::fs::write(dir.join("t.csv"), "device,network,latency_ms\nnobody,resnet18,8\n").unwrap();
    let (_, errors) = said(dir, &["evaluate", "--predictor", "pixel2", "--data", "t.csv"]);
    assert!(errors.contains("--predictor") && !errors.contains("--device"), "{errors}");
    // Files of a run.
    let search = ["search", "--params", "500k", "--iterations", "200", "-o", "r", "-q", "--json"];
    let again = ["search", "--resume", "--out", "r", "-q", "--json"];
    let found = edgezen_json(dir, &search);
    std::fs::write(dir.join("r/result.json"), "").unwrap();
    for args in [&again[..], &["report", "r"], &["predict", "r", "--device", "pixel2"]] {
        refused(dir, args, 7, &["result.json", "delete", "edgezen search --resume --out r"]);
    }
    std::fs::remove_file(dir.join("r/result.json")).unwrap();
    assert_eq!(edgezen_json(dir, &again)["best"]["net"], found["best"]["net"]);
    std::fs::write(dir.join("r/checkpoint"), "1\n2\n").unwrap();
    refused(dir, &again, 7, &["checksum", "delete r/checkpoint: the finished run"]);
    std::fs::remove_file(dir.join("r/checkpoint")).unwrap();
    assert_eq!(edgezen_json(dir, &again)["best"]["net"], found["best"]["net"]);
    let (_, errors) = said(dir, &["jobs", "plan", "resnet18", "-o", "k", "--", "score", "--foo"]);
    assert!(errors.contains("--foo") && !errors.contains("tip:"), "{errors}");
}

/// What a table says of its networks itself is no matter of options, which would be passed over.
#[test]
fn options_of_single_networks_are_refused_for_tables() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("nets.csv"), "net,resolution\nresnet18,224\n").unwrap();
    let predict = ["predict", "--device", "pixel2", "--networks", "nets.csv", "-o", "out.csv"];
    for (option, words) in [
        (&["--resolution", "64"][..], "columns resolution"),
        (&["--classes", "10"], "columns resolution"),
        (&["--se"], "columns resolution"),
        (&["--breakdown"], "leave it out"),
        (&["--latency", "80ms"], "leave it out"),
        (&["--partial"], "leave it out"),
    ] {
        refused(dir, &[&predict[..], option].concat(), 2, &["has no effect on a table", words]);
    }
    assert!(!dir.join("out.csv").exists());
    assert!(edgezen(dir, &predict).status.success());
}
