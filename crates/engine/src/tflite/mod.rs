//! TensorFlow Lite: writes networks as `.tflite` files, which LiteRT and its predecessors run, and reads such files.
//!
//! * [`write()`], [`write_int8`]: a graph with its weights as a file, in 32-bit floats or in 8-bit integers;
//! * [`read`]: the file as a [`Graph`](edgezen_core::plainnet::Graph), so that its kernels can be predicted. Operators
//!   that have no counterpart are returned by name, never dropped silently.
//!
//! A file may come from anywhere. Whatever is wrong with it is a [`TfliteError`], never a panic.

mod export;
mod flatbuffer;
mod import;
mod schema;

pub use export::{check_whole, write, write_int8};
pub use import::{decode, read, read_at};

use crate::imported::MissingOperators;

/// Why a TensorFlow Lite file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TfliteError {
    #[error("TensorFlow Lite cannot express {what} (node {node})")]
    Node { node: usize, what: String },
    #[error("TensorFlow Lite cannot express a network of pieces that reads {inputs} maps as one")]
    Pieces { inputs: usize },
    #[error("{bytes} bytes of weights do not fit into a TensorFlow Lite file, which holds less than 2 GiB")]
    TooLarge { bytes: u64 },
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("not a TensorFlow Lite file, or a damaged one: {0}")]
    Format(String),
    /// Well-formed tables that do not describe a usable network.
    #[error("the network makes no sense: {0}")]
    Invalid(String),
    #[error("this network cannot be run: {0}")]
    Missing(#[from] MissingOperators),
    /// Height and width are left open, or fixed to others than were asked for.
    #[error("{0}")]
    Resolution(String),
}

impl From<flatbuffer::decode::Fault> for TfliteError {
    fn from(fault: flatbuffer::decode::Fault) -> TfliteError {
        TfliteError::Format(fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantisation::{Images, Maps, Ranges};
    use crate::weights::Weights;
    use edgezen_core::plainnet::graph::{Act, Op};
    use edgezen_core::plainnet::{Graph, Kernel, KernelKind, Model, Shape, lowering, notation, published};
    use edgezen_core::zoo::{Encoded, Named};

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        let refused = |graph: &Graph| write(graph, 1, &Weights::new(graph, 0)).err().unwrap().to_string();
        let mut pieces = Graph::new(Shape::square(4, 8));
        let other = pieces.push_input(Shape::square(4, 8));
        pieces.push(Op::Add, vec![0, other]);
        assert!(check_whole(&pieces).unwrap_err().to_string().contains("2 maps"));
        let mut beyond = Graph::new(Shape::square(4, 8));
        beyond.push(Op::Slice { from: 2, count: 3 }, vec![0]);
        assert!(refused(&beyond).contains("3 channels from channel 2"));
        assert!(refused(&beyond).contains("node 1"));
        let mut uneven = Graph::new(Shape::square(4, 7));
        uneven.push(Op::AdaptiveAvgPool { size: 4 }, vec![0]);
        assert!(refused(&uneven).contains("4×4"));
        let mut foreign = Graph::new(Shape::square(4, 7));
        foreign.push(Op::Pass { to: Shape::square(4, 7) }, vec![0]);
        assert!(refused(&foreign).contains("Pass"));
        let conv = |in_c, kernel, groups| Op::Conv { in_c, out_c: 4, kernel, stride: 1, groups, bias: true };
        let mut even = Graph::new(Shape::square(4, 7));
        even.push(conv(4, 2, 1), vec![0]);
        assert!(refused(&even).contains("windows of 2 pixels"));
        let mut grouped = Graph::new(Shape::square(4, 7));
        grouped.push(conv(4, 3, 3), vec![0]);
        assert!(refused(&grouped).contains("3 groups"));
        let mut large = Graph::new(Shape::square(30_000, 1));
        large.push(Op::Linear { in_c: 30_000, out_c: 30_000, bias: true }, vec![0]);
        assert!(matches!(
            write(&large, 1, &Weights::new(&large, 0)),
            Err(TfliteError::TooLarge { bytes }) if bytes > 3_600_000_000
        ));
    }

    /// Written and read again, the graph has the same kernels, in floats and in integers.
    fn round_trip(name: &str, graph: &Graph, batch: u32) {
        let weights = Weights::new(graph, 3);
        let float = decode(&write(graph, batch, &weights).unwrap()).unwrap();
        assert_eq!(float.unknown, Vec::new(), "{name}");
        assert_eq!(lowering::fused(&float.graph), lowering::fused(graph), "{name}");
        let macs: f64 = lowering::fused(graph).iter().map(Kernel::macs).sum();
        assert_eq!(float.macs, macs, "{name}");
        if graph.nodes.iter().map(|node| node.shape.elements()).sum::<u64>() > 1 << 22 {
            return;
        }
        let images = Images::Random { count: 1, seed: 0 };
        let maps = Maps::of(graph, &Ranges::observe(graph, &weights, &images).unwrap());
        let integers = decode(&write_int8(graph, batch, &weights, &maps).unwrap()).unwrap();
        assert_eq!(lowering::fused(&integers.graph), lowering::fused(graph), "{name}");
    }

    #[test]
    fn networks_survive_the_file() {
        let named = |name: &str| published::by_name(name).unwrap();
        let small = |name: &str| Model { resolution: 64, ..named(name) };
        for (model, batch) in [
            (named("zennet_cifar10_model_size1M_res32"), 3),
            (small("zennet_imagenet1k_flops400M_SE_res224"), 1),
            (small("zennet_imagenet1k_latency01ms_res224"), 1),
            (named("resnet18"), 1),
            (small("mobilenet_v2"), 2),
        ] {
            round_trip(model.name.as_deref().unwrap_or_default(), &model.graph().unwrap(), batch);
        }
        for name in
            ["mobilenet_v3_large_1.0", "squeezenet_1.1", "shufflenet_v2_1.0", "densenet121", "alexnet"]
        {
            let resolution = if name == "alexnet" { 224 } else { 64 };
            let parts = Encoded::Named(Named::new(name, resolution).unwrap()).parts();
            round_trip(name, &parts[0].graph, 1);
        }
    }

    #[test]
    fn every_kernel_survives_the_file() {
        for kind in KernelKind::ALL {
            for act in Act::ALL {
                if kind == KernelKind::Act && act == Act::None {
                    continue;
                }
                for (kernel, stride, side) in [(3, 1, 6), (5, 2, 8), (3, 2, 7)] {
                    let one = kind == KernelKind::Linear;
                    let windowed =
                        matches!(kind, KernelKind::Conv | KernelKind::Dwconv | KernelKind::Maxpool);
                    let kernel = Kernel {
                        kind,
                        batch: 1,
                        in_c: 8,
                        out_c: 8,
                        in_h: if one { 1 } else { side },
                        in_w: if one { 1 } else { side },
                        kernel: if windowed { kernel } else { 1 },
                        stride: if windowed { stride } else { 1 },
                        groups: if kind == KernelKind::Dwconv { 8 } else { 1 },
                        act,
                        residual: false,
                        window: None,
                    };
                    round_trip(&kernel.to_string(), &kernel.graph(), 2);
                }
            }
        }
    }

    fn small_file() -> Vec<u8> {
        let network = notation::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)").unwrap();
        let model = Model { name: None, network, resolution: 8, classes: 4, se: true };
        let graph = model.graph().unwrap();
        write(&graph, 1, &Weights::new(&graph, 1)).unwrap()
    }

