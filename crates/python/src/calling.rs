//! Commands by their words, as on the command line, in a thread of their own. The calling thread listens for Ctrl-C meanwhile, and
//! calls Python's functions: the callback that hears how far a search is, and what the search asks for scores and latencies. So
//! they run where a user expects it, and Ctrl-C ends them.

use crate::asking::{About, Line, PythonPredictor, PythonProxy, Question};
use crate::raised::raised;
use crate::threads::{fresh, pool};
use edgezen::cli::caller::{Caller, Own};
use edgezen::cli::in_process::{self, Answer};
use edgezen::cli::{self, launch};
use edgezen::predictor::pricing::WholePredictor;
use edgezen::proxy::Proxy;
use edgezen::search::SearchProgress;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks at Ctrl-C and at the progress.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a command may take to stop. One that takes longer is left alone, and ends by itself later.
const PATIENCE: Duration = Duration::from_secs(5);
/// Room for nested structures, as the main thread of a program has it.
const STACK: usize = 8 << 20;

/// Functions in Python that a command calls.
pub struct Functions<'py> {
    /// Hears how far a search is.
    pub callback: Option<Bound<'py, PyAny>>,
    /// Gives the score of a network, and how it is called.
    pub proxy: Option<(String, Bound<'py, PyAny>)>,
    /// Each gives the latency of a network in milliseconds per image, on the device of that name.
    pub predictors: Vec<(String, Bound<'py, PyAny>)>,
}

impl Functions<'_> {
    /// What a function says of a network.
    fn answer(&self, question: &Question) -> PyResult<f64> {
        let asked = match &question.about {
            About::Score => self.proxy.as_ref(),
            About::Latency(device) => self.predictors.iter().find(|(name, _)| name == device),
        };
        let Some((_, function)) = asked else {
            return Err(PyRuntimeError::new_err("a function that was not given was asked for"));
        };
        let model = &question.model;
        let given = (model.network.to_string(), model.resolution, model.classes, model.se);
        function.call1(given)?.extract()
    }
}

/// What is heard of a command.
enum Event {
    Asked(Question),
    Done(Answer),
}

/// What a command and the thread that called it tell each other.
struct Desk {
    line: Arc<Line>,
    /// The last that was heard of a search, until it is passed on.
    progress: Mutex<Option<SearchProgress>>,
    /// What the functions are called.
    proxy: Option<String>,
    predictors: Vec<String>,
}

impl Caller for Desk {
    fn progress(&self, progress: &SearchProgress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(*progress);
    }

    fn wants_to_stop(&self) -> bool {
        self.line.stops()
    }

    fn proxy(&self, se: bool) -> Option<Own<Arc<dyn Proxy>>> {
        let name = format!("python:{}", self.proxy.as_ref()?);
        Some(Own { name, function: Arc::new(PythonProxy { line: self.line.clone(), se }) })
    }

    fn predictor(&self, device: &str) -> Option<Arc<dyn WholePredictor>> {
        let name = self.predictors.iter().find(|name| *name == device)?;
        Some(Arc::new(PythonPredictor::new(self.line.clone(), name)?))
    }
}

impl Desk {
    /// Passes on what is new, and gives the exception of the callback or of a signal.
    fn serve(&self, py: Python<'_>, functions: &Functions<'_>) -> PyResult<()> {
        py.check_signals()?;
        let news = self.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(callback), Some(news)) = (&functions.callback, news) {
            let SearchProgress { iteration, iterations, best, scored, .. } = news;
            callback.call1((iteration, iterations, best, scored))?;
        }
        Ok(())
    }
}

/// What Python gets of a command: the result as JSON, the failure as exit code, message and remedy, and the remarks.
pub type Called = (Option<String>, Option<(u8, String, Option<String>)>, Vec<String>);

/// Runs the command with these words. The callback of `functions` hears the iteration of a search, how many there are, the best score so
/// far, and how many networks were scored.
///
/// # Errors
/// What the functions raise, and KeyboardInterrupt: a search then stops with a checkpoint.
pub fn call(py: Python<'_>, words: Vec<String>, functions: Functions<'_>) -> PyResult<Called> {
    let are_asked = functions.proxy.is_some() || !functions.predictors.is_empty();
    let threads = if are_asked { fresh() } else { pool() };
    let pool = threads.map_err(|failure| raised(py, words.first().map_or("", String::as_str), &failure))?;
    let (sender, mut receiver) = channel::<Event>();
    let asked = sender.clone();
    let desk = Arc::new(Desk {
        line: Arc::new(Line::new(move |question| asked.send(Event::Asked(question)).is_ok())),
        progress: Mutex::default(),
        proxy: functions.proxy.as_ref().map(|(name, _)| name.clone()),
        predictors: functions.predictors.iter().map(|(name, _)| name.clone()).collect(),
    });
    let of_command = desk.clone();
    let work = move || {
        let answer = pool.install(|| in_process::run(&words, &*of_command));
        // Nobody waits any more where the command took too long to stop.
        let _ = sender.send(Event::Done(answer));
    };
    let thread = std::thread::Builder::new().name("edgezen".into()).stack_size(STACK).spawn(work)?;
    let mut served = Instant::now();
    let mut stopped: Option<(Instant, PyErr)> = None;
    loop {
        let (back, event) = py.detach(move || {
            let event = receiver.recv_timeout(PAUSE);
            (receiver, event)
        });
        receiver = back;
        let mut failed = None;
        match event {
            Ok(Event::Done(answer)) => {
                return match stopped {
                    Some((_, error)) => Err(error),
                    None => {
                        desk.serve(py, &functions)?;
                        Ok(called(answer))
                    }
                };
            }
            // Where the command is to stop, whoever asks hears that there is no answer.
            Ok(Event::Asked(question)) if stopped.is_none() => match functions.answer(&question) {
                Ok(number) => question.reply(number),
                Err(error) => failed = Some(error),
            },
            Ok(Event::Asked(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(broken()),
        }
        if thread.is_finished() && stopped.is_none() && failed.is_none() {
            // The desk keeps the line open, so that only the thread itself tells that it ended without an answer.
            match receiver.try_recv() {
                Ok(Event::Done(answer)) => {
                    desk.serve(py, &functions)?;
                    return Ok(called(answer));
                }
                _ => return Err(broken()),
            }
        }
        match &stopped {
            Some((since, _)) if since.elapsed() <= PATIENCE => {}
            Some(_) => {
                let error = stopped.map(|(_, error)| error);
                return Err(error.unwrap_or_else(broken));
            }
            None => {
                if failed.is_none() && served.elapsed() >= PAUSE {
                    failed = desk.serve(py, &functions).err();
                    served = Instant::now();
                }
                if let Some(error) = failed {
                    desk.line.stop();
                    stopped = Some((Instant::now(), error));
                }
            }
        }
    }
}

/// The exception of a command that ended without an answer.
fn broken() -> PyErr {
    PyRuntimeError::new_err("edgezen broke off by a fault of its own, which it described on stderr")
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
