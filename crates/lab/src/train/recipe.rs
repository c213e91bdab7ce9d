//! The recipe: what is done to images and targets, and how quickly weights move (docs/plainnet.md,
//! section 7).

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

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
    /// Random crops and mirror images.
    pub crop_and_flip: bool,
    /// Gradients are cut to ± this; absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
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
            clip: None,
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

    /// The share of each image in a mixture with another one.
    pub fn mixture(&self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        if self.mixup <= 0.0 { 1.0 } else { beta(self.mixup, rng) }
    }

    /// What a network should say of an image of class `label`.
    pub fn target(&self, label: u8, classes: usize) -> Vec<f32> {
        let smooth = self.label_smoothing / classes as f64;
        let mut target = vec![smooth as f32; classes];
        target[usize::from(label)] = (1.0 - self.label_smoothing + smooth) as f32;
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
