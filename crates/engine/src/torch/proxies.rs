//! The proxies that look at gradients or activation patterns, in libtorch: the random numbers of the native
//! engine, derivatives by autograd.

use super::ops::{self, Walk};
use super::unscored::Unscored;
use super::zen::{self, Element};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::BN_EPS;
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::proxy::exact::Settings;
use edgezen_core::proxy::exact::forward::ForwardError;
use edgezen_core::proxy::exact::source::{Scaling, Seeded, Source};
use edgezen_core::proxy::on_graph::Undefined;
use edgezen_core::proxy::{Mode, grad_norm, naswot, te_nas};
use std::collections::BTreeSet;
use tch::{Device, Kind, TchError, Tensor};

/// The score of `graph` by the proxy called `name`, as its native engine defines it; `None` if libtorch has none of
/// that name.
pub fn score(
    name: &str,
    place: Device,
    graph: &Graph,
    batch: u32,
    seed: u64,
) -> Option<Result<f64, Undefined>> {
    let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
    let uniform = Seeded { scaling: Scaling::Uniform, ..source };
    let score = match name {
        "grad-norm" => gradient_norm(place, graph, batch, seed, &source),
        "synflow" => flow(place, graph, &source).map(|flow| -flow),
        "synflow-original" => flow(place, graph, &source),
        "naswot" => patterns(place, graph, batch, &source)
            .and_then(|patterns| Ok(naswot::log_determinant(&patterns.agreement()?)?)),
        "te-nas" => condition(place, graph, batch, &uniform).map(|condition| -condition),
        "te-nas-regions" => condition(place, graph, batch, &uniform)
            .and_then(|condition| Ok(patterns(place, graph, batch, &uniform)?.regions()? as f64 - condition)),
        _ => return None,
    };
    Some(score.map_err(Undefined::from))
}

/// A random network in training mode.
struct Random {
    walk: Walk,
    /// The weights of convolutions and linear layers, in the order of the walk.
    weights: Vec<Tensor>,
    bn_weights: Vec<Tensor>,
    /// The biases of normalisations and linear layers, which are zero.
    biases: Vec<Tensor>,
    images: Tensor,
}

