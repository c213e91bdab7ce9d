//! A training run: epochs of steps, a test after each, a checkpoint after each and whenever it is broken off. Where the data
//! say so, one part of the images chooses the epoch, and another one judges the network of that epoch once.

use super::checkpoint::{self, Best, TrainingState};
use super::data::TrainingData;
use super::network::{Network, Step};
use super::teacher::Teacher;
use super::{Purpose, TrainError, augment, stream};
use crate::files::write_atomically;
use crate::images::{Answers, Pictures, View};
use crate::trainings::epochs::{self, Epoch};
use crate::trainings::{BEST, CHECKPOINT, CLASSES, CONFUSION, LAST, METRICS};
use edgezen_core::files::FileError;
use edgezen_core::random::shuffle;
use edgezen_engine::safetensors::Tensors;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::PathBuf;
use tch::{Device, Tensor};

/// Images that are tested at once.
const TEST_BATCH: usize = 256;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub epoch: u32,
    pub step: u64,
    pub steps: u64,
    pub loss: f64,
    pub finished: Option<Epoch>,
}

/// What one step learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Augmented and normalised, not mixed yet.
    pub images: Vec<f32>,
    pub labels: Vec<u32>,
    /// What each image keeps of itself in the mixture with its partner.
    pub share: f64,
    /// The number within the batch of the image that each one is mixed with.
    pub partners: Vec<i64>,
    pub rate: f64,
}

/// A run, ready to go on.
pub struct Course<'a> {
    pub data: &'a TrainingData,
    pub network: Network,
    pub state: TrainingState,
    pub device: Device,
    pub teacher: Option<Teacher>,
    /// Folder of what it leaves behind.
    pub dir: PathBuf,
    /// Epochs after which it pauses; `None`: it goes on to the end.
    pub until: Option<u32>,
}

