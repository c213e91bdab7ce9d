//! The trainings of finalists: rounds of fewer and fewer networks, each of which goes on from where the round before left it. All rounds
//! run in one process ([`Halving::train`]), or each training by itself on one of several computers ([`Halving::train_step`]); both give
//! the same weights.

use super::rounds::{Round, most_different, rounds};
use crate::files::holding::{Holding, refuse_others};
use crate::files::{lock_folder, write_atomically};
use crate::images::Answers;
use crate::jobs::Step;
use crate::runs::{self, FoundNetwork, RunError};
use crate::train::TrainError;
use crate::train::checkpoint::{self, TrainingState};
use crate::train::course::{Course, Progress};
use crate::train::data::TrainingData;
use crate::train::network::Network;
use crate::train::recipe::Recipe;
use crate::trainings::finalists::{self, Line};
use crate::trainings::{CHECKPOINT, Epoch, WINNER};
use edgezen_core::digest::sha256;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::plainnet::{Model, notation};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tch::Device;

/// Why finalists are not trained.
#[derive(Debug, thiserror::Error)]
pub enum HalvingError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Network(#[from] ParseError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("the search found no network")]
    NoNetworks,
    #[error("{images} images make no step of {batch}")]
    TooFewImages { images: usize, batch: u32 },
    #[error("{} holds a training", dir.display())]
    InTheWay { dir: PathBuf },
    #[error("there are no test images")]
    NoTestImages,
    #[error("the options stand for other trainings here than where they were planned")]
    OtherTrainings,
    #[error("cannot write what is trained: {0}")]
    Unwritable(String),
    #[error("there is no training {place} in round {round}")]
    NoStep { round: usize, place: usize },
    /// A round takes the best of the one before.
    #[error("{done} of {all} trainings of round {round} are done, and round {} takes the best of them", round + 1)]
    RoundUnfinished { round: usize, done: usize, all: usize },
}

impl From<FileError> for HalvingError {
    fn from(error: FileError) -> HalvingError {
        TrainError::from(error).into()
    }
}

/// Which networks are trained, how, and for how long.
pub struct Halving {
    pub chosen: Vec<FoundNetwork>,
    /// Those networks, with the classes of the images.
    pub models: Vec<Model>,
    pub recipe: Recipe,
    pub rounds: Vec<Round>,
}

/// What the trainings have in common.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub data: &'a TrainingData,
    pub seed: u64,
    pub device: Device,
    /// Whether a training may be there already, which is gone on with.
    pub resume: bool,
}

/// What happens meanwhile. Networks and rounds are numbered from 1.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Round {
        round: usize,
        of: Round,
    },
    /// A network is trained until it has seen so many batches in all.
    Begins {
        batches: u64,
    },
    Step(Progress),
    Ends,
    /// The loss of a network is no number any more; what it was before counts.
    Diverged {
        dir: &'a Path,
        epoch: u32,
        loss: f64,
    },
    /// The best share of the validation images that a network has right after its round.
    Validated {
        network: usize,
        share: f64,
    },
}

/// Is told what happens, and may break a training off at a step; it can be gone on with.
pub type Watch<'w> = &'w mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// A network that was trained.
#[derive(Clone, Debug, Serialize)]
pub struct Trained {
    pub net: String,
    /// Predicted latency by device, in milliseconds.
    pub latency_ms: std::collections::BTreeMap<String, f64>,
    pub score: f64,
    /// Folder of its training.
    pub folder: PathBuf,
    /// Epochs that it was trained for.
    pub epochs: u32,
    /// Share of the validation images that are right, after the epochs of the first round, which all networks were trained for.
    pub first_round: f64,
    /// The best share of the validation images that are right.
    pub validation: f64,
}

/// What came of all rounds.
pub struct Halved {
    pub networks: Vec<Trained>,
    /// The place of the best one among them.
    pub winner: usize,
    /// What the winner says of the test images, which were looked at once.
    pub answers: Answers,
}

/// What came of one training: that of one network for one round.
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

impl Halving {
    /// The `most` most different networks of the front of a finished search in `run`, for images of so many classes.
    ///
    /// # Errors
    /// No finished search, or one without a network.
    pub fn of_run(run: &Path, most: usize, classes: u32, recipe: Recipe) -> Result<Halving, HalvingError> {
        let manifest = runs::read_manifest(run)?;
        let result = runs::read_result(run)?;
        let mut front = result.front;
        let first = front.iter().position(|found| found.net == result.best.net).unwrap_or_else(|| {
            front.push(result.best.clone());
            front.len() - 1
        });
        let chosen: Vec<FoundNetwork> =
            most_different(&front, first, most).into_iter().map(|at| front[at].clone()).collect();
        let model = |found: &FoundNetwork| {
            let network = notation::parse(&found.net)?;
            Ok(Model { name: None, network, resolution: manifest.resolution, classes, se: manifest.se })
        };
        let models = chosen.iter().map(model).collect::<Result<Vec<Model>, HalvingError>>()?;
        if models.is_empty() {
            return Err(HalvingError::NoNetworks);
        }
        let rounds = rounds(models.len(), recipe.epochs);
        Ok(Halving { chosen, models, recipe, rounds })
    }

