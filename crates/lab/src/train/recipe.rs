//! The recipe: what is done to images and targets, and how quickly weights move (docs/plainnet.md,
//! section 7).

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::str::FromStr;

/// What a step computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits everywhere.
    #[default]
    Full,
    /// Convolutions and linear layers compute in bfloat16, and what lies between them is kept in it; weights, their gradients and
    /// changes, statistics and losses have 32 bits.
    Mixed,
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        match text {
            "full" => Ok(Precision::Full),
            "mixed" => Ok(Precision::Mixed),
            _ => Err("full or mixed".into()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub epochs: u32,
    /// Images of one step.
    pub batch: u32,
    /// Learning rate for 256 images a step; it grows with the batch.
    pub rate_per_256: f64,
    pub warmup_epochs: f64,
    pub momentum: f64,
    /// Of the weights of convolutions and linear layers only.
    pub weight_decay: f64,
    pub label_smoothing: f64,
    /// Both parameters of the beta distribution that images are mixed by; 0: they are not mixed.
    pub mixup: f64,
    /// Share of images of which a rectangle is erased.
    pub erasing: f64,
    pub auto_augment: bool,
    /// Random crops, and mirror images unless `mirror` is false.
    pub crop_and_flip: bool,
    /// Whether a mirror image shows the same thing.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub mirror: bool,
    /// Gradients are cut to ± this; absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// What a new batch counts in running means and variances; absent: 0.01, as in the released code, whose trainings have
    /// many steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bn_momentum: Option<f64>,
    /// What the mean of the weights over the steps keeps of itself in each; absent: the weights themselves are judged and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Whether images of rare classes count more, so that all classes count alike.
    #[serde(default, skip_serializing_if = "is_no")]
    pub balance: bool,
    /// Epochs in which only the classifier learns, for networks that begin with weights of others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub head_epochs: u32,
    /// Epochs without a better one after which the training ends; absent: it takes all epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    #[serde(default, skip_serializing_if = "is_full")]
    pub precision: Precision,
}

fn yes() -> bool {
    true
}

// What is usual stays out of files, so that those of earlier versions are the same.

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_yes(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_no(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_full(value: &Precision) -> bool {
    *value == Precision::Full
}

impl Default for Recipe {
    /// The recipe of the released code.
    fn default() -> Recipe {
        Recipe {
            epochs: 1440,
            batch: 64,
            rate_per_256: 0.1,
            warmup_epochs: 5.0,
            momentum: 0.9,
            weight_decay: 5e-4,
            label_smoothing: 0.1,
            mixup: 0.2,
            erasing: 0.5,
            auto_augment: true,
            crop_and_flip: true,
            mirror: true,
            clip: None,
            bn_momentum: None,
            ema: None,
            balance: false,
            head_epochs: 0,
            patience: None,
            precision: Precision::Full,
        }
    }
}

impl Recipe {
    /// Learning rate of a step after which `consumed` images were seen, of `images` in an epoch: rising, then
    /// along a cosine to zero.
    pub fn rate(&self, consumed: u64, images: u64) -> f64 {
        let peak = self.rate_per_256 * f64::from(self.batch) / 256.0;
        let warmup = self.warmup_epochs * images as f64;
        let end = f64::from(self.epochs) * images as f64;
        let n = consumed as f64;
        if n < warmup {
            return peak * (n + 1.0) / warmup;
        }
        let share = ((n - warmup + 1.0) / (end - warmup).max(1.0)).min(1.0);
        peak * (1.0 + (PI * share).cos()) / 2.0
    }

    /// How much the mean of the weights keeps of itself in a step, of which `steps` were before: less in the beginning, so that
    /// it does not hold on to random weights.
    pub fn kept_in_mean(&self, steps: u64) -> Option<f64> {
        let steps = steps as f64;
        self.ema.map(|ema| ema.min((1.0 + steps) / (10.0 + steps)))
    }

    /// What makes no sense in it, for files that somebody wrote.
    ///
    /// # Errors
    /// The name of the field, and what it is.
    pub fn check(&self) -> Result<(), String> {
        let positive = [("rate_per_256", self.rate_per_256), ("clip", self.clip.unwrap_or(1.0))];
        let natural = [
            ("warmup_epochs", self.warmup_epochs),
            ("weight_decay", self.weight_decay),
            ("mixup", self.mixup),
        ];
        let shares = [
            ("momentum", self.momentum),
            ("label_smoothing", self.label_smoothing),
            ("erasing", self.erasing),
            ("bn_momentum", self.bn_momentum.unwrap_or(0.0)),
            ("ema", self.ema.unwrap_or(0.0)),
        ];
        let wrong = positive.into_iter().find(|(_, v)| !(v.is_finite() && *v > 0.0));
        let wrong = wrong.or_else(|| natural.into_iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)));
        let wrong = wrong.or_else(|| shares.into_iter().find(|(_, v)| !(0.0..=1.0).contains(v)));
        if let Some((name, value)) = wrong {
            return Err(format!("{name} = {value} makes no sense"));
        }
        if self.epochs == 0 || self.batch < 2 {
            return Err(format!("{} epochs of steps of {} images make no sense", self.epochs, self.batch));
        }
        if self.patience == Some(0) {
            return Err("patience = 0 makes no sense".into());
        }
        Ok(())
    }

    /// The share of each image in a mixture with another one.
    pub fn mixture(&self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        if self.mixup <= 0.0 { 1.0 } else { beta(self.mixup, rng) }
    }

    /// What a network should say of an image of class `label`.
    pub fn target(&self, label: u32, classes: usize) -> Vec<f32> {
        let smooth = self.label_smoothing / classes as f64;
        let mut target = vec![smooth as f32; classes];
        target[label as usize] = (1.0 - self.label_smoothing + smooth) as f32;
        target
    }
}

/// A number of the beta distribution with both parameters `a` (Jöhnk's method, good for `a` up to one).
fn beta(a: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
    loop {
        let [x, y] = [(); 2].map(|()| rng.random::<f64>().powf(1.0 / a));
        if x + y > 0.0 && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}
