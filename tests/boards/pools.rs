//! Two boards of a pool: they are looked at, one of them is taken, and both share a plan.

use super::loopback::{Board, has_files_of_its_own, parts_are_here};
use crate::phones::figures::runner;
use crate::phones::loopback::errors;
use crate::phones::measuring::await_samples;
use serde_json::Value;
use std::process::Stdio;
use std::time::Instant;

const POOL: &str = "schema = 1\n[[unit]]\nname = \"left\"\ndevice = \"board\"\nhost = \"left\"\ntags = [\"kitchen\"]\n\
    [[unit]]\nname = \"right\"\ndevice = \"board\"\nhost = \"right\"\n";

/// The first of two boards, whose folder edgezen runs in, and the other one. `None` where the parts are not here.
fn pair() -> Option<(Board, Board)> {
    if !parts_are_here() {
        return None;
    }
    if !has_files_of_its_own() {
        // Two boards with one boot id are one board, which only one process measures on.
        eprintln!("skipped: no right to give a board files of its own");
        return None;
    }
    let (left, right) = (Board::called("left"), Board::called("right"));
    left.beside(&right);
    left.write("pool.toml", POOL);
    Some((left, right))
}

#[test]
fn two_boards_share_a_plan() {
    let Some((left, right)) = pair() else { return };
    let profile =
        ["profile", "--device", "board", "--pool", "pool.toml", "--samples", "60", "-o", "data", "--json"];
    let report = left.json(&profile, &[0, 3]);
    assert_eq!(
        (&report["configurations"], &report["identity"]),
        (&60.into(), &"board@tract@fp32".into()),
        "{report}"
    );
    let units = report["units"].as_array().unwrap();
    assert_eq!(units.len(), 2, "{report}");
    for unit in units {
        assert!(unit["configurations"].as_u64().unwrap() > 0, "{report}");
        assert!(
            unit["sentinel_ns"].as_f64().unwrap() > 0.0 && unit["anchors_percent"].is_number(),
            "{report}"
        );
    }
    let share: u64 = units.iter().map(|unit| unit["configurations"].as_u64().unwrap()).sum();
    assert_eq!((share, &report["lost"]), (60, &Value::Array(vec![])));
    // Both are free again, and a predictor is fitted to what they measured together.
    for board in [&left, &right] {
        assert!(!board.path("home/.cache/edgezen/owner").exists());
        assert!(board.path("home/.cache/edgezen").is_dir());
    }
    left.run(&["fit", "--data", "data"], &[0]);
}

#[test]
fn what_a_board_that_is_lost_leaves_the_other_measures() {
    let Some((left, mut right)) = pair() else { return };
    let profile =
        ["profile", "--device", "board", "--pool", "pool.toml", "--samples", "60", "-o", "data", "--json"];
    let mut host = left.edgezen(&profile);
    let host = host.args(["--patience", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_samples(&left.path("data/units/right/1"), 3);
    right.stop();
    let output = host.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["configurations"], 60, "{report}");
    assert_eq!(report["lost"][0]["unit"], "right", "{report}");
}

#[test]
fn a_free_unit_is_taken() {
    let Some((left, mut right)) = pair() else { return };
    let pool = |codes: &[i32], more: &[&str]| {
        left.json(&[&["devices", "pool", "pool.toml", "--json"][..], more].concat(), codes)
    };
    let rows = pool(&[0], &[]);
    assert!(rows.as_array().unwrap().iter().all(|row| row["free"] == true), "{rows}");
    assert_eq!(pool(&[0], &["--tag", "kitchen"]).as_array().unwrap().len(), 1);
    // Somebody elsewhere measures on the first.
    std::fs::create_dir_all(left.path("home/.cache/edgezen")).unwrap();
    left.write("home/.cache/edgezen/owner", "elsewhere, process 7");
    let rows = pool(&[0], &[]);
    assert_eq!(
        (&rows[0]["free"], &rows[0]["in_use_by"]),
        (&false.into(), &"elsewhere, process 7".into()),
        "{rows}"
    );
    let measure = [
        "measure",
        "--device",
        "board",
        "--pool",
        "pool.toml",
        "--json",
        "zennet_cifar10_model_size05M_res32",
    ];
    let rows = left.json(&measure, &[0, 3]);
    assert!(rows[0]["median_ms"].as_f64().unwrap() > 0.0, "{rows}");
    assert!(right.path("home/.cache/edgezen").is_dir());
    right.stop();
    let none = left.run(&measure, &[4]);
    for words in ["no unit of pool.toml is free", "in use by elsewhere", "right: "] {
        assert!(errors(&none).contains(words), "{words}: {}", errors(&none));
    }
    pool(&[4], &[]);
    let other = ["measure", "--device", "raspberrypi4", "--pool", "pool.toml", "resnet18"];
    assert!(errors(&left.run(&other, &[2])).contains("no unit of raspberrypi4"));
}

/// What sharing a plan costs: the runner answers after a pause, so that this computer has time for two boards. `scripts/board-figures` prints
/// the figures.
#[test]
fn two_boards_take_little_more_than_half_the_time() {
    let Some((left, _right)) = pair() else { return };
    // By hand with more: the ends of the parts then count less, and so does what this computer computes.
    let given = |name: &str, usual: &str| std::env::var(name).unwrap_or(usual.into());
    let waiting = runner(left.folder.path(), &given("EDGEZEN_PAUSE", "0.1"));
    let samples = given("EDGEZEN_SAMPLES", "40");
    let time = |way: [&str; 2], dir: &str| {
        let fixed = ["profile", "--device", "board", "--samples", &samples, "-o", dir, "--json"];
        let start = Instant::now();
        let profile = [&fixed[..], &way].concat();
        let output = left.edgezen(&profile).env("EDGEZEN_RUNNER", &waiting).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["configurations"].to_string(), samples, "{report}");
        start.elapsed().as_secs_f64()
    };
    let (alone, together) = (time(["--host", "left"], "one"), time(["--pool", "pool.toml"], "both"));
    eprintln!("one board {alone:.1} s, two boards {together:.1} s, ratio {:.2}", together / alone);
}
