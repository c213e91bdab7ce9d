//! Elements of small constants, computed as the network would: arithmetic over shapes above all.

use super::operation::Operation;
use super::shapes;
use super::value::{Value, is_kept};

/// The elements of the outputs of shapes `out`, where they are small and known; `None` for the others.
pub fn outputs(op: &Operation, out: &[Vec<usize>]) -> Vec<Option<Vec<f64>>> {
    if !out.iter().any(|dims| is_kept(dims)) {
        return vec![None; out.len()];
    }
    if op.kind() == "Split" {
        return parts(op, out).unwrap_or_else(|| vec![None; out.len()]);
    }
    let mut all = vec![None; out.len()];
    if let (Some(first), Some(dims)) = (all.first_mut(), out.first()) {
        *first = if is_kept(dims) { elements(op, dims) } else { None };
    }
    all
}

fn elements(op: &Operation, out: &[usize]) -> Option<Vec<f64>> {
    let data = |at: usize| op.input(at).and_then(|value| value.data.as_deref());
    let dims = |at: usize| op.input(at).and_then(Value::dims);
    let each = |of: fn(f64) -> f64| Some(data(0)?.iter().map(|&x| of(x)).collect());
    let truth = |holds: bool| f64::from(u8::from(holds));
    let whole = op.input(0).is_some_and(|value| value.whole);
    match op.kind() {
        "Shape" => Some(dims(0)?[shapes::shape_range(op).ok()?].iter().map(|&dim| dim as f64).collect()),
        "Size" => Some(vec![dims(0)?.iter().product::<usize>() as f64]),
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Dropout" => Some(data(0)?.to_vec()),
        "Cast" | "CastLike" => {
            let to_whole = match op.kind() {
                "Cast" => super::value::is_whole(op.int("to", 1) as i32),
                _ => op.input(1)?.whole,
            };
            let truths = op.int("to", 0) == 9;
            let cast = |&x: &f64| match (truths, to_whole) {
                (true, _) => truth(x != 0.0),
                (false, true) => x.trunc(),
                (false, false) => x,
            };
            Some(data(0)?.iter().map(cast).collect())
        }
        "Neg" => each(|x| -x),
        "Abs" => each(f64::abs),
        "Floor" => each(f64::floor),
        "Ceil" => each(f64::ceil),
        "Round" => each(f64::round_ties_even),
        "Sqrt" => each(f64::sqrt),
        "Exp" => each(f64::exp),
        "Log" => each(f64::ln),
        "Sign" => each(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "Reciprocal" => each(f64::recip),
        "Relu" => each(|x| x.max(0.0)),
        "Not" => each(|x| f64::from(u8::from(x == 0.0))),
        "Add" => pairs(op, out, |a, b| a + b),
        "Sub" => pairs(op, out, |a, b| a - b),
        "Mul" => pairs(op, out, |a, b| a * b),
        "Div" if whole && data(1)?.contains(&0.0) => None,
        "Div" => pairs(op, out, if whole { |a, b| (a / b).trunc() } else { |a, b| a / b }),
        "Pow" => pairs(op, out, f64::powf),
        "Mod" if data(1)?.contains(&0.0) => None,
        "Mod" if op.int("fmod", 0) == 1 => pairs(op, out, |a, b| a % b),
        "Mod" => pairs(op, out, |a, b| a - b * (a / b).floor()),
        "And" => pairs(op, out, |a, b| f64::from(u8::from(a != 0.0 && b != 0.0))),
        "Or" => pairs(op, out, |a, b| f64::from(u8::from(a != 0.0 || b != 0.0))),
        "Xor" => pairs(op, out, |a, b| f64::from(u8::from((a != 0.0) != (b != 0.0)))),
        "Equal" => pairs(op, out, |a, b| f64::from(u8::from(a == b))),
        "Greater" => pairs(op, out, |a, b| f64::from(u8::from(a > b))),
        "Less" => pairs(op, out, |a, b| f64::from(u8::from(a < b))),
        "GreaterOrEqual" => pairs(op, out, |a, b| f64::from(u8::from(a >= b))),
        "LessOrEqual" => pairs(op, out, |a, b| f64::from(u8::from(a <= b))),
        "Min" => folded(op, out, f64::min),
        "Max" => folded(op, out, f64::max),
        "Sum" => folded(op, out, |a, b| a + b),
        "Where" => {
            let [which, yes, no] = [spread(op, 0, out)?, spread(op, 1, out)?, spread(op, 2, out)?];
            let pick = |((&which, &yes), &no): ((&f64, &f64), &f64)| if which == 0.0 { no } else { yes };
            Some(which.iter().zip(&yes).zip(&no).map(pick).collect())
        }
        "Clip" => {
            let bound = |at: usize, name: &str| match op.input(at) {
                Some(value) => value.scalar().map(Some),
                None => Some(op.float(name)),
            };
            let (low, high) = (bound(1, "min")?, bound(2, "max")?);
            let clip = |&x: &f64| x.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY));
            Some(data(0)?.iter().map(clip).collect())
        }
        "Expand" => spread(op, 0, out),
        "ConstantOfShape" => {
            let value = match op.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
                Some(tensor) => super::value::of_tensor(tensor).scalar()?,
                None => 0.0,
            };
            Some(vec![value; out.iter().product()])
        }
        "Range" => {
            let (start, step) = (op.input(0)?.scalar()?, op.input(2)?.scalar()?);
            Some((0..out[0]).map(|i| start + i as f64 * step).collect())
        }
        "Concat" => {
            let axis = op.axis(op.int("axis", 1), out.len()).ok()?;
            let outer: usize = out[..axis].iter().product();
            let mut all = Vec::new();
            if outer.saturating_mul(op.inputs.len()) > 1 << 16 {
                return None;
            }
            for row in 0..outer {
                for at in 0..op.inputs.len() {
                    let (data, size) = (data(at)?, dims(at)?[axis..].iter().product::<usize>());
                    all.extend_from_slice(data.get(row * size..(row + 1) * size)?);
                }
            }
            Some(all)
        }
        "Gather" => {
            let (data, from, indices) = (data(0)?, dims(0)?, op.input(1)?.integers()?);
            let axis = op.axis(op.int("axis", 0), from.len()).ok()?;
            let inner: usize = from[axis + 1..].iter().product();
            let outer: usize = from[..axis].iter().product();
            let mut all = Vec::new();
            for row in 0..outer {
                for &index in &indices {
                    let index =
                        usize::try_from(if index < 0 { index + from[axis] as i64 } else { index }).ok()?;
                    let start = (row * from[axis] + index) * inner;
                    all.extend_from_slice(data.get(start..start + inner)?);
                }
            }
            Some(all)
        }
        "Slice" => {
            let cuts = shapes::cuts(op).ok()?;
            let (data, from) = (data(0)?, dims(0)?);
            let place = |index: &[usize]| -> Vec<Option<usize>> {
                let of =
                    |(&i, cut): (&usize, &shapes::Cut)| usize::try_from(cut.start + i as i64 * cut.step).ok();
                index.iter().zip(&cuts).map(of).collect()
            };
            indices(out).map(|index| element(data, from, place(&index))).collect()
        }
        "Transpose" => {
            let (data, from, axes) = (data(0)?, dims(0)?, shapes::permutation(op).ok()?);
            let back = |index: &[usize]| -> Vec<Option<usize>> {
                let mut source = vec![Some(0); index.len()];
                axes.iter().zip(index).for_each(|(&axis, &i)| source[axis] = Some(i));
                source
            };
            indices(out).map(|index| element(data, from, back(&index))).collect()
        }
        "Tile" => {
            let (data, from) = (data(0)?, dims(0)?);
            let back = |index: &[usize]| -> Vec<Option<usize>> {
                index.iter().zip(from).map(|(&i, &dim)| i.checked_rem(dim)).collect()
            };
            indices(out).map(|index| element(data, from, back(&index))).collect()
        }
        "NonZero" => {
            let (data, from) = (data(0)?, dims(0)?);
            let found: Vec<Vec<usize>> =
                indices(from).zip(data).filter(|(_, x)| **x != 0.0).map(|(index, _)| index).collect();
            Some((0..from.len()).flat_map(|axis| found.iter().map(move |index| index[axis] as f64)).collect())
        }
        "ReduceProd" => reduced(op, out, 1.0, |a, b| a * b),
        "ReduceSum" => reduced(op, out, 0.0, |a, b| a + b),
        "ReduceMax" => reduced(op, out, f64::NEG_INFINITY, f64::max),
        "ReduceMin" => reduced(op, out, f64::INFINITY, f64::min),
        "CumSum" if out.len() == 1 && op.int("reverse", 0) == 0 && op.int("exclusive", 0) == 0 => {
            let mut sum = 0.0;
            let add = |&x: &f64| {
                sum += x;
                sum
            };
            Some(data(0)?.iter().map(add).collect())
        }
        "ScatterND" | "ScatterElements" if out.len() == 1 => {
            let mut all = data(0)?.to_vec();
            for (index, &value) in op.input(1)?.integers()?.into_iter().zip(data(2)?) {
                let index = usize::try_from(if index < 0 { index + out[0] as i64 } else { index }).ok()?;
                *all.get_mut(index)? = value;
            }
            Some(all)
        }
        _ => None,
    }
}

