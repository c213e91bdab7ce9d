//! What a running search shows and writes: progress on the terminal, checkpoints, Ctrl-C.

use crate::cli::output::Output;
use crate::cli::{Exit, Failure};
use crate::runs::{RunError, SavedSearch};
use crate::search::{Checkpoint, Observer, Progress, Wish};
use crate::units::Latency;
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A checkpoint may take one part in so many of the time between two.
const SHARE: u32 = 100;

static STOP: AtomicBool = AtomicBool::new(false);

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
    /// Listens for Ctrl-C from now on; the first ends the search after a checkpoint, the second at once.
    pub fn new(
        dir: &Path,
        iterations: u64,
        spent: f64,
        pause: Latency,
        output: Output,
    ) -> Result<Watch, Failure> {
        ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
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
            bar: output.progress(iterations, "{bar:16} {percent:>3} %  {msg}  {per_sec}  {eta} left"),
        })
    }

    /// The search goes on from this iteration.
    pub fn goes_on_from(&self, iteration: u64) {
        self.bar.set_position(iteration);
        self.bar.reset_eta();
    }

    /// Clears the bar; gives the seconds of all sessions.
    pub fn finish(&self) -> Result<f64, Failure> {
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

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Observer for Watch {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, progress: Progress) {
        self.bar.set_position(progress.iteration);
        if let Some(best) = progress.best {
            let share = 100.0 * progress.scored as f64 / progress.iteration.max(1) as f64;
            self.bar.set_message(format!("score {best:.2}, {share:.0} % fit"));
        }
    }

    fn wish(&self) -> Wish {
        if stopped() {
            Wish::Stop
        } else if nanos(self.started.elapsed()) >= self.due.load(Ordering::Relaxed) {
            Wish::Save
        } else {
            Wish::GoOn
        }
    }

    fn save(&self, checkpoint: &Checkpoint) {
        let before = Instant::now();
        let saved = SavedSearch::new(self.seconds(), checkpoint.clone()).write(&self.dir);
        let pause = self.pause.max(before.elapsed() * SHARE);
        self.due.store(nanos(self.started.elapsed() + pause), Ordering::Relaxed);
        if let Err(error) = saved {
            // Without checkpoints there is no point in going on: the results would not fit either.
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            STOP.store(true, Ordering::Relaxed);
        }
    }
}
