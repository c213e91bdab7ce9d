//! Options that say how a network is trained (feature `torch`).

use super::Failure;
use edgezen_lab::train::recipe::{Precision, Recipe};
use edgezen_lab::train::recipes::{self, RecipeError};

#[derive(Clone, Debug, clap::Args)]
pub struct RecipeOptions {
    /// paper, short or fine-tune, or a .toml file; the options below change single parts of it [default: short; of CIFAR: paper]
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Images of one step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65_536))]
    batch: Option<u32>,
    /// Learning rate for 256 images a step, from which it falls along a cosine to zero
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Epochs until the learning rate is at its highest
    #[arg(long, value_name = "N")]
    warmup: Option<f64>,
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Cut gradients to ± this
    #[arg(long, value_name = "X")]
    clip: Option<f64>,
    /// Share of a target that all classes get
    #[arg(long, value_name = "X")]
    label_smoothing: Option<f64>,
    /// Mix images in pairs, with shares of the beta distribution with this parameter twice; 0 mixes none
    #[arg(long, value_name = "X", conflicts_with = "no_mixup")]
    mixup: Option<f64>,
    /// Judge and keep the mean of the weights over the steps, of which a step keeps this share, as 0.999
    #[arg(long, value_name = "X")]
    ema: Option<f64>,
    /// Have images of rare classes count more, so that all classes count alike
    #[arg(long)]
    balance: bool,
    /// Epochs in which only the classifier learns
    #[arg(long, value_name = "N")]
    head_epochs: Option<u32>,
    /// End after so many epochs without a better one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// full, or mixed: convolutions compute in bfloat16, which takes less time and memory on GPUs since Ampere
    #[arg(long, value_name = "NAME")]
    precision: Option<Precision>,
    /// Leave AutoAugment out, as short runs should
    #[arg(long)]
    no_auto_augment: bool,
    /// Leave mixing of images out
    #[arg(long)]
    no_mixup: bool,
    /// Leave random erasing out
    #[arg(long)]
    no_erasing: bool,
    /// Leave random crops and mirror images out
    #[arg(long)]
    no_crop: bool,
    /// Leave mirror images out: where they show something else, as of letters
    #[arg(long)]
    no_mirror: bool,
}

impl RecipeOptions {
    /// The recipe that was asked for, else the one called `usual`, with what single options change.
    pub fn recipe(&self, usual: &str) -> Result<Recipe, Failure> {
        let recipe = recipes::named(self.recipe.as_deref().unwrap_or(usual))?;
        let recipe = Recipe {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            batch: self.batch.unwrap_or(recipe.batch),
            rate_per_256: self.lr.unwrap_or(recipe.rate_per_256),
            warmup_epochs: self.warmup.unwrap_or(recipe.warmup_epochs),
            weight_decay: self.weight_decay.unwrap_or(recipe.weight_decay),
            clip: self.clip.or(recipe.clip),
            label_smoothing: self.label_smoothing.unwrap_or(recipe.label_smoothing),
            mixup: if self.no_mixup { 0.0 } else { self.mixup.unwrap_or(recipe.mixup) },
            erasing: if self.no_erasing { 0.0 } else { recipe.erasing },
            auto_augment: recipe.auto_augment && !self.no_auto_augment,
            crop_and_flip: recipe.crop_and_flip && !self.no_crop,
            mirror: recipe.mirror && !self.no_mirror,
            ema: self.ema.or(recipe.ema),
            balance: recipe.balance || self.balance,
            head_epochs: self.head_epochs.unwrap_or(recipe.head_epochs),
            patience: self.patience.or(recipe.patience),
            precision: self.precision.unwrap_or(recipe.precision),
            ..recipe
        };
        let options = [
            ("--lr", recipe.rate_per_256, f64::MIN_POSITIVE, f64::MAX),
            ("--clip", recipe.clip.unwrap_or(1.0), f64::MIN_POSITIVE, f64::MAX),
            ("--warmup", recipe.warmup_epochs, 0.0, f64::MAX),
            ("--weight-decay", recipe.weight_decay, 0.0, f64::MAX),
            ("--label-smoothing", recipe.label_smoothing, 0.0, 1.0),
            ("--mixup", recipe.mixup, 0.0, f64::MAX),
            ("--ema", recipe.ema.unwrap_or(0.0), 0.0, 1.0),
        ];
        match options.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            Some((name, value, ..)) => Err(Failure::usage(format!("{name} {value} makes no sense"))),
            None => Ok(recipe),
        }
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Failure {
        let message = error.to_string();
        match error {
            RecipeError::File(error) => Failure::from(error)
                .remedy_for_bad_file("crates/lab/src/train/recipes holds recipes with all their fields"),
            RecipeError::Unknown { .. } => Failure::usage(message),
        }
    }
}
