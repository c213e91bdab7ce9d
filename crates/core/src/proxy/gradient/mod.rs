//! Back-propagation through random networks, for the proxies that look at gradients.
//!
//! The derivatives are written by hand for the few kinds of layer that scored networks consist of
//! (`docs/decisions/003-hand-written-gradients.md`). Convolutions are plain im2col and matrix products: these proxies
//! are here to be compared with, and searches rarely use them.

mod conv;

use super::exact::conv::Conv;
use super::exact::forward::{ForwardError, weighted};
use super::exact::kernel::{BLOCK, packed_len};
use super::exact::real::Real;
use super::exact::source::{Source, Tensor};
use crate::plainnet::Graph;
use crate::plainnet::graph::BN_EPS;
use crate::plainnet::graph::{Act, Op};
use rayon::prelude::*;

/// A group of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Weights of the convolution or linear layer with this index; rows of `fan_in` values.
    Weight {
        index: usize,
        fan_in: usize,
    },
    BnWeight,
    BnBias,
    /// Bias of a linear layer or a projection.
    Bias,
}

/// A network with its weights, ready to be differentiated.
pub struct Differentiable<'a, T> {
    graph: &'a Graph,
    convs: Vec<Conv>,
    /// The weights of each layer, as rows of fan-in values.
    weights: Vec<Vec<T>>,
    images: usize,
}

/// All values of one forward pass, in training mode.
pub struct Tape<T> {
    /// Output of each node (NCHW).
    values: Vec<Vec<T>>,
    /// 1/σ by channel of the BN nodes.
    scales: Vec<Vec<T>>,
}

impl<T> Tape<T> {
    /// The network's output: one row of logits for each image.
    pub fn output(&self) -> &[T] {
        self.values.last().map_or(&[], Vec::as_slice)
    }
}

