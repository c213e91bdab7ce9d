//! `edgezen predict` on ONNX files of others: a number for what was read, or a refusal that says why.

use super::{edgezen_json, refused};
use crate::golden::{list, number};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn case(folder_name: &str, name: &str) -> String {
    folder(folder_name).join(format!("{name}.onnx")).to_str().unwrap().to_owned()
}

#[test]
fn every_small_file_is_predicted_or_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder("onnx_cases").join("expected.json")).unwrap();
    let cases: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let no_cnn = [
        ("45_conv1d", "one-dimensional"),
        ("46_mlp", "no convolution"),
        ("83_video5d", "three-dimensional"),
        ("94_attention", "attention"),
    ];
    let predicted: Vec<String> = cases
        .keys()
        .filter(|name| no_cnn.iter().all(|(refused, _)| refused != name))
        .map(|name| case("onnx_cases", name))
        .collect();
    let mut args = vec!["predict", "--device", "host", "--json"];
    args.extend(predicted.iter().map(String::as_str));
    let predictions = edgezen_json(dir.path(), &args);
    for prediction in list(&predictions) {
        assert_eq!(number(prediction, "coverage_macs"), 1.0, "{prediction}");
        assert!((1e-3..10.0).contains(&number(prediction, "ms")), "{prediction}");
        assert!(
            list(&prediction["missing"]).iter().all(|unknown| unknown["left_out"] == false),
            "{prediction}"
        );
    }
    for (name, word) in no_cnn {
        let file = case("onnx_cases", name);
        refused(
            dir.path(),
            &["predict", "--device", "host", &file],
            5,
            &["not a convolutional network", word],
        );
    }
}

#[test]
fn what_is_left_out_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let predict = |name: &str, more: &[&str]| {
        let file = case("onnx_more", name);
        edgezen_json(dir, &[&["predict", "--device", "host", "--json", &file], more].concat())[0].clone()
    };
    let boxes = predict("boxes_at_the_end", &[]);
    assert_eq!(number(&boxes, "coverage_macs"), 1.0);
    assert!(list(&boxes["missing"]).iter().any(|unknown| unknown["name"] == "NonMaxSuppression"), "{boxes}");
    let attention = case("onnx_cases", "94_attention");
    let partial = &edgezen_json(dir, &["predict", "--device", "host", "--json", "--partial", &attention])[0];
    assert!((0.04..0.06).contains(&number(partial, "coverage_macs")), "{partial}");
    let of = |name: &str| list(&partial["missing"]).iter().find(|unknown| unknown["name"] == name).cloned();
    assert_eq!(number(&of("MatMul").unwrap(), "count"), 2.0);
    let strict = ["predict", "--device", "host", "--strict", &case("onnx_more", "boxes_at_the_end")];
    refused(dir, &strict, 5, &["NonMaxSuppression"]);
    for (name, code, words) in [
        ("foreign", 5, ["unknown share", "vendor.Mystery"]),
        ("foreign_shapeless", 5, ["shapes cannot be known", "vendor.Mystery"]),
        ("conv_behind_boxes", 5, ["shapes cannot be known", "NonZero"]),
        ("open_sides", 2, ["open", "--resolution"]),
        ("recurrent", 5, ["LSTM", "MACs"]),
    ] {
        refused(dir, &["predict", "--device", "host", &case("onnx_more", name)], code, &words);
    }
}

#[test]
fn the_resolution_fills_in_open_sides() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let file = case("onnx_more", "open_sides");
    let ms = |resolution: &str| {
        let args = ["predict", "--device", "host", "--json", "--resolution", resolution, &file];
        number(&edgezen_json(dir, &args)[0], "ms")
    };
    assert!(ms("320x480") > 1.5 * ms("224") && ms("320x480") == ms("320×480"));
    let fixed = case("onnx_cases", "80_patchify");
    refused(dir, &["predict", "--device", "host", "--resolution", "64", &fixed], 2, &["fixed side of 32"]);
    refused(dir, &["predict", "--device", "host", "--resolution", "320x480", "resnet18"], 2, &["320x480"]);
}
