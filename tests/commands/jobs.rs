//! `jobs`: work in parts gives the bytes of the whole, whatever happens to the parts.

use super::{edgezen, edgezen_json, refused};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const NETS: [&str; 5] = [
    "zennet_cifar10_model_size05M_res32",
    "zennet_cifar10_model_size1M_res32",
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)",
    "SuperConvK3BNRELU(3,16,1,1)SuperResK1K3K1(16,32,2,16,2)",
    "SuperConvK3BNRELU(3,24,1,1)SuperResIDWE2K3(24,24,2,24,1)",
];
const EXACT: [&str; 7] = ["--", "score", "--engine", "exact", "--repeats", "2", "--resolution"];
const SEARCH: [&str; 8] = ["--", "search", "--device", "pixel2", "--latency", "80ms", "--iterations", "300"];

fn jobs(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("job-"))
        .collect();
    files.sort();
    files
}

/// Plans work in a folder of this name, runs its jobs from the last to the first, and gives what they amount to.
fn merged(dir: &Path, name: &str, parts: &str, words: &[&str]) -> String {
    let plan = [&["jobs", "plan", "-o", name, "--parts", parts][..], words].concat();
    edgezen_json(dir, &[&plan[..1], &["--json"], &plan[1..]].concat());
    for file in jobs(&dir.join(name)).iter().rev() {
        let line = ["jobs", "run", file.to_str().unwrap(), "--json"];
        assert_eq!(edgezen_json(dir, &line)[0]["made"], "now");
        assert_eq!(edgezen_json(dir, &line)[0]["made"], "before");
    }
    let merged = format!("{name}-merged.json");
    edgezen_json(dir, &["jobs", "merge", name, "-o", &merged, "--json"]);
    fs::read_to_string(dir.join(merged)).unwrap()
}

#[test]
fn scores_in_parts_are_those_of_the_command_to_the_last_digit() {
    let dir = tempfile::tempdir().unwrap();
    let words = [&NETS[..], &EXACT[..], &["32"]].concat();
    let whole = merged(dir.path(), "one", "1", &words);
    assert_eq!(merged(dir.path(), "three", "3", &words), whole);
    assert_eq!(merged(dir.path(), "many", "64", &words), whole);
    assert_eq!(jobs(&dir.path().join("three")).len(), 3);
    let line = [&["score", "--json", "--engine", "exact", "--repeats", "2", "--resolution", "32"][..], &NETS]
        .concat();
    let printed = String::from_utf8(edgezen(dir.path(), &line).stdout).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&whole).unwrap();
    assert!(rows.iter().all(|row| row.get("seconds").is_none()), "{whole}");
    // The digits, not the numbers that they are read as.
    let scores: Vec<&str> =
        whole.split("\"score\":").skip(1).map(|rest| rest.split([',', '}']).next().unwrap()).collect();
    assert_eq!(scores.len(), rows.len());
    for score in scores {
        assert!(printed.contains(&format!("\"score\": {score}")), "{score}: {printed}");
    }
}

#[test]
fn searches_in_parts_are_those_of_one_computer() {
    let dir = tempfile::tempdir().unwrap();
    let words = [&["--seed", "7", "--seeds", "3"][..], &SEARCH].concat();
    let whole = merged(dir.path(), "one", "1", &words);
    assert_eq!(merged(dir.path(), "three", "3", &words), whole);
    let rows: Vec<Value> = serde_json::from_str(&whole).unwrap();
    let seeds: Vec<u64> = rows.iter().map(|row| row["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    let line = [&["search", "--json", "--seed", "8", "--out", "alone"][..], &SEARCH[2..]].concat();
    assert_eq!(edgezen_json(dir.path(), &line)["best"]["net"], rows[1]["best"]["net"]);
}

#[test]
fn what_has_no_meaning_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("mine.txt"), NETS[2]).unwrap();
    for (words, said) in [
        (&["mine.txt", "--", "score"][..], "is a file"),
        (&["resnet1888", "--", "score"], "resnet1888"),
        (&["resnet18", "--", "score", "resnet50"], "before"),
        (&["resnet18", "--", "score", "--proxy", "zen+params"], "ensemble"),
        (&["resnet18", "--", "score", "--engin", "exact"], "--engin"),
        (&["resnet18", "--", "measure"], "no work for jobs"),
        (&["--", "score"], "nothing to do"),
        (&["--seeds", "2", "--", "search", "--device", "pixel2", "--latency", "80ms", "--out", "x"], "--out"),
        (
            &["--seeds", "2", "--", "search", "--device", "pixel2", "--latency", "80ms", "--seed", "3"],
            "--seed",
        ),
        (&["--seeds", "2", "--", "search", "--device", "pixel22", "--latency", "80ms"], "pixel22"),
        (&["--seeds", "2", "--", "search", "--params", "1M", "--resolution", "7"], "a larger --resolution"),
        (
            &["--seeds", "2", "--", "search", "--params", "1M", "--proxy", "flops", "--rescore", "exact"],
            "no exact engine",
        ),
        (&["--seeds", "2", "--", "search", "--params", "1M", "--cores", "0"], "--cores"),
        (&["--", "search", "--device", "pixel2", "--latency", "80ms"], "--seeds"),
    ] {
        refused(dir, &[&["jobs", "plan", "-o", "plan"][..], words].concat(), 2, &[said]);
        assert!(!dir.join("plan").exists(), "{words:?}");
    }
    refused(dir, &["jobs", "merge", "nowhere", "-o", "all.json"], 2, &["nowhere"]);
    refused(dir, &["jobs", "run", "mine.txt"], 7, &["mine.txt"]);
}

