//! `edgezen train NET`: trains a network on a folder of images, or on CIFAR-10 or CIFAR-100 (feature `torch`).

use super::net::{self, NetOptions};
use super::output::Output;
use super::pictures::{self, PictureOptions};
use super::recipe::RecipeOptions;
use super::{Exit, Failure, Global, interrupt, threads};
use edgezen_core::digest::sha256;
use edgezen_core::plainnet::{Model, notation};
use edgezen_engine::onnx::Size;
use edgezen_engine::safetensors::Tensors;
use edgezen_lab::files::holding::{Holding, refuse_others};
use edgezen_lab::files::{lock_folder, write_atomically};
use edgezen_lab::images::answers::Share;
use edgezen_lab::images::{Answers, ImageFolder};
use edgezen_lab::train::TrainError;
use edgezen_lab::train::checkpoint::{self, Best, TrainingState};
use edgezen_lab::train::cifar::{Cifar, SIDE};
use edgezen_lab::train::course::Course;
use edgezen_lab::train::data::{Reading, TrainingData};
use edgezen_lab::train::inherit::{Taken, inherited};
use edgezen_lab::train::network::Network;
use edgezen_lab::train::range_test;
use edgezen_lab::train::teacher::Teacher;
use edgezen_lab::trainings::rates::{self, Suggestion};
use edgezen_lab::trainings::{BEST, CHECKPOINT, CLASSES, CONFUSION, Epoch, LAST, METRICS, RATES};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::Device;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure string, file, or published name
    net: String,
    #[command(flatten)]
    options: NetOptions,
    /// Folder of images: DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE, or DIR/CLASS/IMAGE, of which a fifth is held back. Or a
    /// folder with the binary files of CIFAR-10 or CIFAR-100
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Folder of checkpoint, metrics and weights
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    out: PathBuf,
    /// Go on with the run in --out
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    recipe: RecipeOptions,
    /// Begin with the weights in this file, or with the best ones of the training in this folder, in place of random ones. Of
    /// another network, those parts are taken over that both have
    #[arg(long, alias = "start", value_name = "RUN|FILE")]
    start_from: Option<PathBuf>,
    /// A TorchScript file, or an .onnx file, whose answers are learnt as well
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    /// Train nothing: try growing learning rates, suggest one for --lr, and write rates.csv into --out. All else in --out stays
    /// as it is
    #[arg(long, conflicts_with = "resume")]
    find_rate: bool,
    #[command(flatten)]
    place: Place,
}

/// Where libtorch computes.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// cpu or cuda:0 [default: the first GPU, else the CPU]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Threads on the CPU, for libtorch and for the images; a run is the same to the bit with the same number [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub threads: Option<i32>,
}

impl Place {
    /// Does `work` in so many threads as were asked for: images are decoded, cut and turned in them, too, which libtorch's number of
    /// threads says nothing of.
    ///
    /// # Errors
    /// The system gives no such threads; what the work says.
    pub fn in_threads<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let Some(threads) = self.threads.and_then(|threads| usize::try_from(threads).ok()) else {
            return work();
        };
        threads::pool(threads)?.install(work)
    }

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
    #[serde(skip_serializing_if = "Option::is_none")]
    started_from: Option<Started>,
    /// Of the network of the best epoch on the test images, which were looked at once; absent where they chose the epoch.
    test: Option<Tested>,
    train_loss: Option<f64>,
    test_loss: Option<f64>,
    seconds: f64,
    weights: PathBuf,
    metrics: PathBuf,
    history: Vec<Epoch>,
}

/// What the network took over of the weights of another training.
#[derive(Clone, Debug, Serialize)]
struct Started {
    file: PathBuf,
    sha256: String,
    /// Tensors that are those of the file, those of which a part is, and those that begin at random.
    whole: usize,
    part: usize,
    random: usize,
}

#[derive(Serialize)]
struct Tested {
    images: usize,
    /// With the interval of 95 % (bootstrap).
    top1: Share,
    confusion: PathBuf,
    classes: PathBuf,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let place = args.place.clone();
    place.in_threads(|| train(args, global))
}

