//! `edgezen finalists RUN`: trains the most different networks of a search by successive halving, and names the best (feature
//! `torch`).

use super::pictures::{self, PictureOptions};
use super::recipe::RecipeOptions;
use super::train::{self, Place};
use super::{Failure, Global, interrupt, output};
use edgezen_core::digest::sha256;
use edgezen_core::plainnet::{Model, notation};
use edgezen_lab::files::{lock_folder, write_atomically};
use edgezen_lab::images::ImageFolder;
use edgezen_lab::images::answers::Share;
use edgezen_lab::runs::{self, FoundNetwork};
use edgezen_lab::train::TrainError;
use edgezen_lab::train::checkpoint::{self, TrainingState};
use edgezen_lab::train::course::{CHECKPOINT, Course};
use edgezen_lab::train::data::TrainingData;
use edgezen_lab::train::finalists::{Round, most_different, rounds};
use edgezen_lab::train::network::Network;
use edgezen_lab::train::recipe::Recipe;
use edgezen_lab::trainings::finalists::{self, Line};
use edgezen_lab::trainings::{BEST, Epoch, FINALISTS, TABLE, WINNER};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::Device;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of a finished search
    run: PathBuf,
    /// Networks of its front that are trained, the best one among them
    #[arg(short, value_name = "K", default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..=512))]
    k: u16,
    /// Folder of images: DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE, or DIR/CLASS/IMAGE, of which a fifth is held back
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Folder of the trainings and of the table [default: finalists in the folder of the search]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the trainings in --out
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    recipe: RecipeOptions,
    #[command(flatten)]
    place: Place,
}

impl Args {
    /// Refuses what belongs to one computer: trainings on many have places of their own.
    pub fn is_portable(&self) -> Result<(), Failure> {
        let refused = [
            (self.out.is_some(), "--out"),
            (self.resume, "--resume"),
            (self.place.threads.is_some(), "--threads"),
        ];
        match refused.iter().find(|(given, _)| *given) {
            Some((_, option)) => {
                Err(Failure::usage(format!("{option} is not for trainings that are cut into jobs"))
                    .remedy(format!("leave out {option}; edgezen jobs run takes --threads")))
            }
            None => Ok(()),
        }
    }
}

/// A network that is trained.
#[derive(Serialize)]
struct Finalist {
    net: String,
    /// Predicted latency by device, in milliseconds.
    latency_ms: std::collections::BTreeMap<String, f64>,
    score: f64,
    /// Folder of its training.
    folder: PathBuf,
    /// Epochs that it was trained for.
    epochs: u32,
    /// Share of the validation images that are right, after the epochs of the first round, which all networks were trained for.
    first_round: f64,
    /// The best share of the validation images that are right.
    validation: f64,
}

#[derive(Serialize)]
struct Report {
    winner: String,
    weights: PathBuf,
    structure: PathBuf,
    table: PathBuf,
    validation: f64,
    /// Of the winner alone, on the test images, which were looked at once.
    test: Share,
    test_images: usize,
    rounds: Vec<Round>,
    networks: Vec<Finalist>,
}

/// What is trained, how, and on what.
struct Planned {
    chosen: Vec<FoundNetwork>,
    models: Vec<Model>,
    recipe: Recipe,
    rounds: Vec<Round>,
    folder: ImageFolder,
}

/// What the options ask for.
fn planned(args: &Args, out: output::Output) -> Result<Planned, Failure> {
    let manifest = runs::read_manifest(&args.run)?;
    let result = runs::read_result(&args.run)?;
    let mut front = result.front;
    let first = front.iter().position(|found| found.net == result.best.net).unwrap_or_else(|| {
        front.push(result.best.clone());
        front.len() - 1
    });
    let chosen: Vec<FoundNetwork> =
        most_different(&front, first, usize::from(args.k)).into_iter().map(|at| front[at].clone()).collect();
    if chosen.len() < usize::from(args.k) {
        out.note(format!("note: the front holds {} networks", chosen.len()));
    }
    let split_seed = args.pictures.split_seed.unwrap_or(0);
    let folder = ImageFolder::list(&args.data, split_seed)?;
    let classes = folder.classes.len() as u32;
    let models = chosen
        .iter()
        .map(|found| {
            let network = notation::parse(&found.net)?;
            let (resolution, se) = (manifest.resolution, manifest.se);
            Ok(Model { name: None, network, resolution, classes, se })
        })
        .collect::<Result<Vec<Model>, Failure>>()?;
    let recipe = args.recipe.recipe("short")?;
    let rounds = rounds(models.len(), recipe.epochs);
    Ok(Planned { chosen, models, recipe, rounds, folder })
}

