//! What a running search shows and writes: progress on the terminal, checkpoints, and what Ctrl-C does.
//!
//! A search stops between two rounds, and with some proxies a round takes minutes. After Ctrl-C the program therefore waits
//! for it only a little ([`interrupt::impatient`]). The last checkpoint is on the disk by then; the round that was running
//! is lost.

use crate::cli::caller::Caller;
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, interrupt};
use edgezen_core::search::{Checkpoint, Instruction, Observer, SearchProgress};
use edgezen_core::units::Latency;
use edgezen_lab::runs::{RescoreTable, RunError, SavedSearch};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two checkpoints is at least this many times what writing one takes.
const SHARE: u32 = 100;

/// Iterations of the last checkpoint; `None` before the first one.
static SAVED: Mutex<Option<u64>> = Mutex::new(None);

/// Whether the search is to stop: the caller wants it to, or, where there is none, Ctrl-C was pressed.
pub fn stopped(caller: Option<&dyn Caller>) -> bool {
    caller.map_or_else(interrupt::is_pressed, Caller::wants_to_stop)
}

fn saved() -> MutexGuard<'static, Option<u64>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A search from its start, or from where it was interrupted, to its end.
pub struct Session<'a> {
    /// Where checkpoints go.
    pub home: &'a Path,
    /// How the user calls the run.
    pub run: &'a Path,
    pub iterations: u64,
    /// Seconds of the sessions before this one.
    pub spent: f64,
    /// The iteration at which an interrupted search goes on.
    pub from: Option<u64>,
    /// Least time between two checkpoints.
    pub pause: Latency,
}

/// Watches a search: tells it the time and when to save or stop, and shows a person or the caller how far it is.
pub struct Watch<'a> {
    /// The program that runs the search in its own process, and hears Ctrl-C itself.
    caller: Option<&'a dyn Caller>,
    started: Instant,
    /// Seconds of the sessions before this one.
    spent: f64,
    dir: PathBuf,
    /// Least time between two checkpoints.
    pause: Duration,
    /// When the next checkpoint is due, in nanoseconds since `started`.
    due: AtomicU64,
    /// Whether a checkpoint could not be written, so that the search stops.
    unsaved: AtomicBool,
    /// Why.
    failed: Mutex<Option<RunError>>,
    bar: ProgressBar,
}

impl<'a> Watch<'a> {
    /// Listens for Ctrl-C from now on, where there is no `caller` who does. The first one ends the search after a checkpoint,
    /// the second one ends the program at once.
    pub fn new(
        session: Session<'_>,
        output: Output,
        caller: Option<&'a dyn Caller>,
    ) -> Result<Watch<'a>, Failure> {
        let Session { home, run, iterations, spent, from, pause } = session;
        let bar = output.progress(iterations, "{bar:16} {percent:>3} %  {msg}  {rate}  {eta} left");
        bar.set_position(from.unwrap_or(0));
        bar.reset_eta();
        if caller.is_none() {
            interrupt::listen()?;
            *saved() = from;
            let (run, shown) = (run.to_owned(), bar.clone());
            interrupt::impatient(move || {
                shown.finish_and_clear();
                interrupted(&run, *saved(), iterations)
            });
        }
        let pause = Duration::from_nanos(pause.ns() as u64);
        Ok(Watch {
            caller,
            started: Instant::now(),
            spent,
            dir: home.to_owned(),
            pause,
            due: AtomicU64::new(nanos(pause)),
            unsaved: AtomicBool::new(false),
            failed: Mutex::new(None),
            bar,
        })
    }

    /// Clears the bar, and gives the seconds of all sessions.
    pub fn finish(&self) -> Result<f64, Failure> {
        if self.caller.is_none() {
            interrupt::patient();
        }
        self.bar.finish_and_clear();
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.into()),
            None => Ok(self.seconds()),
        }
    }

    fn seconds(&self) -> f64 {
        self.spent + self.started.elapsed().as_secs_f64()
    }
}

