//! [tract](https://github.com/sonos/tract): pure Rust, CPU, the engine of the host and of phones.

use super::guard::guarded;
use super::weights::{self, Weights};
use super::{Engine, EngineError, Loaded, Tensor};
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Graph, window};
use std::sync::Arc;
use tract_core::internal::{
    AxisOp, Datum, IntoTValue, OutletId, TDim, TValue, TVec, Tensor as TractTensor, ToDim, TractResult,
    TypedFact, TypedModel, TypedOp, tvec,
};
use tract_core::model::{IntoRunnable, SpecialOps, TypedRunnableModel, TypedSimpleState};
use tract_core::ops::array::{Slice, TypedConcat};
use tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_core::ops::einsum::EinSum;
use tract_core::ops::nn::{DataFormat, Reduce, Reducer};
use tract_core::ops::{math, nn};

const NAME: &str = "tract";

/// Version of the tract-core that is linked in; a test compares it with the lock file.
const VERSION: &str = "0.23.9";

pub struct Tract;

impl Engine for Tract {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        super::check(graph, NAME)?;
        super::memory::check(NAME, graph, batch.max(1))?;
        // tract asserts some of what it expects of a network.
        guarded(|| load(graph, batch.max(1), seed)).unwrap_or_else(|reason| Err(failed(reason)))
    }
}

fn load(graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
    let model = Lowering::new(graph, batch, &Weights::new(graph, seed)).model()?;
    let inputs = graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.op == Op::Input)
        .map(|(index, _)| weights::input(graph, index, batch, seed))
        .collect();
    Ok(Box::new(TractModel::new(model, inputs)?))
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    // The alternate form carries the whole chain of causes.
    EngineError::Failed { engine: NAME, reason: format!("{error:#}") }
}

/// A model that is ready to run.
pub(super) struct TractModel {
    state: TypedSimpleState,
    /// What [`Loaded::run_once`] runs on.
    fixed: Vec<TValue>,
    shapes: Vec<Vec<usize>>,
}

impl TractModel {
    /// Optimises `model`; `fixed` are the inputs of timed runs.
    pub(super) fn new(model: TypedModel, fixed: Vec<Tensor>) -> Result<TractModel, EngineError> {
        let model = model.into_optimized().map_err(failed)?;
        let plan: Arc<TypedRunnableModel> = model.into_runnable().map_err(failed)?;
        let state = plan.spawn().map_err(failed)?;
        let shapes = fixed.iter().map(|tensor| tensor.shape.clone()).collect();
        let fixed = fixed.iter().map(value).collect::<Result<_, _>>()?;
        Ok(TractModel { state, fixed, shapes })
    }

    fn outputs(&mut self, inputs: &[TValue]) -> Result<Vec<TValue>, EngineError> {
        self.state.run(inputs.iter().cloned().collect()).map(|out| out.into_iter().collect()).map_err(failed)
    }
}

fn value(tensor: &Tensor) -> Result<TValue, EngineError> {
    Ok(TractTensor::from_shape(&tensor.shape, &tensor.data).map_err(failed)?.into_tvalue())
}

impl Loaded for TractModel {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        super::check_inputs(inputs, &self.shapes)?;
        let inputs = inputs.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.outputs(&inputs)?;
        let tensor = |out: TValue| -> TractResult<Tensor> {
            let view = out.try_as_plain_ram()?;
            Ok(Tensor { shape: out.shape().to_vec(), data: view.as_slice::<f32>()?.to_vec() })
        };
        outputs.into_iter().map(|out| tensor(out).map_err(failed)).collect()
    }

    fn run_once(&mut self) -> Result<f64, EngineError> {
        let fixed = std::mem::take(&mut self.fixed);
        let outputs = self.outputs(&fixed);
        self.fixed = fixed;
        let mut sum = 0.0;
        for out in outputs? {
            let view = out.try_as_plain_ram().map_err(failed)?;
            sum += super::checksum(view.as_slice::<f32>().map_err(failed)?);
        }
        Ok(sum)
    }
}

/// A network whose values are looked at while it runs.
pub(super) struct Observer(TractModel);

