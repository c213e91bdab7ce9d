//! Functions in Python as scores and latencies of a search. The threads of the search may not call them: they put a question, and wait
//! for what the thread that called the search makes of it.

use edgezen::foreign::Name;
use edgezen::measurement::Identity;
use edgezen::plainnet::{Model, Network};
use edgezen::predictor::Estimate;
use edgezen::predictor::pricing::{NoEstimate, WholePredictor};
use edgezen::proxy::{Candidate, Proxy, ScoreError};
use edgezen::units::Latency;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

/// What a function is asked for.
pub enum About {
    Score,
    /// On the device of this name.
    Latency(String),
}

/// A question of a search. Where it is dropped, there is no answer.
pub struct Question {
    pub about: About,
    pub model: Model,
    answer: Sender<f64>,
}

impl Question {
    pub fn reply(self, number: f64) {
        // A search that was given up waits no longer.
        let _ = self.answer.send(number);
    }
}

/// Takes a question to the thread that may call Python, if that still listens.
type Send = dyn Fn(Question) -> bool + std::marker::Send + Sync;

/// What leads to the thread that may call Python.
pub struct Line {
    stop: AtomicBool,
    send: Box<Send>,
}

impl Line {
    pub fn new(send: impl Fn(Question) -> bool + std::marker::Send + Sync + 'static) -> Line {
        Line { stop: AtomicBool::new(false), send: Box::new(send) }
    }

    /// Asks for no more answers.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What the function says; nothing where it raised an exception, or the search is to stop.
    fn ask(&self, about: About, model: Model) -> Option<f64> {
        if self.stops() {
            return None;
        }
        let (answer, waiting) = channel();
        if (self.send)(Question { about, model, answer }) { waiting.recv().ok() } else { None }
    }
}

/// Why there is no answer; the exception itself is raised where the search was called.
const SILENT: &str = "the function in Python gave no number";

/// A function in Python as the score that is maximised.
pub struct PythonProxy {
    pub line: Arc<Line>,
    /// Whether the networks have squeeze-excite.
    pub se: bool,
}

impl PythonProxy {
    const NAME: &str = "python";
}

impl Proxy for PythonProxy {
    fn name(&self) -> &'static str {
        PythonProxy::NAME
    }

    fn is_foreign(&self) -> bool {
        true
    }

    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let Candidate { blocks, resolution, classes } = candidate;
        let model = Model { name: None, network: Network::from(blocks), resolution, classes, se: self.se };
        let silent = || ScoreError::Undefined { proxy: PythonProxy::NAME, reason: SILENT.to_owned() };
        self.line.ask(About::Score, model).ok_or_else(silent)
    }
}

/// A function in Python as the predictor of a device.
pub struct PythonPredictor {
    line: Arc<Line>,
    identity: Identity,
}

impl PythonPredictor {
    /// The function for the device of this name; nothing where a device cannot have such a name.
    pub fn new(line: Arc<Line>, device: &str) -> Option<PythonPredictor> {
        let name = |text: &str| Name::parse(text).ok();
        Some(PythonPredictor { line, identity: Identity::of_function(name(device)?, name("python")?) })
    }
}

impl WholePredictor for PythonPredictor {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the function says is taken as it is: the interval has no width, and all of it counts as known.
    fn estimate(&self, model: &Model) -> Result<Estimate, NoEstimate> {
        let silent = || NoEstimate {
            predictor: self.identity.device.to_string(),
            net: model.network.to_string(),
            reason: SILENT.to_owned(),
        };
        let about = About::Latency(self.identity.device.to_string());
        let ms = self.line.ask(about, model.clone()).ok_or_else(silent)?;
        let latency = Latency::from_ms(ms);
        Ok(Estimate { latency, lower: latency, upper: latency, charged: latency, coverage: 1.0 })
    }
}