/// What Ctrl-C does while something long is under way, where there is no caller who hears it.
pub struct Impatience {
    listens: bool,
}

impl Impatience {
    /// From now on the program ends with `failure` where it does not end by itself soon after Ctrl-C. `bar` is cleared then.
    pub fn new(caller: Option<&dyn Caller>, bar: &ProgressBar, failure: Failure) -> Impatience {
        let listens = caller.is_none();
        if listens {
            let shown = bar.clone();
            interrupt::impatient(move || {
                shown.finish_and_clear();
                failure
            });
        }
        Impatience { listens }
    }

    /// It is over: what follows is waited for.
    pub fn over(self) {
        if self.listens {
            interrupt::patient();
        }
    }
}

/// The failure of a run whose search is over, and whose best networks were not scored again. `in_place` says whether the result
/// is where the run is looked for; `verify` networks were to be measured after it.
pub fn not_rescored(run: &Path, in_place: bool, asked: &RescoreTable, verify: usize) -> Failure {
    let result = match in_place {
        true => format!("the search is over, and its result is in {}", run.display()),
        false => {
            format!("the search is over; the run that {} held before stays until this is done", run.display())
        }
    };
    let verify = if verify > 0 { format!(" --verify {verify}") } else { String::new() };
    Failure::new(
        Exit::Interrupted,
        format!("interrupted while the best networks were scored again; {result}"),
    )
    .remedy(format!(
        "edgezen search --resume --rescore {} --rescore-top {}{verify} --out {}",
        asked.engine,
        asked.top,
        run.display()
    ))
}

/// The failure of a search that stopped before its end; `saved` is the iteration of its last checkpoint.
pub fn interrupted(run: &Path, saved: Option<u64>, iterations: u64) -> Failure {
    let resume = format!("edgezen search --resume --out {}", run.display());
    let message = match saved {
        None => "interrupted before the first iteration".to_owned(),
        Some(saved) => {
            format!("interrupted after {saved} of {iterations} iterations; a checkpoint was written")
        }
    };
    Failure::new(Exit::Interrupted, message).remedy(resume)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Watches a search that is quick to repeat: it can be stopped, and leaves no checkpoint.
pub struct Unsaved<'a>(pub &'a Watch<'a>);

impl Observer for Unsaved<'_> {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn progress(&self, _: SearchProgress) {}

    fn instruction(&self) -> Instruction {
        if stopped(self.0.caller) { Instruction::Stop } else { Instruction::GoOn }
    }
}

impl Observer for Watch<'_> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, progress: SearchProgress) {
        if let Some(caller) = self.caller {
            caller.progress(&progress);
        }
        self.bar.set_position(progress.iteration);
        if let Some(best) = progress.best {
            let share = 100.0 * progress.scored as f64 / progress.iteration.max(1) as f64;
            self.bar.set_message(format!("score {best:.2}, {share:.0} % within the budgets"));
        }
    }

    fn instruction(&self) -> Instruction {
        if stopped(self.caller) || self.unsaved.load(Ordering::Relaxed) {
            Instruction::Stop
        } else if nanos(self.started.elapsed()) >= self.due.load(Ordering::Relaxed) {
            Instruction::Save
        } else {
            Instruction::GoOn
        }
    }

    fn save(&self, checkpoint: &Checkpoint) {
        let before = Instant::now();
        let written = SavedSearch::new(self.seconds(), checkpoint.clone()).write(&self.dir);
        let pause = self.pause.max(before.elapsed() * SHARE);
        self.due.store(nanos(self.started.elapsed() + pause), Ordering::Relaxed);
        match written {
            Ok(()) => *saved() = Some(checkpoint.iteration()),
            Err(error) => {
                // Where a checkpoint cannot be written, the results could not be written either.
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.unsaved.store(true, Ordering::Relaxed);
            }
        }
    }
}
