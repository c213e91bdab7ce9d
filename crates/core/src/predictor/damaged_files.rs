//! Ten thousand damaged predictor files: each is refused with a reason or predicts something sensible; none panics.

use crate::plainnet::graph::Act;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::LatencyPredictor;
use crate::predictor::any::AnyPredictor;
use crate::predictor::file::text::{canonical, verified};
use crate::predictor::network::NetworkPredictor;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::Path;

const NUMBERS: [f64; 9] = [-1e300, -1.0, 0.0, 0.5, 1.0, 200.0, 1e9, 1e300, 4e18];

/// Bytes.
const SMALL: usize = 20_000;

/// The shipped files that are small enough to be parsed a thousand times; both kinds are among them.
fn originals() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let value = |text: String| {
        let value = verified(text.as_bytes(), Path::new("p")).unwrap();
        (text, value)
    };
    texts.filter(|text| text.len() < SMALL).map(value).collect()
}

/// What a user does with a file that was accepted.
fn use_it(predictor: &AnyPredictor) {
    let kernel = Kernel {
        kind: KernelKind::Conv,
        batch: 1,
        in_c: 16,
        out_c: 40,
        in_h: 28,
        in_w: 28,
        kernel: 3,
        stride: 1,
        groups: 1,
        act: Act::Relu,
        residual: false,
        window: None,
    };
    match predictor {
        AnyPredictor::Kernels(predictor) => {
            let estimate = predictor.predict(&[kernel, kernel.with_batch(64)]);
            assert!(estimate.latency.ns() > 0.0, "{estimate:?}");
        }
        AnyPredictor::Networks(predictor) => {
            let values = vec![1e3; predictor.model.terms.len()];
            let estimate = predictor.of_values(&values);
            assert!(estimate.latency.ns() > 0.0, "{estimate:?}");
        }
    }
}

/// Changes, removes, doubles or retypes something at random depth.
fn damage(value: &mut Value, rng: &mut Xoshiro256PlusPlus) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = rng.random_range(0..fields.len());
            let key = fields.keys().nth(at).unwrap().clone();
            if rng.random_range(0..20) == 0 {
                fields.remove(&key);
            } else {
                damage(&mut fields[&key], rng);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..20) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => damage(&mut items[at], rng),
            }
        }
        _ => {
            let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
            *value = match rng.random_range(0..8) {
                0 => Value::Null,
                1 => "conv".into(),
                2 => Value::Array(vec![]),
                _ => number.into(),
            };
        }
    }
}

#[test]
fn ten_thousand_mutated_files_cause_no_panic() {
    let originals = originals();
    let kinds = |networks: bool| {
        originals.iter().filter(|(_, value)| NetworkPredictor::is_one(value) == networks).count()
    };
    assert!(kinds(true) > 0 && kinds(false) > 0);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut accepted = 0;
    for turn in 0..10_000 {
        let (text, value) = &originals[turn % originals.len()];
        let bytes = if turn % 4 == 0 {
            // Bytes: what a broken disk or a text editor leaves.
            let mut bytes = text.clone().into_bytes();
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..4) {
                0 => bytes[at] = rng.random_range(0..=255),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, rng.random_range(0..=255)),
                _ => bytes.truncate(at),
            }
            if bytes != text.as_bytes() {
                assert!(
                    AnyPredictor::parse(&bytes, Path::new("p.json")).is_err(),
                    "the checksum missed a change"
                );
            }
            bytes
        } else {
            // Content, signed anew: what a program that writes such files may get wrong.
            let mut damaged = value.clone();
            for _ in 0..rng.random_range(1..4) {
                damage(&mut damaged, &mut rng);
            }
            canonical(&damaged).unwrap().into_bytes()
        };
        if let Ok(predictor) = AnyPredictor::parse(&bytes, Path::new("p.json")) {
            use_it(&predictor);
            accepted += 1;
        }
    }
    assert!(accepted > 100, "next to nothing was accepted: {accepted}");
}