impl Planned {
    /// The images. What is odd about them is said.
    fn images(&self, args: &Args, out: output::Output) -> Result<TrainingData, Failure> {
        let model = self.models.first().ok_or_else(|| Failure::usage("the search found no network"))?;
        let data = train::read(&self.folder, model, args.pictures, out)?;
        pictures::tell(&data.broken, &data.notes, out);
        if data.training.len() < self.recipe.batch as usize {
            let reason = format!("{} images make no step of {}", data.training.len(), self.recipe.batch);
            return Err(Failure::usage(reason).remedy("a smaller --batch"));
        }
        Ok(data)
    }
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let place = args.place.clone();
    place.in_threads(|| compete(args, global))
}

fn compete(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let planned = planned(&args, out)?;
    let dir = args.out.clone().unwrap_or_else(|| args.run.join(FINALISTS));
    if dir.join(TABLE).exists() && !args.resume {
        return Err(Failure::usage(format!("{} holds trainings", dir.display()))
            .remedy("--resume to go on with them, or another folder: --out DIR"));
    }
    let data = planned.images(&args, out)?;
    let Planned { chosen, models, recipe, rounds, .. } = planned;
    std::fs::create_dir_all(&dir).map_err(|e| Failure::io(&dir, &e))?;
    let _lock = lock_folder(&dir)?;
    let device = args.place.device()?;
    interrupt::listen()?;
    let training =
        Training { data: &data, recipe: &recipe, seed: global.seed, device, resume: args.resume, out };
    let mut finalists: Vec<Finalist> = chosen
        .iter()
        .enumerate()
        .map(|(index, found)| Finalist {
            net: found.net.clone(),
            latency_ms: found.latency.iter().map(|(name, latency)| (name.clone(), latency.ms)).collect(),
            score: found.score,
            folder: finalists::folder(&dir, index),
            epochs: 0,
            first_round: 0.0,
            validation: 0.0,
        })
        .collect();
    let mut alive: Vec<usize> = (0..finalists.len()).collect();
    for (number, round) in rounds.iter().enumerate() {
        alive.truncate(round.networks);
        out.note(format!("round {}: {} networks up to epoch {}", number + 1, alive.len(), round.epochs));
        for &index in &alive {
            let finalist = &mut finalists[index];
            let (course, history) =
                training.up_to(&models[index], &finalist.folder, round.epochs, number > 0)?;
            finalist.epochs = course.state.epoch;
            finalist.validation = best_of(&history, round.epochs);
            if number == 0 {
                finalist.first_round = finalist.validation;
            }
            out.note(format!(
                "network {}: top-1 {:.2} % of the validation images",
                index + 1,
                100.0 * finalist.validation
            ));
        }
        alive.sort_by(|&a, &b| finalists[b].validation.total_cmp(&finalists[a].validation).then(a.cmp(&b)));
        write_table(&dir, &finalists)?;
    }
    let winner = alive.first().copied().ok_or_else(|| Failure::usage("the search found no network"))?;
    let (mut course, _) = training.up_to(&models[winner], &finalists[winner].folder, recipe.epochs, true)?;
    let answers = course.judge_best()?.ok_or_else(|| Failure::runtime("there are no test images"))?;
    let structure = dir.join(WINNER);
    write_atomically(&structure, format!("{}\n", finalists[winner].net).as_bytes())?;
    let report = Report {
        winner: finalists[winner].net.clone(),
        weights: finalists[winner].folder.join(BEST),
        structure,
        table: dir.join(TABLE),
        validation: finalists[winner].validation,
        test: answers.top1_interval(global.seed),
        test_images: answers.len(),
        rounds,
        networks: finalists,
    };
    out.result(&report, || text(&report))
}

