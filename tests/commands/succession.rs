//! A predictor does not take the place of a better one unasked, and `fit` says who answers.

use crate::golden::{list, number, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const ID: &str = "simulated@formula@fp32";

/// Runs edgezen in `dir` with a data folder of its own, whose predictors are those of a user for all projects.
fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(args).current_dir(dir).env("XDG_DATA_HOME", dir.join("data-home"));
    command.env_remove("EDGEZEN_SIMULATE").output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Measures so many configurations; launches differ by `launches`, as a share.
fn profile(dir: &Path, samples: &str, launches: &str, to: &str) {
    let simulate = format!("launches={launches}");
    let device = ["profile", "--device", "simulated", "--samples", samples, "-o", to, "--json"];
    let profiled = run(dir, &[&device[..], &["--simulate", &simulate, "--seed", "4"]].concat());
    let said = String::from_utf8_lossy(&profiled.stderr).into_owned();
    assert!(dir.join(to).join("samples.parquet").exists(), "{said}");
}

#[test]
fn a_worse_predictor_takes_no_place_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    profile(dir, "200", "0", "good");
    profile(dir, "12", "0.7", "poor");
    let first = json(&run(dir, &["fit", "--data", "good", "-o", "good.json", "--json"]));
    assert!(list(&first["answering"]["names"]).is_empty(), "{first}");
    json(&run(dir, &["predictors", "add", "good.json", "--json"]));

    let refused = run(dir, &["fit", "--data", "poor", "--json"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for word in [ID, "data-home", "nothing is written", "--force", "-o FILE"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!dir.join("predictors").join(format!("{ID}.json")).exists());

    // Elsewhere it may be, and then the other one still answers.
    let elsewhere = run(dir, &["fit", "--data", "poor", "-o", "poor.json"]);
    let said = String::from_utf8_lossy(&elsewhere.stdout).into_owned();
    assert!(elsewhere.status.success() && said.contains("still means the other one"), "{said}");
    assert!(said.contains("--predictor poor.json uses it"), "{said}");
    // Asked for, it answers from now on, and how it compares is said.
    let forced = run(dir, &["fit", "--data", "poor", "--force"]);
    let said = String::from_utf8_lossy(&forced.stdout).into_owned();
    assert!(forced.status.success(), "{}", String::from_utf8_lossy(&forced.stderr));
    for word in
        ["--device simulated", "means it from now on, instead of the one before", "error on these data"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    let again = json(&run(dir, &["fit", "--data", "poor", "--force", "--json"]));
    assert_eq!(list(&again["answering"]["names"]), &["simulated", ID]);
    assert!(text(&again["answering"], "used").contains("predictors"), "{again}");
    // A better one is welcome to an own file's place once it is asked for.
    let better = json(&run(dir, &["fit", "--data", "good", "--force", "--json"]));
    let answering = &better["answering"];
    assert!(number(answering, "new_percent") < number(answering, "before_percent"), "{better}");
}

#[test]
fn an_error_that_is_too_large_to_be_of_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    profile(dir, "12", "0.9", "data");
    let fitted = run(dir, &["fit", "--data", "data"]);
    let said = String::from_utf8_lossy(&fitted.stderr).into_owned();
    assert!(fitted.status.success() && said.contains("too much to hold a budget by"), "{said}");
}
