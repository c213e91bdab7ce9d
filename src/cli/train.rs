//! `edgezen train NET`: trains a network on CIFAR-10 or CIFAR-100 (feature `torch`).

use super::net::{self, NetOptions};
use super::{Exit, Failure, Global};
use edgezen_core::digest::sha256;
use edgezen_core::plainnet::Model;
use edgezen_engine::onnx::Size;
use edgezen_lab::files::lock_folder;
use edgezen_lab::train::TrainError;
use edgezen_lab::train::checkpoint;
use edgezen_lab::train::checkpoint::{Best, TrainingState};
use edgezen_lab::train::cifar::{Cifar, SIDE};
use edgezen_lab::train::course::{BEST, CHECKPOINT, Course, Epoch, LAST, METRICS};
use edgezen_lab::train::network::Network;
use edgezen_lab::train::recipe::Recipe;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tch::{CModule, Device};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure string, file, or published name
    net: String,
    #[command(flatten)]
    options: NetOptions,
    /// Folder with the binary files of CIFAR-10 or CIFAR-100
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of checkpoint, metrics and weights
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    out: PathBuf,
    /// Go on with the run in --out
    #[arg(long)]
    resume: bool,
    #[arg(long, value_name = "N", default_value_t = Recipe::default().epochs, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Images of one step
    #[arg(long, value_name = "N", default_value_t = Recipe::default().batch, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    batch: u32,
    /// Learning rate for 256 images a step
    #[arg(long, value_name = "X", default_value_t = Recipe::default().rate_per_256)]
    lr: f64,
    /// Epochs until the learning rate is at its highest
    #[arg(long, value_name = "N", default_value_t = Recipe::default().warmup_epochs)]
    warmup: f64,
    #[arg(long, value_name = "X", default_value_t = Recipe::default().weight_decay)]
    weight_decay: f64,
    /// Cut gradients to ± this
    #[arg(long, value_name = "X")]
    clip: Option<f64>,
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
    /// A TorchScript file whose logits are learnt as well
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Where libtorch computes.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// cpu or cuda:0 [default: the first GPU, else the CPU]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Threads on the CPU; a run is the same to the bit with the same number [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub threads: Option<i32>,
}

impl Place {
    pub fn device(&self) -> Result<Device, Failure> {
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads);
        }
        let count = tch::Cuda::device_count();
        match self.device.as_deref() {
            None => Ok(Device::cuda_if_available()),
            Some("cpu" | "torch-cpu") => Ok(Device::Cpu),
            Some(name) => match name.strip_prefix("cuda:").and_then(|index| index.parse::<usize>().ok()) {
                Some(index) if (index as i64) < count => Ok(Device::Cuda(index)),
                Some(_) => Err(Failure::usage(format!("there is no {name}: libtorch sees {count} GPUs"))
                    .remedy("--device cpu; with a GPU: scripts/setup-libtorch --cuda, and build again")),
                None => Err(Failure::usage(format!("--device {name}: cpu or cuda:0, cuda:1, …"))),
            },
        }
    }
}

#[derive(Serialize)]
struct Trained {
    net: String,
    epochs: u32,
    top1: Option<f64>,
    best: Option<Best>,
    train_loss: Option<f64>,
    test_loss: Option<f64>,
    seconds: f64,
    weights: PathBuf,
    metrics: PathBuf,
    history: Vec<Epoch>,
}

