//! What a running search shows and writes: progress on the terminal, checkpoints, Ctrl-C.
//!
//! A search stops between two rounds, which some proxies take minutes for. So whoever listens for Ctrl-C waits
//! a little, and then ends the program itself: the last checkpoint lies on the disk, and what is lost is one round.

use crate::cli::output::Output;
use crate::cli::{Exit, Failure};
use edgezen_core::search::{Checkpoint, Instruction, Observer, SearchProgress};
use edgezen_core::units::Latency;
use edgezen_lab::runs::{RunError, SavedSearch};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A checkpoint may take one part in so many of the time between two.
const SHARE: u32 = 100;

/// How long a search may take to stop.
const PATIENCE: Duration = Duration::from_secs(1);

static STOP: AtomicBool = AtomicBool::new(false);
/// Whether nothing is lost but the last round where the program ends.
static RUNNING: AtomicBool = AtomicBool::new(false);
/// Iterations of the last checkpoint.
static SAVED: AtomicU64 = AtomicU64::new(NOTHING);
const NOTHING: u64 = u64::MAX;

/// Whether Ctrl-C was pressed since [`Watch::new`].
pub fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Tells the search the time and what to do, and the person how far it is.
pub struct Watch {
    started: Instant,
    /// Seconds of the sessions before this one.
    spent: f64,
    dir: PathBuf,
    /// Least time between two checkpoints.
    pause: Duration,
    /// When the next one is due, in nanoseconds since `started`.
    due: AtomicU64,
    /// Why a checkpoint could not be written.
    failed: Mutex<Option<RunError>>,
    bar: ProgressBar,
}

impl Watch {
    /// Listens for Ctrl-C from now on; the first ends the search after a checkpoint, the second at once. The
    /// search goes on from iteration `from`, if it was interrupted.
    pub fn new(
        dir: &Path,
        iterations: u64,
        spent: f64,
        from: Option<u64>,
        pause: Latency,
        output: Output,
    ) -> Result<Watch, Failure> {
        let bar = output.progress(iterations, "{bar:16} {percent:>3} %  {msg}  {per_sec}  {eta} left");
        bar.set_position(from.unwrap_or(0));
        bar.reset_eta();
        SAVED.store(from.unwrap_or(NOTHING), Ordering::Relaxed);
        RUNNING.store(true, Ordering::SeqCst);
        let (run, shown) = (dir.to_owned(), bar.clone());
        ctrlc::set_handler(move || {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
            let (run, shown) = (run.clone(), shown.clone());
            // The second Ctrl-C must be heard meanwhile.
            std::thread::spawn(move || {
                std::thread::sleep(PATIENCE);
                if RUNNING.swap(false, Ordering::SeqCst) {
                    shown.finish_and_clear();
                    crate::cli::report(&interrupted(&run, SAVED.load(Ordering::Relaxed), iterations));
                    std::process::exit(Exit::Interrupted as i32);
                }
            });
        })
        .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;
        let pause = Duration::from_nanos(pause.ns() as u64);
        Ok(Watch {
            started: Instant::now(),
            spent,
            dir: dir.to_owned(),
            pause,
            due: AtomicU64::new(nanos(pause)),
            failed: Mutex::new(None),
            bar,
        })
    }

    /// Clears the bar; gives the seconds of all sessions.
    pub fn finish(&self) -> Result<f64, Failure> {
        if !RUNNING.swap(false, Ordering::SeqCst) {
            // The program is about to end.
            std::thread::sleep(PATIENCE);
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

/// The search stopped before its end.
pub fn interrupted(run: &Path, saved: u64, iterations: u64) -> Failure {
    let resume = format!("edgezen search --resume --out {}", run.display());
    let message = match saved {
        NOTHING => "interrupted before the first iteration".to_owned(),
        _ => format!("interrupted after {saved} of {iterations} iterations; a checkpoint was written"),
    };
    Failure::new(Exit::Interrupted, message).remedy(resume)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Observer for Watch {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, progress: SearchProgress) {
        self.bar.set_position(progress.iteration);
        if let Some(best) = progress.best {
            let share = 100.0 * progress.scored as f64 / progress.iteration.max(1) as f64;
            self.bar.set_message(format!("score {best:.2}, {share:.0} % fit"));
        }
    }

    fn instruction(&self) -> Instruction {
        if stopped() {
            Instruction::Stop
        } else if nanos(self.started.elapsed()) >= self.due.load(Ordering::Relaxed) {
            Instruction::Save
        } else {
            Instruction::GoOn
        }
    }

    fn save(&self, checkpoint: &Checkpoint) {
        let before = Instant::now();
        let saved = SavedSearch::new(self.seconds(), checkpoint.clone()).write(&self.dir);
        let pause = self.pause.max(before.elapsed() * SHARE);
        self.due.store(nanos(self.started.elapsed() + pause), Ordering::Relaxed);
        if saved.is_ok() {
            SAVED.store(checkpoint.iteration(), Ordering::Relaxed);
        }
        if let Err(error) = saved {
            // Without checkpoints there is no point in going on: the results would not fit either.
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            STOP.store(true, Ordering::Relaxed);
        }
    }
}
