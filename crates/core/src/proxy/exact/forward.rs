//! A network run forward on random weights: every operation of [`Graph`], in either precision.

use super::buffer::{Buffer, Pool};
use super::conv::{Conv, Sums, Workspace};
use super::map::{Map, Pending};
use super::real::Real;
use super::source::{Source, Tensor};
use crate::plainnet::Graph;
use crate::plainnet::graph::{Act, BN_EPS, Node, Op};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::sync::Arc;

/// What batch normalisation divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The mini-batch's own (training mode).
    Batch,
    /// The mini-batch's own, without taking the mean out: what Theorem 1 of the paper speaks of.
    BatchUncentred,
    /// Those of a fresh network: mean 0, variance 1 (evaluation mode).
    Fresh,
}

/// Variances that one BN layer saw in one part of the batch, averaged over its channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BnVariance {
    pub biased: f64,
    /// The unbiased estimate, which enters running statistics.
    pub unbiased: f64,
}

/// Why a pass cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    #[error(
        "batch normalisation of a single value: a 1×1 map of one image has no variance; raise the batch or the resolution"
    )]
    SingleValue,
    #[error("{0} is not run by this engine")]
    Unsupported(&'static str),
}

/// Is told of the values inside the network while a pass runs.
pub trait Observer<T> {
    /// The input of a `RELU` block, its normalisation pending.
    fn before_relu(&mut self, _map: &Map<T>) {}
    /// The input of a convolution or linear layer, which is node `node` of the graph.
    fn convolving(&mut self, _node: usize, _conv: &Conv, _input: &Map<T>) {}
    /// The output of a BN layer whose input is node `input` of the graph, its normalisation pending.
    fn normalised(&mut self, _input: usize, _map: &Map<T>) {}
    /// The variances that a BN layer saw, one for each part of the batch.
    fn bn(&mut self, _variances: &[BnVariance]) {}
}

/// Observes nothing.
pub struct Blind;

impl<T> Observer<T> for Blind {}

/// How a pass is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub statistics: Statistics,
    /// Divide every convolution's output by its root mean square, and add up the logarithms: networks
    /// without BN then neither overflow nor underflow. ReLU networks without biases commute with it.
    pub rescale: bool,
}

/// The result of a pass.
#[derive(Debug)]
pub struct Passed<T> {
    pub output: Map<T>,
    /// Σ ln of the scales taken out; 0 without [`Options::rescale`].
    pub log_scale: f64,
}

/// A node's output, and the sums of its channels where they are known.
type Value<T> = (Map<T>, Option<Vec<Sums>>);

/// Runs passes, and keeps their memory for the next one.
#[derive(Debug, Default)]
pub struct Engine<T> {
    pool: Pool<T>,
    work: Workspace<T>,
}

/// The convolutions and linear layers of a graph in the order of their weights.
pub fn weighted(graph: &Graph) -> Vec<Conv> {
    graph.nodes.iter().filter_map(|node| as_conv(graph, node)).collect()
}

fn as_conv(graph: &Graph, node: &Node) -> Option<Conv> {
    let (kernel, stride, groups) = match node.op {
        Op::Conv { kernel, stride, groups, .. } => (kernel, stride, groups),
        Op::Linear { .. } => (1, 1, 1),
        _ => return None,
    };
    Some(Conv {
        input: graph.nodes[node.inputs[0]].shape,
        output: node.shape,
        kernel: kernel as usize,
        stride: stride as usize,
        groups: groups as usize,
    })
}

impl<T: Real> Engine<T> {
    /// Makes memory for the largest map and the most weights of a graph: less is used again and again in its place.
    fn foresee(&mut self, graph: &Graph, images: usize, parts: usize) {
        let largest = graph.nodes.iter().map(|node| node.shape.elements()).max().unwrap_or(0);
        self.pool.foresee(images * largest as usize);
        self.work.foresee(&weighted(graph), images, parts);
    }

