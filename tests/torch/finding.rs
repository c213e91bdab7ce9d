//! The range test of the learning rate, and what the page of a training shows.

use super::train::{NET, set};
use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::number;
use std::collections::BTreeMap;
use std::path::Path;

/// All files of a folder.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn rates_are_tried_and_nothing_else_changes() {
    let dir = set(512);
    let dir = dir.path();
    let usual = ["train", NET, "--data", "data", "--recipe", "short", "--threads", "1", "--json"];
    let train = |extra: &[&str]| edgezen_json(dir, &[&usual[..], extra].concat());
    train(&["--epochs", "1", "--out", "run"]);
    let before = files(&dir.join("run"));
    let find = |extra: &[&str]| train(&[&["--find-rate", "--out", "run"][..], extra].concat());
    let found = find(&[]);
    let mut after = files(&dir.join("run"));
    let rates = after.remove("rates.csv").unwrap();
    assert!(before == after, "{:?} and {:?}", before.keys(), after.keys());
    let lr = number(&found, "lr");
    assert!((0.01..20.0).contains(&lr), "{found}");
    assert!(number(&found, "lowest_loss") < number(&found, "first_loss") - 0.2, "{found}");
    let text = String::from_utf8(rates.clone()).unwrap();
    assert_eq!(text.lines().next(), Some("lr,rate,loss,smoothed"));
    assert_eq!(text.lines().count() as f64, 1.0 + number(&found, "steps"));
    // The same seed tries the same, another one does not.
    assert_eq!(find(&[])["lr"], found["lr"]);
    assert!(files(&dir.join("run"))["rates.csv"] == rates);
    find(&["--seed", "9"]);
    assert!(files(&dir.join("run"))["rates.csv"] != rates);
    refused(dir, &[&usual[..], &["--find-rate", "--resume", "--out", "run"]].concat(), 2, &["--resume"]);
    // In words, and in a folder that was empty; the training comes after it.
    let said = edgezen(dir, &[&usual[..8], &["--find-rate", "--out", "new"]].concat());
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains(&format!("--lr {lr}")) && said.contains("Half of its fall"), "{said}");
    assert_eq!(files(&dir.join("new")).into_keys().collect::<Vec<_>>(), ["rates.csv"]);
    let page = |run: &str| {
        edgezen_json(dir, &["report", run, "--json"]);
        std::fs::read_to_string(dir.join(run).join("report.html")).unwrap()
    };
    let alone = page("new");
    assert!(alone.contains("Range test in new") && alone.contains("Suggested is half"), "{alone}");
    train(&["--epochs", "2", "--lr", &lr.to_string(), "--out", "new"]);
    let both = page("new");
    for part in
        ["Training in new", "Range test of the learning rate", ">Loss<", ">Accuracy<", ">Learning rate<", NET]
    {
        assert!(both.contains(part), "{part}");
    }
    assert!(dir.join("new/report_plots/loss.svg").exists());
    assert_eq!(both.matches("<script").count(), 0);
    // The images that choose the epoch are the test images here.
    assert!(both.contains("they chose the epoch"), "{both}");
    refused(dir, &["report", "new", "run"], 2, &["a page of their own"]);
    std::fs::write(dir.join("new/metrics.csv"), "epoch,rate\n").unwrap();
    refused(dir, &["report", "new", "-o", "x.html"], 7, &["metrics.csv"]);
}
