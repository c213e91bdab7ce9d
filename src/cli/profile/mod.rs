//! `edgezen profile`: measure a plan on a device; a dataset and a lookup table of blocks come out.

mod pooled;
mod refine;
mod repeat;
mod report;

use super::output::message;
use super::target::{self, Target, heating};
use super::{Exit, Failure, Global, interrupt};
use crate::shipped;
use clap::builder::PossibleValuesParser;
use edgezen_core::files::FileError;
use edgezen_core::measurement::Identity;
use edgezen_core::space;
use edgezen_core::space::SearchSpace;
use edgezen_lab::campaign::plan::{MAX_SAMPLES, MIN_SAMPLES};
use edgezen_lab::campaign::{Campaign, CampaignError, Event, Plan, PlanError, Start};
use edgezen_lab::dataset::LookupRow;
use edgezen_lab::device::{self, Passes};
use report::{Profile, judge, report, text};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Search space whose kernels, blocks and networks are measured
    #[arg(long, value_parser = space_names(), default_value = "mobilenet")]
    space: String,
    /// Configurations to measure
    #[arg(long, value_name = "N", default_value_t = 200)]
    samples: usize,
    /// Measure for about so long (90s, 20m, 2h) instead of a number of configurations
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["samples", "plan"])]
    time: Option<Duration>,
    /// Measure what this file lists instead of drawing a plan (JSON, as in a dataset's plan.json)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["space", "samples"])]
    plan: Option<PathBuf>,
    /// Measure further kernels, where a predictor fitted to this dataset knows least
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "time"])]
    refine: Option<PathBuf>,
    /// Passes over the plan, minutes apart, so that no median is that of one slow moment [default: 2, and a third one over
    /// what these leave open; on phones and boards the launches of the device's profile]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Go on with an unfinished profile; nothing is measured twice
    #[arg(long)]
    resume: bool,
    /// Measure anew where a dataset is; it stays until the new one is whole, and its journal after that
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    #[command(flatten)]
    repeat: repeat::Args,
    /// Folder of the dataset [default: datasets/<device>@<runtime>]
    #[arg(short, long, alias = "out", value_name = "DIR")]
    output: Option<PathBuf>,
}

/// The value of `--space` that means all of them.
const BOTH: &str = "both";

fn space_names() -> PossibleValuesParser {
    PossibleValuesParser::new(space::registry().iter().map(|space| space.name()).chain([BOTH]))
}

/// The spaces of that name.
fn spaces(name: &str) -> Vec<&'static dyn SearchSpace> {
    space::registry().iter().copied().filter(|space| name == BOTH || name == space.name()).collect()
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    // The journal is complete whenever the program ends; the first Ctrl-C waits for the measurement in flight.
    interrupt::listen()?;
    if let Some(dir) = &args.repeat.repeat {
        return repeat::run(&args.target, dir, global);
    }
    let name = args.target.name()?;
    args.target.reach.check(&name)?;
    let (profile, driver) = device::find(&shipped::profiles(), &name)?;
    let passes = args.rounds.map_or_else(|| driver.usual_passes(&profile), Passes::exactly);
    let samples = match args.time {
        None => args.samples,
        Some(time) => samples_in(time, driver.time_of_pass(&profile), passes.most)?,
    };
    if let Some(pool) = &args.target.reach.pool {
        let job = Job { args: &args, name: &name, serial: None, alone: true, passes, samples, global };
        return pooled::run(&args, pool, &job, &profile, global);
    }
    let serials: Vec<Option<String>> = match &args.target.reach.serial {
        Some(list) => list.split(',').map(|serial| Some(serial.trim().to_owned())).collect(),
        None => vec![None],
    };
    let job = |serial: &Option<String>| Job {
        args: &args,
        name: &name,
        serial: serial.clone(),
        alone: serials.len() == 1,
        passes,
        samples,
        global,
    };
    if let [serial] = &serials[..] {
        let done = job(serial).run()?;
        out.result(&done.report, || text(&done.report, &done.lookup))?;
        return judge(&[done.report]);
    }
    // Each phone is measured by a thread of its own, into a folder of its own.
    let results: Vec<Result<Done, Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            serials.iter().map(|serial| (serial, scope.spawn(|| job(serial).run()))).collect();
        let lost = |serial: &Option<String>| {
            let serial = serial.as_deref().unwrap_or("the device");
            Failure::runtime(format!("the thread of {serial} ended early"))
        };
        threads
            .into_iter()
            .map(|(serial, thread)| thread.join().unwrap_or_else(|_| Err(lost(serial))))
            .collect()
    });
    let (done, failures): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let done: Vec<Done> = done.into_iter().flatten().collect();
    let reports: Vec<&Profile> = done.iter().map(|done| &done.report).collect();
    out.result(&reports, || {
        done.iter().map(|done| text(&done.report, &done.lookup)).collect::<Vec<_>>().join("\n")
    })?;
    let mut failures: Vec<Failure> = failures.into_iter().filter_map(Result::err).collect();
    if let Some(last) = failures.pop() {
        failures.iter().for_each(super::report);
        return Err(last);
    }
    judge(&done.into_iter().map(|done| done.report).collect::<Vec<_>>())
}

