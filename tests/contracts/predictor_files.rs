//! Predictor files as a fit makes them: they round trip, damage is noticed, and other layouts are read or refused.

use edgezen::fit;
use edgezen::fit::Request;
use edgezen::fit::observation::Observation;
use edgezen::formats::FileError;
use edgezen::measurement::Identity;
use edgezen::plainnet::Kernel;
use edgezen::plainnet::KernelKind;
use edgezen::plainnet::graph::Act;
use edgezen::predictor::LatencyPredictor;
use edgezen::predictor::calibration::{Families, Margin};
use edgezen::predictor::file::{PredictorFile, Provenance, signed};
use edgezen::predictor::fitted::FittedPredictor;
use edgezen::predictor::layout::{DETAILED_SCHEMA, FAMILIES_SCHEMA, SCHEMA, SIMPLE_SCHEMA};
use edgezen::predictor::model::AnyModel;
use edgezen::predictor::prior::Prior;
use edgezen::units::Latency;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::Path;

fn kernel(in_c: u32, out_c: u32, side: u32, kernel: u32) -> Kernel {
    let kind = KernelKind::Conv;
    let (act, residual) = (Act::Relu, false);
    Kernel {
        kind,
        batch: 1,
        in_c,
        out_c,
        in_h: side,
        in_w: side,
        kernel,
        stride: 1,
        groups: 1,
        act,
        residual,
        window: None,
    }
}

/// A small predictor with trees.
fn file() -> PredictorFile {
    fitted(16)
}

/// One of fewer kernels than trees are best for.
fn kriged() -> PredictorFile {
    fitted(2)
}

fn fitted(widths: u32) -> PredictorFile {
    let mut observations = Vec::new();
    for i in 1..=widths {
        for j in 1..=8 {
            for side in [7, 14, 28, 56] {
                for k in [1, 3] {
                    let kernel = kernel(8 * i, 8 * j, side, k);
                    // A cliff: narrow outputs take half as long again.
                    let cliff = if j < 4 { 1.5 } else { 1.0 };
                    let ns = cliff * (2e3 + 0.05 * kernel.macs());
                    observations.push(Observation::kernel(kernel, Latency::from_ns(ns)));
                }
            }
        }
    }
    let identity = Identity {
        device: "test".into(),
        runtime: "none".into(),
        runtime_version: None,
        precision: "fp32".into(),
        batch: 1,
        threads: 1,
        cores: None,
        thermal_state: None,
    };
    let request = Request {
        identity,
        roofline: None,
        created: "2020-01-01T00:00:00Z".into(),
        licence: "MIT".into(),
        sources: vec!["a \"test\"".into()],
        notes: vec![],
        usual_probe_ns: Some(22_029),
        usual_sentinel_ns: Some(22_029),
        cpu: None,
        dataset_sha256: String::new(),
    };
    fit::fit(&observations, request).unwrap().file().clone()
}

fn parse(text: &str) -> Result<PredictorFile, FileError> {
    PredictorFile::parse(text.as_bytes(), Path::new("p.json"))
}

#[test]
fn files_round_trip_and_trees_see_the_cliff() {
    let file = file();
    assert!(matches!(file.model.kinds[&KernelKind::Conv], AnyModel::Boosted(_)), "{:?}", file.metrics);
    assert!(file.metrics.families["boosted"]["kernels"] < 0.5 * file.metrics.families["physical"]["kernels"]);
    let text = file.text().unwrap();
    let read = parse(&text).unwrap();
    assert_eq!(read.text().unwrap(), text);
    let (before, after) = (FittedPredictor::new(file), FittedPredictor::new(read));
    for c in [8, 24, 64, 500] {
        let kernel = kernel(c, c, 14, 3);
        let ratio = before.kernel(&kernel).latency.ns() / after.kernel(&kernel).latency.ns();
        assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let text = file().text().unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for _ in 0..2000 {
        let mut bytes = text.clone().into_bytes();
        let at = rng.random_range(0..bytes.len());
        let new: u8 = rng.random_range(0..=255);
        if bytes[at] != new {
            bytes[at] = new;
            assert!(PredictorFile::parse(&bytes, Path::new("p")).is_err(), "byte {at} became {new}");
        }
    }
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        assert!(parse(&text[..cut]).is_err());
    }
}

