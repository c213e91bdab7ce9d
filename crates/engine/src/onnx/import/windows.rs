//! Windows of convolutions and pools: where they are read from, and how large the output is.

use super::operation::{Dims, Operation, Problem};

/// Largest side, stride, dilation or padding that is taken for a network rather than damage.
const LARGEST: i64 = 1 << 20;

/// Sides, strides and dilations along each axis of the map, and the size of the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    pub out: Vec<usize>,
    /// No element of padding is under any window.
    pub unpadded: bool,
}

/// Rules for the last window of a row.
#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    Floor,
    /// A window may hang over the edge if it starts on the map (or on the padding before it).
    Ceil,
}

/// The walk of a window over a map with these `sides`. Convolutions give the window's sides by their `weight`.
pub fn walk(op: &Operation, sides: &[usize], weight: Option<&[usize]>) -> Result<Walk, Problem> {
    let axes = sides.len();
    let kernel = match weight {
        Some(weight) => weight.to_vec(),
        None => positive(op, "kernel_shape", axes)?.ok_or_else(|| op.wrong("no kernel_shape"))?,
    };
    if kernel.len() != axes {
        return Err(op.wrong(format!("a window of {} axes over {axes}", kernel.len())));
    }
    let stride = positive(op, "strides", axes)?.unwrap_or_else(|| vec![1; axes]);
    let dilation = positive(op, "dilations", axes)?.unwrap_or_else(|| vec![1; axes]);
    let pads = pads(op, axes)?;
    let rounding = if op.int("ceil_mode", 0) == 1 { Rounding::Ceil } else { Rounding::Floor };
    let mut out = Vec::with_capacity(axes);
    let mut unpadded = true;
    for axis in 0..axes {
        let (side, k, s, d) = (sides[axis], kernel[axis], stride[axis], dilation[axis]);
        let reach = (k.max(1) - 1).saturating_mul(d) + 1;
        let size = match op.text("auto_pad") {
            "SAME_UPPER" | "SAME_LOWER" => side.div_ceil(s),
            "VALID" => reached(side as i64, reach, s, Rounding::Floor, side as i64),
            _ => {
                let (before, after) = pads[axis];
                reached(side as i64 + before + after, reach, s, rounding, side as i64 + before)
            }
        };
        if size == 0 {
            return Err(op.wrong(format!("a window of {reach} on a side of {side}")));
        }
        unpadded &= (size - 1) * s + reach <= side;
        out.push(size);
    }
    Ok(Walk { kernel, stride, dilation, out, unpadded })
}

/// Places of a window that reaches over `reach` on a padded side; the last one begins before `begin`.
fn reached(padded: i64, reach: usize, stride: usize, rounding: Rounding, begin: i64) -> usize {
    let (room, stride) = (padded - reach as i64, stride as i64);
    let places = match rounding {
        _ if room < 0 && rounding == Rounding::Floor => 0,
        Rounding::Floor => room / stride + 1,
        Rounding::Ceil => {
            let places = (room + stride - 1).div_euclid(stride) + 1;
            if (places - 1) * stride >= begin { places - 1 } else { places }
        }
    };
    usize::try_from(places).unwrap_or(0)
}

/// Output sides of a transposed convolution.
pub fn transposed(op: &Operation, sides: &[usize], kernel: &[usize]) -> Result<Walk, Problem> {
    let axes = sides.len();
    if kernel.len() != axes {
        return Err(op.wrong(format!("a window of {} axes over {axes}", kernel.len())));
    }
    let stride = positive(op, "strides", axes)?.unwrap_or_else(|| vec![1; axes]);
    let dilation = positive(op, "dilations", axes)?.unwrap_or_else(|| vec![1; axes]);
    let extra = op.ints("output_padding").unwrap_or_default();
    let pads = pads(op, axes)?;
    let mut out = Vec::with_capacity(axes);
    for axis in 0..axes {
        let asked =
            op.ints("output_shape").and_then(|shape| shape.get(shape.len().checked_sub(axes)? + axis));
        let whole = stride[axis] * (sides[axis].max(1) - 1) + (kernel[axis].max(1) - 1) * dilation[axis] + 1;
        let size = match (asked, op.text("auto_pad")) {
            (Some(&asked), _) => asked,
            (None, "SAME_UPPER" | "SAME_LOWER") => (sides[axis] * stride[axis]) as i64,
            (None, "VALID") => whole as i64 + extra.get(axis).copied().unwrap_or(0),
            (None, _) => {
                let (before, after) = pads[axis];
                whole as i64 + extra.get(axis).copied().unwrap_or(0) - before - after
            }
        };
        let size = usize::try_from(size).ok().filter(|&size| size > 0);
        out.push(size.ok_or_else(|| op.wrong("an empty output"))?);
    }
    Ok(Walk { kernel: kernel.to_vec(), stride, dilation, out, unpadded: true })
}

/// Padding before and after each axis.
fn pads(op: &Operation, axes: usize) -> Result<Vec<(i64, i64)>, Problem> {
    match op.ints("pads") {
        None | Some([]) => Ok(vec![(0, 0); axes]),
        Some(list) if list.len() == 2 * axes && list.iter().all(|pad| (-LARGEST..=LARGEST).contains(pad)) => {
            Ok((0..axes).map(|axis| (list[axis], list[axes + axis])).collect())
        }
        Some(list) => Err(op.wrong(format!("pads {list:?} for {axes} axes"))),
    }
}

fn positive(op: &Operation, name: &str, axes: usize) -> Result<Option<Dims>, Problem> {
    let Some(list) = op.ints(name).filter(|list| !list.is_empty()) else { return Ok(None) };
    let sizes: Option<Dims> =
        list.iter().map(|&n| usize::try_from(n).ok().filter(|_| (1..=LARGEST).contains(&n))).collect();
    match sizes.filter(|sizes| sizes.len() == axes) {
        Some(sizes) => Ok(Some(sizes)),
        None => Err(op.wrong(format!("{name} {list:?} for {axes} axes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_by_hand() {
        let floor = |side, k, s| reached(side, k, s, Rounding::Floor, side);
        let ceil =
            |side: i64, before: i64, k, s| reached(side + 2 * before, k, s, Rounding::Ceil, side + before);
        // AlexNet: 224 + 2·2 under 11 by 4; then 55 under 3 by 2.
        assert_eq!((floor(228, 11, 4), floor(55, 3, 2), floor(15, 2, 2)), (55, 27, 7));
        assert_eq!((ceil(16, 0, 3, 2), ceil(15, 0, 2, 2)), (8, 8));
        // The fourth window of 9 + 2 pixels would begin behind the map.
        assert_eq!((ceil(9, 1, 2, 4), floor(3, 5, 1)), (3, 0));
    }
}
