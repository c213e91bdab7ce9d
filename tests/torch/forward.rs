//! Outputs of published networks: libtorch, tract, onnxruntime and the native engine.

use crate::contracts::onnx::{check_onnx, python, write_floats};
use edgezen::engine::torch::{Torch, zen};
use edgezen::engine::{Engine, Tract, onnx, weights};
use edgezen::plainnet::{Model, published};
use edgezen::proxy::exact::forward::{Blind, Engine as Native, Options, Statistics};
use edgezen::proxy::exact::source::{Scaling, Seeded};
use tch::{Device, Kind};

/// All published networks, on images that take little time.
fn networks() -> impl Iterator<Item = Model> {
    published::names().filter_map(published::by_name).map(|model| {
        let resolution = model.resolution.min(32);
        Model { resolution, ..model }
    })
}

/// The largest difference, relative to the largest value.
fn difference(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    got.iter().zip(want).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / scale
}

#[test]
fn published_networks_are_the_same_in_libtorch_tract_and_onnxruntime() {
    let python = python();
    if let Err(reason) = &python {
        println!("onnxruntime is left out: {reason}");
    }
    let dir = tempfile::tempdir().unwrap();
    for model in networks() {
        let name = model.name.clone().unwrap();
        let graph = model.graph().unwrap();
        let input = weights::input(&graph, 0, 2, 3);
        let run = |engine: &dyn Engine| {
            let mut loaded = engine.load(&graph, 2, 3).unwrap();
            loaded.run(std::slice::from_ref(&input)).unwrap().remove(0)
        };
        let torch = run(&Torch::CPU);
        let found = difference(&torch.data, &run(&Tract).data);
        assert!(found < 1e-4, "{name}: {found} between libtorch and tract");
        let last = run(&Torch { channels_last: true, ..Torch::CPU });
        let found = difference(&torch.data, &last.data);
        assert!(found < 1e-4, "{name}: {found} between the two orders of memory");
        if let Ok(python) = &python {
            let [file, inputs, outputs] = ["net.onnx", "in.f32", "out.f32"].map(|name| dir.path().join(name));
            std::fs::write(&file, onnx::encode(&graph, 2, 3).unwrap()).unwrap();
            write_floats(&inputs, &input.data);
            write_floats(&outputs, &torch.data);
            check_onnx(python, &file, &inputs, &outputs, 1e-4);
        }
    }
}

#[test]
fn published_networks_are_the_same_in_libtorch_and_the_native_engine() {
    let source = Seeded { seed: 5, repeat: 0, salt: 0, scaling: Scaling::FanIn };
    for model in networks() {
        let name = model.name.clone().unwrap();
        let graph = model.graph().unwrap();
        let torch = zen::forward::<f64>(Device::Cpu, &graph, &source, 1).unwrap();
        let mut native = Native::<f64>::default();
        let input = native.input(&graph, 1, 1, 0.0, &source);
        let options = Options { statistics: Statistics::Fresh, rescale: false };
        let want = native.run(&graph, input, &source, options, &mut Blind).unwrap().output.values();
        let scale = want.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let found = torch.iter().zip(&want).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / scale;
        assert!(found < 1e-9, "{name}: {found}");
    }
}

#[test]
fn half_precision_is_near() {
    let model = published::by_name("zennet_cifar10_model_size05M_res32").unwrap();
    let graph = model.graph().unwrap();
    let input = weights::input(&graph, 0, 2, 3);
    let run = |torch: Torch| {
        torch.load(&graph, 2, 3).unwrap().run(std::slice::from_ref(&input)).unwrap().remove(0).data
    };
    let single = run(Torch::CPU);
    for (kind, channels_last, tolerance) in [
        (Kind::BFloat16, false, 0.1),
        (Kind::BFloat16, true, 0.1),
        (Kind::Half, false, 0.02),
        (Kind::Half, true, 0.02),
    ] {
        let found = difference(&run(Torch { kind, channels_last, ..Torch::CPU }), &single);
        assert!(found > 0.0 && found < tolerance, "{kind:?}: {found}");
    }
}