impl Random {
    fn new<T: Element>(
        place: Device,
        graph: &Graph,
        batch: u32,
        source: &dyn Source<T>,
        change: fn(Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Random, Unscored> {
        let settings = Settings { batch, ..Settings::new(Mode::Paper, 0) };
        let [images, _] = zen::images(place, graph, source, &settings)?;
        let learns = |tensor: Tensor| tensor.f_set_requires_grad(true);
        let weights = zen::weights(place, graph, source)?;
        let weights =
            weights.into_iter().map(|weight| learns(change(weight)?)).collect::<Result<_, TchError>>()?;
        let (mut bn_weights, mut biases) = (Vec::new(), Vec::new());
        let filled =
            |count: u32, value: f64| learns(Tensor::f_full([i64::from(count)], value, (T::KIND, place))?);
        for node in &graph.nodes {
            match node.op {
                Op::BatchNorm => {
                    bn_weights.push(filled(node.shape.c, 1.0)?);
                    biases.push(filled(node.shape.c, 0.0)?);
                }
                Op::Conv { bias: true, .. } | Op::Linear { bias: true, .. } => {
                    biases.push(filled(node.shape.c, 0.0)?)
                }
                _ => {}
            }
        }
        Ok(Random { walk: Walk::new(graph), weights, bn_weights, biases, images })
    }

    /// The network's output; `before_relu` sees the input of every ReLU.
    fn forward(
        &self,
        before_relu: &mut dyn FnMut(&Tensor) -> Result<(), TchError>,
    ) -> Result<Tensor, Unscored> {
        let (mut weights, mut scales, mut biases) =
            (self.weights.iter(), self.bn_weights.iter(), self.biases.iter());
        self.walk.run(&[self.images.shallow_clone()], |_, op, operands| {
            let x = operands[0];
            match op {
                Op::BatchNorm => {
                    let size = x.size();
                    if size.iter().product::<i64>() / size[1] < 2 {
                        return Err(ForwardError::SingleValue.into());
                    }
                    let (scale, bias) = (scales.next(), biases.next());
                    let none = None::<&Tensor>;
                    Ok(x.f_batch_norm(scale, bias, none, none, true, 0.1, BN_EPS, true)?)
                }
                Op::Conv { bias, .. } => {
                    Ok(ops::apply(op, operands, weights.next(), if bias { biases.next() } else { None })?)
                }
                Op::Linear { bias, .. } => {
                    let flat = weights.next().map(|weight| weight.f_flatten(1, -1)).transpose()?;
                    Ok(ops::apply(op, operands, flat.as_ref(), if bias { biases.next() } else { None })?)
                }
                Op::Act(Act::Relu) => {
                    before_relu(x)?;
                    Ok(ops::apply(op, operands, None, None)?)
                }
                _ => Ok(ops::apply(op, operands, None, None)?),
            }
        })
    }
}

fn as_drawn(weight: Tensor) -> Result<Tensor, TchError> {
    Ok(weight)
}

fn finite(value: f64) -> Result<f64, Unscored> {
    if value.is_finite() { Ok(value) } else { Err(Undefined::NotFinite.into()) }
}

fn gradient_norm(
    place: Device,
    graph: &Graph,
    batch: u32,
    seed: u64,
    source: &dyn Source<f32>,
) -> Result<f64, Unscored> {
    let network = Random::new::<f32>(place, graph, batch, source, as_drawn)?;
    let logits = network.forward(&mut |_| Ok(()))?;
    let labels: Vec<i64> =
        grad_norm::labels(graph, batch, seed).into_iter().map(|label| label as i64).collect();
    let labels = Tensor::f_from_slice(&labels)?.f_to_device(place)?.f_unsqueeze(1)?;
    let log = logits.f_log_softmax(-1, Kind::Float)?.f_gather(1, &labels, false)?;
    log.f_mean(Kind::Float)?.f_neg()?.f_backward()?;
    let mut squares = 0.0;
    for parameter in network.weights.iter().chain(&network.bn_weights).chain(&network.biases) {
        squares += parameter
            .f_grad()?
            .f_to_kind(Kind::Double)?
            .f_square()?
            .f_sum(Kind::Double)?
            .f_double_value(&[])?;
    }
    Ok(finite(squares)?.sqrt())
}

fn flow(place: Device, graph: &Graph, source: &dyn Source<f64>) -> Result<f64, Unscored> {
    let mut network = Random::new::<f64>(place, graph, 1, source, |weight| weight.f_abs())?;
    network.images = network.images.f_ones_like()?;
    network.forward(&mut |_| Ok(()))?.f_sum(Kind::Double)?.f_backward()?;
    let mut total = 0.0;
    for weight in &network.weights {
        let flow = weight.f_grad()?.f_mul(&weight.f_detach()?)?.f_abs()?.f_sum(Kind::Double)?;
        total += flow.f_double_value(&[])? / weight.size()[0] as f64;
    }
    finite(total)
}

/// One row of bits for each image.
struct Patterns(Tensor);

fn patterns(
    place: Device,
    graph: &Graph,
    batch: u32,
    source: &dyn Source<f32>,
) -> Result<Patterns, Unscored> {
    let _guard = tch::no_grad_guard();
    let network = Random::new::<f32>(place, graph, batch, source, as_drawn)?;
    let mut bits = Vec::new();
    let _ = network.forward(&mut |x| {
        bits.push(x.f_gt(0.0)?.f_flatten(1, -1)?);
        Ok(())
    })?;
    if bits.is_empty() {
        return Err(Undefined::Reason("it has no ReLU".into()).into());
    }
    Ok(Patterns(Tensor::f_cat(&bits, 1)?))
}

impl Patterns {
    /// In how many bits two images agree.
    fn agreement(&self) -> Result<Vec<Vec<f64>>, Unscored> {
        let ones = self.0.f_to_kind(Kind::Double)?;
        let zeros = ones.f_neg()?.f_add_scalar(1.0)?;
        let product = |t: &Tensor| t.f_matmul(&t.f_tr()?);
        let sum = product(&ones)?.f_add(&product(&zeros)?)?;
        Ok(Vec::<Vec<f64>>::try_from(sum.f_to_device(Device::Cpu)?)?)
    }

    fn regions(&self) -> Result<usize, Unscored> {
        let rows = self.0.f_to_kind(Kind::Uint8)?.f_to_device(Device::Cpu)?;
        Ok(Vec::<Vec<u8>>::try_from(rows)?.into_iter().collect::<BTreeSet<_>>().len())
    }
}

fn condition(place: Device, graph: &Graph, batch: u32, source: &dyn Source<f32>) -> Result<f64, Unscored> {
    let network = Random::new::<f32>(place, graph, batch, source, as_drawn)?;
    let logits = network.forward(&mut |_| Ok(()))?;
    let parameters: Vec<&Tensor> = network.weights.iter().chain(&network.bn_weights).collect();
    let mut rows = Vec::new();
    for image in 0..i64::from(batch) {
        let sum = logits.f_get(image)?.f_sum(Kind::Float)?;
        let gradients = Tensor::f_run_backward(&[sum], &parameters, true, false)?;
        let flat =
            gradients.iter().map(|gradient| gradient.f_flatten(0, -1)).collect::<Result<Vec<_>, _>>()?;
        rows.push(Tensor::f_cat(&flat, 0)?);
    }
    let rows = Tensor::f_stack(&rows, 0)?.f_to_kind(Kind::Double)?;
    let kernel = rows.f_matmul(&rows.f_tr()?)?.f_to_device(Device::Cpu)?;
    Ok(te_nas::condition(&Vec::<Vec<f64>>::try_from(kernel)?)?)
}
