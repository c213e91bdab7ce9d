//! Every runtime computes what tract computes: each kind of kernel, and published networks. Those that are opened as shared
//! libraries are skipped where they are not installed, and fail instead where `EDGEZEN_REQUIRE_RUNTIMES` is set, as in
//! `scripts/test`.

use edgezen::engine::agreement::{self, Tolerance};
use edgezen::engine::fusion::Fusion;
use edgezen::engine::model_file::ModelFormat;
use edgezen::engine::onnxruntime::OnnxRuntime;
use edgezen::engine::precision::Precision;
use edgezen::engine::quantisation::{Images, Maps, Ranges};
use edgezen::engine::runtimes::{self, Opening, Runtime};
use edgezen::engine::weights::Weights;
use edgezen::engine::{Engine, EngineError, Tract, onnx, weights};
use edgezen::plainnet::graph::{Act, Op};
use edgezen::plainnet::lowering::Lowering;
use edgezen::plainnet::repeated::Repeated;
use edgezen::plainnet::{Graph, Kernel, KernelKind, Model, Shape, notation, published};
use edgezen_lab::device::runtimes::folders;
use std::path::Path;

const SEED: u64 = 5;

/// The runtime, opened; `None` where its library is not here.
fn open(runtime: &dyn Runtime, precision: &str, threads: u32) -> Option<Box<dyn Engine>> {
    match runtime.open(&Opening { folders: &folders(), precision, threads }) {
        Ok(engine) => Some(engine),
        Err(error @ EngineError::Absent { .. }) => {
            skipped(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn skipped(reason: &str) {
    assert!(std::env::var_os("EDGEZEN_REQUIRE_RUNTIMES").is_none(), "{reason}");
    println!("skipped: {reason}");
}

/// All runtimes that are here, in a precision.
fn opened(precision: &str) -> Vec<Box<dyn Engine>> {
    let with = runtimes::registry().iter().filter(|runtime| runtime.precisions().contains(&precision));
    with.filter_map(|&runtime| open(runtime, precision, 1)).collect()
}

fn agrees(engine: &dyn Engine, graph: &Graph, batch: u32, tolerance: Tolerance) -> Result<(), EngineError> {
    let mut loaded = engine.load(graph, batch, SEED)?;
    agreement::check(engine, loaded.as_mut(), graph, (batch, SEED), tolerance)?;
    // What is timed gives the same each time.
    let sum = loaded.run_once()?;
    assert!(sum.is_finite() && loaded.run_once()? == sum);
    Ok(())
}

/// How far numbers are from others, relative to the length of these.
fn deviation(numbers: &[f32], others: &[f32]) -> f64 {
    let square = |pair: (&f32, &f32)| f64::from(pair.0 - pair.1).powi(2);
    let length: f64 = others.iter().map(|&other| f64::from(other).powi(2)).sum();
    (numbers.iter().zip(others).map(square).sum::<f64>() / length).sqrt()
}

/// The seed of weights whose ranges XNNPACK takes; it refuses some that are far apart.
const WEIGHTS: u64 = 0;

/// With some random weights all results of the first convolution of a gate are negative, and zero behind its ReLU.
#[test]
fn gates_of_zeros_run_in_integers() {
    let structure = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)";
    let network = notation::parse(structure).unwrap();
    let model = Model { name: None, network, resolution: 32, classes: 10, se: true };
    let graph = model.graph().unwrap();
    for engine in opened("int8") {
        for seed in 0..12 {
            let output = engine.load(&graph, 1, seed).unwrap().run(&[weights::input(&graph, 0, 1, seed)]);
            let output = output.unwrap_or_else(|error| panic!("{}, seed {seed}: {error}", engine.name()));
            assert!(output[0].data.iter().all(|number| number.is_finite()), "{}, seed {seed}", engine.name());
        }
    }
}

#[test]
fn operators_may_stay_in_floats_in_files_of_integers() {
    let structure = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,2)SuperConvK1BNRELU(16,32,1,1)";
    let network = notation::parse(structure).unwrap();
    let model = Model { name: None, network, resolution: 16, classes: 4, se: true };
    let graph = model.graph().unwrap();
    let weights = || Weights::new(&graph, WEIGHTS);
    let inputs = [weights::input(&graph, 0, 1, WEIGHTS)];
    let expected = Tract.load(&graph, 1, WEIGHTS).unwrap().run(&inputs).unwrap().remove(0).data;
    let images = Images::Random { count: 8, seed: WEIGHTS };
    let maps = Maps::of(&graph, &Ranges::observe(&graph, &weights(), &images).unwrap());
    let layers: Vec<usize> = (0..graph.nodes.len())
        .filter(|&index| matches!(graph.nodes[index].op, Op::Conv { .. } | Op::Linear { .. }))
        .collect();
    let mut engines = opened("int8");
    engines.extend(open(runtimes::by_name("tract").unwrap(), "fp32", 1));
    for engine in engines {
        let ending = engine.file_ending().unwrap();
        let format = ModelFormat::ALL.iter().find(|format| format.ending() == ending).unwrap();
        let error = |maps: Option<Maps>| {
            let file = format.write_with(engine.name(), &graph, 1, weights(), maps).unwrap();
            let mut loaded = engine.load_written(&graph, &file, 1).unwrap();
            let output = loaded.run(&inputs).unwrap().remove(0);
            assert_eq!(output.data.len(), 4, "{}", engine.name());
            deviation(&output.data, &expected)
        };
        let name = engine.name();
        assert!(error(None) < 1e-5, "{name}");
        let nothing = error(Some(maps.keeping(0..graph.nodes.len())));
        assert!(nothing < 1e-5, "{name}: {nothing}");
        let whole = error(Some(maps.clone()));
        let layers_kept = error(Some(maps.keeping(layers.iter().copied())));
        assert!((1e-4..0.3).contains(&whole), "{name}: {whole}");
        // The maps between them are integers still.
        assert!(layers_kept < 1.5 * whole + 0.02, "{name}: {layers_kept} of {whole}");
        for &layer in &layers {
            let root = |index: usize| Fusion::of(&graph).root[index];
            let others = (0..graph.nodes.len()).filter(|&index| root(index) != root(layer));
            let alone = error(Some(maps.keeping(others)));
            assert!(alone > 0.0 && alone < 1.5 * whole + 0.02, "{name}, node {layer}: {alone} of {whole}");
            assert!(error(Some(maps.keeping([layer]))) < 2.0 * whole + 0.02, "{name}, node {layer}");
        }
    }
}

fn kernel(kind: KernelKind, act: Act, residual: bool) -> Kernel {
    let windowed = matches!(kind, KernelKind::Conv | KernelKind::Dwconv | KernelKind::Maxpool);
    let side = if kind == KernelKind::Linear { 1 } else { 6 };
    Kernel {
        kind,
        batch: 1,
        in_c: 8,
        out_c: 8,
        in_h: side,
        in_w: side,
        kernel: if windowed { 3 } else { 1 },
        stride: if windowed { 2 } else { 1 },
        groups: if kind == KernelKind::Dwconv { 8 } else { 1 },
        act,
        residual,
        window: None,
    }
}

#[test]
fn every_runtime_runs_every_kind_of_kernel() {
    for engine in opened("fp32") {
        for kind in KernelKind::ALL {
            for act in Act::ALL.into_iter().filter(|&act| kind != KernelKind::Act || act != Act::None) {
                for residual in [false, true] {
                    let kernel = kernel(kind, act, residual);
                    for batch in [1, 3] {
                        agrees(engine.as_ref(), &kernel.graph(), batch, Tolerance::of("fp32"))
                            .unwrap_or_else(|error| panic!("{} {kernel}: {error}", engine.name()));
                    }
                }
            }
        }
    }
}

#[test]
fn every_runtime_computes_published_networks() {
    let small = |name: &str, side| Model { resolution: side, ..published::by_name(name).unwrap() };
    for engine in opened("fp32") {
        for model in [
            small("zennet_cifar10_model_size05M_res32", 32),
            small("zennet_imagenet1k_flops400M_SE_res224", 64),
            small("mobilenet_v2", 64),
            small("resnet18", 64),
        ] {
            let graph = model.graph().unwrap();
            agrees(engine.as_ref(), &graph, 1, Tolerance::of("fp32"))
                .unwrap_or_else(|error| panic!("{} {:?}: {error}", engine.name(), model.name));
        }
    }
}

#[test]
fn integers_point_where_floats_do() {
    let model = Model { resolution: 64, ..published::by_name("mobilenet_v2").unwrap() };
    for engine in opened("int8") {
        agrees(engine.as_ref(), &model.graph().unwrap(), 1, Tolerance::of("int8"))
            .unwrap_or_else(|error| panic!("{}: {error}", engine.name()));
    }
}

#[test]
fn a_runtime_runs_the_files_that_it_says_before_it_is_open() {
    for &runtime in runtimes::registry() {
        let Some(engine) = open(runtime, "fp32", 1) else { continue };
        assert_eq!(engine.file_ending(), runtime.file_ending(), "{}", runtime.name());
    }
}

#[test]
fn several_threads_compute_the_same() {
    let graph = published::by_name("zennet_cifar10_model_size05M_res32").unwrap().graph().unwrap();
    for &runtime in runtimes::registry().iter().filter(|runtime| runtime.most_threads() > 1) {
        let Some(engine) = open(runtime, "fp32", 2) else { continue };
        agrees(engine.as_ref(), &graph, 1, Tolerance::of("fp32")).unwrap();
    }
}

/// An engine that is wrong is not timed.
#[test]
fn another_result_is_an_error() {
    let graph = kernel(KernelKind::Conv, Act::Relu, false).graph();
    for engine in opened("fp32") {
        let mut other = engine.load(&graph, 1, SEED + 1).unwrap();
        let checked =
            agreement::check(engine.as_ref(), other.as_mut(), &graph, (1, SEED), Tolerance::of("fp32"));
        assert!(matches!(checked, Err(EngineError::Disagrees { .. })), "{}", engine.name());
    }
}

#[test]
fn files_run_as_they_are_and_bad_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let graph = published::by_name("zennet_cifar10_model_size05M_res32").unwrap().graph().unwrap();
    let file = dir.path().join("net.onnx");
    std::fs::write(&file, onnx::encode(&graph, 1, SEED).unwrap()).unwrap();
    let damaged = dir.path().join("damaged.onnx");
    std::fs::write(&damaged, "no network at all").unwrap();
    for engine in opened("fp32") {
        if engine.file_ending() == Some("onnx") {
            let sum = engine.load_file(&file, 1, SEED).unwrap().run_once().unwrap();
            assert!(sum.is_finite() && sum != 0.0, "{}", engine.name());
            assert!(engine.load_file(&file, 2, SEED).err().unwrap().to_string().contains("batch"));
        }
        assert!(engine.load_file(&damaged, 1, SEED).is_err(), "{}", engine.name());
        assert!(engine.load_file(Path::new("/nowhere/net.onnx"), 1, SEED).is_err(), "{}", engine.name());
    }
}

/// ONNX Runtime on this kind of processor, whose graphs `Lowering::OnnxRuntime` describes.
fn onnx_runtime(precision: Precision) -> Option<OnnxRuntime> {
    if !cfg!(target_arch = "x86_64") {
        skipped("ONNX Runtime's graphs are described for x86-64");
        return None;
    }
    let runtime = runtimes::by_name("onnxruntime").unwrap();
    match runtimes::library_path(runtime, &folders()) {
        Ok(path) => Some(OnnxRuntime::open(&path.unwrap(), 1, precision).unwrap()),
        Err(error) => {
            skipped(&error.to_string());
            None
        }
    }
}

/// The operators of the graph that ONNX Runtime runs: the type of each, and its activation, if it has one.
fn optimised(engine: &OnnxRuntime, graph: &Graph) -> Vec<(String, Option<String>, usize)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("optimised.onnx");
    engine.write_optimised(graph, 1, &file).unwrap();
    onnx::operators(&std::fs::read(&file).unwrap()).unwrap()
}

