//! What is wrong before anything is measured: each has its words, its exit code and its remedy.

use super::loopback::{Board, parts_are_here};
use crate::phones::loopback::errors;

#[test]
fn a_host_is_needed_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let edgezen = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let measure = ["measure", "--device", "raspberrypi4", "resnet18"];
    for (more, words) in [
        (&[][..], &["raspberrypi4 is a board", "--host pi@board", "docs/boards.md"][..]),
        (&["--host=-oProxyCommand=touch x"], &["no host for ssh"]),
        (&["--host", "a b"], &["no host for ssh"]),
    ] {
        let output = edgezen(&[&measure[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        for word in words {
            assert!(errors(&output).contains(word), "{word}: {}", errors(&output));
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_ssh_says_is_passed_on() {
    if !parts_are_here() {
        return;
    }
    let mut board = Board::new();
    let measure = ["measure", "--device", "board", "--host", "board", "resnet18"];
    let refused = |board: &Board, code: i32, words: &[&str]| {
        let output = board.run(&measure, &[code]);
        for word in words {
            assert!(errors(&output).contains(word), "{word}: {}", errors(&output));
        }
        assert_eq!(board.left(), Vec::<String>::new());
    };
    // Another key than the one that the board had.
    let known = std::fs::read_to_string(board.path("known_hosts")).unwrap();
    board.write("known_hosts", "");
    refused(&board, 4, &["no connection to board", "Host key verification failed", "ssh-copy-id"]);
    board.write("known_hosts", &known);
    // A user whom it does not know.
    let keys = std::fs::read_to_string(board.path("authorized_keys")).unwrap();
    board.write("authorized_keys", "");
    refused(&board, 4, &["no connection to board", "Permission denied", "ssh board true"]);
    board.write("authorized_keys", &keys);
    // Another board than the profile's, and one that somebody measures on.
    let profile = std::fs::read_to_string(board.path("device-profiles/board.toml")).unwrap();
    std::fs::create_dir_all(board.path("board/edgezen")).unwrap();
    board.write("board/edgezen/owner", "elsewhere, process 7");
    let output = board.run(&measure, &[4]);
    assert!(errors(&output).contains("in use by elsewhere, process 7"), "{}", errors(&output));
    std::fs::remove_dir_all(board.path("board")).unwrap();
    // A folder that cannot be written.
    let nowhere = profile.replace(&board.path("board").display().to_string(), "/proc/nowhere");
    board.write("device-profiles/board.toml", &nowhere);
    refused(&board, 4, &["/proc/nowhere", "ssh board"]);
    board.write("device-profiles/board.toml", &profile);
    board.stop();
    refused(&board, 4, &["refused", "see whether the board is on", "ssh board true"]);
}