impl Observer {
    /// Prepares `graph` for single images; of each of `nodes` the range is looked at.
    pub(super) fn new(
        graph: &Graph,
        weights: &Weights<'_>,
        nodes: &[usize],
    ) -> Result<Observer, EngineError> {
        Observer::by(graph, weights, |lowering| lowering.observed(nodes))
    }

    /// As [`Observer::new`], for looking at all values of the nodes.
    pub(super) fn of_values(
        graph: &Graph,
        weights: &Weights<'_>,
        nodes: &[usize],
    ) -> Result<Observer, EngineError> {
        Observer::by(graph, weights, |lowering| lowering.with_values(nodes))
    }

    fn by(
        graph: &Graph,
        weights: &Weights<'_>,
        lower: impl FnOnce(Lowering<'_>) -> Result<TypedModel, EngineError>,
    ) -> Result<Observer, EngineError> {
        super::check(graph, NAME)?;
        super::memory::check(NAME, graph, 1)?;
        let inputs = graph.nodes.iter().enumerate().filter(|(_, node)| node.op == Op::Input);
        let inputs = inputs.map(|(index, _)| weights::input(graph, index, 1, 0)).collect();
        let model = guarded(|| TractModel::new(lower(Lowering::new(graph, 1, weights))?, inputs));
        Ok(Observer(model.unwrap_or_else(|reason| Err(failed(reason)))?))
    }

    /// Runs once on `inputs`; gives the values of each of the nodes.
    pub(super) fn values(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        self.0.run(inputs)
    }

    /// Runs once on `inputs`; gives the smallest and the largest value of each of the nodes.
    pub(super) fn ranges(&mut self, inputs: &[Tensor]) -> Result<Vec<(f32, f32)>, EngineError> {
        let ends = self.0.run(inputs)?;
        let end = |tensor: &Tensor| tensor.data.first().copied().unwrap_or(f32::NAN);
        Ok(ends.chunks_exact(2).map(|ends| (end(&ends[0]), end(&ends[1]))).collect())
    }
}

/// Translation of one graph.
struct Lowering<'a> {
    graph: &'a Graph,
    weights: &'a Weights<'a>,
    folded: Vec<Option<usize>>,
    batch: u32,
    model: TypedModel,
    /// The outlet of each node done so far.
    outlets: Vec<OutletId>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, batch: u32, weights: &'a Weights<'a>) -> Self {
        Lowering {
            graph,
            weights,
            folded: weights::folded(graph),
            batch,
            model: TypedModel::default(),
            outlets: Vec::with_capacity(graph.nodes.len()),
        }
    }

    fn model(mut self) -> Result<TypedModel, EngineError> {
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let outlet = self.node(index, node)?;
            self.outlets.push(outlet);
        }
        let last = self.outlets.last().copied().ok_or_else(|| failed("the graph is empty"))?;
        self.model.select_output_outlets(&[last]).map_err(failed)?;
        Ok(self.model)
    }

    /// A model whose outputs are the values of `nodes`.
    fn with_values(mut self, nodes: &[usize]) -> Result<TypedModel, EngineError> {
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let outlet = self.node(index, node)?;
            self.outlets.push(outlet);
        }
        let outlets: Vec<OutletId> = nodes.iter().map(|&node| self.outlets[node]).collect();
        self.model.select_output_outlets(&outlets).map_err(failed)?;
        Ok(self.model)
    }

    /// A model whose outputs are the smallest and the largest value of each of `nodes`.
    fn observed(mut self, nodes: &[usize]) -> Result<TypedModel, EngineError> {
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let outlet = self.node(index, node)?;
            self.outlets.push(outlet);
        }
        let mut ends = Vec::with_capacity(2 * nodes.len());
        for &node in nodes {
            let outlet = self.outlets[node];
            let axes: TVec<usize> = (0..self.model.outlet_fact(outlet).map_err(failed)?.rank()).collect();
            for (end, reducer) in [("least", Reducer::Min), ("most", Reducer::Max)] {
                let op = Reduce { axes: axes.clone(), reducer };
                ends.push(self.one(format!("n{node}.{end}"), op, &[outlet]).map_err(failed)?);
            }
        }
        self.model.select_output_outlets(&ends).map_err(failed)?;
        Ok(self.model)
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<OutletId, EngineError> {
        if let Op::AdaptiveAvgPool { size } = node.op {
            let input = self.graph.nodes[node.inputs[0]].shape;
            if window::of_cells(input.h, size).is_none() || window::of_cells(input.w, size).is_none() {
                let what = format!("pooling {input} to a grid of {size}×{size}, whose cells are not alike");
                return Err(EngineError::Unsupported { engine: NAME, what });
            }
        }
        self.wire(index, node).map_err(failed)
    }

    fn wire(&mut self, index: usize, node: &Node) -> TractResult<OutletId> {
        let inputs: Vec<OutletId> = node.inputs.iter().map(|&input| self.outlets[input]).collect();
        let of = |i: usize| self.graph.nodes[node.inputs[i]].shape;
        let name = format!("n{index}");
        match node.op {
            Op::Input => {
                let s = node.shape;
                let shape: Vec<TDim> =
                    [self.batch, s.c, s.h, s.w].iter().map(|&n| (n as usize).to_dim()).collect();
                self.model.add_source(name, TypedFact::dt_shape(f32::datum_type(), shape))
            }
            Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
                let pool_spec = window(kernel, stride, in_c, out_c, Edge::Zeros);
                let (weight, bias) = self.parameters(index, out_c as usize)?;
                let op = Conv {
                    pool_spec,
                    kernel_fmt: KernelFormat::OIHW,
                    group: groups as usize,
                    q_params: None,
                };
                self.one(name, op, &[inputs[0], weight, bias])
            }
            Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. } => {
                tract_core::internal::bail!("{:?} is only predicted", node.op)
            }
            Op::BatchNorm if self.folded[index].is_some() => Ok(inputs[0]),
            Op::BatchNorm => {
                let c = node.shape.c as usize;
                let Some(p) = self.weights.of(index) else { return Ok(inputs[0]) };
                let rank = self.model.outlet_fact(inputs[0])?.rank();
                let mut shape = vec![1; rank];
                shape[1] = c;
                let scale = self.constant(format!("{name}.scale"), &shape, &p.weight)?;
                let shift = self.constant(format!("{name}.shift"), &shape, &p.bias.unwrap_or_default())?;
                let scaled = self.one(format!("{name}.mul"), math::mul(), &[inputs[0], scale])?;
                self.one(name, math::add(), &[scaled, shift])
            }
            Op::Act(act) => self.act(name, act, inputs[0]),
            Op::Add => {
                let inputs = self.same_rank(&name, &inputs)?;
                self.one(name, math::add(), &inputs)
            }
            Op::Scale => {
                let inputs = self.same_rank(&name, &inputs)?;
                self.one(name, math::mul(), &inputs)
            }
            Op::Slice { from, count } => {
                let op = Slice::new(1, from as usize, (from + count) as usize);
                self.one(name, op, &inputs)
            }
            Op::Concat => self.one(name, TypedConcat { axis: 1 }, &inputs),
            Op::MaxPool { kernel, stride } => {
                let pool_spec = window(kernel, stride, of(0).c, of(0).c, Edge::Ignored);
                self.one(name, MaxPool { pool_spec, with_index_outputs: None }, &inputs)
            }
            Op::GlobalAvgPool => {
                let sum = self.one(
                    format!("{name}.sum"),
                    Reduce { axes: tvec!(2, 3), reducer: Reducer::Sum },
                    &inputs,
                )?;
                let elements = (of(0).h * of(0).w) as f32;
                let count = self.constant(format!("{name}.count"), &[1, 1, 1, 1], &[elements])?;
                self.one(name, math::div(), &[sum, count])
            }
            Op::AdaptiveAvgPool { size } => {
                let c = of(0).c as usize;
                let [rows, columns] = [of(0).h, of(0).w].map(|side| window::of_cells(side, size));
                let (Some((h, down)), Some((w, across))) = (rows, columns) else {
                    tract_core::internal::bail!("cells that are not alike")
                };
                let pool_spec = PoolSpec {
                    data_format: DataFormat::NCHW,
                    kernel_shape: tvec!(h as usize, w as usize),
                    padding: PaddingSpec::Valid,
                    dilations: None,
                    strides: Some(tvec!(down as usize, across as usize)),
                    input_channels: c,
                    output_channels: c,
                };
                self.one(name, SumPool { pool_spec, count_include_pad: false, normalize: true }, &inputs)
            }
            Op::Flatten => {
                let from = self.model.outlet_fact(inputs[0])?.shape.to_tvec();
                if from.len() == 2 {
                    return Ok(inputs[0]);
                }
                let elements = node.shape.elements() as usize;
                let op = AxisOp::Reshape(1, from[1..].iter().cloned().collect(), tvec!(elements.to_dim()));
                self.one(name, op, &inputs)
            }
            Op::Linear { in_c, out_c, .. } => {
                let flat = match self.model.outlet_fact(inputs[0])?.shape.to_tvec() {
                    shape if shape.len() == 2 => inputs[0],
                    shape => {
                        let to = tvec!((in_c as usize).to_dim());
                        let op = AxisOp::Reshape(1, shape[1..].iter().cloned().collect(), to);
                        self.one(format!("{name}.flat"), op, &inputs)?
                    }
                };
                let Some(p) = self.weights.of(index) else { return Ok(flat) };
                let weight = self.constant(format!("{name}.weight"), &p.shape, &p.weight)?;
                let product = EinSum::new("nk,ok->no".parse()?, f32::datum_type());
                let product = self.one(format!("{name}.product"), product, &[flat, weight])?;
                let Some(bias) = p.bias else { return Ok(product) };
                let bias = self.constant(format!("{name}.bias"), &[1, out_c as usize], &bias)?;
                self.one(name, math::add(), &[product, bias])
            }
        }
    }

    /// Weight and bias of a convolution as constants; no bias is a bias of zeros.
    fn parameters(&mut self, index: usize, out_c: usize) -> TractResult<(OutletId, OutletId)> {
        let Some(p) = self.weights.of(index) else {
            tract_core::internal::bail!("a convolution without weights")
        };
        let weight = self.constant(format!("n{index}.weight"), &p.shape, &p.weight)?;
        let bias = p.bias.unwrap_or_else(|| vec![0.0; out_c]);
        let bias = self.constant(format!("n{index}.bias"), &[out_c], &bias)?;
        Ok((weight, bias))
    }

    /// Vectors as 1×1 maps where the other operand is a map.
    fn same_rank(&mut self, name: &str, inputs: &[OutletId]) -> TractResult<Vec<OutletId>> {
        let mut same = Vec::new();
        let ranks =
            inputs.iter().map(|&i| Ok(self.model.outlet_fact(i)?.rank())).collect::<TractResult<Vec<_>>>()?;
        let most = ranks.iter().copied().max().unwrap_or(0);
        for (i, (&input, rank)) in inputs.iter().zip(ranks).enumerate() {
            let mut outlet = input;
            for axis in rank..most {
                outlet = self.one(format!("{name}.axis{i}_{axis}"), AxisOp::Add(axis), &[outlet])?;
            }
            same.push(outlet);
        }
        Ok(same)
    }

    fn act(&mut self, name: String, act: Act, input: OutletId) -> TractResult<OutletId> {
        let ones = vec![1; self.model.outlet_fact(input)?.rank()];
        match act {
            Act::None => Ok(input),
            Act::Relu => {
                let zero = self.constant(format!("{name}.zero"), &ones, &[0.0])?;
                self.one(name, math::max(), &[input, zero])
            }
            Act::Relu6 => self.clamp(name, input, 6.0),
            Act::Sigmoid => self.one(name, nn::sigmoid(), &[input]),
            Act::Swish => self.one(name, nn::silu::silu(), &[input]),
            Act::HardSwish => self.one(name, nn::hard_swish(), &[input]),
            Act::HardSigmoid => {
                let slope = self.constant(format!("{name}.slope"), &ones, &[1.0 / 6.0])?;
                let half = self.constant(format!("{name}.half"), &ones, &[0.5])?;
                let sloped = self.one(format!("{name}.mul"), math::mul(), &[input, slope])?;
                let shifted = self.one(format!("{name}.add"), math::add(), &[sloped, half])?;
                self.clamp(name, shifted, 1.0)
            }
        }
    }

    /// min(max(x, 0), `top`).
    fn clamp(&mut self, name: String, input: OutletId, top: f32) -> TractResult<OutletId> {
        let ones = vec![1; self.model.outlet_fact(input)?.rank()];
        let zero = self.constant(format!("{name}.low"), &ones, &[0.0])?;
        let top = self.constant(format!("{name}.high"), &ones, &[top])?;
        let low = self.one(format!("{name}.max"), math::max(), &[input, zero])?;
        self.one(name, math::min(), &[low, top])
    }

    fn constant(&mut self, name: String, shape: &[usize], data: &[f32]) -> TractResult<OutletId> {
        self.model.add_const(name, TractTensor::from_shape(shape, data)?)
    }

    fn one(
        &mut self,
        name: String,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }
}

