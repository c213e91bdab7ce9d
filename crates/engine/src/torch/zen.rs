//! The exact Zen-Score in libtorch: the same random numbers as the native engine's, so the same scores.

use super::ops::{self, Walk};
use super::unscored::Unscored;
use edgezen_core::plainnet::graph::BN_EPS;
use edgezen_core::plainnet::graph::Op;
use edgezen_core::plainnet::{Graph, Network};
use edgezen_core::proxy::exact;
use edgezen_core::proxy::exact::forward::{BnVariance, ForwardError, weighted};
use edgezen_core::proxy::exact::kernel::BLOCK;
use edgezen_core::proxy::exact::real::Real;
use edgezen_core::proxy::exact::source;
use edgezen_core::proxy::exact::source::Source;
use edgezen_core::proxy::exact::{Exact, ExactError, Sample, Settings};
use tch::{Device, Kind, TchError, Tensor};

/// A scalar that libtorch computes with as well.
pub trait Element: Real + tch::kind::Element {}

impl Element for f32 {}
impl Element for f64 {}

/// Scores `network` at `place` in precision `T`, as [`exact::score`] does.
///
/// # Errors
/// As [`exact::score`], and what libtorch reports.
pub fn score<T: Element>(
    place: Device,
    network: &Network,
    resolution: u32,
    settings: &Settings,
) -> Result<Exact, ExactError> {
    let _guard = tch::no_grad_guard();
    exact::score_by::<T>(network, resolution, settings, &mut |graph, source| {
        Ok(sample(place, graph, source, settings)?)
    })
}

/// The first GPU, if libtorch sees one. Scores are computed on it unless the caller says otherwise.
pub fn gpu() -> Option<Device> {
    tch::Cuda::is_available().then_some(Device::Cuda(0))
}

/// All weights of a graph, in the order of its walk, where libtorch computes.
pub(super) fn weights<T: Element>(
    place: Device,
    graph: &Graph,
    source: &dyn Source<T>,
) -> Result<Vec<Tensor>, TchError> {
    let mut out = Vec::new();
    for (index, conv) in weighted(graph).iter().enumerate() {
        let rows = conv.output.c as usize;
        let fan_in = conv.weights() / rows;
        let mut values = vec![T::default(); rows * fan_in];
        // The source draws blocks of output channels of one group, interleaved.
        let mut block = vec![T::default(); BLOCK * fan_in];
        let of_group = rows / conv.groups;
        for (group, values) in values.chunks_mut(of_group * fan_in).enumerate() {
            for (number, values) in values.chunks_mut(BLOCK * fan_in).enumerate() {
                let (first, count) = (group * of_group + number * BLOCK, values.len() / fan_in);
                source.block(index, first, count, fan_in, &mut block);
                for (row, values) in values.chunks_mut(fan_in).enumerate() {
                    values.iter_mut().enumerate().for_each(|(k, value)| *value = block[k * BLOCK + row]);
                }
            }
        }
        let area = (conv.kernel * conv.kernel) as i64;
        let side = conv.kernel as i64;
        let shape = [rows as i64, fan_in as i64 / area, side, side];
        out.push(Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(place)?);
    }
    Ok(out)
}

/// Clean and disturbed images.
pub(super) fn images<T: Element>(
    place: Device,
    graph: &Graph,
    source: &dyn Source<T>,
    settings: &Settings,
) -> Result<[Tensor; 2], TchError> {
    let shape = graph.input();
    let mut clean = vec![T::default(); settings.batch as usize * shape.elements() as usize];
    let mut noise = clean.clone();
    source.fill(source::Tensor::Input, 0, &mut clean);
    source.fill(source::Tensor::Noise, 0, &mut noise);
    let alpha = T::of(settings.alpha);
    noise.iter_mut().zip(&clean).for_each(|(noise, &clean)| *noise = clean + alpha * *noise);
    let size = [settings.batch, shape.c, shape.h, shape.w].map(i64::from);
    let tensor = |values: &[T]| Tensor::f_from_slice(values)?.f_reshape(size)?.f_to_device(place);
    Ok([tensor(&clean)?, tensor(&noise)?])
}

