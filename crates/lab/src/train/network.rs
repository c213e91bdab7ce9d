//! A network whose weights learn.

use super::TrainError;
use super::recipe::{Precision, Recipe};
use edgezen_core::plainnet::graph::BN_EPS;
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::{Graph, Model};
use edgezen_core::proxy::exact::source::{Scaling, Seeded, Source, Tensor as Drawn};
use edgezen_engine::Tensor as Values;
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::torch::ops;
use edgezen_engine::torch::ops::Walk;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// What a new batch counts in running statistics, in the recipe of the released code.
const BN_MOMENTUM: f64 = 0.01;
/// √3 · 2 / (1 + ¼²): the gain of the initial weights.
const GAIN: f64 = 3.260_33;

/// A tensor that learns.
pub struct Parameter {
    pub name: String,
    pub value: Tensor,
    pub velocity: Tensor,
    /// Whether it is one of the classifier.
    pub is_head: bool,
    /// Weights of convolutions and linear layers decay; biases and normalisations do not.
    pub decays: bool,
}

/// Places of a node's tensors among the parameters and statistics.
#[derive(Clone, Copy, Default)]
struct Layer {
    weight: Option<usize>,
    bias: Option<usize>,
    statistics: Option<usize>,
}

pub struct Network {
    walk: Walk,
    layers: Vec<Layer>,
    pub parameters: Vec<Parameter>,
    /// Name, running mean and running variance of each normalisation.
    statistics: Vec<(String, Tensor, Tensor)>,
    /// What a new batch counts in them.
    pub bn_momentum: f64,
    /// What steps of learning compute in; networks are judged in 32 bits.
    pub precision: Precision,
    /// The means over the steps of all parameters, and then of the two parts of all statistics; empty where nobody asks for
    /// them.
    averages: Vec<Tensor>,
    device: Device,
}

/// How a step changes the weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    pub rate: f64,
    /// What the means of the weights keep of themselves; `None`: there are none.
    pub kept_in_mean: Option<f64>,
    /// Whether only the classifier learns.
    pub head_alone: bool,
}

impl Network {
    /// A fresh network.
    ///
    /// # Errors
    /// A model that is none, or libtorch's.
    pub fn new(model: &Model, device: Device, seed: u64) -> Result<Network, TrainError> {
        let graph = model.graph()?;
        if graph.nodes.iter().any(|node| node.op == Op::Act(Act::None)) {
            return Err(TrainError::Network("it has an activation of no kind".into()));
        }
        let zeroed = last_normalisations(&graph);
        let mut network = Network {
            walk: Walk::new(&graph),
            layers: Vec::new(),
            parameters: Vec::new(),
            statistics: Vec::new(),
            bn_momentum: BN_MOMENTUM,
            precision: Precision::Full,
            averages: Vec::new(),
            device,
        };
        let head = graph.nodes.iter().rposition(|node| matches!(node.op, Op::Linear { .. }));
        let mut drawn = 0;
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let mut normal = |count: usize, fans: f64| {
            let mut values = vec![0_f32; count];
            Source::<f32>::fill(&source, Drawn::Weights(drawn), 0, &mut values);
            drawn += 1;
            let deviation = (GAIN * (2.0 / fans).sqrt()) as f32;
            values.iter_mut().for_each(|value| *value *= deviation);
            values
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            let mut layer = Layer::default();
            let out = node.shape.c as usize;
            match node.op {
                Op::Conv { in_c, out_c, kernel, groups, bias, .. } => {
                    let (out_c, per_group, k) = (out_c as usize, (in_c / groups) as usize, kernel as usize);
                    let fans = ((per_group + out_c) * k * k) as f64;
                    let values = normal(out_c * per_group * k * k, fans);
                    layer.weight =
                        Some(network.add(index, "weight", &[out_c, per_group, k, k], &values, true)?);
                    if bias {
                        layer.bias = Some(network.add(index, "bias", &[out_c], &vec![0.0; out_c], false)?);
                    }
                }
                Op::Linear { in_c, out_c, bias } => {
                    let (in_c, out_c) = (in_c as usize, out_c as usize);
                    let values = normal(in_c * out_c, (in_c + out_c) as f64);
                    layer.weight = Some(network.add(index, "weight", &[out_c, in_c], &values, true)?);
                    if bias {
                        layer.bias = Some(network.add(index, "bias", &[out_c], &vec![0.0; out_c], false)?);
                    }
                }
                Op::BatchNorm => {
                    let one = if zeroed.contains(&index) { 0.0 } else { 1.0 };
                    layer.weight = Some(network.add(index, "weight", &[out], &vec![one; out], false)?);
                    layer.bias = Some(network.add(index, "bias", &[out], &vec![0.0; out], false)?);
                    layer.statistics = Some(network.statistics.len());
                    let [mean, variance] = [0.0, 1.0].map(|value| network.tensor(&[out], &vec![value; out]));
                    network.statistics.push((format!("n{index}"), mean?, variance?));
                }
                _ => {}
            }
            network.layers.push(layer);
        }
        if let Some(layer) = head.and_then(|head| network.layers.get(head).copied()) {
            for at in layer.weight.into_iter().chain(layer.bias) {
                network.parameters[at].is_head = true;
            }
        }
        Ok(network)
    }