fn train(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let began = Instant::now();
    refuse_others(&args.out, Holding::Training)?;
    let cifar = TrainingData::is_cifar(&args.data);
    let recipe = args.recipe.recipe(if cifar { "paper" } else { "short" })?;
    let (model, data) = if cifar {
        let data = TrainingData::of_cifar(Cifar::read(&args.data)?);
        (model_of_cifar(&args.net, args.options, data.classes.len() as u32)?, data)
    } else {
        let folder = ImageFolder::list(&args.data, args.pictures.split_seed.unwrap_or(0))?;
        let model = model_of_classes(&args.net, args.options, folder.classes.len() as u32)?;
        let data = read(&folder, &model, args.pictures, out)?;
        (model, data)
    };
    pictures::tell(&data.broken, &data.notes, out);
    if (data.training.len() as u64) < u64::from(recipe.batch) {
        return Err(Failure::usage(format!(
            "{} images make no step of {}",
            data.training.len(),
            recipe.batch
        ))
        .remedy("a smaller --batch"));
    }
    let device = args.place.device()?;
    let teacher =
        args.teacher.as_deref().map(|path| teacher(path, &model, recipe.batch, device)).transpose()?;
    let (hash, teacher) = teacher.unzip();
    let mut network = Network::new(&model, device, global.seed)?;
    network.follow(&recipe);
    let started =
        args.start_from.as_deref().map(|path| start(&mut network, &model, path, out)).transpose()?;
    if recipe.ema.is_some() {
        network.begin_averages().map_err(TrainError::from)?;
    }
    let (epochs, batch) = (recipe.epochs, recipe.batch);
    let state = TrainingState::new(&model, recipe, global.seed, &data.sha256, hash);
    let state = TrainingState { start: started.as_ref().map(|started| started.sha256.clone()), ..state };
    let mut course =
        Course { data: &data, network, state, device, teacher, dir: args.out.clone(), until: None };
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::io(&args.out, &e))?;
    let _lock = lock_folder(&args.out)?;
    if args.find_rate {
        return find_rate(course, &args.out, began, out);
    }
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
    interrupt::listen()?;
    let steps = data.training.len() as u64 / u64::from(batch);
    let bar = out.progress(steps * u64::from(epochs), "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}");
    let judged = if data.test.is_some() { "validation" } else { "test" };
    let history = course.run(&mut |now| {
        bar.set_position(u64::from(now.epoch - 1) * now.steps + now.step);
        bar.set_message(format!("epoch {} loss {:.3}", now.epoch, now.loss));
        if let Some(e) = now.finished {
            bar.suspend(|| {
                out.note(format!(
                    "epoch {}: loss {:.4}, {judged} loss {:.4}, top-1 {:.2} %",
                    e.epoch,
                    e.train_loss,
                    e.test_loss,
                    100.0 * e.top1
                ));
            });
        }
        interrupt::flow()
    });
    bar.finish_and_clear();
    let history = history?;
    let answers = course.judge_best()?;
    let last = history.last();
    let trained = Trained {
        net: model.network.to_string(),
        epochs,
        top1: last.map(|e| e.top1),
        best: course.state.best,
        started_from: started,
        test: answers.as_ref().map(|answers| tested(answers, &args.out, global.seed)),
        train_loss: last.map(|e| e.train_loss),
        test_loss: last.map(|e| e.test_loss),
        seconds: began.elapsed().as_secs_f64(),
        weights: args.out.join(BEST),
        metrics: args.out.join(METRICS),
        history,
    };
    out.result(&trained, || {
        let chosen = if trained.test.is_some() { "validation images" } else { "test set" };
        let best = trained.best.map_or_else(String::new, |best| {
            format!("top-1 {:.2} % in epoch {}, chosen on the {chosen}\n", 100.0 * best.top1, best.epoch)
        });
        let test = trained.test.as_ref().map_or_else(String::new, |test| {
            let Share { share, lower, upper } = test.top1;
            format!(
                "top-1 {:.2} % of {} test images ({:.2} to {:.2} %), looked at once; {}\n",
                100.0 * share,
                test.images,
                100.0 * lower,
                100.0 * upper,
                test.confusion.display()
            )
        });
        format!(
            "{best}{test}{} (the last epoch's: {LAST}), {}",
            trained.weights.display(),
            trained.metrics.display()
        )
    })
}

#[derive(Serialize)]
struct FoundRate {
    net: String,
    #[serde(flatten)]
    suggested: Suggestion,
    /// Images of a step.
    batch: u32,
    steps: usize,
    seconds: f64,
    rates: PathBuf,
}

