//! A short training of a small network, all in memory. The validation images choose the epoch; the test images judge the
//! network of that epoch, and nothing else.

use super::network::{Network, Step};
use super::recipe::Recipe;
use super::split::{Part, Split};
use super::{Purpose, TrainError, augment, stream};
use crate::images::{Picture, View};
use edgezen_core::plainnet::{Model, Shape};
use edgezen_core::random::shuffle;
use edgezen_engine::safetensors::Tensors;
use serde::Serialize;
use tch::{Device, Tensor};

/// Images that are judged at once.
const JUDGED: usize = 256;
/// What a new batch counts in running statistics. With the 0.01 of the recipe of the released code, the statistics of
/// some hundred steps would still be half those of the beginning.
const BN_MOMENTUM: f64 = 0.1;

/// The network of the epoch that the validation images choose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chosen {
    /// From 1; 0 is the network before it has learnt anything.
    pub epoch: u32,
    /// Share of the validation images that are right, 0 to 1.
    pub validation: f64,
    /// Share of the test images that are right.
    pub test: f64,
    /// The epoch in which the loss was no finite number any more, and the training ended.
    pub diverged: Option<u32>,
}

/// The recipe of short trainings: that of the released code, without mixing, erasing and AutoAugment, which need many
/// epochs. Where images may be mirrored, they are cropped and mirrored.
pub fn recipe(epochs: u32, batch: u32, rate_per_256: f64, data: &Split) -> Recipe {
    Recipe {
        epochs,
        batch,
        rate_per_256,
        warmup_epochs: f64::from(epochs) / 10.0,
        mixup: 0.0,
        erasing: 0.0,
        auto_augment: false,
        crop_and_flip: data.can_be_mirrored,
        clip: Some(1.0),
        ..Recipe::default()
    }
}

/// `recipe` with what else a short training depends on, for those who compare.
///
/// # Errors
/// None that is known: the recipe is plain data.
pub fn described(recipe: &Recipe) -> Result<serde_json::Value, serde_json::Error> {
    let mut described = serde_json::to_value(recipe)?;
    if let Some(fields) = described.as_object_mut() {
        fields.insert("bn_momentum".into(), BN_MOMENTUM.into());
    }
    Ok(described)
}

/// Trains `model` on `data` from random weights. `stop` is asked before each step.
///
/// # Errors
/// A network that cannot be trained, too few images for a step, libtorch's, and [`TrainError::Interrupted`].
pub fn train(
    model: &Model,
    data: &Split,
    recipe: &Recipe,
    seed: u64,
    device: Device,
    stop: &dyn Fn() -> bool,
) -> Result<Chosen, TrainError> {
    let steps = data.training.len() / (recipe.batch.max(1) as usize);
    if steps == 0 {
        let reason = format!("{} images make no step of {}", data.training.len(), recipe.batch);
        return Err(TrainError::Network(reason));
    }
    if recipe.mixup > 0.0 || recipe.erasing > 0.0 {
        let reason = "a short training neither mixes nor erases images";
        return Err(TrainError::Network(reason.into()));
    }
    let mut network = Network::new(model, device, seed)?;
    network.bn_momentum = BN_MOMENTUM;
    let mut run = Run { data, recipe, seed, device, network };
    let (mut loss, mut validation) = run.judge(&data.validation)?;
    let (mut chosen, mut kept, mut diverged) = (0, run.kept()?, None);
    'epochs: for epoch in 0..recipe.epochs {
        let mut order: Vec<usize> = (0..data.training.len()).collect();
        shuffle(&mut order, &mut stream(seed, Purpose::Order, epoch, 0));
        for step in 0..steps {
            if stop() {
                return Err(TrainError::Interrupted { epoch: epoch + 1 });
            }
            if !run.step(epoch, step, &order)?.is_finite() {
                diverged = Some(epoch + 1);
                break 'epochs;
            }
        }
        let (entropy, right) = run.judge(&data.validation)?;
        // Of epochs with as many right, the surest one.
        if right > validation || (right == validation && entropy < loss) {
            (loss, validation, chosen, kept) = (entropy, right, epoch + 1, run.kept()?);
        }
    }
    run.network.load(&kept, false).map_err(TrainError::Torch)?;
    Ok(Chosen { epoch: chosen, validation, test: run.judge(&data.test)?.1, diverged })
}

/// A training under way.
struct Run<'a> {
    data: &'a Split,
    recipe: &'a Recipe,
    seed: u64,
    device: Device,
    network: Network,
}

impl Run<'_> {
    /// The network as it is now.
    fn kept(&self) -> Result<Tensors, TrainError> {
        Ok(Tensors { tensors: self.network.tensors(false)?, ..Tensors::default() })
    }

    /// One step; gives its loss.
    fn step(&mut self, epoch: u32, step: usize, order: &[usize]) -> Result<f64, TrainError> {
        let Run { data, recipe, seed, .. } = *self;
        let batch = recipe.batch as usize;
        let rows = &order[step * batch..][..batch];
        let bytes = data.image_bytes();
        let view = View::of(Shape::square(3, data.side as u32));
        let mut values = vec![0_f32; batch * bytes];
        for (out, &row) in values.chunks_mut(bytes).zip(rows) {
            let mut rng = stream(seed, Purpose::Image, epoch, row as u64);
            let planes = data.training.pixels[row * bytes..][..bytes].to_vec();
            let picture = Picture { height: data.side, width: data.side, planes };
            data.normalised(&augment::augmented(&view, &picture, recipe, &mut rng), out);
        }
        let classes = data.classes as usize;
        let targets: Vec<f32> = rows
            .iter()
            .flat_map(|&row| recipe.target(u32::from(data.training.labels[row]), classes))
            .collect();
        let images = data.training.len() as u64;
        let consumed = (u64::from(epoch) * (images / batch as u64) + step as u64 + 1) * batch as u64;
        let rate = recipe.rate(consumed, images);
        let x = self.tensor(&values, batch)?;
        let y = Tensor::f_from_slice(&targets)?.f_reshape([batch as i64, classes as i64])?;
        Ok(self.network.learn(x, &[y.f_to_device(self.device)?], Step { rate, ..Step::default() }, recipe)?)
    }

    /// The mean cross entropy of `part`, and the share of it that the network names right.
    fn judge(&self, part: &Part) -> Result<(f64, f64), TrainError> {
        let _guard = tch::no_grad_guard();
        let bytes = self.data.image_bytes();
        let (mut loss, mut right) = (0.0, 0);
        for (images, labels) in part.pixels.chunks(JUDGED * bytes).zip(part.labels.chunks(JUDGED)) {
            let mut values = vec![0_f32; images.len()];
            for (image, out) in images.chunks(bytes).zip(values.chunks_mut(bytes)) {
                self.data.normalised(image, out);
            }
            let labels: Vec<u32> = labels.iter().map(|&label| u32::from(label)).collect();
            let (entropy, given) = self.network.judge(self.tensor(&values, labels.len())?, &labels)?;
            loss += entropy;
            right += given.iter().zip(&labels).filter(|(given, label)| given == label).count();
        }
        let count = part.len().max(1) as f64;
        Ok((loss / count, right as f64 / count))
    }

    fn tensor(&self, values: &[f32], count: usize) -> Result<Tensor, TrainError> {
        let side = self.data.side as i64;
        let images = Tensor::f_from_slice(values)?.f_reshape([count as i64, 3, side, side])?;
        Ok(images.f_to_device(self.device)?)
    }
}
