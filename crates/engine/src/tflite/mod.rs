//! TensorFlow Lite: writes networks as `.tflite` files, which LiteRT and its predecessors run.

mod export;
mod flatbuffer;
mod schema;

pub use export::{write, write_network};

/// Why a TensorFlow Lite file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TfliteError {
    #[error("TensorFlow Lite cannot express {what} (node {node})")]
    Node { node: usize, what: String },
    #[error("TensorFlow Lite cannot express a network of pieces that reads {inputs} maps as one")]
    Pieces { inputs: usize },
    #[error("{bytes} bytes of weights do not fit into a TensorFlow Lite file, which holds less than 2 GiB")]
    TooLarge { bytes: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Weights;
    use edgezen_core::plainnet::graph::Op;
    use edgezen_core::plainnet::{Graph, Shape};

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        let refused =
            |graph: &Graph| write_network(graph, 1, &Weights::new(graph, 0)).err().unwrap().to_string();
        let mut pieces = Graph::new(Shape::square(4, 8));
        let other = pieces.push_input(Shape::square(4, 8));
        pieces.push(Op::Add, vec![0, other]);
        assert!(refused(&pieces).contains("2 maps"));
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
}
