//! Prints for each ONNX file its multiply-accumulates for one image and what of them cannot be priced, or why it is
//! refused: one JSON object a line. `cargo run --release -p edgezen-engine --example onnx_macs -- FILE… [--resolution R]`.

#![allow(clippy::print_stdout)]

use edgezen_engine::onnx;
use serde_json::json;
use std::path::Path;

fn main() {
    let mut files = Vec::new();
    let mut side = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--resolution" {
            side = arguments.next().and_then(|text| text.parse().ok());
        } else {
            files.push(argument);
        }
    }
    for file in files {
        let line = match onnx::read_at(Path::new(&file), side) {
            Ok(imported) => {
                let unknown = imported.unknown.iter();
                let unknown: Vec<_> = unknown.map(|u| json!([u.operator, u.count, u.macs])).collect();
                json!({"file": file, "macs": imported.macs, "unknown": unknown, "no_cnn": imported.no_cnn})
            }
            Err(error) => json!({"file": file, "refused": error.to_string()}),
        };
        println!("{line}");
    }
}