#[test]
fn damage_behind_a_good_checksum_never_panics_or_hangs() {
    let value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
    let kriged: Value = serde_json::from_str(&kriged().text().unwrap()).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let numbers = [-1e300, -1.0, 0.0, 0.5, 1.0, 200.0, 1e9, 1e300];
    let mut accepted = 0;
    for (value, turns) in [(value, 300), (kriged, 1000)] {
        for _ in 0..turns {
            let mut damaged = value.clone();
            damage(&mut damaged, &mut rng, &numbers);
            if let Ok(file) = parse(&signed(damaged)) {
                let estimate = FittedPredictor::new(file).predict(&[kernel(16, 40, 28, 3)]);
                let ns = estimate.latency.ns();
                assert!(ns > 0.0 && ns.is_finite(), "{estimate:?}");
                accepted += 1;
            }
        }
    }
    assert!(accepted > 100, "next to nothing was accepted: {accepted}");
}

/// Changes, removes or retypes something at random depth.
fn damage(value: &mut Value, rng: &mut Xoshiro256PlusPlus, numbers: &[f64]) {
    let size = match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    let at = rng.random_range(0..size.max(1));
    match value {
        Value::Object(fields) if size > 0 => {
            let key = fields.keys().nth(at).unwrap().clone();
            if rng.random_range(0..20) == 0 {
                fields.remove(&key);
            } else {
                damage(&mut fields[&key], rng, numbers);
            }
        }
        Value::Array(items) if size > 0 => match rng.random_range(0..20) {
            0 => drop(items.remove(at)),
            1 => items.push(items[at].clone()),
            _ => damage(&mut items[at], rng, numbers),
        },
        _ => {
            let number = numbers[rng.random_range(0..numbers.len())];
            *value = if rng.random_range(0..5) == 0 { Value::Null } else { number.into() };
        }
    }
}

#[test]
fn newer_files_say_so() {
    let mut value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
    value["schema_version"] = (SCHEMA + 1).into();
    value["something_new"] = true.into();
    let error = parse(&signed(value.clone())).unwrap_err();
    assert!(matches!(error, FileError::Newer { found, .. } if found == u64::from(SCHEMA + 1)), "{error}");
    value["schema_version"] = SCHEMA.into();
    let error = parse(&signed(value)).unwrap_err();
    assert!(error.to_string().contains("something_new"), "{error}");
}

fn without(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|value| without(value, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, field)),
        _ => {}
    }
}

#[test]
fn only_what_needs_the_newest_schema_has_it() {
    let kriged = kriged();
    assert!(matches!(kriged.model.kinds[&KernelKind::Conv], AnyModel::Kriging(_)), "{:?}", kriged.metrics);
    assert_eq!((file().schema_version, kriged.schema_version), (SIMPLE_SCHEMA, DETAILED_SCHEMA));
    let with_cpu = |cpu: &str| Provenance { cpu: Some(cpu.into()), ..file().provenance };
    let named = PredictorFile { provenance: with_cpu("A CPU"), ..file() };
    assert_eq!(named.in_its_schema().schema_version, DETAILED_SCHEMA);
    let margin = Margin { lower_log: 0.2, upper_log: 0.3 };
    let mut by_family = kriged.clone();
    by_family.calibration.network.families = Some(Families { depthwise: margin, gated: margin });
    let by_family = by_family.in_its_schema();
    assert_eq!(by_family.schema_version, FAMILIES_SCHEMA);
    let prior = Prior {
        from: vec!["a@b@fp32".into()],
        networks: 4,
        weight: 0.1,
        domain: kriged.domain.clone(),
        factor: 1.2,
    };
    let leaning = PredictorFile { prior: Some(prior.clone()), ..kriged.clone() }.in_its_schema();
    assert_eq!(leaning.schema_version, SCHEMA);
    assert_eq!(parse(&leaning.text().unwrap()).unwrap(), leaning);
    let careless = PredictorFile { prior: Some(Prior { factor: 0.5, ..prior }), ..leaning };
    assert!(parse(&careless.text().unwrap()).unwrap_err().to_string().contains("prior"));
    assert_eq!(parse(&by_family.text().unwrap()).unwrap(), by_family);
    assert_eq!(parse(&kriged.text().unwrap()).unwrap(), kriged);
}

#[test]
fn files_of_the_schema_before_are_read() {
    let mut value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
    value["schema_version"] = (SIMPLE_SCHEMA - 1).into();
    without(&mut value, "new_both");
    let before = parse(&signed(value)).unwrap();
    assert_eq!(before.schema_version, SIMPLE_SCHEMA - 1);
    assert_eq!(before.model, file().model);
}
