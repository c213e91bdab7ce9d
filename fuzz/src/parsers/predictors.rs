//! Predictor files, which hold latency models.

use super::{Parser, Seeds, files, said};
use edgezen_core::plainnet::published;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::file;
use std::path::Path;

pub const PARSERS: &[Parser] = &[Parser { name: "predictor", seeds, seal: signed, parse }];

fn seeds() -> Seeds {
    files(&[
        "predictors/pixel2@tflite@fp32.json",
        "predictors/pixel2@help-nb201@fp32.json",
        "predictors/a100@torch2.1@fp32.json",
    ])
}

/// The same content with the checksum that belongs to it, where it is JSON.
fn signed(input: Vec<u8>) -> Vec<u8> {
    serde_json::from_slice(&input).map_or(input, |value| file::signed(value).into_bytes())
}

fn parse(input: &[u8]) -> Result<(), String> {
    let predictor = AnyPredictor::parse(input, Path::new("damaged.json")).map_err(said)?;
    if let AnyPredictor::Kernels(predictor) = predictor {
        let model = published::by_name("mobilenet_v2").ok_or("no such network")?;
        let kernels = model.lowered(predictor.lowering()).map_err(said)?;
        predictor.predict(&kernels);
    }
    Ok(())
}
