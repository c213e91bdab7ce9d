//! A graph of this program as the file of a runtime: ONNX or TensorFlow Lite, with weights drawn from a seed, in floats or in
//! 8-bit integers. Runtimes that are libraries get its bytes, programs a file.

#[cfg(feature = "onnx")]
use super::onnx;
use super::precision::Precision;
use super::quantisation::Maps;
use super::weights::Weights;
use super::{EngineError, tflite};
use edgezen_core::plainnet::Graph;

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFormat {
    #[cfg(feature = "onnx")]
    Onnx,
    Tflite,
}

/// The bytes of a file.
pub struct ModelFile {
    pub bytes: Vec<u8>,
    /// What its integers stand for; `None` where it is in floats.
    pub maps: Option<Maps>,
}

/// For which batch, and with which weights, a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub batch: u32,
    /// The seed of the weights.
    pub seed: u64,
    pub precision: Precision,
}

impl ModelFormat {
    pub const ALL: &[ModelFormat] = &[
        #[cfg(feature = "onnx")]
        ModelFormat::Onnx,
        ModelFormat::Tflite,
    ];

    /// The ending of its files: `onnx`, `tflite`.
    pub fn ending(self) -> &'static str {
        match self {
            #[cfg(feature = "onnx")]
            ModelFormat::Onnx => "onnx",
            ModelFormat::Tflite => "tflite",
        }
    }

    /// `graph` as a file for `engine`, which is named in errors.
    ///
    /// # Errors
    /// A graph that no such file can hold, whose integers cannot be found, or that does not fit into the memory that is free.
    pub fn write(
        self,
        engine: &'static str,
        graph: &Graph,
        content: Content,
    ) -> Result<ModelFile, EngineError> {
        let Content { batch, seed, precision } = content;
        super::check(graph, engine)?;
        super::memory::check(engine, graph, batch.max(1))?;
        let weights = Weights::new(graph, seed);
        let maps = precision.maps(engine, graph, &weights, seed)?;
        self.write_with(engine, graph, batch, weights, maps)
    }

    /// `graph` with these weights as a file for `engine`; in integers that mean `maps`, where there are any.
    ///
    /// # Errors
    /// A graph that no such file can hold, or that does not fit into the memory that is free.
    pub fn write_with(
        self,
        engine: &'static str,
        graph: &Graph,
        batch: u32,
        weights: Weights<'_>,
        maps: Option<Maps>,
    ) -> Result<ModelFile, EngineError> {
        let batch = batch.max(1);
        super::check(graph, engine)?;
        super::memory::check(engine, graph, batch)?;
        let unsupported = |what: String| EngineError::Unsupported { engine, what };
        let bytes = match (self, &maps) {
            #[cfg(feature = "onnx")]
            (ModelFormat::Onnx, _) => {
                let export = onnx::Export::with_integers(graph, batch, weights, maps.as_ref())
                    .map_err(|error| unsupported(error.to_string()))?;
                if !export.fits_one_file() {
                    return Err(unsupported("more than 2 GB of weights in one file".into()));
                }
                let mut bytes = Vec::new();
                export.write(&mut bytes).map_err(|error| unsupported(error.to_string()))?;
                bytes
            }
            (ModelFormat::Tflite, Some(maps)) => tflite::write_int8(graph, batch, &weights, maps)
                .map_err(|error| unsupported(error.to_string()))?,
            (ModelFormat::Tflite, None) => {
                tflite::write(graph, batch, &weights).map_err(|error| unsupported(error.to_string()))?
            }
        };
        Ok(ModelFile { bytes, maps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::Shape;
    use edgezen_core::plainnet::graph::{Act, Op};

    #[test]
    fn each_format_is_written_in_floats_and_in_integers() {
        let mut graph = Graph::new(Shape::square(4, 6));
        let conv = Op::Conv { in_c: 4, out_c: 64, kernel: 3, stride: 1, groups: 1, bias: true };
        let conv = graph.push(conv, vec![0]);
        graph.push(Op::Act(Act::Relu), vec![conv]);
        for &format in ModelFormat::ALL {
            let file =
                |precision| format.write("test", &graph, Content { batch: 1, seed: 3, precision }).unwrap();
            let (floats, integers) = (file(Precision::Fp32), file(Precision::Int8));
            assert!(floats.maps.is_none() && integers.maps.is_some());
            // 4·64·9 weights take four bytes each, or one.
            assert!(floats.bytes.len() > 4 * 2304 && integers.bytes.len() < 3 * 2304, "{format:?}");
            assert_eq!(floats.bytes, file(Precision::Fp32).bytes);
            if format == ModelFormat::Tflite {
                assert_eq!(&floats.bytes[4..8], b"TFL3");
            }
        }
    }
}