fn parts(op: &Operation, out: &[Vec<usize>]) -> Option<Vec<Option<Vec<f64>>>> {
    let value = op.input(0)?;
    let (data, from) = (value.data.as_deref()?, value.dims()?);
    let axis = op.axis(op.int("axis", 0), from.len()).ok()?;
    let mut start = 0;
    let mut all = Vec::new();
    for part in out {
        let of = |index: Vec<usize>| {
            element(
                data,
                from,
                index.iter().enumerate().map(|(at, &i)| Some(if at == axis { i + start } else { i })),
            )
        };
        all.push(indices(part).map(of).collect::<Option<Vec<f64>>>());
        start += part.get(axis)?;
    }
    Some(all)
}

/// All indices of a tensor of this shape, in the order of its elements.
fn indices(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let total: usize = dims.iter().product();
    (0..total).map(move |mut flat| {
        let mut index = vec![0; dims.len()];
        for (place, &dim) in index.iter_mut().zip(dims).rev() {
            *place = flat % dim;
            flat /= dim;
        }
        index
    })
}

fn element(data: &[f64], dims: &[usize], index: impl IntoIterator<Item = Option<usize>>) -> Option<f64> {
    let mut flat = 0;
    for (&dim, place) in dims.iter().zip(index) {
        flat = flat * dim + place.filter(|&place| place < dim)?;
    }
    data.get(flat).copied()
}