/// `90s`, `20m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("h", 3600.0), ("min", 60.0), ("m", 60.0), ("s", 1.0)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.trim().strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * seconds)
    });
    match seconds {
        Some(seconds) if (0.0..1e7).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(seconds) if seconds >= 1e7 => Err("a profile takes 2777h at most".to_owned()),
        _ => Err("a time has a number and a unit, as 90s, 20m or 2h".to_owned()),
    }
}

/// How many configurations can be measured in about `time`, where a pass over one of them takes `pass`.
///
/// # Errors
/// Too short a time for a predictor, or too long a one for any plan.
fn samples_in(time: Duration, pass: Duration, rounds: u32) -> Result<usize, Failure> {
    let each = pass * rounds;
    let samples = usize::try_from(time.as_nanos() / each.as_nanos().max(1)).unwrap_or(usize::MAX);
    if (MIN_SAMPLES..=MAX_SAMPLES).contains(&samples) {
        return Ok(samples);
    }
    let (bound, word) = if samples < MIN_SAMPLES { (MIN_SAMPLES, "least") } else { (MAX_SAMPLES, "most") };
    let bounding = each * bound as u32;
    let bounding =
        if bound == MIN_SAMPLES { bounding.as_secs_f64().ceil() } else { bounding.as_secs_f64().floor() };
    Err(Failure::usage(format!(
        "--time: a predictor takes at {word} {bound} configurations, and in {} about {samples} are measured here: {} for each \
         of them in {rounds} passes",
        seconds(time.as_secs_f64()),
        seconds(each.as_secs_f64()),
    ))
    .remedy(format!("--time {bounding}s at {word}, or --samples N")))
}

/// Seconds with as many digits as tell something.
fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// One device to profile.
struct Job<'a> {
    args: &'a Args,
    /// The name of the device.
    name: &'a str,
    serial: Option<String>,
    /// Whether this is the only device that is profiled now.
    alone: bool,
    passes: Passes,
    samples: usize,
    global: Global,
}

struct Done {
    report: Profile,
    lookup: Vec<LookupRow>,
}