    /// Whether the images are enough for a step.
    ///
    /// # Errors
    /// They are too few.
    pub fn check(&self, data: &TrainingData) -> Result<(), HalvingError> {
        let (images, batch) = (data.training.len(), self.recipe.batch);
        if images < batch as usize { Err(HalvingError::TooFewImages { images, batch }) } else { Ok(()) }
    }

    /// All trainings, round by round.
    pub fn steps(&self) -> Vec<Step> {
        let rounds = self.rounds.iter().enumerate();
        rounds.flat_map(|(round, of)| (0..of.networks).map(move |place| Step { round, place })).collect()
    }

    /// A checksum of all that the trainings stand for: networks, recipe, images and seed.
    ///
    /// # Errors
    /// A recipe that is no JSON, which has numbers that are none.
    pub fn meaning(&self, data: &TrainingData, seed: u64) -> Result<String, HalvingError> {
        let nets: Vec<&str> = self.chosen.iter().map(|found| found.net.as_str()).collect();
        let inputs: Vec<(u32, u32, bool)> =
            self.models.iter().map(|model| (model.resolution, model.classes, model.se)).collect();
        let text = serde_json::to_string(&(nets, inputs, &self.recipe, &data.sha256, seed));
        Ok(sha256(text.map_err(|error| HalvingError::Unwritable(error.to_string()))?))
    }

    /// Trains all networks below `dir`, round by round, and judges the winner. The table of the networks and the structure of the
    /// winner are written there, too.
    ///
    /// # Errors
    /// Another process trains there; trainings are in the way; whatever [`Course::run`] says.
    pub fn train(&self, setting: Setting<'_>, dir: &Path, watch: Watch<'_>) -> Result<Halved, HalvingError> {
        self.check(setting.data)?;
        refuse_others(dir, Holding::Training)?;
        std::fs::create_dir_all(dir).map_err(FileError::io(dir))?;
        let _lock = lock_folder(dir)?;
        let untrained = |(index, found): (usize, &FoundNetwork)| Trained {
            net: found.net.clone(),
            latency_ms: found.latency.iter().map(|(name, latency)| (name.clone(), latency.ms)).collect(),
            score: found.score,
            folder: finalists::folder(dir, index),
            epochs: 0,
            first_round: 0.0,
            validation: 0.0,
        };
        let mut networks: Vec<Trained> = self.chosen.iter().enumerate().map(untrained).collect();
        let mut alive: Vec<usize> = (0..networks.len()).collect();
        for (number, &round) in self.rounds.iter().enumerate() {
            alive.truncate(round.networks);
            tell(watch, Event::Round { round: number + 1, of: round });
            for &index in &alive {
                let trained = &mut networks[index];
                let setting = Setting { resume: setting.resume || number > 0, ..setting };
                let (course, history) = self.up_to(index, setting, &trained.folder, round.epochs, watch)?;
                trained.epochs = course.state.epoch;
                trained.validation = best_of(&history, round.epochs);
                if number == 0 {
                    trained.first_round = trained.validation;
                }
                tell(watch, Event::Validated { network: index + 1, share: trained.validation });
            }
            let best_first = |a: &usize, b: &usize| {
                networks[*b].validation.total_cmp(&networks[*a].validation).then(a.cmp(b))
            };
            alive.sort_by(best_first);
            write_table(dir, &networks)?;
        }
        let &winner = alive.first().ok_or(HalvingError::NoNetworks)?;
        let setting = Setting { resume: true, ..setting };
        let (mut course, _) =
            self.up_to(winner, setting, &networks[winner].folder, self.recipe.epochs, watch)?;
        let answers = course.judge_best()?.ok_or(HalvingError::NoTestImages)?;
        write_atomically(&dir.join(WINNER), format!("{}\n", networks[winner].net).as_bytes())?;
        Ok(Halved { networks, winner, answers })
    }