#[test]
fn a_merge_waits_for_all_and_another_plan_does_not_take_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let plan = ["jobs", "plan", "-o", "plan", "--parts", "2", NETS[0], NETS[2]];
    edgezen_json(dir, &[&plan[..], &["--json", "--", "score"]].concat());
    edgezen_json(dir, &["jobs", "run", "plan/job-00001.json", "--json"]);
    refused(dir, &["jobs", "merge", "plan", "-o", "all.json"], 1, &["1 of 2", "job-00000.json", "jobs run"]);
    assert!(!dir.join("all.json").exists());
    for (options, word) in [
        (&["--proxy", "nonsense"][..], "nonsense"),
        (&["--engine", "exact", "--error", "-1"], "above zero"),
        (&["--calibration", "nope.json"], "nope.json"),
        (&["--engine", "exact", "--proxy", "flops"], "flops"),
    ] {
        let wrong = [&["jobs", "plan", "-o", "wrong", NETS[0], "--", "score"][..], options].concat();
        refused(dir, &wrong, 2, &[word]);
    }
    assert!(!dir.join("wrong").exists());
    let status = edgezen_json(dir, &["jobs", "status", "plan", "--json"]);
    assert_eq!(
        (&status["done"], &status["missing"]),
        (&json!(["plan/job-00001.json"]), &json!(["plan/job-00000.json"]))
    );
    let results = fs::read_dir(dir.join("plan/results")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&results).unwrap();
    for damaged in [&b""[..], &whole[..whole.len() / 2]] {
        fs::write(&results, damaged).unwrap();
        refused(dir, &["jobs", "status", "plan"], 7, &["1 of 2 jobs have damaged results", "jobs run"]);
        let status = edgezen(dir, &["jobs", "status", "plan", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(
            (&status["done"], &status["damaged"][0]["job"]),
            (&json!([]), &json!("plan/job-00001.json"))
        );
        refused(dir, &["jobs", "run", "plan/job-00001.json"], 7, &["results", "delete this file"]);
    }
    fs::write(&results, &whole).unwrap();
    // A list of jobs that was cut short is no plan of fewer jobs.
    let list = fs::read_to_string(dir.join("plan/plan.json")).unwrap();
    let mut cut: Value = serde_json::from_str(&list).unwrap();
    cut["jobs"].as_array_mut().unwrap().remove(0);
    fs::write(dir.join("plan/plan.json"), cut.to_string()).unwrap();
    for args in [
        &["jobs", "status", "plan"][..],
        &["jobs", "merge", "plan", "-o", "all.json"],
        &["jobs", "run", "plan/job-00001.json"],
    ] {
        refused(dir, args, 7, &["plan.json", "checksum", "delete plan/plan.json, then edgezen jobs plan"]);
    }
    fs::remove_file(dir.join("plan/plan.json")).unwrap();
    edgezen_json(dir, &[&plan[..], &["--json", "--", "score"]].concat());
    assert_eq!(fs::read_to_string(dir.join("plan/plan.json")).unwrap(), list);
    // A job that is to be done, and whose file is not there.
    fs::rename(dir.join("plan/job-00000.json"), dir.join("kept")).unwrap();
    refused(dir, &["jobs", "status", "plan"], 7, &["1 of 2 jobs are not there", "jobs plan"]);
    let status = edgezen(dir, &["jobs", "status", "plan", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["lost"][0]["job"], "plan/job-00000.json", "{status}");
    fs::rename(dir.join("kept"), dir.join("plan/job-00000.json")).unwrap();
    assert_eq!(edgezen_json(dir, &["jobs", "status", "plan", "--json"])["lost"], json!([]));
    // All damaged results are named at once, and none of the jobs is run.
    edgezen_json(dir, &["jobs", "run", "plan/job-00000.json", "--json"]);
    let both: Vec<PathBuf> =
        fs::read_dir(dir.join("plan/results")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let sound: Vec<Vec<u8>> = both.iter().map(|path| fs::read(path).unwrap()).collect();
    both.iter().for_each(|path| fs::write(path, "").unwrap());
    let names: Vec<&str> = both.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let said = [&["2 results are damaged", "delete these files"][..], &names].concat();
    refused(dir, &["jobs", "merge", "plan", "-o", "all.json"], 7, &said);
    refused(dir, &["jobs", "run", "plan/job-00000.json", "plan/job-00001.json"], 7, &said);
    both.iter().zip(&sound).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    // Neither the plan nor a result is replaced by what is merged from them.
    for place in ["plan/plan.json", "plan/job-00000.json", results.to_str().unwrap()] {
        refused(dir, &["jobs", "merge", "plan", "-o", place, "--force"], 2, &["both read and to be written"]);
    }
    assert_eq!(fs::read(&results).unwrap(), whole);
    refused(dir, &[&plan[..], &["--", "score", "--engine", "exact"]].concat(), 2, &["another plan"]);
    // A predictor that another computer has under the same name is another search.
    let searches = [&["jobs", "plan", "--json", "--seeds", "1", "-o", "searches"][..], &SEARCH].concat();
    edgezen_json(dir, &searches);
    fs::create_dir(dir.join("predictors")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let other = fs::read_to_string(root.join("predictors/pixel2@tflite@fp32.json")).unwrap();
    assert!(other.contains("pixel2"));
    fs::copy(root.join("predictors/pixel3@tflite@fp32.json"), dir.join("predictors/pixel2@tflite@fp32.json"))
        .unwrap();
    refused(dir, &["jobs", "run", "searches/job-00000.json"], 2, &["another search", "predictors where"]);
}