impl Job<'_> {
    fn run(&self) -> Result<Done, Failure> {
        let (args, out) = (self.args, self.global.output());
        let start = Instant::now();
        let name = self.name;
        let reach = &args.target.reach;
        let unfit = target::unfit(name);
        target::warn_unfit(&unfit, out);
        let options = reach.options_for(self.serial.clone(), name, self.passes.most, self.global.seed);
        let mut device = device::open(&shipped::profiles(), name, &options)?;
        let identity = device.identity().clone();
        let plan = self.plan(&identity)?;
        let dir = self.folder(&identity)?;
        let total = plan.subjects.len() as u64 * u64::from(self.passes.most);
        let bar = match self.alone {
            true => out.progress(total, "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}"),
            false => indicatif::ProgressBar::hidden(),
        };
        let say = |text: String| match &self.serial {
            Some(serial) if !self.alone => out.note(format!("{serial}: {text}")),
            _ => bar.suspend(|| out.note(text)),
        };
        let mut resting = false;
        let mut said = 0;
        let mut begun = 0;
        let mut progress = |event: Event<'_>| {
            match event {
                Event::Begin { finished, total } => {
                    if finished > 0 {
                        say(format!("{finished} of {total} measurements are in the journal already"));
                    }
                    begun = finished;
                    bar.set_position(finished as u64);
                    bar.reset_eta();
                }
                Event::Measured { subject, summary, finished } => {
                    resting = false;
                    bar.set_position(finished as u64);
                    bar.set_message(message(&format!(
                        "{} {}",
                        summary.median,
                        shortened(&subject.to_string())
                    )));
                    let tenth = 10 * finished as u64 / total.max(1);
                    if !self.alone && tenth > said && finished > begun {
                        said = tenth;
                        let left =
                            start.elapsed() * (total as u32 - finished as u32) / (finished - begun) as u32;
                        say(format!("{} of {total} measured, {} s left", finished, left.as_secs()));
                    }
                }
                Event::Failed { subject, reason, finished } => {
                    bar.set_position(finished as u64);
                    say(format!("cannot measure {subject}: {reason}"));
                }
                Event::Sentinel { drift } => bar.set_message(format!("sentinel {:+.1} %", drift * 100.0)),
                Event::Repeat { count, reason, finished } => {
                    bar.set_position(finished as u64);
                    say(format!("{reason}: {count} measurements are made again"));
                }
                Event::Resting { left, reason } => {
                    bar.set_message(message(&format!(
                        "{reason}: cooling down, {} s left",
                        left.as_secs() + 1
                    )));
                    if !resting {
                        say(format!("{reason}: cooling down for {} s", left.as_secs() + 1));
                    }
                    resting = true;
                }
                Event::Heating { so_far, sentinel } => bar.set_message(heating(so_far, sentinel)),
                Event::Note(note) => say(format!("note: {note}")),
            }
            interrupt::flow()
        };
        let campaign = Campaign {
            plan: &plan,
            dir: &dir,
            start: match (args.resume, args.force) {
                (true, _) => Start::Resume,
                (false, true) => Start::Force,
                (false, false) => Start::Fresh,
            },
            passes: self.passes,
            seed: self.global.seed,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            keep: false,
        };
        let outcome = campaign.run(device.as_mut(), &mut progress);
        bar.finish_and_clear();
        let outcome = outcome.map_err(|e| failure(e, Some(&dir)))?;
        let (refined, seconds) = (args.refine.as_deref(), start.elapsed().as_secs_f64());
        let report = Profile { unfit, ..report(&outcome, &dir, refined, self.serial.clone(), seconds) };
        if report.drifted > 0 {
            out.note(format!(
                "warning: the device slowed down by up to {:.0} % now and then; {} configurations are flagged; \
                 close other programs and profile again for better data",
                outcome.worst_drift * 100.0,
                report.drifted
            ));
        }
        Ok(Done { report, lookup: outcome.lookup })
    }

    fn plan(&self, identity: &Identity) -> Result<Plan, Failure> {
        let (args, seed) = (self.args, self.global.seed);
        let option = if args.time.is_some() { "--time" } else { "--samples" };
        let failed = |e: PlanError| Failure::usage(format!("{option}: {e}"));
        if let Some(path) = &args.plan {
            return Plan::read(path).map_err(|e| plan_failure(path, e));
        }
        let (spaces, batch, lowering) = (spaces(&args.space), identity.batch, identity.lowering());
        let Some(dir) = &args.refine else {
            return Plan::draw(&spaces, self.samples, batch, lowering, seed).map_err(failed);
        };
        let judged = refine::judged(dir, identity)?;
        Plan::refine(&spaces, self.samples, batch, lowering, seed, &judged).map_err(failed)
    }

    /// The folder of the dataset. Phones that are measured at the same time have one each.
    fn folder(&self, identity: &Identity) -> Result<PathBuf, Failure> {
        let usual = || match &self.args.refine {
            Some(dir) => refine::beside(dir),
            None => {
                // The precision is left out of the name, unless it is that of integers, which floats must not hide.
                let whole = identity.to_string();
                let precision = format!("@{}", identity.precision);
                let short =
                    if *identity.precision == *"int8" { whole } else { whole.replacen(&precision, "", 1) };
                Path::new("datasets").join(short)
            }
        };
        let dir = self.args.output.clone().unwrap_or_else(usual);
        let dir = match &self.serial {
            Some(serial) if !self.alone => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
                let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                dir.with_file_name(format!("{name}-{}", serial.chars().map(plain).collect::<String>()))
            }
            _ => dir,
        };
        // The dataset that is refined is read, and stays.
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        match &self.args.refine {
            Some(input) if real(&dir).is_some_and(|dir| real(input) == Some(dir)) => {
                Err(FileError::SameFile { path: dir, input: input.clone() }.into())
            }
            _ => Ok(dir),
        }
    }
}