impl<'a, T: Real> Differentiable<'a, T> {
    /// Draws the weights of `graph` from `source`; `change` is applied to each.
    ///
    /// # Errors
    /// Operations without a hand-written derivative.
    pub fn new(
        graph: &'a Graph,
        images: usize,
        source: &dyn Source<T>,
        change: fn(T) -> T,
    ) -> Result<Self, ForwardError> {
        for node in &graph.nodes {
            match node.op {
                Op::Input
                | Op::Conv { .. }
                | Op::Linear { .. }
                | Op::BatchNorm
                | Op::Act(Act::Relu)
                | Op::Add
                | Op::MaxPool { .. }
                | Op::GlobalAvgPool
                | Op::Flatten => {}
                Op::Act(_) | Op::Scale => {
                    return Err(ForwardError::Unsupported("the gradient of Swish and squeeze-excite"));
                }
                Op::Concat | Op::Slice { .. } | Op::AdaptiveAvgPool { .. } => {
                    return Err(ForwardError::Unsupported(
                        "the gradient of concatenation, slices and adaptive pooling",
                    ));
                }
                Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. } => {
                    return Err(ForwardError::Unsupported("networks from files of others"));
                }
            }
        }
        let convs = weighted(graph);
        let weights =
            convs.iter().enumerate().map(|(index, conv)| draw(index, conv, source, change)).collect();
        Ok(Differentiable { graph, convs, weights, images })
    }

    pub fn weights(&self, index: usize) -> &[T] {
        &self.weights[index]
    }

    /// Number of weights and BN scales: what the neural tangent kernel looks at.
    pub fn weight_count(&self) -> usize {
        let bn = |node: &&crate::plainnet::graph::Node| node.op == Op::BatchNorm;
        let bn_weights = self.graph.nodes.iter().filter(bn).map(|node| node.shape.c as usize);
        self.weights.iter().map(Vec::len).chain(bn_weights).sum()
    }

    /// The images that `source` holds.
    pub fn input(&self, source: &dyn Source<T>) -> Vec<T> {
        let mut input = vec![T::default(); self.images * self.graph.input().elements() as usize];
        source.fill(Tensor::Input, 0, &mut input);
        input
    }

    /// Runs the network on `input`.
    ///
    /// # Errors
    /// BN of a single value.
    pub fn forward(&self, input: Vec<T>) -> Result<Tape<T>, ForwardError> {
        let mut tape = Tape { values: Vec::new(), scales: Vec::new() };
        let mut input = Some(input);
        let mut index = 0;
        for node in &self.graph.nodes {
            let of = |i: usize| &tape.values[node.inputs[i]];
            let from = node.inputs.first().map(|&i| self.graph.nodes[i].shape);
            let mut scales = Vec::new();
            let value = match (node.op, from) {
                (Op::Conv { .. } | Op::Linear { .. }, _) => {
                    index += 1;
                    conv::forward(&self.convs[index - 1], &self.weights[index - 1], of(0), self.images)
                }
                (Op::BatchNorm, _) => {
                    let (value, by_channel) = self.normalise(of(0), node.shape.c as usize)?;
                    scales = by_channel;
                    value
                }
                (Op::Act(_), _) => of(0).iter().map(|&x| T::default().at_least(x)).collect(),
                (Op::Add, _) => of(0).iter().zip(of(1)).map(|(&a, &b)| a + b).collect(),
                (Op::MaxPool { kernel, stride }, Some(from)) => {
                    let source = of(0);
                    let picks = max_pool(from.h, from.w, node.shape.h, node.shape.w, kernel, stride);
                    let areas = ((from.h * from.w) as usize, (node.shape.h * node.shape.w) as usize);
                    pooled(source, areas, &picks).map(|at| source[at]).collect()
                }
                (Op::GlobalAvgPool, Some(from)) => {
                    let area = (from.h * from.w) as usize;
                    let mean =
                        |plane: &[T]| T::of(plane.iter().map(|x| x.to_f64()).sum::<f64>() / area as f64);
                    of(0).chunks(area).map(mean).collect()
                }
                (Op::Flatten, _) => of(0).clone(),
                _ => input.take().unwrap_or_default(),
            };
            tape.values.push(value);
            tape.scales.push(scales);
        }
        Ok(tape)
    }

    fn normalise(&self, x: &[T], channels: usize) -> Result<(Vec<T>, Vec<T>), ForwardError> {
        let area = x.len() / self.images / channels;
        let count = (self.images * area) as f64;
        if count < 2.0 {
            return Err(ForwardError::SingleValue);
        }
        let moments: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|channel| {
                let values = || planes(x, channel, channels, area).flatten().map(|x| x.to_f64());
                let mean = values().sum::<f64>() / count;
                (mean, values().map(|x| (x - mean).powi(2)).sum::<f64>() / count)
            })
            .collect();
        let scales: Vec<f64> = moments.iter().map(|(_, variance)| 1.0 / (variance + BN_EPS).sqrt()).collect();
        let mut out = vec![T::default(); x.len()];
        out.par_chunks_mut(area).zip(x.par_chunks(area)).enumerate().for_each(|(plane, (out, x))| {
            let (mean, scale) = (T::of(moments[plane % channels].0), T::of(scales[plane % channels]));
            out.iter_mut().zip(x).for_each(|(out, &x)| *out = (x - mean) * scale);
        });
        Ok((out, scales.into_iter().map(T::of).collect()))
    }

    /// Propagates the gradient `seed` of the output back; `collect` gets the gradient of every group of
    /// parameters, last layer first.
    pub fn backward(&self, tape: &Tape<T>, seed: Vec<T>, collect: &mut dyn FnMut(Parameter, &[T])) {
        let nodes = &self.graph.nodes;
        let mut gradients: Vec<Option<Vec<T>>> = vec![None; nodes.len()];
        gradients[nodes.len() - 1] = Some(seed);
        let mut index = self.convs.len();
        for (at, node) in nodes.iter().enumerate().rev() {
            let Some(gradient) = gradients[at].take() else { continue };
            let Some(&first) = node.inputs.first() else { continue };
            let from = nodes[first].shape;
            let x = &tape.values[first];
            let down = match node.op {
                Op::Conv { bias, .. } | Op::Linear { bias, .. } => {
                    index -= 1;
                    let conv = &self.convs[index];
                    let weight = conv::weight_gradient(conv, x, &gradient, self.images);
                    collect(Parameter::Weight { index, fan_in: conv.fan_in() }, &weight);
                    if bias {
                        let channels = node.shape.c as usize;
                        let area = gradient.len() / self.images / channels;
                        let sum =
                            |channel| sum(planes(&gradient, channel, channels, area).flatten().copied());
                        collect(Parameter::Bias, &(0..channels).map(sum).collect::<Vec<T>>());
                    }
                    if nodes[first].op == Op::Input {
                        continue;
                    }
                    conv::input_gradient(conv, &self.weights[index], &gradient, self.images)
                }
                Op::BatchNorm => self.bn_gradient(&tape.values[at], &tape.scales[at], &gradient, collect),
                Op::Act(_) => {
                    let passes = |(&dy, &y): (&T, &T)| if y > T::default() { dy } else { T::default() };
                    gradient.iter().zip(&tape.values[at]).map(passes).collect()
                }
                Op::Add => {
                    accumulate(&mut gradients[node.inputs[1]], gradient.clone());
                    gradient
                }
                Op::MaxPool { kernel, stride } => {
                    let picks = max_pool(from.h, from.w, node.shape.h, node.shape.w, kernel, stride);
                    let areas = ((from.h * from.w) as usize, (node.shape.h * node.shape.w) as usize);
                    let mut down = vec![T::default(); x.len()];
                    pooled(x, areas, &picks).zip(&gradient).for_each(|(at, &dy)| down[at] += dy);
                    down
                }
                Op::GlobalAvgPool => {
                    let area = (from.h * from.w) as usize;
                    let share = T::of(1.0 / area as f64);
                    gradient.iter().flat_map(|&dy| std::iter::repeat_n(dy * share, area)).collect()
                }
                _ => gradient,
            };
            accumulate(&mut gradients[first], down);
        }
    }

    /// dx = 1/σ · (dy − mean(dy) − x̂ · mean(dy · x̂)), x̂ being the output.
    fn bn_gradient(
        &self,
        y: &[T],
        scales: &[T],
        gradient: &[T],
        collect: &mut dyn FnMut(Parameter, &[T]),
    ) -> Vec<T> {
        let channels = scales.len();
        let area = y.len() / self.images / channels;
        let count = (self.images * area) as f64;
        let sums: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|channel| {
                let pairs = planes(gradient, channel, channels, area)
                    .flatten()
                    .zip(planes(y, channel, channels, area).flatten());
                pairs.fold((0.0, 0.0), |(bias, weight), (dy, y)| {
                    (bias + dy.to_f64(), weight + dy.to_f64() * y.to_f64())
                })
            })
            .collect();
        collect(Parameter::BnWeight, &sums.iter().map(|s| T::of(s.1)).collect::<Vec<T>>());
        collect(Parameter::BnBias, &sums.iter().map(|s| T::of(s.0)).collect::<Vec<T>>());
        let mut down = vec![T::default(); y.len()];
        let planes = gradient.par_chunks(area).zip(y.par_chunks(area));
        down.par_chunks_mut(area).zip(planes).enumerate().for_each(|(plane, (down, (dy, y)))| {
            let (bias, weight) = sums[plane % channels];
            let (bias, weight) = (T::of(bias / count), T::of(weight / count));
            let scale = scales[plane % channels];
            for ((down, &dy), &y) in down.iter_mut().zip(dy).zip(y) {
                *down = scale * (dy - bias - y * weight);
            }
        });
        down
    }
}