    /// `parts` copies of the input of `images` images; every copy but the first is disturbed by `noise`
    /// times unit normal numbers (Zen-NAS paper, Algorithm 1, lines 3 and 4).
    pub fn input(
        &mut self,
        graph: &Graph,
        images: usize,
        parts: usize,
        noise: f64,
        source: &dyn Source<T>,
    ) -> Map<T> {
        let shape = graph.input();
        let len = images * shape.elements() as usize;
        self.foresee(graph, parts * images, parts);
        let mut data = self.pool.take(parts * len);
        let step = super::source::CHUNK << 10;
        let fill = |tensor: Tensor, out: &mut [T]| {
            out.par_chunks_mut(step).enumerate().for_each(|(i, out)| source.fill(tensor, i * step, out));
        };
        let (clean, disturbed) = data[..parts * len].split_at_mut(len);
        fill(Tensor::Input, clean);
        let noise = T::of(noise);
        for part in disturbed.chunks_mut(len) {
            fill(Tensor::Noise, part);
            part.par_chunks_mut(step).zip(clean.par_chunks(step)).for_each(|(part, clean)| {
                part.iter_mut().zip(clean).for_each(|(value, &clean)| *value = clean + noise * *value);
            });
        }
        Map { shape, images: parts * images, parts, data: Arc::new(data), pending: Pending::default() }
    }

    /// Runs `graph` on `input`. Biases are zero, and the weights of BN are one (docs/plainnet.md,
    /// section 5.1).
    ///
    /// # Errors
    /// An operation that has no result for this input.
    pub fn run(
        &mut self,
        graph: &Graph,
        input: Map<T>,
        source: &dyn Source<T>,
        options: Options,
        observer: &mut dyn Observer<T>,
    ) -> Result<Passed<T>, ForwardError> {
        self.foresee(graph, input.images, input.parts);
        let mut uses = graph.uses();
        let last = graph.nodes.len() - 1;
        uses[last] += 1;
        let mut maps: Vec<Option<Value<T>>> = Vec::with_capacity(graph.nodes.len());
        let (mut weighted, mut log_scale) = (0, 0.0);
        let mut first = Some(input);
        for (at, node) in graph.nodes.iter().enumerate() {
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for &from in &node.inputs {
                uses[from] -= 1;
                let value = if uses[from] == 0 { maps[from].take() } else { maps[from].clone() };
                inputs.extend(value);
            }
            let mut inputs = inputs.into_iter();
            let value = match (node.op, inputs.next(), inputs.next()) {
                (Op::Input, ..) => first.take().map(|map| (map, None)),
                (Op::Conv { .. } | Op::Linear { .. }, Some((map, _)), _) => {
                    let Some(conv) = as_conv(graph, node) else { continue };
                    observer.convolving(at, &conv, &map);
                    conv.draw(weighted, source, &mut self.work, map.images, map.parts);
                    weighted += 1;
                    let len = map.images * node.shape.elements() as usize;
                    let mut data = self.pool.take(len);
                    let sums = conv.run(&map, &mut data[..len], &self.work);
                    let mut out = self.next(node, &map, data);
                    self.pool.give(map.data);
                    if options.rescale && at != last {
                        log_scale += rescale(&mut out, &sums);
                    }
                    Some((out, Some(sums)))
                }
                (Op::BatchNorm, Some((map, sums)), _) => {
                    let (mut map, sums) = match sums {
                        Some(sums) if map.pending.is_nothing() => (map, sums),
                        _ => {
                            let map = self.finished(map);
                            let sums = sums_of(&map);
                            (map, sums)
                        }
                    };
                    normalise(&mut map, &sums, options.statistics, observer)?;
                    observer.normalised(node.inputs[0], &map);
                    Some((map, None))
                }
                (Op::Act(Act::Relu), Some((mut map, _)), _) => {
                    observer.before_relu(&map);
                    map.pending.relu = true;
                    Some((map, None))
                }
                (Op::Act(act), Some((map, _)), _) => {
                    let map = self.finished(map);
                    Some((self.pointwise(node, map, |x| activate(act, x)), None))
                }
                (Op::Add, Some((a, _)), Some((b, _))) => Some((self.sum(node, a, b), None)),
                (Op::Scale, Some((map, _)), Some((gate, _))) => Some((self.gate(node, map, &gate), None)),
                (Op::GlobalAvgPool, Some((map, _)), _) => Some((self.average(node, map), None)),
                (Op::MaxPool { kernel, stride }, Some((map, _)), _) => {
                    Some((self.max_pool(node, map, kernel as usize, stride as usize), None))
                }
                (Op::Flatten, Some((map, _)), _) => {
                    let mut map = if map.area() > 1 { self.finished(map) } else { map };
                    map.shape = node.shape;
                    Some((map, None))
                }
                (Op::Concat, Some((map, _)), second) => {
                    let rest = second.into_iter().chain(inputs).map(|(map, _)| map);
                    let all: Vec<Map<T>> = std::iter::once(map).chain(rest).collect();
                    Some((self.concat(node, &all), None))
                }
                (Op::AdaptiveAvgPool { .. }, ..) => {
                    return Err(ForwardError::Unsupported("adaptive pooling to more than one value"));
                }
                (Op::Slice { .. }, ..) => return Err(ForwardError::Unsupported("slices of the channels")),
                _ => None,
            };
            maps.push(value);
        }
        match maps.pop().flatten() {
            Some((output, _)) => Ok(Passed { output, log_scale }),
            None => Err(ForwardError::Unsupported("a graph without a result")),
        }
    }