/// Operand `at` as large as the output.
fn spread(op: &Operation, at: usize, out: &[usize]) -> Option<Vec<f64>> {
    let value = op.input(at)?;
    let (data, dims) = (value.data.as_deref()?, value.dims()?);
    if dims == out {
        return Some(data.to_vec());
    }
    if let [value] = data {
        return Some(vec![*value; out.iter().product()]);
    }
    let missing = out.len().checked_sub(dims.len())?;
    let back = |index: &[usize]| -> Vec<Option<usize>> {
        index[missing..].iter().zip(dims).map(|(&i, &dim)| Some(if dim == 1 { 0 } else { i })).collect()
    };
    indices(out).map(|index| element(data, dims, back(&index))).collect()
}

fn pairs(op: &Operation, out: &[usize], of: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    let (a, b) = (spread(op, 0, out)?, spread(op, 1, out)?);
    Some(a.iter().zip(&b).map(|(&a, &b)| of(a, b)).collect())
}

fn folded(op: &Operation, out: &[usize], of: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    let mut all = spread(op, 0, out)?;
    for at in 1..op.inputs.len() {
        all.iter_mut().zip(spread(op, at, out)?).for_each(|(a, b)| *a = of(*a, b));
    }
    Some(all)
}

fn reduced(op: &Operation, out: &[usize], start: f64, of: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    let value = op.input(0)?;
    let (data, from) = (value.data.as_deref()?, value.dims()?);
    let axes = shapes::reduced_axes(op).ok()?;
    let kept: Vec<usize> = (0..from.len()).filter(|axis| !axes.contains(axis)).collect();
    let mut all = vec![start; out.iter().product()];
    for (index, &x) in indices(from).zip(data) {
        let flat = kept.iter().fold(0, |flat, &axis| flat * from[axis] + index[axis]);
        let place = all.get_mut(flat)?;
        *place = of(*place, x);
    }
    Some(all)
}