/// Tries learning rates on the network of a course, and says which one they suggest.
fn find_rate(course: Course<'_>, dir: &Path, began: Instant, out: Output) -> Result<(), Failure> {
    let (net, batch) = (course.state.structure.clone(), course.state.recipe.batch);
    interrupt::listen()?;
    let bar = out.progress(range_test::STEPS, "{bar:30} {pos}/{len} rates {elapsed} ETA {eta}  {wide_msg}");
    let tried = range_test::try_rates(course, &mut |step, loss| {
        bar.set_position(step);
        bar.set_message(format!("loss {loss:.3}"));
        interrupt::flow()
    });
    bar.finish_and_clear();
    let tried = match tried {
        Err(TrainError::Interrupted { .. }) => {
            return Err(Failure::new(
                Exit::Interrupted,
                "the range test was interrupted; nothing is written",
            ));
        }
        tried => tried?,
    };
    let path = dir.join(RATES);
    write_atomically(&path, rates::encode(&tried).as_bytes())?;
    let suggested = rates::suggested(&tried).map_err(|reason| {
        Failure::runtime(format!("no learning rate can be suggested: {reason}")).remedy(format!(
            "look at the losses in {}; more images in a step (--batch) make them quieter",
            path.display()
        ))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let found = FoundRate { net, suggested, batch, steps: tried.len(), seconds, rates: path };
    out.result(&found, || {
        let rate = rates::printed(found.suggested.lr * f64::from(batch) / 256.0);
        format!(
            "{}\nSteps of {batch} images then have a rate of {rate}.\n{}",
            found.suggested.said(),
            found.rates.display()
        )
    })
}

fn tested(answers: &Answers, dir: &Path, seed: u64) -> Tested {
    Tested {
        images: answers.len(),
        top1: answers.top1_interval(seed),
        confusion: dir.join(CONFUSION),
        classes: dir.join(CLASSES),
    }
}

/// The images of a folder for this network, divided and decoded.
pub fn read(
    folder: &ImageFolder,
    model: &Model,
    options: PictureOptions,
    out: Output,
) -> Result<TrainingData, Failure> {
    let reading = Reading {
        side: model.resolution,
        split_seed: options.split_seed.unwrap_or(0),
        on_broken: options.on_broken(),
    };
    let files = (folder.training.len() + folder.test.len()) as u64;
    let bar = out.progress(files, "{bar:30} {pos}/{len} images {elapsed} ETA {eta}");
    let data = TrainingData::of_folder(folder, reading, &|| bar.inc(1));
    bar.finish_and_clear();
    Ok(data?)
}

/// Has the network begin with the weights in a file, or in the folder of a training.
fn start(network: &mut Network, model: &Model, path: &Path, out: Output) -> Result<Started, Failure> {
    let file = if path.is_dir() { path.join(BEST) } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        return Err(Failure::usage(format!("{} holds no {BEST}", path.display()))
            .remedy("give the folder of a training, as runs/train, or a file of weights"));
    }
    let sha256 = sha256(&std::fs::read(&file).map_err(|e| Failure::io(&file, &e))?);
    let mut weights = super::export::weights(&file)?;
    let mut taken = None;
    let parent = weights.metadata.get("structure").filter(|parent| **parent != model.network.to_string());
    if let Some(parent) = parent {
        let mut parent = Model { name: None, network: notation::parse(parent)?, se: false, ..model.clone() };
        super::export::as_trained(&mut parent, &weights, NetOptions::default());
        let initial = Tensors { tensors: network.tensors(false)?, ..Tensors::default() };
        let (inherited, found) = inherited(&parent.graph()?, &weights, &model.graph()?, &initial);
        weights = inherited;
        taken = Some(found);
    }
    let left = network.adopt(&weights)?;
    let tensors = network.tensor_count();
    let taken = taken.unwrap_or_else(|| {
        let whole = network.tensor_count() - left.len();
        Taken { whole, part: 0, random: left }
    });
    // Vectors are of the same name and shape by chance.
    let mut layers = network.parameters.iter().filter(|parameter| parameter.decays);
    if layers.all(|parameter| taken.random.contains(&parameter.name)) {
        return Err(Failure::bad_file(&file, "none of its weights is one of this network")
            .remedy("edgezen import-weights brings those of PyTorch"));
    }
    let Taken { whole, part, random } = taken;
    out.note(format!(
        "of {tensors} tensors, {whole} begin as in {}, {part} in part, and {} at random{}",
        file.display(),
        random.len(),
        random.first().map(|first| format!(" (the first is {first})")).unwrap_or_default()
    ));
    Ok(Started { file, sha256, whole, part, random: random.len() })
}

/// The network for images of CIFAR.
pub fn model_of_cifar(net: &str, options: NetOptions, classes: u32) -> Result<Model, Failure> {
    let side = Size { h: SIDE, w: SIDE };
    if let Some(resolution) = options.resolution.filter(|&resolution| resolution != side) {
        return Err(Failure::usage(format!("--resolution {resolution}: images of CIFAR are {side}")));
    }
    model_of_classes(net, NetOptions { resolution: Some(side), ..options }, classes)
}

/// The network for images of so many classes.
pub fn model_of_classes(net: &str, options: NetOptions, classes: u32) -> Result<Model, Failure> {
    let options = NetOptions { classes: Some(options.classes.unwrap_or(classes)), ..options };
    let model = net::model(net, options, "training needs")?;
    if model.classes < classes {
        return Err(Failure::usage(format!("--classes {}: the data have {classes}", model.classes)));
    }
    Ok(model)
}

fn teacher(path: &Path, pupil: &Model, batch: u32, device: Device) -> Result<(String, Teacher), Failure> {
    let hash = sha256(&std::fs::read(path).map_err(|e| Failure::io(path, &e))?);
    Ok((hash, Teacher::load(path, pupil, batch, device)?))
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        let message = error.to_string();
        match error {
            TrainError::Images(error) => error.into(),
            TrainError::Data { path, .. } if path.is_dir() => Failure::new(Exit::BadFile, message)
                .remedy("--data DIR: the folder that cifar-10-binary.tar.gz unpacks to"),
            TrainError::Data { .. } => {
                Failure::new(Exit::BadFile, message).remedy("unpack the data set's archive again")
            }
            TrainError::Teacher { .. } => Failure::new(Exit::BadFile, message)
                .remedy("a TorchScript or .onnx file for images of the same size and with the same classes"),
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
