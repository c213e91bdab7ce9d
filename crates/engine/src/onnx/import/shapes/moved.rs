//! Shapes of the same elements elsewhere: in another shape or order, joined, cut, padded, resized.

use super::sizes::{Shapes, data_of, sizes, without};
use crate::onnx::import::operation::{Dims, Operation, Problem};

pub fn reshaped(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    let target = op.list("shape", 1)?.ok_or_else(|| op.wrong("no shape"))?;
    let keep_zero = op.int("allowzero", 0) == 1;
    let mut shape = Dims::new();
    let mut open = None;
    for (axis, &want) in target.iter().enumerate() {
        shape.push(match want {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !keep_zero => *dims.get(axis).ok_or_else(|| op.wrong(format!("{dims:?} to {target:?}")))?,
            want => usize::try_from(want).map_err(|_| op.wrong(format!("{dims:?} to {target:?}")))?,
        });
    }
    let product = |dims: &[usize]| dims.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim));
    let (have, got) = (product(dims), product(&shape));
    match (open, have, got) {
        (Some(axis), Some(have), Some(got)) if got > 0 && have % got == 0 => shape[axis] = have / got,
        (None, have, got) if have == got && have.is_some() => {}
        _ => return Err(op.wrong(format!("{dims:?} to {target:?}"))),
    }
    Ok(vec![shape])
}

pub fn squeezed(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    let axes = match op.list("axes", 1)? {
        Some(axes) => op.axes(&axes, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    match axes.iter().find(|&&axis| dims[axis] != 1) {
        Some(axis) => Err(op.wrong(format!("axis {axis} of {dims:?}"))),
        None => Ok(vec![without(dims, &axes, false)]),
    }
}

pub fn unsqueezed(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    let list = op.list("axes", 1)?.unwrap_or_default();
    let rank = dims.len() + list.len();
    let axes = op.axes(&list, rank)?;
    let mut rest = dims.iter();
    let shape: Option<Dims> =
        (0..rank).map(|axis| if axes.contains(&axis) { Some(1) } else { rest.next().copied() }).collect();
    Ok(vec![shape.ok_or_else(|| op.wrong(format!("axes {list:?}")))?])
}

/// Where each axis of the output comes from.
pub fn permutation(op: &Operation) -> Result<Vec<usize>, Problem> {
    let rank = op.rank(0)?;
    let Some(list) = op.ints("perm").filter(|list| !list.is_empty()) else {
        return Ok((0..rank).rev().collect());
    };
    let axes = op.axes(list, rank)?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(op.wrong(format!("perm {list:?} of {rank} axes")));
    }
    Ok(axes)
}

pub fn joined(op: &Operation, parts: &[usize]) -> Shapes {
    let Some(&first) = parts.first() else { return Err(op.wrong("nothing to join")) };
    let mut shape = op.dims(first)?.to_vec();
    let axis = op.axis(op.int("axis", 1), shape.len())?;
    shape[axis] = 0;
    for &part in parts {
        let dims = op.dims(part)?;
        let fits = dims.len() == shape.len() && (0..dims.len()).all(|at| at == axis || dims[at] == shape[at]);
        if !fits {
            return Err(op.wrong(format!("{dims:?} along axis {axis} of {shape:?}")));
        }
        shape[axis] += dims[axis];
    }
    Ok(vec![shape])
}

pub fn split(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    let axis = op.axis(op.int("axis", 0), dims.len())?;
    let parts = match op.list("split", 1)? {
        Some(list) => sizes(op, list)?,
        None => {
            let count = op.node.output.len().max(1);
            let part = dims[axis].div_ceil(count);
            (0..count).map(|at| part.min(dims[axis].saturating_sub(at * part))).collect()
        }
    };
    if parts.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part)) != Some(dims[axis]) {
        return Err(op.wrong(format!("{} channels into {parts:?}", dims[axis])));
    }
    let of = |part: usize| {
        let mut shape = dims.to_vec();
        shape[axis] = part;
        shape
    };
    Ok(parts.into_iter().map(of).collect())
}

/// What a Slice takes of one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub start: i64,
    pub step: i64,
    pub count: usize,
}