static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let started = Instant::now();
    let recipe = recipe(&args)?;
    let data = Cifar::read(&args.data)?;
    data.notes.iter().for_each(|note| out.note(format!("note: {note}")));
    let model = model(&args.net, args.options, data.classes)?;
    if (data.training.len() as u64) < u64::from(recipe.batch) {
        return Err(Failure::usage(format!(
            "{} images make no step of {}",
            data.training.len(),
            recipe.batch
        ))
        .remedy("a smaller --batch"));
    }
    let device = args.place.device()?;
    let teacher = args.teacher.as_deref().map(|path| teacher(path, device)).transpose()?;
    let (hash, teacher) = teacher.unzip();
    let network = Network::new(&model, device, global.seed)?;
    let state = TrainingState::new(&model, recipe, global.seed, &data.sha256, hash);
    let mut course = Course { data: &data, network, state, device, teacher, dir: args.out.clone() };
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    let _lock = lock_folder(&args.out)?;
    let path = args.out.join(CHECKPOINT);
    match (args.resume, path.exists()) {
        (true, true) => course.state = checkpoint::read(&path, &mut course.network, &course.state)?,
        (true, false) => out.note("note: there is no checkpoint, the run begins"),
        (false, true) => {
            return Err(Failure::usage(format!("{} holds a run", args.out.display()))
                .remedy("--resume to go on with it, or another folder: --out DIR"));
        }
        (false, false) => {}
    }
    if let Some(name) =
        [METRICS, BEST, LAST].iter().find(|name| !path.exists() && args.out.join(name).exists())
    {
        return Err(Failure::usage(format!(
            "{} holds {name}, and no run that it belongs to",
            args.out.display()
        ))
        .remedy("another folder: --out DIR"));
    }
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;
    let steps = data.training.len() as u64 / u64::from(args.batch);
    let bar =
        out.progress(steps * u64::from(args.epochs), "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}");
    let history = course.run(&mut |now| {
        bar.set_position(u64::from(now.epoch - 1) * now.steps + now.step);
        bar.set_message(format!("epoch {} loss {:.3}", now.epoch, now.loss));
        if let Some(e) = now.finished {
            bar.suspend(|| {
                out.note(format!(
                    "epoch {}: loss {:.4}, test loss {:.4}, top-1 {:.2} %",
                    e.epoch,
                    e.train_loss,
                    e.test_loss,
                    100.0 * e.top1
                ));
            });
        }
        if STOP.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let history = history?;
    let last = history.last();
    let trained = Trained {
        net: model.network.to_string(),
        epochs: args.epochs,
        top1: last.map(|e| e.top1),
        best: course.state.best,
        train_loss: last.map(|e| e.train_loss),
        test_loss: last.map(|e| e.test_loss),
        seconds: started.elapsed().as_secs_f64(),
        weights: args.out.join(BEST),
        metrics: args.out.join(METRICS),
        history,
    };
    out.result(&trained, || {
        let best = trained.best.map_or_else(String::new, |best| {
            format!("top-1 {:.2} % in epoch {}, chosen on the test set\n", 100.0 * best.top1, best.epoch)
        });
        format!(
            "{best}{} (the last epoch's: {LAST}), {}",
            trained.weights.display(),
            trained.metrics.display()
        )
    })
}

fn recipe(args: &Args) -> Result<Recipe, Failure> {
    let usual = Recipe::default();
    let positive = [("--lr", args.lr), ("--clip", args.clip.unwrap_or(1.0))];
    let natural = [("--warmup", args.warmup), ("--weight-decay", args.weight_decay)];
    let wrong = positive.iter().find(|(_, v)| !(v.is_finite() && *v > 0.0));
    let wrong = wrong.or_else(|| natural.iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)));
    if let Some((name, value)) = wrong {
        return Err(Failure::usage(format!("{name} {value} makes no sense")));
    }
    Ok(Recipe {
        epochs: args.epochs,
        batch: args.batch,
        rate_per_256: args.lr,
        warmup_epochs: args.warmup,
        weight_decay: args.weight_decay,
        clip: args.clip,
        auto_augment: !args.no_auto_augment,
        mixup: if args.no_mixup { 0.0 } else { usual.mixup },
        erasing: if args.no_erasing { 0.0 } else { usual.erasing },
        crop_and_flip: !args.no_crop,
        ..usual
    })
}

/// The network for images of the data set.
pub fn model(net: &str, options: NetOptions, classes: u32) -> Result<Model, Failure> {
    let side = Size { h: SIDE, w: SIDE };
    if let Some(resolution) = options.resolution.filter(|&resolution| resolution != side) {
        return Err(Failure::usage(format!("--resolution {resolution}: images of CIFAR are {side}")));
    }
    let options =
        NetOptions { resolution: Some(side), classes: Some(options.classes.unwrap_or(classes)), ..options };
    let model = net::model(net, options, "training needs")?;
    if model.classes < classes {
        return Err(Failure::usage(format!("--classes {}: the data have {classes}", model.classes)));
    }
    Ok(model)
}

fn teacher(path: &Path, device: Device) -> Result<(String, CModule), Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
    let hash = sha256(&bytes);
    let mut module = CModule::load_on_device(path, device).map_err(|e| {
        Failure::bad_file(path, format!("not a TorchScript file: {}", edgezen_engine::torch::reason(&e)))
    })?;
    module.set_eval();
    Ok((hash, module))
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        let message = error.to_string();
        match error {
            TrainError::Data { path, .. } if path.is_dir() => Failure::new(Exit::BadFile, message)
                .remedy("--data DIR: the folder that cifar-10-binary.tar.gz unpacks to"),
            TrainError::Data { .. } => {
                Failure::new(Exit::BadFile, message).remedy("unpack the data set's archive again")
            }
            TrainError::Checkpoint { .. } => Failure::new(Exit::BadFile, message)
                .remedy("the options that the run began with, or another folder: --out DIR"),
            TrainError::File(error) => error.into(),
            TrainError::Shape(error) => error.into(),
            TrainError::Network(_) => Failure::usage(message),
            TrainError::OutOfMemory { batch, .. } => Failure::runtime(message)
                .remedy(format!("--batch {}; the run's last checkpoint is kept", batch / 2)),
            TrainError::Diverged { .. } => Failure::runtime(message).remedy("a smaller --lr, or --clip 1"),
            TrainError::Torch(_) => Failure::runtime(message),
            TrainError::Interrupted { .. } => Failure::new(Exit::Interrupted, message)
                .remedy("the same command with --resume goes on from here"),
        }
    }
}