/// How positions outside the map enter a window.
enum Edge {
    Zeros,
    /// Not counted, as pooling does.
    Ignored,
}

fn window(kernel: u32, stride: u32, in_c: u32, out_c: u32, edge: Edge) -> PoolSpec {
    let pad = ((kernel - 1) / 2) as usize;
    let (kernel, stride) = (kernel as usize, stride as usize);
    let padding = match edge {
        Edge::Zeros => PaddingSpec::Explicit(tvec!(pad, pad), tvec!(pad, pad)),
        Edge::Ignored => PaddingSpec::ExplicitOnnxPool(tvec!(pad, pad), tvec!(pad, pad), false),
    };
    PoolSpec {
        data_format: DataFormat::NCHW,
        kernel_shape: tvec!(kernel, kernel),
        padding,
        dilations: None,
        strides: Some(tvec!(stride, stride)),
        input_channels: in_c as usize,
        output_channels: out_c as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{Kernel, KernelKind, Shape, published};

    #[test]
    fn version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"tract-core\"\nversion = \"{VERSION}\"")));
    }

    /// A convolution, computed the slow way.
    fn convolve(graph: &Graph, index: usize, x: &Tensor, seed: u64) -> Vec<f32> {
        let Op::Conv { in_c, out_c, kernel, stride, groups, .. } = graph.nodes[index].op else { panic!() };
        let p = Weights::new(graph, seed).of(index).unwrap();
        let (h, w) = (x.shape[2], x.shape[3]);
        let [in_c, out_c, k, s, groups] = [in_c, out_c, kernel, stride, groups].map(|n| n as usize);
        let pad = (k - 1) / 2;
        let (oh, ow) = (h.div_ceil(s), w.div_ceil(s));
        let mut out = Vec::new();
        for n in 0..x.shape[0] {
            for o in 0..out_c {
                let group = o / (out_c / groups);
                for (y, z) in (0..oh).flat_map(|y| (0..ow).map(move |z| (y, z))) {
                    let mut sum = p.bias.as_ref().map_or(0.0, |b| b[o]);
                    for i in 0..in_c / groups {
                        for (dy, dz) in (0..k).flat_map(|dy| (0..k).map(move |dz| (dy, dz))) {
                            let (sy, sz) = ((y * s + dy).wrapping_sub(pad), (z * s + dz).wrapping_sub(pad));
                            if sy < h && sz < w {
                                let c = group * (in_c / groups) + i;
                                sum += x.data[((n * in_c + c) * h + sy) * w + sz]
                                    * p.weight[((o * (in_c / groups) + i) * k + dy) * k + dz];
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        let scale = b.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((x - y).abs() <= 1e-4 * scale, "element {i}: {x} and {y}");
        }
    }

    #[test]
    fn convolutions_compute_what_they_should() {
        for (in_c, out_c, kernel, stride, groups, side) in [
            (3, 8, 3, 2, 1, 9),
            (8, 8, 5, 1, 8, 7),
            (8, 8, 3, 2, 8, 8),
            (8, 4, 1, 2, 1, 7),
            (8, 12, 3, 1, 4, 6),
        ] {
            let mut graph = Graph::new(Shape::square(in_c, side));
            graph.push(Op::Conv { in_c, out_c, kernel, stride, groups, bias: true }, vec![0]);
            for batch in [1, 3] {
                let input = weights::input(&graph, 0, batch, 7);
                let out = Tract.load(&graph, batch, 7).unwrap().run(std::slice::from_ref(&input)).unwrap();
                close(&out[0].data, &convolve(&graph, 1, &input, 7));
            }
        }
    }

    #[test]
    fn activations_and_pools_compute_what_they_should() {
        let x = |graph: &Graph| weights::input(graph, 0, 1, 3);
        type Function = fn(f32) -> f32;
        let cases: [(Act, Function); 6] = [
            (Act::Relu, |v| v.max(0.0)),
            (Act::Relu6, |v| v.clamp(0.0, 6.0)),
            (Act::Sigmoid, |v| 1.0 / (1.0 + (-v).exp())),
            (Act::Swish, |v| v / (1.0 + (-v).exp())),
            (Act::HardSwish, |v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0)),
            (Act::HardSigmoid, |v| (v / 6.0 + 0.5).clamp(0.0, 1.0)),
        ];
        for (act, function) in cases {
            let mut graph = Graph::new(Shape::square(4, 5));
            graph.push(Op::Act(act), vec![0]);
            let out = Tract.load(&graph, 1, 3).unwrap().run(&[x(&graph)]).unwrap();
            let want: Vec<f32> = x(&graph).data.iter().map(|&v| function(v)).collect();
            close(&out[0].data, &want);
        }
        let mut graph = Graph::new(Shape::square(2, 4));
        graph.push(Op::GlobalAvgPool, vec![0]);
        let out = Tract.load(&graph, 1, 3).unwrap().run(&[x(&graph)]).unwrap();
        let want: Vec<f32> = x(&graph).data.chunks(16).map(|c| c.iter().sum::<f32>() / 16.0).collect();
        close(&out[0].data, &want);
    }

    #[test]
    fn every_kernel_runs() {
        for kind in KernelKind::ALL {
            for residual in [false, true] {
                let groups = if kind == KernelKind::Dwconv { 8 } else { 1 };
                let spatial = if kind == KernelKind::Linear { 1 } else { 6 };
                let windowed = matches!(kind, KernelKind::Conv | KernelKind::Dwconv | KernelKind::Maxpool);
                let kernel = Kernel {
                    kind,
                    batch: 1,
                    in_c: 8,
                    out_c: 8,
                    in_h: spatial,
                    in_w: spatial,
                    kernel: if windowed { 3 } else { 1 },
                    stride: if windowed { 2 } else { 1 },
                    groups,
                    act: Act::Relu,
                    residual,
                    window: None,
                };
                let graph = kernel.graph();
                let mut loaded = Tract.load(&graph, 2, 1).unwrap_or_else(|e| panic!("{kernel}: {e}"));
                let sum = loaded.run_once().unwrap_or_else(|e| panic!("{kernel}: {e}"));
                assert!(sum.is_finite() && sum != 0.0, "{kernel}: {sum}");
                assert_eq!(sum, loaded.run_once().unwrap());
            }
        }
    }

    #[test]
    fn networks_keep_their_magnitudes() {
        for name in ["zennet_cifar10_model_size1M_res32", "mobilenet_v2"] {
            let graph = published::by_name(name).unwrap().graph().unwrap();
            let input = weights::input(&graph, 0, 1, 5);
            let out = Tract.load(&graph, 1, 5).unwrap().run(&[input]).unwrap();
            let largest = out[0].data.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert!((1e-3..1e6).contains(&largest), "{name}: {largest}");
        }
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let graph = Graph::new(Shape::square(3, 4));
        let mut loaded = Tract.load(&graph, 1, 0).unwrap();
        let wrong = Tensor { shape: vec![1, 3, 4, 5], data: vec![0.0; 60] };
        assert!(matches!(loaded.run(&[wrong]), Err(EngineError::Input { index: 0, .. })));
        assert!(matches!(loaded.run(&[]), Err(EngineError::Input { .. })));
    }
}