/// The first part of a long name.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(48).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn plan_failure(path: &Path, error: PlanError) -> Failure {
    let failure = match error {
        PlanError::File(FileError::NotOurs { .. } | FileError::Damaged { .. }) => {
            Failure::new(Exit::BadFile, error.to_string())
        }
        PlanError::File(error) => return error.into(),
        error => Failure::bad_file(path, error),
    };
    failure.remedy(
        "--plan with a list of what is measured, as edgezen profile writes it: the plan.json of a dataset (a plan of edgezen jobs \
         plan is for edgezen jobs run)",
    )
}

/// What a campaign of a pool ended with.
pub fn failure_of(error: CampaignError) -> Failure {
    failure(error, None)
}

/// What a campaign ended with; `dir` is the folder that --force would replace.
fn failure(error: CampaignError, dir: Option<&Path>) -> Failure {
    let dir = dir.map_or("it".into(), |dir| dir.display().to_string());
    let resume = "the same command with --resume goes on from here";
    let message = error.to_string();
    match error {
        CampaignError::File(error) => error.into(),
        CampaignError::Unfinished { .. } => Failure::usage(message).remedy(format!(
            "--resume to go on with it (and the options of that run), another folder (-o DIR), or --force to measure \
             anew in {dir}"
        )),
        CampaignError::Finished { .. } => Failure::usage(message)
            .remedy("another folder: -o DIR; --refine measures further kernels, --force measures all of them anew"),
        CampaignError::Foreign { .. } => {
            Failure::usage(message).remedy("another folder: -o DIR, or --force to write here all the same")
        }
        CampaignError::OtherPlan { .. } => Failure::usage(message).remedy(format!(
            "the options of the first run (--space, --samples, --rounds, --seed), or --plan {dir}/{}",
            edgezen_lab::campaign::folder::PLAN
        )),
        CampaignError::OtherIdentity { .. } => Failure::usage(message).remedy("another folder: -o DIR"),
        CampaignError::OtherDevice { .. } => Failure::usage(message)
            .remedy("attach the phone of the first run (--serial S says which) and use its runner, or another folder: -o DIR"),
        CampaignError::Interrupted { .. } => Failure::new(Exit::Interrupted, message).remedy(resume),
        CampaignError::NothingMeasured(_) => Failure::runtime(message),
        CampaignError::Journal(error) => error.into(),
        CampaignError::Device(error) => {
            let failure = Failure::from(error);
            let remedy = failure.remedy.clone().map_or(resume.to_owned(), |remedy| format!("{remedy}; then {resume}"));
            failure.remedy(remedy)
        }
        CampaignError::Dataset(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("20 min"), duration("20m"));
        // What is too short depends on the device.
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "20", "h", "-3s", "nanh", "1e99h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_hours_on_a_phone_are_some_thousand_configurations() {
        let (pixel2, driver) = device::find(&shipped::profiles(), "pixel2").unwrap();
        assert_eq!(driver.usual_passes(&pixel2), Passes::exactly(3));
        let in_seconds = |seconds| samples_in(Duration::from_secs(seconds), driver.time_of_pass(&pixel2), 3);
        assert_eq!(in_seconds(7200).unwrap(), 3000);
        // Ten configurations are the fewest that a predictor can be made of: 24 s here.
        assert_eq!(in_seconds(24).unwrap(), 10);
        for (time, least) in [(0, "--time 24s at least"), (23, "--time 24s at least"), (9_000_000, "at most")]
        {
            let refused = in_seconds(time).unwrap_err();
            assert!(refused.remedy.unwrap().contains(least) && refused.message.contains("configurations"));
        }
    }
}