    /// Takes the memory of a result back for later passes.
    pub fn recycle(&mut self, map: Map<T>) {
        self.pool.give(map.data);
    }

    fn next(&self, node: &Node, like: &Map<T>, data: Buffer<T>) -> Map<T> {
        Map {
            shape: node.shape,
            images: like.images,
            parts: like.parts,
            data: Arc::new(data),
            pending: Pending::default(),
        }
    }

    /// The map with its pending work done.
    fn finished(&mut self, map: Map<T>) -> Map<T> {
        if map.pending.is_nothing() {
            return map;
        }
        let node = Node { op: Op::Act(Act::None), inputs: Vec::new(), shape: map.shape };
        self.pointwise(&node, map, |x| x)
    }

    /// A function of a map, value by value.
    fn pointwise(&mut self, node: &Node, map: Map<T>, f: impl Fn(T) -> T + Sync) -> Map<T> {
        let (area, channels) = (map.area(), map.channels());
        let mut data = self.pool.take(map.len());
        data[..map.len()].par_chunks_mut(area).enumerate().for_each(|(plane, out)| {
            let (image, channel) = (plane / channels, plane % channels);
            let (affine, relu) = (map.affine(image, channel), map.pending.relu);
            for (out, &x) in out.iter_mut().zip(map.plane(image, channel)) {
                *out = f(Map::apply(affine, relu, x));
            }
        });
        let out = self.next(node, &map, data);
        self.pool.give(map.data);
        out
    }

    /// The sum of two maps, in the memory of one of them where nobody else reads it.
    fn sum(&mut self, node: &Node, a: Map<T>, b: Map<T>) -> Map<T> {
        let (mut a, b) = if Arc::strong_count(&a.data) == 1 { (a, b) } else { (b, a) };
        let (area, channels) = (a.area(), a.channels());
        if Arc::get_mut(&mut a.data).is_none() {
            let mut copy = self.pool.take(a.len());
            copy[..a.len()].copy_from_slice(&a.data[..a.len()]);
            self.pool.give(std::mem::replace(&mut a.data, Arc::new(copy)));
        }
        let pending = std::mem::take(&mut a.pending);
        let like = Map { shape: a.shape, images: a.images, parts: a.parts, data: Arc::default(), pending };
        if let Some(data) = Arc::get_mut(&mut a.data) {
            let arch = pulp::Arch::new();
            data[..like.len()].par_chunks_mut(area).enumerate().for_each(|(plane, to)| {
                let (image, channel) = (plane / channels, plane % channels);
                let work = |map: &Map<T>| (map.affine(image, channel), map.pending.relu);
                arch.dispatch(AddTo {
                    to,
                    from: b.plane(image, channel),
                    to_work: work(&like),
                    from_work: work(&b),
                });
            });
        }
        self.pool.give(b.data);
        a.shape = node.shape;
        a
    }

    fn gate(&mut self, node: &Node, map: Map<T>, gate: &Map<T>) -> Map<T> {
        let (area, channels) = (map.area(), map.channels());
        let mut data = self.pool.take(map.len());
        data[..map.len()].par_chunks_mut(area).enumerate().for_each(|(plane, out)| {
            let (image, channel) = (plane / channels, plane % channels);
            let factor = gate.plane(image, channel)[0];
            let factor = Map::apply(gate.affine(image, channel), gate.pending.relu, factor);
            let (affine, relu) = (map.affine(image, channel), map.pending.relu);
            for (out, &x) in out.iter_mut().zip(map.plane(image, channel)) {
                *out = Map::apply(affine, relu, x) * factor;
            }
        });
        let out = self.next(node, &map, data);
        self.pool.give(map.data);
        out
    }

