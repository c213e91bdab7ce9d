//! Shape functions: the shapes that an operator gives, from those of its operands.
//!
//! What an operator needs to know of the elements (the target of a Reshape, the bounds of a Slice) must
//! have been computed by then; see `fold`. Nothing is guessed: an operator without a rule, and one whose
//! output depends on the image, end in a [`Problem`].

mod maps;
mod moved;
mod sizes;

pub use moved::{Cut, cuts, permutation};

use super::operation::{Dims, Operation, Problem};
use super::products::{self, Einsum, broadcast};
use maps::{conv, conv_transposed, global, pool, regions, unpool};
use moved::{blocks, joined, padded, reshaped, resized, split, squeezed, unsqueezed};
use sizes::{Shapes, data_of, sizes, without};

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

/// The part of the shape that a Shape operator gives.
pub fn shape_range(op: &Operation) -> Result<std::ops::Range<usize>, Problem> {
    let rank = op.rank(0)? as i64;
    let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(op.int("start", 0)), place(op.int("end", rank)));
    Ok(start..end.max(start))
}