    #[test]
    fn damaged_files_end_in_errors() {
        let bytes = small_file();
        assert!(decode(&bytes).is_ok());
        assert!(matches!(decode(&[]), Err(TfliteError::Format(_))));
        assert!(matches!(decode(b"\x7fELF not at all such a file"), Err(TfliteError::Format(_))));
        // What nobody needs to run the network, such as its signature, stands at the end.
        for cut in (0..bytes.len() - 500).step_by(bytes.len() / 300) {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
        }
        let mut other = bytes.clone();
        other[4..8].copy_from_slice(b"TFL2");
        assert!(decode(&other).unwrap_err().to_string().contains("TFL3"));
    }

    #[test]
    fn twenty_thousand_mutated_files_cause_no_panic() {
        use rand::{RngExt, SeedableRng};
        use rayon::prelude::*;
        let bytes = small_file();
        let refused = (0..20_000_u64)
            .into_par_iter()
            .filter(|&seed| {
                let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
                let mut damaged = bytes.clone();
                for _ in 0..rng.random_range(1..6) {
                    // The tables stand before the weights.
                    let at = rng.random_range(0..damaged.len() / if seed % 4 == 0 { 1 } else { 3 });
                    match rng.random_range(0..4) {
                        0 => damaged[at] = rng.random_range(0..=255),
                        1 => damaged[at] ^= 1 << rng.random_range(0..8),
                        2 => drop(damaged.remove(at)),
                        _ => {
                            let end = (at + 4).min(damaged.len());
                            let number = rng.random_range(0..2_000_u32).to_le_bytes();
                            damaged[at..end].copy_from_slice(&number[..end - at]);
                        }
                    }
                }
                decode(&damaged).is_err()
            })
            .count();
        assert!(refused > 10_000, "{refused}");
    }

    #[test]
    fn other_sides_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.tflite");
        std::fs::write(&path, small_file()).unwrap();
        assert_eq!(read(&path).unwrap(), read_at(&path, "8".parse().ok()).unwrap());
        let error = read_at(&path, "16x8".parse().ok()).unwrap_err();
        assert_eq!(error.to_string(), "its images are of 8, not of 16x8");
        assert!(matches!(read(&dir.path().join("absent")), Err(TfliteError::Io(_))));
    }
}
