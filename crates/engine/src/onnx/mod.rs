//! ONNX: writes networks as files, and reads and runs networks from files.
//!
//! * [`Export`]: a graph with its seeded weights as a file that any runtime opens;
//! * [`load`]: any CNN that tract can run, ready to be timed as it is;
//! * [`read`]: the file as a [`Graph`](edgezen_core::plainnet::Graph), so that its kernels can be predicted.
//!   Operators that have no counterpart are returned by name, never dropped silently.
//!
//! A file may come from anywhere. Whatever is wrong with it is an [`OnnxError`], never a panic.

mod check;
mod export;
mod import;
mod operators;

pub use crate::imported::{Imported, Size, Unknown};
pub use export::{Export, encode};
pub use import::{decode, read, read_at};
pub use operators::operators;

use super::tract::TractModel;
use super::{EngineError, Loaded, Tensor};
use crate::guard::guarded;
use crate::imported::MissingOperators;
use crate::{input, memory};
use edgezen_core::files::FileError;
use edgezen_core::units::Bytes;
use std::path::Path;
use tract_core::internal::TypedFact;
use tract_onnx::prelude::{Datum, InferenceModelExt};
use tract_onnx::tract_hir::infer::{Factoid, InferenceFact};

/// Why an ONNX file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("not an ONNX file, or a damaged one: {0}")]
    Format(String),
    /// Well-formed protobuf that does not describe a usable network.
    #[error("the network makes no sense: {0}")]
    Invalid(String),
    #[error("ONNX cannot express {0}")]
    Unsupported(String),
    #[error("this network cannot be run: {0}")]
    Engine(String),
    #[error("this network cannot be run: {0}")]
    Missing(#[from] MissingOperators),
    /// Sizes that an operator gives or reads depend on the image, or on an operator without a rule.
    #[error("the network's shapes cannot be known: {0}")]
    Unknown(String),
    /// Height and width are left open, or fixed to others than were asked for.
    #[error("{0}")]
    Resolution(String),
}

/// Opens the file for running, weights in files beside it included, with `batch` images and inputs drawn from `seed`.
///
/// # Errors
/// Unreadable or damaged files; networks that tract cannot run; another fixed batch.
pub fn load(path: &Path, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, OnnxError> {
    let dir = path.parent().and_then(Path::to_str).filter(|dir| !dir.is_empty()).unwrap_or(".");
    load_from(&read_bytes(path)?, Some(dir), batch, seed)
}

/// The files with weights that the ONNX file at `path` needs beside it, as it names them; none where it holds its weights
/// itself. They need not be there.
///
/// # Errors
/// Unreadable or damaged files; weights that are said to lie elsewhere than beside it.
pub fn files_beside(path: &Path) -> Result<Vec<String>, OnnxError> {
    let proto = check::model(&read_bytes(path)?)?;
    check::beside(&proto, None)?;
    Ok(check::files_beside(&proto))
}

/// As [`load`], from memory.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(bytes: &[u8], batch: u32, seed: u64) -> Result<Box<dyn Loaded>, OnnxError> {
    load_from(bytes, None, batch, seed)
}

