//! Shapes of maps that windows walk over: convolutions, poolings, regions.

use super::sizes::{Shapes, map, sizes};
use crate::onnx::import::operation::Operation;
use crate::onnx::import::windows;

pub fn conv(op: &Operation, weight: usize) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    let (out, per_group, kernel) = map(op, weight)?;
    let groups = usize::try_from(op.int("group", 1)).unwrap_or(0);
    if groups == 0 || per_group.checked_mul(groups) != Some(channels) || out % groups != 0 {
        let what = format!("{channels} channels, weights of {per_group} in {groups} groups for {out}");
        return Err(op.wrong(what));
    }
    let walk = windows::walk(op, sides, Some(kernel))?;
    Ok(vec![[&[batch, out], &walk.out[..]].concat()])
}

pub fn conv_transposed(op: &Operation) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    let (in_c, per_group, kernel) = map(op, 1)?;
    let groups = usize::try_from(op.int("group", 1)).unwrap_or(0);
    if groups == 0 || in_c != channels || channels % groups != 0 {
        return Err(op.wrong(format!("{channels} channels, weights for {in_c} in {groups} groups")));
    }
    let out = per_group.checked_mul(groups).ok_or_else(|| op.wrong("too many channels"))?;
    let walk = windows::transposed(op, sides, kernel)?;
    Ok(vec![[&[batch, out], &walk.out[..]].concat()])
}

pub fn pool(op: &Operation, outputs: usize) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    let walk = windows::walk(op, sides, None)?;
    Ok(vec![[&[batch, channels], &walk.out[..]].concat(); outputs])
}

pub fn global(op: &Operation) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    Ok(vec![[&[batch, channels], &vec![1; sides.len()][..]].concat()])
}

pub fn unpool(op: &Operation) -> Shapes {
    if let Some(shape) = op.integers(2)? {
        return Ok(vec![sizes(op, shape)?]);
    }
    let (batch, channels, sides) = map(op, 0)?;
    let kernel = sizes(op, op.ints("kernel_shape").unwrap_or_default().to_vec())?;
    let walk = windows::transposed(op, sides, &kernel)?;
    Ok(vec![[&[batch, channels], &walk.out[..]].concat()])
}

pub fn regions(op: &Operation) -> Shapes {
    let (_, channels, _) = map(op, 0)?;
    let count = op.dims(1)?.first().copied().unwrap_or(1);
    let sides = match op.ints("pooled_shape") {
        Some(sides) => sides.to_vec(),
        None => vec![op.int("output_height", 1), op.int("output_width", 1)],
    };
    Ok(vec![[&[count, channels], &sizes(op, sides)?[..]].concat()])
}
