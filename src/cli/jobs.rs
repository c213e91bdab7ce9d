//! `edgezen jobs plan|run|status|merge`: slow work in parts that run on many computers.

use super::caller::Caller;
use super::count::counted;
use super::examples;
use super::force::{Force, has_ending};
use super::{Cli, Command, Exit, Failure, Global, interrupt, net, output, score, search};
use edgezen_core::files::FileError;
use edgezen_core::search::SearchProgress;
use edgezen_lab::files;
use edgezen_lab::jobs::{DamagedResult, Job, JobError, JobFolder, LostJob, Made, Status, Work};
use edgezen_lab::runs;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Most jobs that are planned where nothing else is said.
const USUAL: usize = 1_000;
/// Most bytes of a list of networks.
const MOST_BYTES: u64 = 1 << 28;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Cut work into files, one for each job
    #[command(after_help = examples::JOBS_PLAN)]
    Plan(PlanArgs),
    /// Do jobs; what was done before is not done again
    #[command(after_help = examples::JOBS_RUN)]
    Run {
        /// Files of jobs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Threads; they do not change the results [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        threads: Option<u16>,
    },
    /// Say which jobs are done, which are not, and which results are damaged
    #[command(after_help = examples::JOBS_STATUS)]
    Status {
        /// The folder of the plan
        folder: PathBuf,
    },
    /// Put the results of all jobs together: the same bytes for any number of jobs and computers
    #[command(after_help = examples::JOBS_MERGE)]
    Merge {
        /// The folder of the plan
        folder: PathBuf,
        /// The file
        #[arg(short, long, alias = "out", value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        force: Force,
    },
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    /// Networks to score: names, structure strings, or codes of other search spaces
    #[arg(value_name = "NET")]
    nets: Vec<String>,
    /// More of them, one a line
    #[arg(long, value_name = "FILE")]
    nets_from: Option<PathBuf>,
    /// Searches, with the seeds from --seed on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: Option<u64>,
    /// Jobs [default: one for each network or seed, and 1000 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    parts: Option<u32>,
    /// The folder of the plan
    #[arg(short, long, alias = "output", value_name = "DIR")]
    out: PathBuf,
    /// The command with its options: `score …`, `search …`, or `finalists RUN …` (feature `torch`)
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Plans, does or merges jobs. `caller` is the program that does so in its own process, and is absent for the command line.
pub fn run(args: Args, global: Global, caller: Option<&dyn Caller>) -> Result<(), Failure> {
    match args.action {
        Action::Plan(args) => plan(args, global),
        Action::Run { files, threads } => match caller {
            Some(caller) => run_all(&files, threads, global, caller),
            None => {
                interrupt::listen()?;
                run_all(&files, threads, global, &Keyboard)
            }
        },
        Action::Status { folder } => status(folder, global),
        Action::Merge { folder, output, force } => merge(&folder, &output, force, global),
    }
}

#[derive(Serialize)]
struct Planned {
    folder: PathBuf,
    /// Networks or seeds.
    items: usize,
    jobs: Vec<PathBuf>,
}

fn plan(args: PlanArgs, global: Global) -> Result<(), Failure> {
    let command = args.command.first().map_or("", String::as_str);
    let options = args.command.get(1..).unwrap_or_default().to_vec();
    let work = match command {
        "score" => of_scores(&args, options)?,
        "search" => of_searches(&args, options, global)?,
        "finalists" => of_trainings(&args, options, global)?,
        other => {
            return Err(Failure::usage(format!("{other:?} is no work for jobs"))
                .remedy("-- score OPTIONS, -- search OPTIONS, or -- finalists RUN OPTIONS"));
        }
    };
    let parts = args.parts.map_or(work.items().min(USUAL), |parts| parts as usize);
    let folder = JobFolder::plan(&args.out, &work, parts)?;
    let planned = Planned { folder: args.out, items: work.items(), jobs: folder.jobs() };
    global.output().result(&planned, || {
        let folder = planned.folder.display();
        format!(
            "{} in {folder}: edgezen jobs run {folder}/job-*.json, anywhere and in any order, then edgezen jobs merge \
             {folder} -o FILE",
            counted(planned.jobs.len(), "job")
        )
    })
}