impl Course<'_> {
    pub(super) fn steps(&self) -> u64 {
        (self.data.training.len() / self.state.recipe.batch as usize) as u64
    }

    /// Trains to the end, unless `progress` breaks it off.
    ///
    /// # Errors
    /// Interrupted, out of memory, a loss that is no number; the last checkpoint is left behind.
    pub fn run(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Epoch>, TrainError> {
        let mut epochs = self.epochs_so_far()?;
        let steps = self.steps();
        while !self.is_over() {
            let epoch = self.state.epoch;
            let order = self.order(epoch);
            while self.state.step < steps {
                let loss = self.step(&order)?;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged { epoch: epoch + 1, loss });
                }
                self.state.loss += loss;
                self.state.step += 1;
                let now = Progress { epoch: epoch + 1, step: self.state.step, steps, loss, finished: None };
                if progress(now).is_break() {
                    checkpoint::write(&self.dir.join(CHECKPOINT), &self.network, &self.state)?;
                    return Err(TrainError::Interrupted { epoch: epoch + 1 });
                }
            }
            self.network.exchange();
            let judged = judge(&self.network, &self.data.judged, &self.data.view, self.device);
            let (test_loss, top1) = judged.map(|(loss, answers)| (loss, answers.top1()))?;
            let train_loss = self.state.loss / steps as f64;
            let line = Epoch { epoch: epoch + 1, rate: self.rate(), train_loss, test_loss, top1 };
            if self.state.best.is_none_or(|best| top1 > best.top1) {
                self.state.best = Some(Best { epoch: epoch + 1, top1 });
                self.write_weights(BEST, top1)?;
            }
            self.write_weights(LAST, top1)?;
            self.network.exchange();
            epochs.push(line);
            self.write_metrics(&epochs)?;
            self.state = TrainingState { epoch: epoch + 1, step: 0, loss: 0.0, ..self.state.clone() };
            checkpoint::write(&self.dir.join(CHECKPOINT), &self.network, &self.state)?;
            let done =
                Progress { epoch: epoch + 1, step: steps, steps, loss: train_loss, finished: Some(line) };
            if progress(done).is_break() && !self.is_over() {
                return Err(TrainError::Interrupted { epoch: epoch + 1 });
            }
        }
        Ok(epochs)
    }

    /// Whether all epochs are done that it is asked for, or no better one came for long.
    fn is_over(&self) -> bool {
        let TrainingState { epoch, recipe, best, .. } = &self.state;
        if self.until.is_some_and(|until| *epoch >= until) {
            return true;
        }
        let waited = best.map_or(0, |best| epoch - best.epoch);
        *epoch >= recipe.epochs || recipe.patience.is_some_and(|patience| waited >= patience)
    }

    fn write_weights(&self, name: &str, top1: f64) -> Result<(), TrainError> {
        let path = self.dir.join(name);
        checkpoint::write_weights(&path, &self.network, &self.state, top1, &self.data.about)
    }

    /// Judges the network of the best epoch by the test images, and writes how each class was answered. `None` where the test
    /// images chose the epoch.
    ///
    /// # Errors
    /// A file of weights that is no longer what was written; the disk's, libtorch's.
    pub fn judge_best(&mut self) -> Result<Option<Answers>, TrainError> {
        let Some(test) = &self.data.test else { return Ok(None) };
        let path = self.dir.join(BEST);
        let bad = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let best = Tensors::read(&path).map_err(|error| bad(error.to_string()))?;
        self.network.load(&best, false).map_err(bad)?;
        let (_, answers) = judge(&self.network, test, &self.data.view, self.device)?;
        for (name, table) in [
            (CONFUSION, answers.confusion_csv(&self.data.classes)),
            (CLASSES, answers.classes_csv(&self.data.classes)),
        ] {
            let path = self.dir.join(name);
            write_atomically(&path, &table.map_err(|error| FileError::damaged(&path, error))?)?;
        }
        Ok(Some(answers))
    }

    fn rate(&self) -> f64 {
        self.rate_of(self.state.epoch, self.state.step.min(self.steps() - 1))
    }

    /// The learning rate of a step of an epoch, both from 0.
    fn rate_of(&self, epoch: u32, step: u64) -> f64 {
        let batch = u64::from(self.state.recipe.batch);
        // The last batch is left out if it is not whole.
        let before = u64::from(epoch) * self.steps() * batch;
        self.state.recipe.rate(before + (step + 1) * batch, self.data.training.len() as u64)
    }

    fn order(&self, epoch: u32) -> Vec<usize> {
        shuffled(self.data.training.len(), &mut stream(self.state.seed, Purpose::Order, epoch, 0))
    }

    /// What a step of an epoch learns from, both from 0: it depends on the seed, and on nothing that was learnt.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn batch(&self, epoch: u32, step: u64) -> Result<Batch, TrainError> {
        self.ordered_batch(&self.order(epoch), epoch, step)
    }

    fn ordered_batch(&self, order: &[usize], epoch: u32, step: u64) -> Result<Batch, TrainError> {
        let TrainingState { seed, recipe, .. } = &self.state;
        let batch = recipe.batch as usize;
        let indices = &order[step as usize * batch..][..batch];
        let TrainingData { view, training, .. } = self.data;
        let elements = view.elements();
        let mut images = vec![0_f32; batch * elements];
        images.par_chunks_mut(elements).zip(indices).try_for_each(|(out, &index)| {
            let mut rng = stream(*seed, Purpose::Image, epoch, index as u64);
            let picture = training.picture(index)?;
            view.numbers(&augment::augmented(view, &picture, recipe, &mut rng), out);
            augment::erase(out, recipe, &mut rng);
            Ok::<(), TrainError>(())
        })?;
        let labels = indices.iter().map(|&index| training.labels()[index]).collect();
        let mut rng = stream(*seed, Purpose::Mixup, epoch, step);
        let share = recipe.mixture(&mut rng);
        let partners = shuffled(batch, &mut rng).into_iter().map(|i| i as i64).collect();
        Ok(Batch { images, labels, share, partners, rate: self.rate_of(epoch, step) })
    }

    /// One step; gives its loss.
    fn step(&mut self, order: &[usize]) -> Result<f64, TrainError> {
        let batch = self.ordered_batch(order, self.state.epoch, self.state.step)?;
        self.learn(&batch)
    }

    pub(super) fn learn(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        let recipe = &self.state.recipe;
        let failed = |error: tch::TchError| match edgezen_engine::torch::failed(error) {
            edgezen_engine::EngineError::OutOfMemory { reason, .. } => {
                TrainError::OutOfMemory { batch: recipe.batch, reason }
            }
            other => TrainError::Torch(other.to_string()),
        };
        let step = Step {
            rate: batch.rate,
            kept_in_mean: recipe.kept_in_mean(u64::from(self.state.epoch) * self.steps() + self.state.step),
            head_alone: self.state.epoch < recipe.head_epochs,
        };
        let (x, y) = self.mixed(batch).map_err(failed)?;
        let mut targets = vec![y];
        if let Some(teacher) = &mut self.teacher {
            targets.push(teacher.shares(&x)?);
        }
        self.network.learn(x, &targets, step, recipe).map_err(failed)
    }

    /// Images and targets of a batch, mixed, where libtorch computes.
    fn mixed(&self, batch: &Batch) -> Result<(Tensor, Tensor), tch::TchError> {
        let classes = self.state.classes as usize;
        let recipe = &self.state.recipe;
        let target = |&label: &u32| {
            let counts = if recipe.balance { self.data.balance[label as usize] } else { 1.0 };
            recipe.target(label, classes).into_iter().map(move |share| share * counts)
        };
        let targets: Vec<f32> = batch.labels.iter().flat_map(target).collect();
        let View { height, width, .. } = self.data.view;
        let count = batch.labels.len() as i64;
        let place = |values: &[f32], shape: &[i64]| {
            Tensor::f_from_slice(values)?.f_reshape(shape)?.f_to_device(self.device)
        };
        let x = place(&batch.images, &[count, 3, height as i64, width as i64])?;
        let y = place(&targets, &[count, classes as i64])?;
        if batch.share >= 1.0 {
            return Ok((x, y));
        }
        let partners = Tensor::f_from_slice(&batch.partners)?.f_to_device(self.device)?;
        let mix = |t: &Tensor| {
            let partner = t.f_index_select(0, &partners)?.f_mul_scalar(1.0 - batch.share)?;
            t.f_mul_scalar(batch.share)?.f_add(&partner)
        };
        Ok((mix(&x)?, mix(&y)?))
    }

    /// The lines of the epochs before this one.
    ///
    /// # Errors
    /// A file of metrics that cannot be read, or is not of this run.
    pub fn epochs_so_far(&self) -> Result<Vec<Epoch>, TrainError> {
        if self.state.epoch == 0 {
            return Ok(Vec::new());
        }
        let path = self.dir.join(METRICS);
        let text = std::fs::read_to_string(&path).map_err(FileError::io(&path))?;
        let bad =
            || TrainError::Checkpoint { path: path.clone(), reason: "not the metrics of this run".into() };
        let mut lines = epochs::decode(&text).ok_or_else(bad)?;
        // A run that was killed between the two files has a line more than the checkpoint.
        lines.truncate(self.state.epoch as usize);
        if lines.len() < self.state.epoch as usize { Err(bad()) } else { Ok(lines) }
    }

    fn write_metrics(&self, epochs: &[Epoch]) -> Result<(), TrainError> {
        Ok(write_atomically(&self.dir.join(METRICS), epochs::encode(epochs).as_bytes())?)
    }
}

