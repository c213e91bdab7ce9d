//! Connections that end in the middle of a job: the profile is complete in the end, and nothing is lost or measured twice.

use super::loopback::{Board, parts_are_here};
use crate::phones::loopback::errors;
use crate::phones::measuring::{await_samples, journal, measured};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SAMPLES: &str = "12";
/// Configurations and rounds.
const MEASUREMENTS: usize = 36;

fn start(board: &Board, resume: bool) -> Child {
    let profile = ["profile", "--device", "board", "--host", "board", "--samples", SAMPLES, "-o", "data"];
    let mut command = board.edgezen(&profile);
    command.args(["--json", "--patience", "20"]);
    if resume {
        command.arg("--resume");
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the profile is complete, which is resumed as often as needed.
fn finish(board: &Board, mut host: Child) {
    for _ in 0..6 {
        let output = host.wait_with_output().unwrap();
        assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
        match output.status.code() {
            Some(0 | 3) => return,
            // Lost, interrupted or killed: all of these are resumed.
            Some(4 | 130) | None => host = start(board, true),
            code => panic!("exit code {code:?}: {}", errors(&output)),
        }
    }
    panic!("it does not end");
}

fn check(board: &Board) {
    let journal = journal(&board.path("data"));
    let all = measured(&journal);
    let unique: HashSet<_> = all.iter().collect();
    assert_eq!(all.len(), unique.len(), "measured twice");
    let failed = journal.iter().filter(|line| line["line"] == "failed").count();
    let places: HashSet<_> = all.iter().map(|(round, index, _)| (round, index)).collect();
    assert_eq!((failed, places.len()), (0, MEASUREMENTS), "failed and measured");
    let left = board.left();
    assert!(left.iter().all(|name| name.starts_with("device-runner-")), "{left:?}");
}

#[test]
fn connections_that_end_in_a_job_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let host = start(&board, false);
    for count in [1, 6, 12, 18, 24] {
        await_samples(&board.path("data"), count);
        std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        board.cut();
    }
    finish(&board, host);
    check(&board);
}

#[test]
fn a_board_that_is_away_for_a_while_and_a_killed_host_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let mut board = Board::new();
    let mut host = start(&board, false);
    await_samples(&board.path("data"), 2);
    board.stop();
    std::thread::sleep(Duration::from_millis(700));
    board.start();
    await_samples(&board.path("data"), 8);
    host.kill().unwrap();
    host.wait().unwrap();
    let mut host = start(&board, true);
    await_samples(&board.path("data"), 16);
    let _ = Command::new("kill").args(["-INT", &host.id().to_string()]).status();
    let ended = host.wait().unwrap();
    assert!(matches!(ended.code(), Some(0 | 3 | 130)), "{ended}");
    let host = start(&board, true);
    finish(&board, host);
    check(&board);
}