    /// Has it learn as a recipe says.
    pub fn follow(&mut self, recipe: &Recipe) {
        self.bn_momentum = recipe.bn_momentum.unwrap_or(BN_MOMENTUM);
        self.precision = recipe.precision;
    }

    fn tensor(&self, shape: &[usize], values: &[f32]) -> Result<Tensor, TrainError> {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        Ok(Tensor::f_from_slice(values)?.f_reshape(shape)?.f_to_device(self.device)?)
    }

    fn add(
        &mut self,
        node: usize,
        name: &str,
        shape: &[usize],
        values: &[f32],
        decays: bool,
    ) -> Result<usize, TrainError> {
        let value = self.tensor(shape, values)?.f_set_requires_grad(true)?;
        let velocity = self.tensor(shape, &vec![0.0; values.len()])?;
        let name = format!("n{node}.{name}");
        self.parameters.push(Parameter { name, value, velocity, is_head: false, decays });
        Ok(self.parameters.len() - 1)
    }

    /// Logits of `images`; in `training`, normalisations use the batch's statistics and remember them.
    ///
    /// # Errors
    /// libtorch's.
    pub fn forward(&self, images: Tensor, training: bool) -> Result<Tensor, tch::TchError> {
        let mixed = training && self.precision == Precision::Mixed;
        self.walk.run(&[images], |index, op, operands| {
            let layer = self.layers[index];
            let of = |at: Option<usize>| at.map(|at| &self.parameters[at].value);
            match layer.statistics.map(|at| &self.statistics[at]) {
                Some((_, mean, variance)) => operands[0].f_batch_norm(
                    of(layer.weight),
                    of(layer.bias),
                    Some(mean),
                    Some(variance),
                    training,
                    self.bn_momentum,
                    BN_EPS,
                    true,
                ),
                None if mixed && matches!(op, Op::Conv { .. } | Op::Linear { .. }) => {
                    let short = |tensor: &Tensor| tensor.f_to_kind(Kind::BFloat16);
                    let [weight, bias] = [layer.weight, layer.bias].map(|at| of(at).map(short).transpose());
                    ops::apply(op, &[&short(operands[0])?], weight?.as_ref(), bias?.as_ref())
                }
                None => ops::apply(op, operands, of(layer.weight), of(layer.bias)),
            }
        })
    }

    /// One step of learning from `images`: the loss is the sum of the cross entropies with `targets`, of which each
    /// holds a row of shares for every image. Gives the loss.
    ///
    /// # Errors
    /// libtorch's.
    pub fn learn(
        &mut self,
        images: Tensor,
        targets: &[Tensor],
        step: Step,
        recipe: &Recipe,
    ) -> Result<f64, tch::TchError> {
        let log = self.forward(images, true)?.f_log_softmax(-1, Kind::Float)?;
        let mut loss: Option<Tensor> = None;
        for target in targets {
            let of_images = target.f_mul(&log)?.f_sum_dim_intlist(-1, false, Kind::Float)?;
            let entropy = of_images.f_mean(Kind::Float)?.f_neg()?;
            loss = Some(match loss {
                Some(sum) => sum.f_add(&entropy)?,
                None => entropy,
            });
        }
        let Some(loss) = loss else { return Ok(0.0) };
        loss.f_backward()?;
        self.step(step, recipe.momentum, recipe.weight_decay, recipe.clip)?;
        if let Some(kept) = step.kept_in_mean {
            self.average(kept)?;
        }
        loss.f_double_value(&[])
    }

