//! What `table1` and `random` share: the data, the recipe, where training runs, and the work with its progress.

use crate::cli::output::Output;
use crate::cli::train::Place;
use crate::cli::{Exit, Failure, Global, interrupt};
use crate::shipped;
use edgezen_core::plainnet::Model;
use edgezen_core::search::Quantity;
use edgezen_lab::experiment::table1::plan::{Settings, Task};
use edgezen_lab::experiment::table1::units::{self, Units};
use edgezen_lab::experiment::table1::{
    Event, Part, Report, Table1Error, Trained, Trainer, Work, settings_file,
};
use edgezen_lab::files::lock_folder;
use edgezen_lab::train::recipe::Recipe;
use edgezen_lab::train::split::Split;
use edgezen_lab::train::{TrainError, brief};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;
use tch::Device;

/// Options of training.
#[derive(Debug, clap::Args)]
pub struct Training {
    /// Folder of the results, and of the finished units of work (in table1-units)
    #[arg(short, long, value_name = "DIR", default_value = "table1")]
    out: PathBuf,
    /// Begin with other settings than the run in --out. Units of work that both have in common are kept
    #[arg(long)]
    force: bool,
    /// Folder with the binary files of CIFAR-10 or CIFAR-100 [default: the handwritten digits that are shipped]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Images to learn from [default: 500 of the digits, all of CIFAR that do not choose the epoch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Most parameters of a network [default: 50k for the digits, 1M for CIFAR, as in the paper]
    #[arg(long, value_name = "N", value_parser = |text: &str| Quantity::Params.parse(text))]
    params: Option<f64>,
    /// Random networks, each trained once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    random: u32,
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: u32,
    /// Images of one step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    batch: u32,
    /// Learning rate for 256 images a step
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    lr: f64,
    /// cpu or cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
    /// Units of work that run at once, one thread each; the result does not depend on it [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// How much is searched; `random` searches nothing.
#[derive(Clone, Debug, Default)]
pub struct Searches {
    pub proxies: Vec<String>,
    pub search_seeds: u32,
    pub training_seeds: u32,
    pub iterations: u64,
    pub population: u32,
    pub levels: u32,
    pub curve_iterations: u64,
}

/// Members of the population of the searches behind the curves, as in the paper.
const CURVE_POPULATION: u32 = 256;

/// Trains in libtorch.
struct InTorch {
    data: Split,
    recipe: Recipe,
    device: Device,
}

impl Trainer for InTorch {
    fn train(&self, model: &Model, seed: u64, stop: &dyn Fn() -> bool) -> Result<Trained, Table1Error> {
        // Of this thread: each unit of work has one.
        tch::set_num_threads(1);
        let started = Instant::now();
        match brief::train(model, &self.data, &self.recipe, seed, self.device, stop) {
            Ok(chosen) => Ok(Trained {
                epoch: chosen.epoch,
                validation: chosen.validation,
                test: chosen.test,
                diverged: chosen.diverged,
                seconds: started.elapsed().as_secs_f64(),
            }),
            Err(TrainError::Interrupted { .. }) => Err(Table1Error::Interrupted),
            Err(error) => Err(Table1Error::Training(Box::new(error))),
        }
    }
}

impl Training {
    /// The folder of the results.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Whether results of other settings may be replaced.
    pub fn force(&self) -> bool {
        self.force
    }

    fn data(&self, out: Output) -> Result<Split, Failure> {
        let images = self.images.map(|images| images as usize);
        // The parts of the data are the same for every seed of the experiment.
        let split = match &self.data {
            Some(dir) => {
                let (split, notes) = Split::of_cifar(dir, images, 0)?;
                notes.iter().for_each(|note| out.note(format!("note: {note}")));
                split
            }
            None => Split::of_digits(shipped::DIGITS.1, Path::new(shipped::DIGITS.0), images, 0)?,
        };
        if split.training.len() < self.batch as usize {
            return Err(Failure::usage(format!(
                "{} images make no step of {}",
                split.training.len(),
                self.batch
            ))
            .remedy("a smaller --batch"));
        }
        Ok(split)
    }

    /// Does what is not done yet of the experiment `name`.
    pub fn run(&self, name: &str, part: Part, searches: Searches, global: Global) -> Result<Report, Failure> {
        let out = global.output();
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err(Failure::usage(format!("--lr {} makes no sense", self.lr)));
        }
        let data = self.data(out)?;
        let recipe = brief::recipe(self.epochs, self.batch, self.lr, &data);
        let most = self.params.unwrap_or(if self.data.is_some() { 1e6 } else { 50_000.0 });
        let Searches {
            proxies,
            search_seeds,
            training_seeds,
            iterations,
            population,
            levels,
            curve_iterations,
        } = searches;
        let settings = Settings {
            proxies,
            search_seeds,
            training_seeds,
            iterations,
            population,
            params: most as u64,
            random: self.random,
            levels,
            curve_iterations,
            curve_population: CURVE_POPULATION,
            seed: global.seed,
        };
        let task = Task {
            data: data.name.to_owned(),
            sha256: data.sha256.clone(),
            classes: data.classes,
            resolution: data.side as u32,
            images: [data.training.len(), data.validation.len(), data.test.len()],
            recipe: brief::described(&recipe).map_err(|e| Failure::runtime(e.to_string()))?,
        };
        let device = Place { device: Some(self.device.clone()), threads: Some(1) }.device()?;
        let folder = self.out.join(units::FOLDER);
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, &e))?;
        let _lock = lock_folder(&folder)?;
        settings_file::claim(&self.out.join(format!("{name}-settings.json")), &settings, &task, self.force)?;
        interrupt::listen()?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let bar = Mutex::new(indicatif::ProgressBar::hidden());
        let event = |event: Event<'_>| {
            let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Begin { what, units, finished } => {
                    bar.finish_and_clear();
                    let rest = units - finished;
                    out.note(format!("{units} {what}, {finished} of them finished before"));
                    *bar = out.progress(rest as u64, "{bar:30} {pos}/{len} {msg} {elapsed} ETA {eta}");
                    bar.set_message(what.to_owned());
                }
                Event::Done { about } => {
                    bar.inc(1);
                    bar.suspend(|| out.note(about));
                }
            }
        };
        let trainer = InTorch { data, recipe, device };
        let work = Work {
            settings: &settings,
            task: &task,
            trainer: &trainer,
            units: Units::new(&folder),
            workers: self.threads.map_or_else(cores, usize::from),
            stop: &interrupt::is_pressed,
            event: &event,
        };
        let report = work.run(part);
        bar.into_inner().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
        Ok(report?)
    }
}

impl From<Table1Error> for Failure {
    fn from(error: Table1Error) -> Failure {
        let message = error.to_string();
        match error {
            Table1Error::File(error) => error.into(),
            Table1Error::Run(error) => error.into(),
            Table1Error::OtherSettings { .. } => Failure::usage(message)
                .remedy("the settings of that run, another folder (--out DIR), or --force, which keeps finished units of work"),
            Table1Error::NoRandom(_) => Failure::new(Exit::Infeasible, message).remedy("larger --params"),
            Table1Error::Search { .. } | Table1Error::Training(_) => Failure::runtime(message),
            Table1Error::Interrupted => {
                Failure::new(Exit::Interrupted, "interrupted; finished searches and trainings are kept")
                    .remedy("the same command goes on from here")
            }
        }
    }
}