    /// Means over the maps; sums in double precision.
    fn average(&mut self, node: &Node, map: Map<T>) -> Map<T> {
        let area = map.area() as f64;
        let channels = map.channels();
        let mut data = self.pool.take(map.images * channels);
        data[..map.images * channels].par_iter_mut().enumerate().for_each(|(plane, out)| {
            let (image, channel) = (plane / channels, plane % channels);
            let (affine, relu) = (map.affine(image, channel), map.pending.relu);
            let values = map.plane(image, channel).iter();
            *out = T::of(values.map(|&x| Map::apply(affine, relu, x).to_f64()).sum::<f64>() / area);
        });
        let out = self.next(node, &map, data);
        self.pool.give(map.data);
        out
    }

    fn max_pool(&mut self, node: &Node, map: Map<T>, kernel: usize, stride: usize) -> Map<T> {
        let (h, w) = (map.shape.h as usize, map.shape.w as usize);
        let (out_h, out_w) = (node.shape.h as usize, node.shape.w as usize);
        let padding = (kernel - 1) / 2;
        let channels = map.channels();
        let window = |at: usize, side: usize| {
            let from = (at * stride).saturating_sub(padding);
            from..(at * stride + kernel - padding).min(side)
        };
        let len = map.images * channels * out_h * out_w;
        let mut data = self.pool.take(len);
        data[..len].par_chunks_mut(out_h * out_w).enumerate().for_each(|(plane, out)| {
            let (image, channel) = (plane / channels, plane % channels);
            let (affine, relu) = (map.affine(image, channel), map.pending.relu);
            let from = map.plane(image, channel);
            // BN's scale is positive, so the order of values is that before normalisation.
            let mut column = vec![T::default(); w];
            for (y, out) in out.chunks_mut(out_w).enumerate() {
                let rows = window(y, h);
                column.copy_from_slice(&from[rows.start * w..][..w]);
                for row in rows.skip(1) {
                    for (best, &x) in column.iter_mut().zip(&from[row * w..][..w]) {
                        *best = best.at_least(x);
                    }
                }
                for (x, out) in out.iter_mut().enumerate() {
                    let columns = window(x, w);
                    let first = column[columns.start];
                    let best = column[columns].iter().fold(first, |best, &x| best.at_least(x));
                    *out = Map::apply(affine, relu, best);
                }
            }
        });
        let out = self.next(node, &map, data);
        self.pool.give(map.data);
        out
    }

    fn concat(&mut self, node: &Node, maps: &[Map<T>]) -> Map<T> {
        let area = maps[0].area();
        let mut data = self.pool.take(maps[0].images * node.shape.elements() as usize);
        let mut planes = data.chunks_mut(area);
        for image in 0..maps[0].images {
            for map in maps {
                for channel in 0..map.channels() {
                    let Some(out) = planes.next() else { break };
                    let (affine, relu) = (map.affine(image, channel), map.pending.relu);
                    for (out, &x) in out.iter_mut().zip(map.plane(image, channel)) {
                        *out = Map::apply(affine, relu, x);
                    }
                }
            }
        }
        self.next(node, &maps[0], data)
    }
}

/// Adds one plane to another; of both, the pending work is done first.
struct AddTo<'a, T> {
    to: &'a mut [T],
    from: &'a [T],
    to_work: ([T; 2], bool),
    from_work: ([T; 2], bool),
}

impl<T: Real> WithSimd for AddTo<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AddTo { to, from, to_work, from_work } = self;
        let (mine, to_rest) = T::vectors_mut::<S>(to);
        let (theirs, rest) = T::vectors::<S>(from);
        for (to, &from) in mine.iter_mut().zip(theirs) {
            *to = T::plus(simd, work::<S, T>(simd, to_work, *to), work::<S, T>(simd, from_work, from));
        }
        for (to, &from) in to_rest.iter_mut().zip(rest) {
            *to = Map::apply(to_work.0, to_work.1, *to) + Map::apply(from_work.0, from_work.1, from);
        }
    }
}

/// Does the pending work on a register of values.
#[inline(always)]
fn work<S: Simd, T: Real>(
    simd: S,
    ([scale, shift], relu): ([T; 2], bool),
    value: T::Vector<S>,
) -> T::Vector<S> {
    let value = T::mul_add(simd, value, T::splat(simd, scale), T::splat(simd, shift));
    // A maximum with the value itself changes nothing.
    T::max(simd, value, if relu { T::splat(simd, T::default()) } else { value })
}

