//! The program as a user runs it: results, messages, exit codes, files.

mod accuracies;
mod attack;
pub mod deploying;
mod devices;
mod figures;
mod info;
mod jobs;
mod keeping;
mod leaning;
mod measuring;
mod names;
mod networks;
mod npus;
mod onnx_files;
mod predictors;
mod profiling;
mod refusing;
mod report;
mod runtimes;
mod score;
mod search;
mod succession;
mod tools;
mod winners;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Runs edgezen in `dir`.
pub fn edgezen(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edgezen")).args(args).current_dir(dir).output().unwrap()
}

/// Runs edgezen, which must succeed, and reads its JSON.
pub fn edgezen_json(dir: &Path, args: &[&str]) -> Value {
    let output = edgezen(dir, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

/// Runs edgezen, which must fail with `code` and say each of `words`.
pub fn refused(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = edgezen(dir, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
}