/// Weights outside the file are looked for in `dir`.
fn load_from(bytes: &[u8], dir: Option<&str>, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, OnnxError> {
    let proto = check::model(bytes)?;
    check::data(&proto)?;
    check::beside(&proto, dir.map(Path::new))?;
    let inputs = check::inputs(&proto)?;
    let mut shapes = Vec::new();
    for input in &inputs {
        shapes.push(input.with_batch(batch.max(1))?);
    }
    let model = shielded(|| typed(&proto, dir, &shapes))?;
    memory::fits("tract", largest_step(&model), memory::free())
        .map_err(|error| OnnxError::Engine(error.to_string()))?;
    let fixed: Vec<Tensor> = shapes
        .into_iter()
        .enumerate()
        .map(|(index, shape)| super::weights::noise(shape, seed, index))
        .collect();
    let model = shielded(|| {
        let mut model = TractModel::new(model, fixed)?;
        // Some faults show only when the network runs.
        model.run_once()?;
        Ok(model)
    })?;
    Ok(Box::new(model))
}

/// The memory of the operation with the largest operands and results.
fn largest_step(model: &tract_onnx::prelude::TypedModel) -> Bytes {
    let bytes = |fact: &TypedFact| -> f64 {
        let dims = fact.shape.as_concrete().unwrap_or_default();
        dims.iter().map(|&dim| dim as f64).product::<f64>() * fact.datum_type.size_of() as f64
    };
    let steps = model.nodes.iter().map(|node| {
        let operands = node.inputs.iter().filter_map(|&outlet| model.outlet_fact(outlet).ok());
        operands.chain(node.outputs.iter().map(|output| &output.fact)).map(bytes).sum::<f64>()
    });
    Bytes(steps.fold(0.0, f64::max))
}

fn typed(
    proto: &tract_onnx::pb::ModelProto,
    dir: Option<&str>,
    shapes: &[Vec<usize>],
) -> Result<tract_onnx::prelude::TypedModel, EngineError> {
    let failed = |e: tract_onnx::prelude::TractError| EngineError::Failed {
        engine: "tract",
        reason: format!("{e:#}"),
    };
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let parsed = onnx.parse(proto, dir).map_err(failed)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        let reason = format!("nothing produces {name:?}");
        return Err(EngineError::Failed { engine: "tract", reason });
    }
    let mut model = parsed.model;
    let declared = model.input_outlets().map_err(failed)?.to_vec();
    if declared.len() != shapes.len() {
        let reason = format!("{} inputs are declared, {} are used", shapes.len(), declared.len());
        return Err(EngineError::Failed { engine: "tract", reason });
    }
    for (index, shape) in shapes.iter().enumerate() {
        let fact = model.input_fact(index).map_err(failed)?;
        if fact.datum_type.concretize().is_some_and(|kind| kind != f32::datum_type()) {
            let reason = format!("input {index} is {:?}; only f32 can be run", fact.datum_type);
            return Err(EngineError::Failed { engine: "tract", reason });
        }
        let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
        model.set_input_fact(index, fact).map_err(failed)?;
    }
    model.into_typed().map_err(failed)
}

/// Runs `work` on a file of unknown origin: a panic inside becomes an error, and is not printed.
fn shielded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, OnnxError> {
    match guarded(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(OnnxError::Engine(error.to_string())),
        Err(reason) => Err(OnnxError::Engine(format!("tract gave up: {reason}"))),
    }
}

/// Larger files hold their weights beside them: protobuf ends there.
const MOST_BYTES: u64 = 1 << 31;