/// An activation of a finished value.
fn activate<T: Real>(act: Act, x: T) -> T {
    let value = x.to_f64();
    let sigmoid = 1.0 / (1.0 + (-value).exp());
    T::of(match act {
        Act::None => value,
        Act::Relu => value.max(0.0),
        Act::Relu6 => value.clamp(0.0, 6.0),
        Act::Sigmoid => sigmoid,
        Act::Swish => value * sigmoid,
        Act::HardSigmoid => (value / 6.0 + 0.5).clamp(0.0, 1.0),
        Act::HardSwish => value * (value / 6.0 + 0.5).clamp(0.0, 1.0),
    })
}

fn sums_of<T: Real>(map: &Map<T>) -> Vec<Sums> {
    let channels = map.channels();
    let per_part = map.images / map.parts;
    let mut sums = vec![Sums::default(); map.parts * channels];
    map.planes(|image, channel, values| {
        let to = &mut sums[image / per_part * channels + channel];
        for value in values {
            let value = value.to_f64();
            to.sum += value;
            to.squares += value * value;
        }
    });
    sums
}

/// Adds a batch normalisation to the pending work of `map`.
fn normalise<T: Real>(
    map: &mut Map<T>,
    sums: &[Sums],
    statistics: Statistics,
    observer: &mut dyn Observer<T>,
) -> Result<(), ForwardError> {
    let channels = map.channels();
    let count = (map.images / map.parts * map.area()) as f64;
    if statistics != Statistics::Fresh && count < 2.0 {
        return Err(ForwardError::SingleValue);
    }
    let mut affine = Vec::with_capacity(sums.len());
    let mut variances = Vec::with_capacity(map.parts);
    for part in sums.chunks(channels) {
        let mut total = 0.0;
        for sums in part {
            let (mean, variance) = match statistics {
                Statistics::Batch => {
                    let mean = sums.sum / count;
                    (mean, (sums.squares / count - mean * mean).max(0.0))
                }
                Statistics::BatchUncentred => (0.0, sums.squares / count),
                Statistics::Fresh => (0.0, 1.0),
            };
            total += variance;
            let scale = 1.0 / (variance + BN_EPS).sqrt();
            affine.push([T::of(scale), T::of(-mean * scale)]);
        }
        let biased = total / channels as f64;
        variances.push(BnVariance { biased, unbiased: biased * count / (count - 1.0) });
    }
    observer.bn(&variances);
    map.pending = Pending { affine: Some(Arc::new(affine)), relu: false };
    Ok(())
}

/// Adds the division by the clean images' root mean square to the pending work of `map`; gives the logarithm of the
/// divisor.
fn rescale<T: Real>(map: &mut Map<T>, sums: &[Sums]) -> f64 {
    let channels = map.channels();
    let count = (channels * map.images / map.parts * map.area()) as f64;
    let squares: f64 = sums[..channels].iter().map(|sums| sums.squares).sum();
    let rms = (squares / count).sqrt();
    // A dead network has nothing to rescale, an infinite one cannot be saved.
    if !(rms > 0.0 && rms.is_finite()) {
        return 0.0;
    }
    let affine = vec![[T::of(1.0 / rms), T::default()]; map.parts * channels];
    map.pending = Pending { affine: Some(Arc::new(affine)), relu: false };
    rms.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Shape;

    #[test]
    fn sums_of_maps_leave_what_others_read() {
        let shape = Shape { c: 2, h: 3, w: 7 };
        let map = |first: f64| Map {
            shape,
            images: 2,
            parts: 2,
            data: Arc::new(Buffer::from((0..84).map(|i| first + f64::from(i)).collect::<Vec<f64>>())),
            pending: Pending { affine: Some(Arc::new(vec![[2.0, -90.0]; 4])), relu: true },
        };
        let node = Node { op: Op::Add, inputs: vec![0, 1], shape };
        let want: Vec<f64> = map(1.0).values().iter().zip(map(5.0).values()).map(|(a, b)| a + b).collect();
        // Either, both or neither is read by somebody else.
        for (a_is_read, b_is_read) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut engine = Engine::<f64>::default();
            // Memory of a larger map that is free.
            engine.pool.give(Arc::new(Buffer::from(vec![f64::NAN; 100])));
            let (a, b) = (map(1.0), map(5.0));
            let readers = (a_is_read.then(|| a.clone()), b_is_read.then(|| b.clone()));
            assert_eq!(engine.sum(&node, a, b).values(), want);
            assert!(readers.0.is_none_or(|a| a.values() == map(1.0).values()));
            assert!(readers.1.is_none_or(|b| b.values() == map(5.0).values()));
        }
    }
}