/// The best share of the validation images that are right, in the epochs of a round. A training that somebody goes on with may be further
/// already; that does not count.
fn best_of(history: &[Epoch], epochs: u32) -> f64 {
    let seen = history.iter().filter(|line| line.epoch <= epochs).map(|line| line.top1);
    seen.fold(0.0, f64::max)
}

/// A training of one network for one round, as several computers share the trainings: the network that is the `place`-th best of the round
/// before, from 0.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub round: usize,
    pub place: usize,
}

/// What came of such a training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stepped {
    /// From 1.
    pub round: usize,
    /// Number of the network, from 1.
    pub network: usize,
    net: String,
    epochs: u32,
    validation: f64,
}

/// The trainings that `finalists` with these options consists of, round by round, and a checksum of all that they stand for: networks, recipe,
/// images and seed.
pub fn steps(args: &Args, global: Global) -> Result<(Vec<Step>, String), Failure> {
    let out = global.output();
    let planned = planned(args, out)?;
    let data = planned.images(args, out)?;
    let steps = planned.rounds.iter().enumerate();
    let steps = steps.flat_map(|(round, of)| (0..of.networks).map(move |place| Step { round, place }));
    Ok((steps.collect(), planned.meaning(&data, global.seed)?))
}

impl Planned {
    fn meaning(&self, data: &TrainingData, seed: u64) -> Result<String, Failure> {
        let nets: Vec<&str> = self.chosen.iter().map(|found| found.net.as_str()).collect();
        let inputs: Vec<(u32, u32, bool)> =
            self.models.iter().map(|model| (model.resolution, model.classes, model.se)).collect();
        let text = serde_json::to_string(&(nets, inputs, &self.recipe, &data.sha256, seed));
        Ok(sha256(text.map_err(|error| Failure::runtime(format!("cannot write what is trained: {error}")))?))
    }
}

/// Trains the network of one step in its folder below `dir`, from where that training stands, unless the options stand for other
/// trainings here than `meaning` says. `before` is what came of the other steps so far.
pub fn train_one(
    args: &Args,
    global: Global,
    step: Step,
    meaning: &str,
    before: &[Stepped],
    dir: &Path,
) -> Result<Stepped, Failure> {
    let out = global.output();
    let planned = planned(args, out)?;
    let data = planned.images(args, out)?;
    if planned.meaning(&data, global.seed)? != meaning {
        return Err(Failure::usage(
            "the options stand for other trainings here than where they were planned",
        )
        .remedy("the run and the images that were there; or plan anew"));
    }
    let Step { round, place } = step;
    let Some(Round { epochs, .. }) = planned.rounds.get(round).copied() else {
        return Err(Failure::usage(format!("there is no round {}", round + 1)));
    };
    let network = match round.checked_sub(1) {
        None => place,
        Some(last) => {
            let mut ranked: Vec<&Stepped> = before.iter().filter(|stepped| stepped.round == round).collect();
            let all = planned.rounds[last].networks;
            if ranked.len() < all {
                return Err(Failure::runtime(format!(
                    "{} of {all} trainings of round {round} are done, and round {} takes the best of them",
                    ranked.len(),
                    round + 1
                ))
                .remedy("the jobs of that round first, which stand before this one"));
            }
            ranked.sort_by(|a, b| b.validation.total_cmp(&a.validation).then(a.network.cmp(&b.network)));
            ranked.get(place).map_or(place, |stepped| stepped.network - 1)
        }
    };
    let (Some(model), Some(found)) = (planned.models.get(network), planned.chosen.get(network)) else {
        return Err(Failure::usage(format!("there is no network {}", network + 1)));
    };
    let folder = dir.join(format!("network-{}", network + 1));
    std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, &e))?;
    let _lock = lock_folder(&folder)?;
    let device = args.place.device()?;
    let Planned { recipe, .. } = &planned;
    let training = Training { data: &data, recipe, seed: global.seed, device, resume: true, out };
    let (_, history) = training.up_to(model, &folder, epochs, true)?;
    Ok(Stepped {
        round: round + 1,
        network: network + 1,
        net: found.net.clone(),
        epochs,
        validation: best_of(&history, epochs),
    })
}