/// The bytes of an ONNX file.
fn read_bytes(path: &Path) -> Result<Vec<u8>, OnnxError> {
    input::read_at_most(path, MOST_BYTES).map_err(|error| match error {
        FileError::Io { error, .. } => OnnxError::Io(error),
        FileError::Damaged { reason, .. } => OnnxError::Format(reason),
        other => OnnxError::Format(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Tract, weights};
    use edgezen_core::plainnet::graph::Op;
    use edgezen_core::plainnet::{
        Graph, Kernel, KernelKind, Model, Shape, Variant, graph, lowering, notation, published,
    };

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        let scale = b.iter().fold(1e-9_f32, |m, v| m.max(v.abs()));
        let worst = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-4 * scale, "differs by {worst} of {scale}");
    }

    /// Exported and opened again, the graph computes the same and has the same kernels.
    fn round_trip(graph: &Graph, batch: u32) {
        let bytes = encode(graph, batch, 3).unwrap();
        let inputs: Vec<Tensor> = (0..graph.nodes.len())
            .filter(|&i| graph.nodes[i].op == Op::Input)
            .map(|i| weights::input(graph, i, batch, 3))
            .collect();
        let direct = Tract.load(graph, batch, 3).unwrap().run(&inputs).unwrap();
        let through = load_bytes(&bytes, batch, 9).unwrap().run(&inputs).unwrap();
        close(&through[0].data, &direct[0].data);
        let imported = decode(&bytes).unwrap();
        assert_eq!(imported.unknown, Vec::new());
        assert_eq!(lowering::fused(&imported.graph), lowering::fused(graph));
    }

    #[test]
    fn networks_survive_the_file() {
        let named = |name: &str| published::by_name(name).unwrap();
        let small = |name: &str| Model { resolution: 64, ..named(name) };
        for model in [
            named("zennet_cifar10_model_size1M_res32"),
            small("zennet_imagenet1k_flops400M_SE_res224"),
            small("zennet_imagenet1k_latency01ms_res224"),
            small("resnet18"),
            named("mobilenet_v2"),
        ] {
            round_trip(&model.graph().unwrap(), 1);
        }
        round_trip(&named("zennet_cifar10_model_size05M_res32").graph().unwrap(), 3);
    }

    #[test]
    fn every_kernel_survives_the_file() {
        for kind in KernelKind::ALL.into_iter().filter(|&kind| kind != KernelKind::Linear) {
            for act in edgezen_core::plainnet::graph::Act::ALL {
                let kernel = Kernel {
                    kind,
                    batch: 1,
                    in_c: 8,
                    out_c: 8,
                    in_h: 6,
                    in_w: 6,
                    kernel: 3,
                    stride: 1,
                    groups: if kind == KernelKind::Dwconv { 8 } else { 1 },
                    act,
                    residual: false,
                    window: None,
                };
                if kind == KernelKind::Act && act == edgezen_core::plainnet::graph::Act::None {
                    continue;
                }
                round_trip(&kernel.graph(), 2);
            }
        }
    }

    #[test]
    fn blocks_of_all_layers_survive_the_file() {
        let structure = "ConvKX(3,8,3,2)BN(8)Swish(8)ResBlock(8,1,ConvKXG2(8,8,3,1)BN(8)RELU(8))\
            MultiCatBlock(x|ConvKX(8,8,1,1)BN(8);ConvDW(8,5,1)BN(8)RELU(8))SE(16)MaxPool(16,3,2)\
            AdaptiveAvgPool(16,2)Flatten(64)Linear(64,10,0)";
        let network = notation::parse(structure).unwrap();
        let graph = graph::body(&network.blocks, Shape::square(3, 16), Variant::BUILT).unwrap();
        round_trip(&graph, 2);
    }

    #[test]
    fn damaged_files_end_in_errors() {
        let network = notation::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)").unwrap();
        let model = Model { name: None, network, resolution: 8, classes: 4, se: true };
        let bytes = encode(&model.graph().unwrap(), 1, 1).unwrap();
        let attempt = |bytes: &[u8]| {
            let _ = decode(bytes);
            let _ = load_bytes(bytes, 1, 0);
        };
        assert!(load_bytes(&[], 1, 0).is_err() && decode(&[]).is_err());
        assert!(matches!(decode(b"\x7fELF not at all an ONNX file"), Err(OnnxError::Format(_))));
        for cut in (0..bytes.len()).step_by(bytes.len() / 60) {
            attempt(&bytes[..cut]);
            assert!(load_bytes(&bytes[..cut], 1, 0).is_err(), "cut at {cut} of {}", bytes.len());
        }
    }

    #[test]
    fn ten_thousand_mutated_files_cause_no_panic() {
        use rand::{RngExt, SeedableRng};
        use rayon::prelude::*;
        let network = notation::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)").unwrap();
        let model = Model { name: None, network, resolution: 8, classes: 4, se: true };
        let bytes = encode(&model.graph().unwrap(), 1, 1).unwrap();
        (0..10_000_u64).into_par_iter().for_each(|seed| {
            let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..damaged.len());
                match rng.random_range(0..5) {
                    0 => damaged[at] = rng.random_range(0..=255),
                    1 => damaged[at] ^= 1 << rng.random_range(0..8),
                    2 => drop(damaged.remove(at)),
                    3 => damaged.insert(at, rng.random_range(0..=255)),
                    _ => {
                        let to = (at + rng.random_range(1..40)).min(damaged.len());
                        let piece = damaged[at..to].to_vec();
                        damaged.splice(at..at, piece);
                    }
                }
            }
            let _ = decode(&damaged);
            // Running takes longer than reading.
            if seed % 5 == 0 {
                let _ = load_bytes(&damaged, 1, 0);
            }
        });
    }

    #[test]
    fn another_batch_is_refused() {
        let graph = published::by_name("zennet_cifar10_model_size05M_res32").unwrap().graph().unwrap();
        let bytes = encode(&graph, 2, 1).unwrap();
        let error = load_bytes(&bytes, 1, 1).err().unwrap().to_string();
        assert!(error.contains("batch"), "{error}");
    }
}