    /// Trains the network of one step in its folder below `dir`, from where that training stands, unless this is another
    /// [`Halving::meaning`] than `meaning`. `before` is what came of the other steps so far.
    ///
    /// # Errors
    /// As [`Halving::train`]; there is no such step; steps that must be done before are not.
    pub fn train_step(
        &self,
        step: Step,
        meaning: &str,
        before: &[Stepped],
        setting: Setting<'_>,
        dir: &Path,
        watch: Watch<'_>,
    ) -> Result<Stepped, HalvingError> {
        self.check(setting.data)?;
        if self.meaning(setting.data, setting.seed)? != meaning {
            return Err(HalvingError::OtherTrainings);
        }
        let Step { round, place } = step;
        let none = HalvingError::NoStep { round: round + 1, place: place + 1 };
        let Some(Round { epochs, .. }) = self.rounds.get(round).copied() else { return Err(none) };
        let network = match round.checked_sub(1) {
            None => Some(place),
            Some(last) => {
                let mut ranked: Vec<&Stepped> =
                    before.iter().filter(|stepped| stepped.round == round).collect();
                let (done, all) = (ranked.len(), self.rounds[last].networks);
                if done < all {
                    return Err(HalvingError::RoundUnfinished { round, done, all });
                }
                ranked.sort_by(|a, b| b.validation.total_cmp(&a.validation).then(a.network.cmp(&b.network)));
                ranked.get(place).and_then(|stepped| stepped.network.checked_sub(1))
            }
        };
        let Some((index, found)) = network.and_then(|at| Some((at, self.chosen.get(at)?))) else {
            return Err(none);
        };
        let folder = finalists::folder(dir, index);
        std::fs::create_dir_all(&folder).map_err(FileError::io(&folder))?;
        let _lock = lock_folder(&folder)?;
        let setting = Setting { resume: true, ..setting };
        let (_, history) = self.up_to(index, setting, &folder, epochs, watch)?;
        let validation = best_of(&history, epochs);
        Ok(Stepped { round: round + 1, network: index + 1, net: found.net.clone(), epochs, validation })
    }

    /// Trains a network up to an epoch, and gives its epochs so far.
    fn up_to<'a>(
        &self,
        index: usize,
        setting: Setting<'a>,
        dir: &Path,
        until: u32,
        watch: Watch<'_>,
    ) -> Result<(Course<'a>, Vec<Epoch>), HalvingError> {
        let Setting { data, seed, device, resume } = setting;
        let model = &self.models[index];
        let mut network = Network::new(model, device, seed)?;
        network.follow(&self.recipe);
        if self.recipe.ema.is_some() {
            network.begin_averages().map_err(TrainError::from)?;
        }
        let state = TrainingState::new(model, self.recipe.clone(), seed, &data.sha256, None);
        std::fs::create_dir_all(dir).map_err(FileError::io(dir))?;
        let mut course =
            Course { data, network, state, device, teacher: None, dir: dir.to_owned(), until: Some(until) };
        let path = dir.join(CHECKPOINT);
        if path.exists() {
            if !resume {
                return Err(HalvingError::InTheWay { dir: dir.to_owned() });
            }
            course.state = checkpoint::read(&path, &mut course.network, &course.state)?;
        }
        let batches = data.training.len() as u64 / u64::from(self.recipe.batch) * u64::from(until);
        tell(watch, Event::Begins { batches });
        let trained = course.run(&mut |now| watch(Event::Step(now)));
        tell(watch, Event::Ends);
        let history = match trained {
            // Such a network is one of the worse ones; what it was before counts.
            Err(TrainError::Diverged { epoch, loss }) => {
                tell(watch, Event::Diverged { dir, epoch, loss });
                course.epochs_so_far()?
            }
            trained => trained?,
        };
        Ok((course, history))
    }
}

fn tell(watch: Watch<'_>, event: Event<'_>) {
    // Between steps there is nothing to break off.
    let _ = watch(event);
}

/// The best share of the validation images that are right, in the epochs of a round. A training that somebody goes on with may be further
/// already; that does not count.
fn best_of(history: &[Epoch], epochs: u32) -> f64 {
    let seen = history.iter().filter(|line| line.epoch <= epochs).map(|line| line.top1);
    seen.fold(0.0, f64::max)
}

/// Writes the table that `calibrate` reads: the accuracies are those after the epochs that all networks were trained for.
fn write_table(dir: &Path, networks: &[Trained]) -> Result<(), FileError> {
    let line = |of: &Trained| Line {
        net: of.net.clone(),
        accuracy: 100.0 * of.first_round,
        epochs: of.epochs,
        best_accuracy: 100.0 * of.validation,
        score: of.score,
    };
    finalists::write_table(dir, &networks.iter().map(line).collect::<Vec<_>>())
}
