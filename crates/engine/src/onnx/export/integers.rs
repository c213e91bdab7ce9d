//! Integers in an ONNX file: pairs of QuantizeLinear and DequantizeLinear, which runtimes move into the operators between
//! them. Maps have unsigned integers, weights signed ones (docs/decisions/098).

use super::initialiser::Values;
use super::nodes::{Exporter, FLOAT, int};
use crate::quantisation::Affine;
use edgezen_core::plainnet::graph::Op;

const UINT8: i32 = 2;
const INT8: i32 = 3;
const INT32: i32 = 6;

impl Exporter<'_> {
    /// The name of the floats that the integers of node `index` stand for.
    pub(super) fn float(&self, index: usize) -> String {
        let is_input = matches!(self.graph_op(index), Op::Input);
        if self.is_output(index) && !is_input {
            "logits".into()
        } else {
            format!("{}.float", self.value(index))
        }
    }

    /// Makes integers of the floats `from`, and of these the floats `to`.
    pub(super) fn quantised(&mut self, from: String, to: String, integers: Affine) {
        let scale = self.floats(format!("{from}.unit"), &[], &[integers.scale]);
        let zero = Values::Bytes(vec![unsigned(integers.zero_point)]);
        let zero = self.initialiser(format!("{from}.zero"), UINT8, &[], zero);
        let between = format!("{from}.integers");
        self.push("QuantizeLinear", vec![from, scale.clone(), zero.clone()], between.clone(), vec![]);
        self.push("DequantizeLinear", vec![between, scale, zero], to, vec![]);
    }

    /// Weight and bias of a layer, each as the floats that its integers stand for.
    pub(super) fn integer_parameters(&mut self, index: usize, dims: &[i64], has_bias: bool) -> Vec<String> {
        let channels = &dims[..1];
        let name = |what: &str| format!("n{index}.{what}");
        let mut names = vec![name("weight")];
        let integers = self.initialiser(name("weight.integers"), INT8, dims, Values::IntegerWeight(index));
        let scales = self.initialiser(name("weight.unit"), FLOAT, channels, Values::WeightScales(index));
        self.push("DequantizeLinear", vec![integers, scales], name("weight"), vec![int("axis", 0)]);
        if has_bias {
            let integers =
                self.initialiser(name("bias.integers"), INT32, channels, Values::IntegerBias(index));
            let scales = self.initialiser(name("bias.unit"), FLOAT, channels, Values::BiasScales(index));
            self.push("DequantizeLinear", vec![integers, scales], name("bias"), vec![int("axis", 0)]);
            names.push(name("bias"));
        }
        names
    }

    /// Numbers that are an operand: floats, or those that integers stand for.
    pub(super) fn operand(&mut self, name: String, dims: &[i64], numbers: &[f32]) -> String {
        if self.maps.is_none() {
            return self.floats(name, dims, numbers);
        }
        let affine = Affine::of_numbers(numbers);
        let bytes = numbers.iter().map(|&number| unsigned(affine.quantise(number))).collect();
        let integers = self.initialiser(format!("{name}.integers"), UINT8, dims, Values::Bytes(bytes));
        let scale = self.floats(format!("{name}.unit"), &[], &[affine.scale]);
        let zero = Values::Bytes(vec![unsigned(affine.zero_point)]);
        let zero = self.initialiser(format!("{name}.zero"), UINT8, &[], zero);
        self.push("DequantizeLinear", vec![integers, scale, zero], name.clone(), vec![]);
        name
    }
}

/// An integer from −128 to 127 as one from 0 to 255.
fn unsigned(integer: i8) -> u8 {
    integer.cast_unsigned() ^ 0x80
}