#[test]
fn what_onnx_runtime_fuses_is_what_its_lowering_says() {
    let Some(engine) = onnx_runtime(Precision::Fp32) else { return };
    let conv = |graph: &mut Graph, at| {
        graph.push(Op::Conv { in_c: 16, out_c: 16, kernel: 3, stride: 1, groups: 1, bias: true }, vec![at])
    };
    for act in Act::ALL.into_iter().filter(|&act| act != Act::None) {
        for residual in [false, true] {
            let mut graph = Graph::new(Shape::square(16, 14));
            let first = conv(&mut graph, 0);
            let mut at = conv(&mut graph, first);
            if residual {
                at = graph.push(Op::Add, vec![at, first]);
            }
            let acted = graph.push(Op::Act(act), vec![at]);
            conv(&mut graph, acted);
            let moves = ["ReorderInput", "ReorderOutput"];
            let operators = optimised(&engine, &graph);
            let computing = operators.iter().filter(|(name, ..)| !moves.contains(&name.as_str())).count();
            // A sum with an activation that is not fused there becomes two steps of its own.
            let kernels = Lowering::OnnxRuntime.kernels(&graph);
            assert_eq!(computing, kernels.len(), "{act:?} {residual} {operators:?} {kernels:?}");
        }
    }
    let graph = published::by_name("mobilenet_v2").unwrap().graph().unwrap();
    let operators = optimised(&engine, &graph);
    let convolutions = operators.iter().filter(|(name, ..)| name == "Conv");
    assert_eq!(convolutions.clone().count(), 52);
    assert_eq!(convolutions.clone().filter(|(_, act, _)| act.as_deref() == Some("Relu")).count(), 35);
    // Weight, bias and map; the fourth operand is what is added.
    assert_eq!(convolutions.filter(|(.., operands)| *operands == 4).count(), 10);
    let kernels = Lowering::OnnxRuntime.kernels(&graph);
    assert_eq!(kernels.iter().filter(|kernel| kernel.residual).count(), 10);
    assert_eq!(kernels.iter().filter(|kernel| kernel.act == Act::Relu).count(), 35);
}

