//! Ten thousand damaged predictor files: each is refused with a reason or predicts something sensible; none panics.

use crate::files::FileError;
use crate::plainnet::graph::Act;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::any::AnyPredictor;
use crate::predictor::file::text::{canonical, verified};
use crate::predictor::network::NetworkPredictor;
use crate::predictor::{Estimate, LatencyPredictor};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::Path;

const NUMBERS: [f64; 11] = [-1e300, -1.0, 0.0, 1e-320, 0.5, 1.0, 1.5, 200.0, 1e9, 1e300, 4e18];

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

/// An estimate is a time, and its interval holds it.
fn check(estimate: &Estimate) {
    let Estimate { latency, lower, upper, charged, coverage } = estimate;
    let ns = [lower, latency, charged, upper].map(|end| end.ns());
    assert!(ns.iter().all(|ns| *ns > 0.0 && ns.is_finite()), "{estimate:?}");
    assert!(ns[0] <= ns[1] && ns[1] <= ns[3] && (0.0..=1.0).contains(coverage), "{estimate:?}");
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
            check(&predictor.predict(&[kernel, kernel.with_batch(64)]));
        }
        AnyPredictor::Networks(predictor) => {
            let values = vec![1e3; predictor.model.terms.len()];
            check(&predictor.of_values(&values));
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

/// The numbers that are out of range, for both kinds of file: of each, the others are as they were.
#[test]
fn a_number_out_of_range_is_refused_though_the_checksum_is_right() {
    let odd = |file: &str, pointer: &str, number: f64| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors").join(file);
        let mut value = verified(&std::fs::read(&path).unwrap(), &path).unwrap();
        let signed = canonical(&value).unwrap();
        assert!(AnyPredictor::parse(signed.as_bytes(), &path).is_ok(), "{file}");
        let place = value.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has no {pointer}"));
        // A count stays a whole number: only its size is wrong.
        *place = if place.is_u64() { Value::from(number as u64) } else { Value::from(number) };
        let signed = canonical(&value).unwrap();
        let refused = AnyPredictor::parse(signed.as_bytes(), &path);
        assert!(matches!(refused, Err(FileError::Damaged { .. })), "{file}: {pointer} {number}");
    };
    for file in ["pixel2@tflite@fp32.json", "1080ti@help-fbnet-b1@fp32.json"] {
        for (pointer, numbers) in [
            ("/calibration/level", &[1.5, 0.0, -0.9, 1e-320, 1e300][..]),
            ("/calibration/network/margin/upper_log", &[-1.0, 1e300]),
            ("/calibration/network/outside_factor", &[0.5, 1e300]),
            ("/identity/batch", &[0.0, 4e9]),
            ("/identity/threads", &[0.0, 4e9]),
            ("/net_level/constant_ns", &[1e300]),
            ("/metrics/networks/mape_percent", &[-1.0, 1e300]),
            ("/metrics/networks/within_10_percent", &[-1.0, 101.0]),
            ("/metrics/networks/spearman", &[1.5, -1.5]),
            ("/metrics/networks/coverage_percent", &[-1.0, 101.0]),
        ] {
            numbers.iter().for_each(|&number| odd(file, pointer, number));
        }
    }
    for (pointer, numbers) in [
        ("/model/roofline/gbytes_per_s", &[1e-320, 0.0, -1.0, 1e300][..]),
        ("/model/roofline/peak_gmacs_per_s", &[1e-320, 0.0, -1.0, 1e300]),
        ("/model/roofline/launch_ns", &[-1.0, 1e300]),
        ("/net_level/scale", &[0.0, 1e-320, -1.0, 1e300]),
        ("/net_level/per_kernel_ns", &[-1.0, 1e300]),
        ("/calibration/other_kernels/lower_log", &[-1.0, 1e300]),
        ("/domain/conv/parts/0/ranges/0/high", &[-1.0, 1e300]),
        ("/domain/conv/parts/0/ranges/0/low", &[-1.0, 1e300]),
        ("/prior/factor", &[0.5, 1e-320, 1e300]),
        ("/prior/weight", &[-1.0, 1e300]),
    ] {
        numbers.iter().for_each(|&number| odd("pixel2@tflite@fp32.json", pointer, number));
    }
    for (pointer, numbers) in [
        ("/net_level/floor_ns", &[0.0, 1e-320, -1.0, 1e300][..]),
        ("/model/terms/0/ns", &[-1e300, 1e300]),
        ("/domain/0/low", &[-1.0, 1e300]),
        ("/domain/0/high", &[-1.0, 1e300]),
    ] {
        numbers.iter().for_each(|&number| odd("1080ti@help-fbnet-b1@fp32.json", pointer, number));
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
