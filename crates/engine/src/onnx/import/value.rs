//! What is known of a value before the network runs.

use tract_onnx::pb::TensorProto;

/// Elements up to which constants are kept: shapes, axes, bounds, scales. Weights are known by their size.
const KEPT: usize = 8_192;
/// Elements of the largest value that is taken for a network rather than damage.
const MAX_ELEMENTS: usize = 1 << 33;

/// A value of the file: a tensor, of which the shape is known, and the elements if shapes may depend on them.
#[derive(Clone, Debug)]
pub struct Value {
    /// The shape, or the operator because of which it cannot be known.
    pub dims: Result<Vec<usize>, String>,
    /// Whether the elements are integers or truth values.
    pub whole: bool,
    /// Whether it is the same for every image: it costs nothing at run time.
    pub constant: bool,
    /// The elements of a small constant.
    pub data: Option<Vec<f64>>,
}

impl Value {
    pub fn unknown(cause: &str) -> Value {
        Value { dims: Err(cause.to_owned()), whole: false, constant: false, data: None }
    }

    pub fn constant(dims: Vec<usize>, whole: bool, data: Option<Vec<f64>>) -> Value {
        let data = data.filter(|data| data.len() <= KEPT && Some(data.len()) == elements(&dims));
        Value { dims: Ok(dims), whole, constant: true, data }
    }

    pub fn dims(&self) -> Option<&[usize]> {
        self.dims.as_deref().ok()
    }

    /// The only element.
    pub fn scalar(&self) -> Option<f64> {
        match self.data.as_deref() {
            Some(&[value]) => Some(value),
            _ => None,
        }
    }

    /// The elements as integers.
    pub fn integers(&self) -> Option<Vec<i64>> {
        self.data.as_ref().map(|data| data.iter().map(|&value| value as i64).collect())
    }
}

/// Product of `dims`, if it is of reasonable size.
pub fn elements(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim)).filter(|&n| n <= MAX_ELEMENTS)
}

/// Whether so many elements are kept.
pub fn is_kept(dims: &[usize]) -> bool {
    elements(dims).is_some_and(|n| n <= KEPT)
}

/// Whether an ONNX element type holds integers or truth values.
pub fn is_whole(data_type: i32) -> bool {
    !matches!(data_type, 0 | 1 | 8 | 10 | 11 | 14..=20)
}

/// A tensor of the file. Weights may lie elsewhere or be left out altogether: their shape is enough.
pub fn of_tensor(tensor: &TensorProto) -> Value {
    let dims: Vec<usize> = tensor.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
    let data = if is_kept(&dims) { small(tensor) } else { None };
    Value::constant(dims, is_whole(tensor.data_type), data)
}

/// The elements of a small tensor, if its data are in the file.
fn small(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data;
    macro_rules! raw {
        ($kind:ty) => {
            raw.as_chunks().0.iter().map(|bytes| <$kind>::from_le_bytes(*bytes) as f64).collect()
        };
    }
    let typed = |list: &[i32]| list.iter().map(|&value| f64::from(value)).collect();
    Some(match (tensor.data_type, raw.is_empty()) {
        (1, false) => raw!(f32),
        (1, true) => tensor.float_data.iter().map(|&value| f64::from(value)).collect(),
        (2 | 9, false) => raw!(u8),
        (3, false) => raw!(i8),
        (4, false) => raw!(u16),
        (5, false) => raw!(i16),
        (6, false) => raw!(i32),
        (2..=6 | 9, true) => typed(&tensor.int32_data),
        (7, false) => raw!(i64),
        (7, true) => tensor.int64_data.iter().map(|&value| value as f64).collect(),
        (10, false) => raw.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
        (10, true) => tensor.int32_data.iter().map(|&bits| half(bits as u16)).collect(),
        (11, false) => raw!(f64),
        (11, true) => tensor.double_data.clone(),
        (12, false) => raw!(u32),
        (13, false) => raw!(u64),
        (12 | 13, true) => tensor.uint64_data.iter().map(|&value| value as f64).collect(),
        _ => return None,
    })
}

/// A number in half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_by_hand() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_953_125), (0x0001, 5.960_464_477_539_063e-8)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }
}
