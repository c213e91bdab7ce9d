//! Commands by their words, as on the command line, in a thread of their own. The calling thread listens for Ctrl-C meanwhile, and
//! tells Python's callback how far a search is: only a thread that Python knows may do so.

use crate::raised::raised;
use crate::threads::pool;
use edgezen::cli::caller::Caller;
use edgezen::cli::in_process::{self, Answer};
use edgezen::cli::{self, launch};
use edgezen::search::SearchProgress;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks at Ctrl-C and at the progress.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a command may take to stop. One that takes longer is left alone, and ends by itself later.
const PATIENCE: Duration = Duration::from_secs(5);
/// Room for nested structures, as the main thread of a program has it.
const STACK: usize = 8 << 20;

/// What a command and the thread that called it tell each other.
#[derive(Default)]
struct Desk {
    stop: AtomicBool,
    /// The last that was heard of a search, until it is passed on.
    progress: Mutex<Option<SearchProgress>>,
}

impl Caller for Desk {
    fn progress(&self, progress: &SearchProgress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(*progress);
    }

    fn wants_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Desk {
    /// Passes on what is new, and gives the exception of the callback or of a signal.
    fn serve(&self, py: Python<'_>, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        let news = self.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(callback), Some(news)) = (callback, news) {
            let SearchProgress { iteration, iterations, best, scored, .. } = news;
            callback.call1((iteration, iterations, best, scored))?;
        }
        Ok(())
    }
}

/// What Python gets of a command: the result as JSON, the failure as exit code, message and remedy, and the remarks.
pub type Called = (Option<String>, Option<(u8, String, Option<String>)>, Vec<String>);

/// Runs the command with these words. `callback` hears the iteration of a search, how many there are, the best score so far, and how
/// many networks were scored.
///
/// # Errors
/// What the callback raises, and KeyboardInterrupt: a search then stops with a checkpoint.
pub fn call(py: Python<'_>, words: Vec<String>, callback: Option<&Bound<'_, PyAny>>) -> PyResult<Called> {
    let pool = pool().map_err(|failure| raised(py, &failure))?;
    let desk = Arc::new(Desk::default());
    let (sender, mut receiver) = channel::<Answer>();
    let of_command = desk.clone();
    let work = move || {
        let answer = pool.install(|| in_process::run(&words, &*of_command));
        // Nobody waits any more where the command took too long to stop.
        let _ = sender.send(answer);
    };
    std::thread::Builder::new().name("edgezen".into()).stack_size(STACK).spawn(work)?;
    let mut stopped: Option<(Instant, PyErr)> = None;
    loop {
        let (back, answer) = py.detach(move || {
            let answer = receiver.recv_timeout(PAUSE);
            (receiver, answer)
        });
        receiver = back;
        match answer {
            Ok(answer) => {
                return match stopped {
                    Some((_, error)) => Err(error),
                    None => {
                        desk.serve(py, callback)?;
                        Ok(called(answer))
                    }
                };
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err(
                    "edgezen broke off by a fault of its own, which it described on stderr",
                ));
            }
            Err(RecvTimeoutError::Timeout) => match stopped.take() {
                Some((since, error)) if since.elapsed() > PATIENCE => return Err(error),
                Some(waiting) => stopped = Some(waiting),
                None => {
                    if let Err(error) = desk.serve(py, callback) {
                        desk.stop.store(true, Ordering::Relaxed);
                        stopped = Some((Instant::now(), error));
                    }
                }
            },
        }
    }
}

fn called(Answer { heard, done }: Answer) -> Called {
    let failure = done.err().map(|failure| (failure.exit as u8, failure.message, failure.remedy));
    (heard.result, failure, heard.remarks)
}

/// The command line: prints as the program does, and gives its exit code. `program` with `words` starts it again, for measurements
/// in processes of their own.
pub fn main(py: Python<'_>, line: Vec<OsString>, program: Option<PathBuf>, words: Vec<OsString>) -> u8 {
    if let Some(program) = program {
        launch::started_by(program, words);
    }
    py.detach(|| {
        let code = match cli::run_line(&line) {
            Ok(()) => 0,
            Err(failure) => {
                cli::report(&failure);
                failure.exit as u8
            }
        };
        // Nobody does so when the interpreter ends. Where stdout is full or closed, there is nobody to tell.
        let _ = std::io::stdout().flush();
        code
    })
}
