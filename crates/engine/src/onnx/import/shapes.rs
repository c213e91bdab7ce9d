//! Shape functions: the shapes that an operator gives, from those of its operands.
//!
//! What an operator needs to know of the elements (the target of a Reshape, the bounds of a Slice) must
//! have been computed by then; see `fold`. Nothing is guessed: an operator without a rule, and one whose
//! output depends on the image, end in a [`Problem`].

use super::operation::{Dims, Operation, Problem};
use super::products::{self, Einsum, broadcast};
use super::windows;

type Shapes = Result<Vec<Dims>, Problem>;

/// The shapes of all outputs.
pub fn infer(op: &Operation) -> Shapes {
    match op.kind() {
        // One operand decides.
        "Identity"
        | "Relu"
        | "LeakyRelu"
        | "PRelu"
        | "Elu"
        | "Selu"
        | "Celu"
        | "Gelu"
        | "Mish"
        | "Erf"
        | "Sigmoid"
        | "HardSigmoid"
        | "HardSwish"
        | "Swish"
        | "Tanh"
        | "Softplus"
        | "Softsign"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Abs"
        | "Neg"
        | "Reciprocal"
        | "Floor"
        | "Ceil"
        | "Round"
        | "Sign"
        | "Sin"
        | "Cos"
        | "Tan"
        | "Asin"
        | "Acos"
        | "Atan"
        | "Sinh"
        | "Cosh"
        | "Asinh"
        | "Acosh"
        | "Atanh"
        | "Not"
        | "BitwiseNot"
        | "IsNaN"
        | "IsInf"
        | "ThresholdedRelu"
        | "Shrink"
        | "Cast"
        | "CastLike"
        | "Clip"
        | "Softmax"
        | "LogSoftmax"
        | "Hardmax"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "GroupNorm"
        | "RMSNormalization"
        | "SimplifiedLayerNormalization"
        | "LRN"
        | "CumSum"
        | "Trilu"
        | "QuantizeLinear"
        | "DequantizeLinear"
        | "ReverseSequence"
        | "ScatterElements"
        | "ScatterND"
        | "Scatter"
        | "RotaryEmbedding"
        | "Bernoulli"
        | "RandomNormalLike"
        | "RandomUniformLike"
        | "EyeLike"
        | "Binarizer"
        | "BiasGelu"
        | "FastGelu"
        | "QuickGelu"
        | "QLinearSigmoid"
        | "QLinearLeakyRelu"
        | "QLinearSoftmax"
        | "ImageScaler"
        | "ParametricSoftplus"
        | "ScaledTanh"
        | "InstanceNormalizationV2"
        | "Normalizer"
        | "Affine" => same(op, 1),
        "BatchNormalization" => {
            let channel = vec![op.dims(1)?.first().copied().unwrap_or(1)];
            let mut shapes = same(op, 1)?;
            shapes.resize(op.node.output.len().max(1), channel);
            Ok(shapes)
        }
        "Dropout" => same(op, 2),
        "LayerNormalization" => {
            let mut means = op.dims(0)?.to_vec();
            let axis = op.axis(op.int("axis", -1), means.len())?;
            means[axis..].fill(1);
            let mut shapes = same(op, 1)?;
            shapes.resize(3, means);
            Ok(shapes)
        }
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => same(op, 4),
        "DynamicQuantizeLinear" => Ok(vec![op.dims(0)?.to_vec(), vec![], vec![]]),
        // All operands together.
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "And" | "Or" | "Xor" | "Equal" | "Greater"
        | "Less" | "GreaterOrEqual" | "LessOrEqual" | "BitShift" | "BitwiseAnd" | "BitwiseOr"
        | "BitwiseXor" => together(op, &[0, 1]),
        "Where" => together(op, &[0, 1, 2]),
        "Min" | "Max" | "Sum" | "Mean" => together(op, &(0..op.inputs.len()).collect::<Vec<_>>()),
        "QLinearAdd" | "QLinearMul" => together(op, &[0, 3]),
        // Windows.
        "Conv" | "ConvInteger" | "FusedConv" => conv(op, 1),
        "QLinearConv" if op.int("channels_last", 0) == 0 => conv(op, 3),
        "DeformConv" => conv(op, 1),
        "ConvTranspose" => conv_transposed(op),
        "MaxPool" | "AveragePool" | "LpPool" => pool(op, 2),
        "QLinearAveragePool" if op.int("channels_last", 0) == 0 => pool(op, 1),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => global(op),
        "QLinearGlobalAveragePool" if op.int("channels_last", 0) == 0 => global(op),
        "MaxUnpool" => unpool(op),
        "MaxRoiPool" | "RoiAlign" => regions(op),
        // Products.
        kind if products::operands(kind).is_some() => Ok(vec![products::of(op)?.out]),
        "Einsum" => Ok(vec![Einsum::of(op)?.dims()]),
        "LSTM" | "GRU" | "RNN" | "DynamicQuantizeLSTM" => recurrent(op),
        "Attention" | "MultiHeadAttention" | "QAttention" => attention(op),
        // Reductions.
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => reduced(op),
        "ArgMax" | "ArgMin" => {
            let dims = op.dims(0)?;
            let axis = op.axis(op.int("axis", 0), dims.len())?;
            Ok(vec![without(dims, &[axis], op.int("keepdims", 1) == 1)])
        }
        "TopK" => top(op),
        // The same elements elsewhere.
        "Reshape" => reshaped(op),
        "Flatten" => {
            let dims = op.dims(0)?;
            let axis = op.int("axis", 1);
            let at = if axis == dims.len() as i64 { dims.len() } else { op.axis(axis, dims.len().max(1))? };
            Ok(vec![vec![
                dims[..at.min(dims.len())].iter().product(),
                dims[at.min(dims.len())..].iter().product(),
            ]])
        }
        "Squeeze" => squeezed(op),
        "Unsqueeze" => unsqueezed(op),
        "Transpose" => Ok(vec![
            permutation(op)?.into_iter().map(|axis| Ok(op.dims(0)?[axis])).collect::<Result<_, _>>()?,
        ]),
        "Expand" => {
            let target = sizes(op, op.integers(1)?.unwrap_or_default())?;
            let dims = op.dims(0)?;
            let shape =
                broadcast(dims, &target).ok_or_else(|| op.wrong(format!("{dims:?} to {target:?}")))?;
            Ok(vec![shape])
        }
        "Tile" => {
            let repeats = sizes(op, op.integers(1)?.unwrap_or_default())?;
            Ok(vec![op.dims(0)?.iter().zip(repeats).map(|(dim, n)| dim.saturating_mul(n)).collect()])
        }
        "Concat" => joined(op, &(0..op.inputs.len()).collect::<Vec<_>>()),
        // Scale and zero point of the output, then three operands for each part.
        "QLinearConcat" => joined(op, &(2..op.inputs.len()).step_by(3).collect::<Vec<_>>()),
        "Split" => Ok(split(op)?),
        "Slice" => {
            let (dims, cuts) = (op.dims(0)?, cuts(op)?);
            Ok(vec![dims.iter().zip(&cuts).map(|(_, cut)| cut.count).collect()])
        }
        "Pad" => padded(op),
        "Gather" => {
            let (dims, indices) = (op.dims(0)?, op.dims(1)?);
            let axis = op.axis(op.int("axis", 0), dims.len())?;
            Ok(vec![[&dims[..axis], indices, &dims[axis + 1..]].concat()])
        }
        "GatherElements" => Ok(vec![op.dims(1)?.to_vec()]),
        "GatherND" => {
            let (dims, indices) = (op.dims(0)?, op.dims(1)?);
            let shared = usize::try_from(op.int("batch_dims", 0)).unwrap_or(0);
            let Some((&depth, outer)) = indices.split_last() else { return Err(op.wrong("scalar indices")) };
            let rest = dims.get(shared + depth..).ok_or_else(|| op.wrong(format!("{depth} indices")))?;
            Ok(vec![[outer, rest].concat()])
        }
        "SpaceToDepth" | "DepthToSpace" => blocks(op),
        "Resize" | "Upsample" => resized(op),
        "GridSample" => {
            let (dims, grid) = (op.dims(0)?, op.dims(1)?);
            let sides = grid.get(1..grid.len().saturating_sub(1)).unwrap_or_default();
            Ok(vec![[dims.get(..2).unwrap_or_default(), sides].concat()])
        }
        "AffineGrid" => {
            let size = sizes(op, op.integers(1)?.unwrap_or_default())?;
            let axes = size.len().saturating_sub(2);
            Ok(vec![[&size[..1.min(size.len())], size.get(2..).unwrap_or_default(), &[axes]].concat()])
        }
        "Col2Im" => {
            let (dims, sides) = (op.dims(0)?, sizes(op, op.integers(1)?.unwrap_or_default())?);
            let taps: usize = sizes(op, op.integers(2)?.unwrap_or_default())?
                .iter()
                .fold(1, |n, &tap| n.saturating_mul(tap));
            let channels = dims.get(1).copied().unwrap_or(1) / taps.max(1);
            Ok(vec![[&[dims.first().copied().unwrap_or(1), channels], &sides[..]].concat()])
        }
        "CenterCropPad" => {
            let target = sizes(op, op.integers(1)?.unwrap_or_default())?;
            let mut dims = op.dims(0)?.to_vec();
            let all: Vec<i64> = (0..dims.len() as i64).collect();
            let axes = op.axes(op.ints("axes").unwrap_or(&all), dims.len())?;
            axes.into_iter().zip(target).for_each(|(axis, side)| dims[axis] = side);
            Ok(vec![dims])
        }
        // Made from sizes.
        "Shape" => Ok(vec![vec![shape_range(op)?.len()]]),
        "Size" => Ok(vec![vec![]]),
        "ConstantOfShape" => Ok(vec![sizes(op, op.integers(0)?.unwrap_or_default())?]),
        "RandomNormal" | "RandomUniform" => {
            Ok(vec![sizes(op, op.ints("shape").unwrap_or_default().to_vec())?])
        }
        "Range" => match [0, 1, 2].map(|at| op.input(at).and_then(|value| value.scalar())) {
            [Some(start), Some(limit), Some(step)] if step != 0.0 => {
                Ok(vec![vec![((limit - start) / step).ceil().max(0.0) as usize]])
            }
            _ => Err(Problem::Data("Range".into())),
        },
        "OneHot" => {
            let mut dims = op.dims(0)?.to_vec();
            let Some(depth) = op.input(1).and_then(|value| value.scalar()) else {
                return Err(Problem::Data("OneHot".into()));
            };
            let axis = op.axis(op.int("axis", -1), dims.len() + 1)?;
            dims.insert(axis, depth.max(0.0) as usize);
            Ok(vec![dims])
        }
        "NonZero" => match op.input(0).and_then(|value| Some((value.dims()?.len(), value.data.as_ref()?))) {
            Some((rank, data)) => Ok(vec![vec![rank, data.iter().filter(|&&x| x != 0.0).count()]]),
            None => Err(data_of(op)),
        },
        "NonMaxSuppression" | "Unique" | "Compress" | "Loop" | "Scan" | "If" | "StringNormalizer"
        | "Multinomial" | "SequenceMap" | "ImageDecoder" => Err(data_of(op)),
        _ => Err(Problem::NoRule),
    }
}