/// In 8-bit integers the sum and most activations are operators of their own, between conversions from and to integers where
/// there is none that works on integers.
#[test]
fn what_onnx_runtime_fuses_in_integers_is_what_its_lowering_says() {
    let Some(engine) = onnx_runtime(Precision::Int8) else { return };
    let conv = |graph: &mut Graph, at| {
        graph.push(Op::Conv { in_c: 16, out_c: 16, kernel: 3, stride: 1, groups: 1, bias: true }, vec![at])
    };
    let mut wrong = Vec::new();
    for act in Act::ALL {
        for residual in [false, true] {
            let mut graph = Graph::new(Shape::square(16, 14));
            let first = conv(&mut graph, 0);
            let mut at = conv(&mut graph, first);
            if residual {
                at = graph.push(Op::Add, vec![at, first]);
            }
            let acted = graph.push(Op::Act(act), vec![at]);
            conv(&mut graph, acted);
            let operators = optimised(&engine, &graph);
            // What moves a map or changes the type of its numbers belongs to the kernel behind it.
            let between = ["QuantizeLinear", "DequantizeLinear", "Transpose"];
            let computing = operators.iter().filter(|(name, ..)| !between.contains(&name.as_str())).count();
            // Two operators, of which neither occurs without the other: one kernel.
            let products = usize::from(matches!(act, Act::Swish | Act::HardSwish));
            let kernels = Lowering::OnnxRuntimeInt8.kernels(&graph);
            if computing != kernels.len() + products {
                wrong.push(format!("{act:?} {residual} {operators:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The maps of repeated kernels stay in the order of the convolutions, so that nothing is rearranged between them.
#[test]
fn repeated_convolutions_are_not_rearranged_one_by_one() {
    let Some(engine) = onnx_runtime(Precision::Fp32) else { return };
    let conv = Kernel { stride: 1, in_c: 16, out_c: 16, ..kernel(KernelKind::Conv, Act::Relu, false) };
    for kernel in [conv, Kernel { out_c: 32, ..conv }, Kernel { stride: 2, residual: true, ..conv }] {
        let repeated = Repeated::kernel(&kernel).unwrap();
        let moves = |graph: &Graph| {
            optimised(&engine, graph).iter().filter(|(name, ..)| name.starts_with("Reorder")).count()
        };
        assert_eq!(moves(&repeated.long), moves(&repeated.short), "{kernel}");
        assert!(moves(&repeated.long) <= 2, "{kernel}: {:?}", optimised(&engine, &repeated.long));
    }
}