/// The numbers below `count` in random order.
fn shuffled(count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, rng);
    order
}

/// Mean cross entropy of `pictures`, and what the network takes each of them for.
///
/// # Errors
/// libtorch's; a file that can no longer be read.
pub fn judge(
    network: &Network,
    pictures: &Pictures,
    view: &View,
    device: Device,
) -> Result<(f64, Answers), TrainError> {
    let _guard = tch::no_grad_guard();
    let (mut loss, mut answers) = (0.0, Answers::default());
    let indices: Vec<usize> = (0..pictures.len()).collect();
    let elements = view.elements();
    for indices in indices.chunks(TEST_BATCH) {
        let mut values = vec![0_f32; indices.len() * elements];
        values.par_chunks_mut(elements).zip(indices).try_for_each(|(out, &index)| {
            view.numbers(&view.middle(pictures.picture(index)?.as_ref()), out);
            Ok::<(), TrainError>(())
        })?;
        let shape = [indices.len() as i64, 3, view.height as i64, view.width as i64];
        let x = Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)?;
        let labels: Vec<u32> = indices.iter().map(|&index| pictures.labels()[index]).collect();
        let (entropy, given) = network.judge(x, &labels)?;
        loss += entropy;
        labels.iter().zip(given).for_each(|(&label, given)| answers.push(label, given));
    }
    Ok((loss / pictures.len().max(1) as f64, answers))
}