/// The output depends on what the operator computes, or on what one before it did.
fn data_of(op: &Operation) -> Problem {
    let earlier = op.inputs.iter().flatten().find_map(|value| value.dims.as_ref().err());
    Problem::Data(earlier.cloned().unwrap_or_else(|| op.kind().to_owned()))
}

/// The shape of the first operand, for so many outputs.
fn same(op: &Operation, outputs: usize) -> Shapes {
    Ok(vec![op.dims(0)?.to_vec(); outputs])
}

fn together(op: &Operation, operands: &[usize]) -> Shapes {
    let mut shape = Dims::new();
    for &at in operands {
        // Before version 7 the second operand began at an axis.
        let dims = op.dims(at)?;
        let first = op.int("axis", 0);
        if at == 1 && op.int("broadcast", 0) == 1 && first >= 0 && op.attribute("axis").is_some() {
            continue;
        }
        shape = broadcast(&shape, dims).ok_or_else(|| op.wrong(format!("{shape:?} with {dims:?}")))?;
    }
    Ok(vec![shape])
}

fn sizes(op: &Operation, list: Vec<i64>) -> Result<Dims, Problem> {
    let sizes: Option<Dims> = list.iter().map(|&n| usize::try_from(n).ok()).collect();
    sizes.ok_or_else(|| op.wrong(format!("sizes {list:?}")))
}

