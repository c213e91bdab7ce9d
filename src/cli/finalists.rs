//! `edgezen finalists RUN`: trains the most different networks of a search by successive halving, and names the best (feature
//! `torch`).

use super::pictures::{self, PictureOptions};
use super::recipe::RecipeOptions;
use super::train::{self, Place};
use super::{Failure, Global, interrupt, output};
use edgezen_lab::images::ImageFolder;
use edgezen_lab::images::answers::Share;
use edgezen_lab::jobs::Step;
use edgezen_lab::train::data::TrainingData;
use edgezen_lab::train::finalists::{Event, Halved, Halving, HalvingError, Round, Setting, Stepped, Trained};
use edgezen_lab::trainings::{BEST, FINALISTS, TABLE, WINNER};
use indicatif::ProgressBar;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

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
    networks: Vec<Trained>,
}

/// What the options ask for: the trainings, and the images. What is odd about them is said.
fn planned(args: &Args, out: output::Output) -> Result<(Halving, TrainingData), Failure> {
    let folder = ImageFolder::list(&args.data, args.pictures.split_seed.unwrap_or(0))?;
    let wanted = usize::from(args.k);
    let recipe = args.recipe.recipe("short")?;
    let halving = Halving::of_run(&args.run, wanted, folder.classes.len() as u32, recipe)?;
    if halving.models.len() < wanted {
        out.note(format!("note: the front holds {} networks", halving.models.len()));
    }
    let data = train::read(&folder, &halving.models[0], args.pictures, out)?;
    pictures::tell(&data.broken, &data.notes, out);
    halving.check(&data)?;
    Ok((halving, data))
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let place = args.place.clone();
    place.in_threads(|| compete(args, global))
}

fn compete(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let dir = args.out.clone().unwrap_or_else(|| args.run.join(FINALISTS));
    if dir.join(TABLE).exists() && !args.resume {
        return Err(Failure::usage(format!("{} holds trainings", dir.display()))
            .remedy("--resume to go on with them, or another folder: --out DIR"));
    }
    let (halving, data) = planned(&args, out)?;
    let setting =
        Setting { data: &data, seed: global.seed, device: args.place.device()?, resume: args.resume };
    interrupt::listen()?;
    let mut shown = Shown::on(out);
    let Halved { networks, winner, answers } =
        halving.train(setting, &dir, &mut |event| shown.event(event))?;
    let report = Report {
        winner: networks[winner].net.clone(),
        weights: networks[winner].folder.join(BEST),
        structure: dir.join(WINNER),
        table: dir.join(TABLE),
        validation: networks[winner].validation,
        test: answers.top1_interval(global.seed),
        test_images: answers.len(),
        rounds: halving.rounds,
        networks,
    };
    out.result(&report, || text(&report))
}

/// The trainings that `finalists` with these options consists of, round by round, and a checksum of all that they stand for.
pub fn steps(args: &Args, global: Global) -> Result<(Vec<Step>, String), Failure> {
    let (halving, data) = planned(args, global.output())?;
    Ok((halving.steps(), halving.meaning(&data, global.seed)?))
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
    let (halving, data) = planned(args, out)?;
    let setting = Setting { data: &data, seed: global.seed, device: args.place.device()?, resume: true };
    let mut shown = Shown::on(out);
    Ok(halving.train_step(step, meaning, before, setting, dir, &mut |event| shown.event(event))?)
}

/// How the trainings are shown: a bar for the one under way, and a line for what is known.
struct Shown {
    out: output::Output,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn on(out: output::Output) -> Shown {
        Shown { out, bar: None }
    }

    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Round { round, of } => {
                self.out.note(format!("round {round}: {} networks up to epoch {}", of.networks, of.epochs));
            }
            Event::Begins { batches } => {
                self.bar =
                    Some(self.out.progress(batches, "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}"));
            }
            Event::Step(now) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(u64::from(now.epoch - 1) * now.steps + now.step);
                    bar.set_message(format!("epoch {} loss {:.3}", now.epoch, now.loss));
                }
            }
            Event::Ends => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Diverged { dir, epoch, loss } => {
                self.out.note(format!("note: the loss is {loss} in epoch {epoch} of {}", dir.display()));
            }
            Event::Validated { network, share } => {
                self.out.note(format!(
                    "network {network}: top-1 {:.2} % of the validation images",
                    100.0 * share
                ));
            }
        }
        interrupt::flow()
    }
}

impl From<HalvingError> for Failure {
    fn from(error: HalvingError) -> Failure {
        let message = error.to_string();
        match error {
            HalvingError::Run(error) => error.into(),
            HalvingError::Network(error) => error.into(),
            HalvingError::Train(error) => error.into(),
            HalvingError::NoNetworks => Failure::usage(message),
            HalvingError::TooFewImages { .. } => Failure::usage(message).remedy("a smaller --batch"),
            HalvingError::InTheWay { .. } => {
                Failure::usage(message).remedy("--resume to go on with it, or another folder: --out DIR")
            }
            HalvingError::NoTestImages | HalvingError::Unwritable(_) => Failure::runtime(message),
            HalvingError::OtherTrainings => {
                Failure::usage(message).remedy("the run and the images that were there; or plan anew")
            }
            HalvingError::NoStep { .. } => Failure::usage(message),
            HalvingError::RoundUnfinished { .. } => {
                Failure::runtime(message).remedy("the jobs of that round first, which stand before this one")
            }
        }
    }
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