/// The cuts of all axes.
pub fn cuts(op: &Operation) -> Result<Vec<Cut>, Problem> {
    let dims = op.dims(0)?;
    let mut cuts: Vec<Cut> = dims.iter().map(|&count| Cut { start: 0, step: 1, count }).collect();
    let starts = op.list("starts", 1)?.unwrap_or_default();
    let ends = op.list("ends", 2)?.unwrap_or_default();
    let axes = op.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = op.integers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(op.wrong("starts, ends, axes and steps of different numbers"));
    }
    for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = op.axis(axis, dims.len())?;
        let side = dims[axis] as i64;
        let from_start = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
        let (start, end) = (from_start(start), from_start(end));
        let (start, room) = match step {
            1.. => {
                let start = start.clamp(0, side);
                (start, end.clamp(0, side) - start)
            }
            0 => return Err(op.wrong("a step of 0")),
            _ => {
                let start = start.clamp(0, (side - 1).max(0));
                (start, start - end.clamp(-1, side - 1))
            }
        };
        let stride = step.unsigned_abs();
        let count = (room.max(0) as u64).div_ceil(stride) as usize;
        cuts[axis] = Cut { start, step, count };
    }
    Ok(cuts)
}

pub fn padded(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    let list = match op.attribute("paddings") {
        Some(attribute) => attribute.ints.clone(),
        None => op.list("pads", 1)?.unwrap_or_default(),
    };
    let axes = match op.integers(3)? {
        Some(axes) => op.axes(&axes, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    if list.len() != 2 * axes.len() {
        return Err(op.wrong(format!("{} pads for {} axes", list.len(), axes.len())));
    }
    let mut shape = dims.to_vec();
    for (at, &axis) in axes.iter().enumerate() {
        let side = (dims[axis] as i64).saturating_add(list[at]).saturating_add(list[axes.len() + at]);
        shape[axis] = usize::try_from(side).map_err(|_| op.wrong(format!("pads {list:?} of {dims:?}")))?;
    }
    Ok(vec![shape])
}

pub fn blocks(op: &Operation) -> Shapes {
    let &[batch, channels, h, w] = op.dims(0)? else { return Err(op.wrong("no map")) };
    let block = usize::try_from(op.int("blocksize", 1)).unwrap_or(1).max(1);
    let area = block.saturating_mul(block);
    let shape = match op.kind() {
        "SpaceToDepth" => vec![batch, channels.saturating_mul(area), h / block, w / block],
        _ => vec![batch, channels / area, h.saturating_mul(block), w.saturating_mul(block)],
    };
    Ok(vec![shape])
}

pub fn resized(op: &Operation) -> Shapes {
    let dims = op.dims(0)?;
    // Exporters leave out operands by giving empty ones.
    let data = |at: usize| -> Result<Option<Vec<f64>>, Problem> {
        match op.input(at).filter(|value| value.dims() != Some(&[0])) {
            None => Ok(None),
            Some(value) => value.data.clone().map(Some).ok_or_else(|| data_of(op)),
        }
    };
    let axes = match op.ints("axes") {
        Some(axes) => op.axes(axes, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    let mut shape = dims.to_vec();
    if let Some(sides) = data(3)? {
        if sides.len() != axes.len() {
            return Err(op.wrong(format!("{} sizes for {} axes", sides.len(), axes.len())));
        }
        let ratio = |(&axis, &side): (&usize, &f64)| side / dims[axis] as f64;
        let ratios = axes.iter().zip(&sides).map(ratio);
        let scale = match op.text("keep_aspect_ratio_policy") {
            "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
            "not_smaller" => Some(ratios.fold(0.0, f64::max)),
            _ => None,
        };
        for (&axis, &side) in axes.iter().zip(&sides) {
            shape[axis] = scale.map_or(side, |scale| (scale * dims[axis] as f64).round()) as usize;
        }
        return Ok(vec![shape]);
    }
    // Version 10, and Upsample, have the scales where later ones have regions.
    let scales = match (op.attribute("scales"), op.inputs.len()) {
        (Some(attribute), _) => Some(attribute.floats.iter().map(|&scale| f64::from(scale)).collect()),
        (None, 2) => data(1)?,
        (None, _) => data(2)?,
    };
    let scales: Vec<f64> = match (scales, op.float("height_scale"), op.float("width_scale")) {
        (Some(scales), ..) => scales,
        (None, Some(h), Some(w)) => vec![1.0, 1.0, h, w],
        _ => return Err(op.wrong("neither sizes nor scales")),
    };
    if scales.len() != axes.len() {
        return Err(op.wrong(format!("{} scales for {} axes", scales.len(), axes.len())));
    }
    for (&axis, &scale) in axes.iter().zip(&scales) {
        // As runtimes compute it, in single precision.
        shape[axis] = (scale as f32 * dims[axis] as f32).floor() as usize;
    }
    Ok(vec![shape])
}