fn sample<T: Element>(
    place: Device,
    graph: &Graph,
    source: &dyn Source<T>,
    settings: &Settings,
) -> Result<Sample, Unscored> {
    let weights = weights(place, graph, source)?;
    let walk = Walk::new(graph);
    let mut outputs = Vec::new();
    let mut variances: Vec<Vec<Tensor>> = Vec::new();
    let mut counts: Vec<f64> = Vec::new();
    for images in images(place, graph, source, settings)? {
        let (mut next, mut seen) = (weights.iter(), Vec::new());
        counts.clear();
        outputs.push(walk.run(&[images], |_, op, operands| match op {
            Op::BatchNorm => {
                let (y, variance, count) = normalised(operands[0])?;
                seen.push(variance);
                counts.push(count);
                Ok(y)
            }
            Op::Conv { .. } => Ok(ops::apply(op, operands, next.next(), None)?),
            Op::Linear { .. } => {
                let flat = next.next().map(|weight| weight.f_flatten(1, -1)).transpose()?;
                Ok(ops::apply(op, operands, flat.as_ref(), None)?)
            }
            Op::AdaptiveAvgPool { .. } => {
                Err(ForwardError::Unsupported("adaptive pooling to more than one value").into())
            }
            _ => Ok::<Tensor, Unscored>(ops::apply(op, operands, None, None)?),
        })?);
        variances.push(seen);
    }
    // One transfer for each kind of number, because every transfer waits for the GPU.
    let variances = variances.iter().map(|pass| numbers(pass)).collect::<Result<Vec<_>, _>>()?;
    let bn = (counts.iter().enumerate())
        .map(|(layer, &count)| {
            let of = |pass: usize| {
                let biased = variances[pass][layer];
                BnVariance { biased, unbiased: biased * count / (count - 1.0) }
            };
            [of(0), of(1)]
        })
        .collect();
    let clean = outputs[0].f_to_kind(Kind::Double)?;
    let difference = clean.f_sub(&outputs[1].f_to_kind(Kind::Double)?)?.f_flatten(1, -1)?;
    let per_image = |t: Tensor| t.f_sum_dim_intlist(1, false, Kind::Double);
    let l1 = per_image(difference.f_abs()?)?.f_mean(Kind::Double)?;
    let l2 = per_image(difference.f_square()?)?.f_sqrt()?.f_mean(Kind::Double)?;
    let sums = numbers(&[l1, l2, clean.f_abs()?.f_sum(Kind::Double)?])?;
    let head = clean.f_flatten(0, -1)?;
    let head = head.f_narrow(0, 0, head.size()[0].min(8))?.f_to_device(Device::Cpu)?;
    Ok(Sample {
        delta_l1: sums[0],
        delta_l2: sums[1],
        bn,
        output_l1: sums[2],
        output_head: Vec::<f64>::try_from(head)?,
    })
}

/// The map normalised by its own statistics, the mean over channels of its biased variance, and the
/// number of values in a channel.
fn normalised(x: &Tensor) -> Result<(Tensor, Tensor, f64), Unscored> {
    let axes: &[i64] = if x.dim() == 4 { &[0, 2, 3] } else { &[0] };
    let count = axes.iter().map(|&axis| x.size()[axis as usize]).product::<i64>() as f64;
    if count < 2.0 {
        return Err(ForwardError::SingleValue.into());
    }
    let (variance, mean) = x.f_var_mean_dim(axes, false, true)?;
    let y = x.f_sub(&mean)?.f_mul(&variance.f_add_scalar(BN_EPS)?.f_rsqrt()?)?;
    Ok((y, variance.f_mean(Kind::Double)?, count))
}

/// The values of scalars.
fn numbers(scalars: &[Tensor]) -> Result<Vec<f64>, TchError> {
    if scalars.is_empty() {
        return Ok(Vec::new());
    }
    Vec::try_from(Tensor::f_stack(scalars, 0)?.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)
}

/// The graph's output with the weights and images of `source`, in evaluation mode of a fresh network.
///
/// # Errors
/// What libtorch reports.
pub fn forward<T: Element>(
    place: Device,
    graph: &Graph,
    source: &dyn Source<T>,
    batch: u32,
) -> Result<Vec<T>, ExactError> {
    let _guard = tch::no_grad_guard();
    Ok(evaluated(place, graph, source, batch)?)
}

fn evaluated<T: Element>(
    place: Device,
    graph: &Graph,
    source: &dyn Source<T>,
    batch: u32,
) -> Result<Vec<T>, Unscored> {
    let settings = Settings { batch, ..Settings::new(edgezen_core::proxy::Mode::Paper, 0) };
    let weights = weights(place, graph, source)?;
    let [clean, _] = images(place, graph, source, &settings)?;
    let mut next = weights.iter();
    let output = Walk::new(graph).run(&[clean], |_, op, operands| match op {
        Op::BatchNorm => Ok(operands[0].f_mul_scalar((1.0 + BN_EPS).sqrt().recip())?),
        Op::Conv { .. } => Ok(ops::apply(op, operands, next.next(), None)?),
        Op::Linear { .. } => {
            let flat = next.next().map(|weight| weight.f_flatten(1, -1)).transpose()?;
            Ok(ops::apply(op, operands, flat.as_ref(), None)?)
        }
        _ => Ok::<Tensor, Unscored>(ops::apply(op, operands, None, None)?),
    })?;
    Ok(Vec::try_from(output.f_to_device(Device::Cpu)?.f_contiguous()?.f_flatten(0, -1)?)?)
}