    /// The sum of the cross entropies of `images`, and the class that each of them is taken for. Needs no gradients: callers
    /// hold a guard against them.
    ///
    /// # Errors
    /// libtorch's.
    pub fn judge(&self, images: Tensor, labels: &[u32]) -> Result<(f64, Vec<u32>), tch::TchError> {
        let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.device)?;
        let logits = self.forward(images, false)?;
        let log = logits.f_log_softmax(-1, Kind::Float)?.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
        let loss = -log.f_sum(Kind::Double)?.f_double_value(&[])?;
        let given = Vec::<i64>::try_from(logits.f_argmax(-1, false)?.f_to_device(Device::Cpu)?)?;
        Ok((loss, given.into_iter().map(|class| class.unsigned_abs() as u32).collect()))
    }

    /// The values that learn or are observed, in the order of the averages.
    fn values(&self) -> impl Iterator<Item = &Tensor> {
        let statistics = self.statistics.iter().flat_map(|(_, mean, variance)| [mean, variance]);
        self.parameters.iter().map(|parameter| &parameter.value).chain(statistics)
    }

    /// Begins the means over the steps with the values as they are.
    ///
    /// # Errors
    /// libtorch's.
    pub fn begin_averages(&mut self) -> Result<(), tch::TchError> {
        let _guard = tch::no_grad_guard();
        let copy = |value: &Tensor| {
            let mut copy = value.f_detach()?.f_zeros_like()?;
            copy.f_copy_(value)?;
            Ok(copy)
        };
        let copies: Result<Vec<Tensor>, tch::TchError> = self.values().map(copy).collect();
        self.averages = copies?;
        Ok(())
    }

    /// Moves the means towards the values; they keep the share `kept` of themselves.
    fn average(&mut self, kept: f64) -> Result<(), tch::TchError> {
        let _guard = tch::no_grad_guard();
        let mut averages = std::mem::take(&mut self.averages);
        for (average, value) in averages.iter_mut().zip(self.values()) {
            let moved = average.f_mul_scalar(kept)?.f_add(&value.f_mul_scalar(1.0 - kept)?)?;
            average.f_copy_(&moved)?;
        }
        self.averages = averages;
        Ok(())
    }

    /// Exchanges the values with their means, where there are any: a network is judged and kept with the means, and goes on
    /// learning after a second exchange.
    pub fn exchange(&mut self) {
        let mut averages = self.averages.iter_mut();
        for parameter in &mut self.parameters {
            if let Some(average) = averages.next() {
                std::mem::swap(&mut parameter.value, average);
            }
        }
        for (_, mean, variance) in &mut self.statistics {
            for part in [mean, variance] {
                if let Some(average) = averages.next() {
                    std::mem::swap(part, average);
                }
            }
        }
    }

    /// One step of stochastic gradient descent with Nesterov's momentum.
    ///
    /// # Errors
    /// libtorch's.
    fn step(
        &mut self,
        step: Step,
        momentum: f64,
        decay: f64,
        clip: Option<f64>,
    ) -> Result<(), tch::TchError> {
        let _guard = tch::no_grad_guard();
        for parameter in &mut self.parameters {
            if step.head_alone && !parameter.is_head {
                parameter.value.zero_grad();
                continue;
            }
            let mut gradient = parameter.value.f_grad()?;
            if let Some(clip) = clip {
                gradient = gradient.f_clamp(-clip, clip)?;
            }
            if parameter.decays {
                gradient = gradient.f_add(&parameter.value.f_mul_scalar(decay)?)?;
            }
            parameter.velocity = parameter.velocity.f_mul_scalar(momentum)?.f_add(&gradient)?;
            let change = gradient.f_add(&parameter.velocity.f_mul_scalar(momentum)?)?;
            let _ = parameter.value.f_sub_(&change.f_mul_scalar(step.rate)?)?;
            parameter.value.zero_grad();
        }
        Ok(())
    }

    /// All tensors by name; with `velocities`, what going on needs as well.
    ///
    /// # Errors
    /// libtorch's.
    pub fn tensors(&self, velocities: bool) -> Result<BTreeMap<String, Values>, TrainError> {
        let mut out = BTreeMap::new();
        let mut put = |name: String, tensor: &Tensor| -> Result<(), TrainError> {
            let shape = tensor.size().iter().map(|&n| n.unsigned_abs() as usize).collect();
            let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
            out.insert(name, Values { shape, data: Vec::<f32>::try_from(flat)? });
            Ok(())
        };
        for parameter in &self.parameters {
            put(parameter.name.clone(), &parameter.value)?;
            if velocities {
                put(format!("{}.velocity", parameter.name), &parameter.velocity)?;
            }
        }
        for (name, mean, variance) in &self.statistics {
            put(format!("{name}.running_mean"), mean)?;
            put(format!("{name}.running_var"), variance)?;
        }
        if velocities {
            for (name, average) in self.average_names().into_iter().zip(&self.averages) {
                put(name, average)?;
            }
        }
        Ok(out)
    }

    /// How many tensors [`Network::tensors`] gives without velocities.
    pub fn tensor_count(&self) -> usize {
        self.parameters.len() + 2 * self.statistics.len()
    }

    /// The names of the means in files.
    fn average_names(&self) -> Vec<String> {
        let parameters = self.parameters.iter().map(|parameter| format!("{}.average", parameter.name));
        let statistics = self.statistics.iter().flat_map(|(name, ..)| {
            ["running_mean", "running_var"].map(|part| format!("{name}.{part}.average"))
        });
        parameters.chain(statistics).collect()
    }

    /// Takes over those tensors of a file that are of the same name and shape: the beginning of a training that goes on from
    /// another one. Gives the names of the others.
    ///
    /// # Errors
    /// libtorch's.
    pub fn adopt(&mut self, file: &Tensors) -> Result<Vec<String>, TrainError> {
        let _guard = tch::no_grad_guard();
        let mut left = Vec::new();
        let mut copy = |name: String, to: &mut Tensor| -> Result<(), TrainError> {
            let found = file.tensors.get(&name);
            let shape = |found: &Values| found.shape.iter().map(|&n| n as i64).collect::<Vec<i64>>();
            match found.filter(|found| shape(found) == to.size()) {
                Some(found) => {
                    let values = Tensor::f_from_slice(&found.data)?.f_reshape(shape(found))?;
                    to.f_copy_(&values)?;
                }
                None => left.push(name),
            }
            Ok(())
        };
        for parameter in &mut self.parameters {
            copy(parameter.name.clone(), &mut parameter.value)?;
        }
        for (name, mean, variance) in &mut self.statistics {
            copy(format!("{name}.running_mean"), mean)?;
            copy(format!("{name}.running_var"), variance)?;
        }
        Ok(left)
    }

    /// Takes over the tensors of a file; it must hold all of them, of the same shapes.
    ///
    /// # Errors
    /// What does not fit: the file is of another network.
    pub fn load(&mut self, file: &Tensors, velocities: bool) -> Result<(), String> {
        let _guard = tch::no_grad_guard();
        let find = |name: &str, to: &mut Tensor| -> Result<(), String> {
            let found = file.tensors.get(name).ok_or_else(|| format!("it has no {name}"))?;
            let shape: Vec<i64> = found.shape.iter().map(|&n| n as i64).collect();
            if shape != to.size() {
                return Err(format!("{name} is {shape:?} there and {:?} here", to.size()));
            }
            let values = Tensor::f_from_slice(&found.data).and_then(|t| t.f_reshape(shape));
            values.and_then(|values| to.f_copy_(&values)).map_err(|e| e.to_string())
        };
        for parameter in &mut self.parameters {
            find(&parameter.name, &mut parameter.value)?;
            if velocities {
                find(&format!("{}.velocity", parameter.name), &mut parameter.velocity)?;
            }
        }
        for (name, mean, variance) in &mut self.statistics {
            find(&format!("{name}.running_mean"), mean)?;
            find(&format!("{name}.running_var"), variance)?;
        }
        if velocities {
            for (name, average) in self.average_names().iter().zip(&mut self.averages) {
                find(name, average)?;
            }
        }
        Ok(())
    }
}

/// The last normalisation in the body of each residual unit.
fn last_normalisations(graph: &Graph) -> Vec<usize> {
    let sums = graph.nodes.iter().filter(|node| node.op == Op::Add);
    sums.filter_map(|sum| {
        let mut at = *sum.inputs.first()?;
        while graph.nodes[at].op != Op::BatchNorm {
            at = *graph.nodes[at].inputs.first()?;
        }
        Some(at)
    })
    .collect()
}