/// Scores of the networks that were named, each of which is checked now rather than on many computers later.
fn of_scores(args: &PlanArgs, options: Vec<String>) -> Result<Work, Failure> {
    if args.seeds.is_some() {
        return Err(Failure::usage("--seeds goes with searches")
            .remedy("leave it out; score --repeats N draws several times"));
    }
    let mut nets = args.nets.clone();
    if let Some(path) = &args.nets_from {
        let text = files::read_text(path, MOST_BYTES)?;
        nets.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let Some(first) = nets.first() else { return Err(JobError::Nothing.into()) };
    let parsed = scored(&options, first)?;
    if parsed.proxy.contains('+') {
        return Err(Failure::usage(
            "an ensemble of proxies ranks all networks among one another, which no part of them can",
        )
        .remedy("plan each proxy by itself"));
    }
    // A seed changes nothing of what makes sense.
    score::check(&parsed, 0)?;
    for net in &nets {
        if !net.contains('(') && Path::new(net).exists() {
            return Err(Failure::usage(format!("{net} is a file, which other computers may not have"))
                .remedy("the structure string that edgezen info prints of it"));
        }
        net::scored(net, parsed.options)?;
    }
    Ok(Work::Score { options, nets })
}

/// The words of `score` for one network.
fn scored(options: &[String], net: &str) -> Result<score::Args, Failure> {
    let words = [&["score".to_owned()], options, &["--".to_owned(), net.to_owned()]].concat();
    match Cli::of_words(&words)? {
        Cli { command: Command::Score(args), .. } if args.nets.len() == 1 => Ok(args),
        _ => Err(Failure::usage("networks stand before the words of the command")
            .remedy("edgezen jobs plan NET… -o DIR -- score --engine exact")),
    }
}

fn of_searches(args: &PlanArgs, options: Vec<String>, global: Global) -> Result<Work, Failure> {
    if !args.nets.is_empty() || args.nets_from.is_some() {
        return Err(Failure::usage("a search takes no networks").remedy("search --init NET starts from one"));
    }
    let Some(count) = args.seeds else {
        return Err(Failure::usage("how many searches are planned is not said")
            .remedy("--seeds N plans one for each seed from --seed on"));
    };
    let seeds: Vec<u64> = (global.seed..).take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
    let parsed = searched(&options)?;
    parsed.is_portable()?;
    search::rehearse(&parsed, Global { json: true, ..global })?;
    Ok(Work::Search { options, seeds, meaning: search::meaning(&parsed, Global { json: true, ..global })? })
}

/// The words of `search`.
fn searched(options: &[String]) -> Result<Box<search::Args>, Failure> {
    let cli = Cli::of_words(&[&["search".to_owned()], options].concat())?;
    match cli {
        Cli { command: Command::Search(args), global: Global { given_seed: None, .. } } => Ok(args),
        _ => Err(Failure::usage("--seed stands before the words of the command")
            .remedy("edgezen jobs plan --seed 7 --seeds 20 -o DIR -- search …")),
    }
}

/// The trainings of finalists, a job for each network and round.
fn of_trainings(args: &PlanArgs, options: Vec<String>, global: Global) -> Result<Work, Failure> {
    if !args.nets.is_empty() || args.nets_from.is_some() || args.seeds.is_some() || args.parts.is_some() {
        return Err(Failure::usage("trainings of finalists take neither networks nor --seeds nor --parts")
            .remedy("edgezen jobs plan -o DIR -- finalists RUN --data IMAGES; each network has a job in each round"));
    }
    training::planned(options, global)
}

#[cfg(feature = "torch")]
mod training {
    use super::{Cli, Command, Failure, Global, JobFolder, Work, with_threads};
    use crate::cli::finalists;
    use edgezen_lab::train::finalists::Stepped;

    /// The words of `finalists`.
    fn parsed(options: &[String]) -> Result<finalists::Args, Failure> {
        match Cli::of_words(&[&["finalists".to_owned()], options].concat())? {
            Cli { command: Command::Finalists(args), global: Global { given_seed: None, .. } } => Ok(*args),
            _ => Err(Failure::usage("--seed stands before the words of the command")
                .remedy("edgezen jobs plan --seed 7 -o DIR -- finalists …")),
        }
    }

    pub fn planned(options: Vec<String>, global: Global) -> Result<Work, Failure> {
        let args = parsed(&options)?;
        args.is_portable()?;
        let (steps, meaning) = finalists::steps(&args, global)?;
        Ok(Work::Train { options, trainings: steps, seed: global.seed, meaning })
    }

    /// The row of each training.
    pub fn rows(
        work: &Work,
        threads: Option<u16>,
        folder: &JobFolder,
        global: Global,
    ) -> Result<Vec<String>, Failure> {
        let Work::Train { options, trainings, seed, meaning } = work else {
            return Err(Failure::usage("the job is no training"));
        };
        let args = parsed(&with_threads(options, threads))?;
        let unread = |error| Failure::runtime(format!("cannot read the result of a training: {error}"));
        let done = folder.done()?;
        let mut before: Vec<Stepped> =
            done.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>().map_err(unread)?;
        let global = Global { seed: *seed, given_seed: Some(*seed), ..global };
        let mut rows = Vec::new();
        for &step in trainings {
            let stepped = finalists::train_one(&args, global, step, meaning, &before, &folder.trainings())?;
            rows.push(serde_json::to_string(&stepped).map_err(unread)?);
            before.push(stepped);
        }
        Ok(rows)
    }
}

#[cfg(not(feature = "torch"))]
mod training {
    use super::{Failure, Global, JobFolder, Work};

    const WHAT: &str = "training finalists";

    pub fn planned(_: Vec<String>, _: Global) -> Result<Work, Failure> {
        Err(Failure::needs_torch(WHAT))
    }

    pub fn rows(_: &Work, _: Option<u16>, _: &JobFolder, _: Global) -> Result<Vec<String>, Failure> {
        Err(Failure::needs_torch(WHAT))
    }
}

#[derive(Serialize)]
struct Ran {
    job: PathBuf,
    result: PathBuf,
    made: Made,
}

fn run_all(
    files: &[PathBuf],
    threads: Option<u16>,
    global: Global,
    caller: &dyn Caller,
) -> Result<(), Failure> {
    let jobs: Vec<(JobFolder, Job, String)> =
        files.iter().map(|file| JobFolder::of_job(file)).collect::<Result<_, _>>()?;
    JobFolder::check_results(jobs.iter().map(|(folder, _, id)| (folder, &**id)))?;
    let mut ran = Vec::new();
    for (file, (folder, job, id)) in files.iter().zip(&jobs) {
        let work = || match &job.work {
            Work::Score { options, nets } => scores(options, nets, threads, global, caller),
            Work::Train { .. } => training::rows(&job.work, threads, folder, global),
            Work::Search { options, seeds, meaning } => {
                let place = |seed| folder.run(id, seed);
                searches(&Searches { options, seeds, meaning, threads }, place, global, caller)
            }
        };
        let made = folder.make(id, work)?;
        ran.push(Ran { job: file.clone(), result: folder.result(id), made });
    }
    global.output().result(&ran, || {
        let line = |ran: &Ran| {
            let (job, result) = (ran.job.display(), ran.result.display());
            match ran.made {
                Made::Now => format!("{job}: {result}\n"),
                Made::Before => format!("{job}: done before, {result}\n"),
            }
        };
        ran.iter().map(line).collect()
    })
}

/// Words that do not change results.
fn with_threads(options: &[String], threads: Option<u16>) -> Vec<String> {
    let threads = threads.into_iter().flat_map(|threads| ["--threads".to_owned(), threads.to_string()]);
    options.iter().cloned().chain(threads).collect()
}

/// The row of each network.
fn scores(
    options: &[String],
    nets: &[String],
    threads: Option<u16>,
    global: Global,
    caller: &dyn Caller,
) -> Result<Vec<String>, Failure> {
    let options = with_threads(options, threads);
    let bar = global.output().progress(nets.len() as u64, "{bar:16} {pos}/{len} {eta} left");
    let mut rows = Vec::with_capacity(nets.len());
    for net in nets {
        let words = [&["score".to_owned()], &options[..], &["--".to_owned(), net.clone()]].concat();
        let seed = Cli::of_words(&words)?.global.seed;
        rows.extend(score::timeless(scored(&options, net)?, Global { seed, ..global })?);
        bar.inc(1);
        if caller.wants_to_stop() {
            bar.finish_and_clear();
            return Err(interrupted());
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// The searches of a job.
struct Searches<'a> {
    options: &'a [String],
    seeds: &'a [u64],
    /// Checksum of what the options stood for where they were planned.
    meaning: &'a str,
    threads: Option<u16>,
}

/// The result of each search, without its times and its place. A search that was interrupted goes on.
fn searches(
    work: &Searches<'_>,
    place: impl Fn(u64) -> PathBuf,
    global: Global,
    caller: &dyn Caller,
) -> Result<Vec<String>, Failure> {
    let &Searches { options, seeds, meaning, threads } = work;
    let parsed = searched(options)?;
    if search::meaning(&parsed, Global { json: true, ..global })? != meaning {
        return Err(Failure::usage("the options stand for another search here than where it was planned")
            .remedy("the predictors that were there: edgezen predictors where; or plan anew"));
    }
    let options = with_threads(options, threads);
    seeds
        .iter()
        .map(|&seed| {
            let out = place(seed);
            let own = ["--resume".to_owned(), "--out".to_owned(), out.display().to_string()];
            let words = [&["search".to_owned()], &options[..], &own].concat();
            let Command::Search(args) = Cli::of_words(&words)?.command else {
                return Err(Failure::usage("the job is no search"));
            };
            let global = Global { seed, given_seed: Some(seed), ..global };
            // Its result is in its folder.
            output::heard(|| search::run(&args, global, Some(caller))).0?;
            timeless(&out)
        })
        .collect()
}

/// The result in the folder of a search, without its times and its place.
fn timeless(run: &Path) -> Result<String, Failure> {
    let unwritten = |error| Failure::runtime(format!("cannot write the result of a search: {error}"));
    let mut value = serde_json::to_value(runs::read_result(run)?).map_err(unwritten)?;
    if let Some(fields) = value.as_object_mut() {
        for name in ["seconds", "seconds_by_phase", "run_dir"] {
            fields.remove(name);
        }
    }
    Ok(value.to_string())
}

/// A person who may press Ctrl-C.
struct Keyboard;

impl Caller for Keyboard {
    fn progress(&self, _: &SearchProgress) {}

    fn wants_to_stop(&self) -> bool {
        interrupt::is_pressed()
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted; the job has no result yet")
        .remedy("the same command again; what was finished before stays")
}

#[derive(Serialize)]
struct Merged {
    folder: PathBuf,
    file: PathBuf,
}

#[derive(Serialize)]
struct Stood {
    folder: PathBuf,
    jobs: usize,
    #[serde(flatten)]
    status: Status,
}

fn status(folder: PathBuf, global: Global) -> Result<(), Failure> {
    let jobs = JobFolder::open(&folder)?;
    let stood = Stood { jobs: jobs.jobs().len(), status: jobs.status(), folder };
    global.output().result(&stood, || {
        let Status { done, missing, damaged, lost } = &stood.status;
        let mut text = format!("{} of {} jobs are done", done.len(), stood.jobs);
        for file in missing {
            let lost = lost.iter().find(|lost| lost.job == *file);
            let why = lost.map(|LostJob { reason, .. }| format!(", and {reason}")).unwrap_or_default();
            text += &format!("\n{}: no result yet{why}", file.display());
        }
        for DamagedResult { job, reason } in damaged {
            text += &format!("\n{}: {reason}; delete this result, then run the job again", job.display());
        }
        text
    })?;
    // Whoever waits for the jobs must hear of what waiting does not mend.
    let Status { damaged, lost, .. } = &stood.status;
    let folder = stood.folder.display();
    if !damaged.is_empty() {
        let message = format!("{folder}: {} of {} jobs have damaged results", damaged.len(), stood.jobs);
        return Err(Failure::new(Exit::BadFile, message)
            .remedy(format!("delete these results in {folder}/results, then edgezen jobs run their jobs")));
    }
    if !lost.is_empty() {
        let message =
            format!("{folder}: the files of {} of {} jobs are not there as planned", lost.len(), stood.jobs);
        return Err(Failure::new(Exit::BadFile, message)
            .remedy("edgezen jobs plan writes them anew, by the same words"));
    }
    Ok(())
}

fn merge(folder: &Path, output: &Path, force: Force, global: Global) -> Result<(), Failure> {
    has_ending(output, &["json"], "a list in JSON")?;
    let jobs = JobFolder::open(folder)?;
    let place = force.place(output, &jobs.files())?;
    place.write(&jobs.merged()?)?;
    let merged = Merged { folder: folder.to_owned(), file: output.to_owned() };
    global
        .output()
        .written(&place, &merged, || format!("{}: {}", counted(jobs.jobs().len(), "job"), output.display()))
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        let message = error.to_string();
        match error {
            JobError::File(FileError::InTheWay { .. }) => {
                Failure::usage(message).remedy("another folder: -o DIR")
            }
            JobError::File(error) => error.into(),
            JobError::Plan(error) => {
                let path = match error {
                    FileError::Checksum { path }
                    | FileError::Damaged { path, .. }
                    | FileError::NotOurs { path, .. } => path.display().to_string(),
                    _ => "it".into(),
                };
                Failure::new(Exit::BadFile, message).remedy(format!(
                    "delete {path}, then edgezen jobs plan by the same words writes it anew; what is done stays"
                ))
            }
            JobError::Results { damaged } => {
                let (these, them) = match damaged.len() {
                    1 => ("this file", "the job that it belongs to"),
                    _ => ("these files", "the jobs that they belong to"),
                };
                Failure::new(Exit::BadFile, message).remedy(format!(
                    "delete {these}, then edgezen jobs run {them} (edgezen jobs status names all)"
                ))
            }
            JobError::Nothing => {
                Failure::usage(message).remedy("name networks, or --nets-from FILE; searches take --seeds N")
            }
            JobError::NoPlan { .. } => {
                Failure::usage(message).remedy("leave it in the folder that edgezen jobs plan wrote")
            }
            JobError::Changed { .. } => Failure::new(Exit::BadFile, message)
                .remedy("edgezen jobs plan writes it anew, by the same words"),
            JobError::Version { .. } => {
                Failure::usage(message).remedy("the version that planned it, or plan anew in another folder")
            }
            JobError::Missing { missing, .. } => {
                let first = missing.first().map(|path| path.display().to_string()).unwrap_or_default();
                Failure::runtime(message).remedy(format!("edgezen jobs run {first}, and so on"))
            }
        }
    }
}