/// The planes of one channel, image by image.
fn planes<T>(x: &[T], channel: usize, channels: usize, area: usize) -> impl Iterator<Item = &[T]> {
    x.chunks(area).skip(channel).step_by(channels)
}

fn sum<T: Real>(values: impl Iterator<Item = T>) -> T {
    T::of(values.map(|x| x.to_f64()).sum())
}

fn accumulate<T: Real>(slot: &mut Option<Vec<T>>, more: Vec<T>) {
    match slot {
        Some(sum) => sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more),
        None => *slot = Some(more),
    }
}

/// Weights as rows of fan-in values; a source gives them in blocks.
fn draw<T: Real>(index: usize, conv: &Conv, source: &dyn Source<T>, change: fn(T) -> T) -> Vec<T> {
    let (fan_in, rows) = (conv.fan_in(), conv.output.c as usize);
    // Each group of a convolution has blocks of its own, as in the forward engine: both draw the same weights.
    let group = rows / conv.groups;
    let mut weights = vec![T::default(); rows * fan_in];
    weights.par_chunks_mut(group * fan_in).enumerate().for_each(|(g, weights)| {
        let mut block = vec![T::default(); packed_len(BLOCK, fan_in)];
        for (b, weights) in weights.chunks_mut(BLOCK * fan_in).enumerate() {
            source.block(index, g * group + b * BLOCK, weights.len() / fan_in, fan_in, &mut block);
            for (row, weights) in weights.chunks_mut(fan_in).enumerate() {
                for (k, weight) in weights.iter_mut().enumerate() {
                    *weight = change(block[k * BLOCK + row]);
                }
            }
        }
    });
    weights
}

/// For every output position, the candidates' positions in the input plane.
fn max_pool(h: u32, w: u32, out_h: u32, out_w: u32, kernel: u32, stride: u32) -> Vec<Vec<usize>> {
    let padding = (kernel - 1) / 2;
    let window = |at: u32, side: u32| {
        (at * stride).saturating_sub(padding)..(at * stride + kernel - padding).min(side)
    };
    let mut picks = Vec::new();
    for y in 0..out_h {
        for x in 0..out_w {
            let rows = window(y, h);
            picks.push(
                rows.flat_map(|row| window(x, w).map(move |column| (row * w + column) as usize)).collect(),
            );
        }
    }
    picks
}

/// Position of the largest value of every window; the first of equals.
fn pooled<'a, T: Real>(
    x: &'a [T],
    (area, out_area): (usize, usize),
    picks: &'a [Vec<usize>],
) -> impl Iterator<Item = usize> + 'a {
    let planes = x.len() / area;
    (0..planes * out_area).map(move |i| {
        let base = i / out_area * area;
        let candidates = &picks[i % out_area];
        let first = candidates.first().copied().unwrap_or(0);
        candidates
            .iter()
            .fold(base + first, |best, &at| if x[base + at] > x[best] { base + at } else { best })
    })
}
