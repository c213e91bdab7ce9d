//! Words that the shape functions share: sizes that are no negative numbers, shapes without some axes, and maps.

use crate::onnx::import::operation::{Dims, Operation, Problem};

/// The shapes of all outputs.
pub type Shapes = Result<Vec<Dims>, Problem>;

/// The output depends on what the operator computes, or on what one before it did.
pub fn data_of(op: &Operation) -> Problem {
    let earlier = op.inputs.iter().flatten().find_map(|value| value.dims.as_ref().err());
    Problem::Data(earlier.cloned().unwrap_or_else(|| op.kind().to_owned()))
}

pub fn sizes(op: &Operation, list: Vec<i64>) -> Result<Dims, Problem> {
    let sizes: Option<Dims> = list.iter().map(|&n| usize::try_from(n).ok()).collect();
    sizes.ok_or_else(|| op.wrong(format!("sizes {list:?}")))
}

/// `dims` without `axes`, or with 1 in their place.
pub fn without(dims: &[usize], axes: &[usize], keep: bool) -> Dims {
    let kept = dims.iter().enumerate().filter_map(|(axis, &dim)| match (axes.contains(&axis), keep) {
        (false, _) => Some(dim),
        (true, true) => Some(1),
        (true, false) => None,
    });
    kept.collect()
}

/// Batch, channels and sides of a map.
pub fn map<'o>(op: &Operation<'o>, at: usize) -> Result<(usize, usize, &'o [usize]), Problem> {
    match op.dims(at)? {
        [batch, channels, sides @ ..] if !sides.is_empty() => Ok((*batch, *channels, sides)),
        dims => Err(op.wrong(format!("{dims:?} is no map"))),
    }
}