/// `dims` without `axes`, or with 1 in their place.
fn without(dims: &[usize], axes: &[usize], keep: bool) -> Dims {
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

fn conv(op: &Operation, weight: usize) -> Shapes {
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

fn conv_transposed(op: &Operation) -> Shapes {
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

fn pool(op: &Operation, outputs: usize) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    let walk = windows::walk(op, sides, None)?;
    Ok(vec![[&[batch, channels], &walk.out[..]].concat(); outputs])
}

fn global(op: &Operation) -> Shapes {
    let (batch, channels, sides) = map(op, 0)?;
    Ok(vec![[&[batch, channels], &vec![1; sides.len()][..]].concat()])
}

fn unpool(op: &Operation) -> Shapes {
    if let Some(shape) = op.integers(2)? {
        return Ok(vec![sizes(op, shape)?]);
    }
    let (batch, channels, sides) = map(op, 0)?;
    let kernel = sizes(op, op.ints("kernel_shape").unwrap_or_default().to_vec())?;
    let walk = windows::transposed(op, sides, &kernel)?;
    Ok(vec![[&[batch, channels], &walk.out[..]].concat()])
}

fn regions(op: &Operation) -> Shapes {
    let (_, channels, _) = map(op, 0)?;
    let count = op.dims(1)?.first().copied().unwrap_or(1);
    let sides = match op.ints("pooled_shape") {
        Some(sides) => sides.to_vec(),
        None => vec![op.int("output_height", 1), op.int("output_width", 1)],
    };
    Ok(vec![[&[count, channels], &sizes(op, sides)?[..]].concat()])
}

fn recurrent(op: &Operation) -> Shapes {
    let [first, second, _] = op.dims(0)? else { return Err(op.wrong("no sequence")) };
    let directions = op.dims(1)?.first().copied().unwrap_or(1);
    let hidden = usize::try_from(op.int("hidden_size", 0)).unwrap_or(0);
    let (sequence, batch) = (*first, *second);
    Ok(if op.int("layout", 0) == 1 {
        let (batch, sequence) = (sequence, batch);
        let last = vec![batch, directions, hidden];
        vec![vec![batch, sequence, directions, hidden], last.clone(), last]
    } else {
        let last = vec![directions, batch, hidden];
        vec![vec![sequence, directions, batch, hidden], last.clone(), last]
    })
}

fn attention(op: &Operation) -> Shapes {
    let query = op.dims(0)?;
    match (op.kind(), query.len()) {
        // Query, key and value come as one product with the weights.
        ("Attention" | "QAttention", 3) if op.node.domain == "com.microsoft" => {
            let width = op.dims(1)?.last().copied().unwrap_or(0) / 3;
            Ok(vec![vec![query[0], query[1], width]])
        }
        ("MultiHeadAttention", 3) => Ok(vec![query.to_vec()]),
        ("Attention", 4) => {
            let value = op.dims(2)?;
            Ok(vec![vec![query[0], query[1], query[2], value.last().copied().unwrap_or(0)]])
        }
        ("Attention", 3) => {
            let heads = usize::try_from(op.int("q_num_heads", 1)).unwrap_or(1).max(1);
            let of_value = usize::try_from(op.int("kv_num_heads", 1)).unwrap_or(1).max(1);
            let value = op.dims(2)?.last().copied().unwrap_or(0);
            Ok(vec![vec![query[0], query[1], heads.saturating_mul(value / of_value)]])
        }
        _ => Err(Problem::NoRule),
    }
}

/// The axes of a reduction; all of them where none are named, unless the operator says that this means none.
pub fn reduced_axes(op: &Operation) -> Result<Vec<usize>, Problem> {
    let rank = op.rank(0)?;
    let axes = op.list("axes", 1)?.unwrap_or_default();
    if axes.is_empty() {
        let none = op.int("noop_with_empty_axes", 0) == 1;
        return Ok(if none { Vec::new() } else { (0..rank).collect() });
    }
    op.axes(&axes, rank)
}

fn reduced(op: &Operation) -> Shapes {
    Ok(vec![without(op.dims(0)?, &reduced_axes(op)?, op.int("keepdims", 1) == 1)])
}

fn top(op: &Operation) -> Shapes {
    let mut dims = op.dims(0)?.to_vec();
    let axis = op.axis(op.int("axis", -1), dims.len())?;
    let count = match op.attribute("k") {
        Some(attribute) => attribute.i,
        None => op.integers(1)?.and_then(|list| list.first().copied()).unwrap_or(0),
    };
    dims[axis] = usize::try_from(count).unwrap_or(0);
    Ok(vec![dims; 2])
}

fn reshaped(op: &Operation) -> Shapes {
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

fn squeezed(op: &Operation) -> Shapes {
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

fn unsqueezed(op: &Operation) -> Shapes {
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

fn joined(op: &Operation, parts: &[usize]) -> Shapes {
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

fn split(op: &Operation) -> Shapes {
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

fn padded(op: &Operation) -> Shapes {
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

fn blocks(op: &Operation) -> Shapes {
    let &[batch, channels, h, w] = op.dims(0)? else { return Err(op.wrong("no map")) };
    let block = usize::try_from(op.int("blocksize", 1)).unwrap_or(1).max(1);
    let area = block.saturating_mul(block);
    let shape = match op.kind() {
        "SpaceToDepth" => vec![batch, channels.saturating_mul(area), h / block, w / block],
        _ => vec![batch, channels / area, h.saturating_mul(block), w.saturating_mul(block)],
    };
    Ok(vec![shape])
}

fn resized(op: &Operation) -> Shapes {
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

/// The part of the shape that a Shape operator gives.
pub fn shape_range(op: &Operation) -> Result<std::ops::Range<usize>, Problem> {
    let rank = op.rank(0)? as i64;
    let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(op.int("start", 0)), place(op.int("end", rank)));
    Ok(start..end.max(start))
}