/// What all trainings have in common.
struct Training<'a> {
    data: &'a TrainingData,
    recipe: &'a Recipe,
    seed: u64,
    device: Device,
    /// Whether a training may be there already.
    resume: bool,
    out: output::Output,
}

impl Training<'_> {
    /// Trains a network up to an epoch, and gives its epochs so far; `goes_on` says that its training has begun.
    fn up_to(
        &self,
        model: &Model,
        dir: &Path,
        until: u32,
        goes_on: bool,
    ) -> Result<(Course<'_>, Vec<Epoch>), Failure> {
        let mut network = Network::new(model, self.device, self.seed)?;
        network.follow(self.recipe);
        if self.recipe.ema.is_some() {
            network.begin_averages().map_err(TrainError::from)?;
        }
        let state = TrainingState::new(model, self.recipe.clone(), self.seed, &self.data.sha256, None);
        std::fs::create_dir_all(dir).map_err(|e| Failure::io(dir, &e))?;
        let mut course = Course {
            data: self.data,
            network,
            state,
            device: self.device,
            teacher: None,
            dir: dir.to_owned(),
            until: Some(until),
        };
        let path = dir.join(CHECKPOINT);
        if path.exists() {
            if !self.resume && !goes_on {
                return Err(Failure::usage(format!("{} holds a training", dir.display()))
                    .remedy("--resume to go on with it, or another folder: --out DIR"));
            }
            course.state = checkpoint::read(&path, &mut course.network, &course.state)?;
        }
        let batch = u64::from(self.recipe.batch);
        let steps = self.data.training.len() as u64 / batch * u64::from(until);
        let bar = self.out.progress(steps, "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}");
        let trained = course.run(&mut |now| {
            bar.set_position(u64::from(now.epoch - 1) * now.steps + now.step);
            bar.set_message(format!("epoch {} loss {:.3}", now.epoch, now.loss));
            interrupt::flow()
        });
        bar.finish_and_clear();
        let history = match trained {
            // Such a network is one of the worse ones; what it was before counts.
            Err(TrainError::Diverged { epoch, loss }) => {
                self.out.note(format!("note: the loss is {loss} in epoch {epoch} of {}", dir.display()));
                course.epochs_so_far()?
            }
            trained => trained?,
        };
        Ok((course, history))
    }
}

/// Writes the table that `calibrate` reads: the accuracies are those after the epochs that all networks were trained for.
fn write_table(dir: &Path, finalists: &[Finalist]) -> Result<(), Failure> {
    let line = |of: &Finalist| Line {
        net: of.net.clone(),
        accuracy: 100.0 * of.first_round,
        epochs: of.epochs,
        best_accuracy: 100.0 * of.validation,
        score: of.score,
    };
    let lines: Vec<Line> = finalists.iter().map(line).collect();
    Ok(finalists::write_table(dir, &lines)?)
}

fn text(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .networks
        .iter()
        .enumerate()
        .map(|(index, of)| {
            vec![
                (index + 1).to_string(),
                of.epochs.to_string(),
                format!("{:.2}", 100.0 * of.first_round),
                format!("{:.2}", 100.0 * of.validation),
                format!("{:.2}", of.score),
            ]
        })
        .collect();
    let table = output::table(&["network", "epochs", "first round %", "best %", "score"], &rows);
    let Share { share, lower, upper } = report.test;
    format!(
        "{table}\nthe winner is {}\ntop-1 {:.2} % ({:.2} to {:.2} %) of {} test images, looked at once\n{}, {}",
        report.winner,
        100.0 * share,
        100.0 * lower,
        100.0 * upper,
        report.test_images,
        report.weights.display(),
        report.table.display()
    )
}
