//! Which predictor answers after a new one was written, and whether the new one is better than the one whose place it takes.

use super::Failure;
use super::output::Output;
use crate::shipped;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::catalogue::Location;
use edgezen_lab::catalogue::predictors::PredictorEntry;
use edgezen_lab::evaluation::succession::{Succession, USELESS_PERCENT};
use edgezen_lab::files::Destination;
use serde::Serialize;
use std::path::Path;

/// The predictor that answers to an identity before a new one of that identity is written.
pub struct Before {
    id: String,
    entry: Option<PredictorEntry>,
}

/// What `--json` prints of who answers from now on.
#[derive(Debug, Serialize)]
pub struct Answering {
    /// The names of devices that mean the new predictor from now on, in this folder.
    pub names: Vec<String>,
    /// The file, or `shipped`, that answers to the new predictor's identity.
    pub used: String,
    /// The file, or `shipped`, that answered before; absent without one, and where its file was not changed.
    pub before: Option<String>,
    /// Mean relative error of the one before on the data of the fit, in percent.
    pub before_percent: Option<f64>,
    /// That of the new one on the same data, each part left out in turn.
    pub new_percent: Option<f64>,
}

impl Before {
    /// What answers to `id` now.
    ///
    /// # Errors
    /// A folder of predictors that cannot be read.
    pub fn of(id: &str) -> Result<Before, Failure> {
        Ok(Before { id: id.to_owned(), entry: answering(id)? })
    }

    /// The predictor of kernels that answers, if it can be read: what is damaged is no better than anything.
    pub fn of_kernels(&self) -> Option<FittedPredictor> {
        match self.entry.as_ref()?.load() {
            Ok(AnyPredictor::Kernels(predictor)) => Some(*predictor),
            _ => None,
        }
    }

    /// The predictor of whole networks that answers, if it can be read.
    pub fn of_networks(&self) -> Option<NetworkPredictor> {
        match self.entry.as_ref()?.load() {
            Ok(AnyPredictor::Networks(predictor)) => Some(*predictor),
            _ => None,
        }
    }

    /// The predictor that the one at `to` takes the place of: another file, or what that file holds and is replaced.
    fn replaced(&self, to: &Destination) -> Option<&PredictorEntry> {
        self.entry.as_ref().filter(|entry| to.force() || !is_at(entry, to.path()))
    }

    /// Refuses to put a clearly worse predictor in the place of the one that answers.
    pub fn refuse_worse(&self, to: &Destination, compared: Option<Succession>) -> Result<(), Failure> {
        let (Some(entry), Some(compared)) = (self.replaced(to), compared) else { return Ok(()) };
        if to.force() || !compared.is_worse() {
            return Ok(());
        }
        let Succession { rows, new_percent, old_percent } = compared;
        let message = format!(
            "the new predictor of {} errs by {new_percent:.1} % on {rows} measurements that were left out of its fit, and the \
             one that answers to that name so far ({}) by {old_percent:.1} %: nothing is written",
            self.id, entry.location
        );
        Err(Failure::usage(message).remedy(
            "more measurements (edgezen profile --refine DIR adds to a dataset); -o FILE writes it elsewhere, --force here \
             all the same",
        ))
    }

    /// What answers now that the new predictor was written to `to`.
    pub fn now(&self, to: &Destination, compared: Option<Succession>) -> Result<Answering, Failure> {
        let catalogue = shipped::catalogue();
        let means_new = |name: &str| -> Result<bool, Failure> {
            let found = catalogue.predictors.find(&catalogue.profiles, name);
            Ok(found.ok().flatten().is_some_and(|entry| is_at(&entry, to.path())))
        };
        let device = self.id.split('@').next().unwrap_or_default();
        let mut names = Vec::new();
        for name in [device, self.id.as_str()] {
            if means_new(name)? {
                names.push(name.to_owned());
            }
        }
        let used = answering(&self.id)?;
        let before = self.replaced(to);
        Ok(Answering {
            names,
            used: used.map_or_else(|| to.path().display().to_string(), |entry| entry.location.to_string()),
            before: before.map(|entry| entry.location.to_string()),
            before_percent: compared.filter(|_| before.is_some()).map(|c| c.old_percent),
            new_percent: compared.filter(|_| before.is_some()).map(|c| c.new_percent),
        })
    }
}

impl Answering {
    /// The same for people: which names mean the file `to` from now on, and how it compares with the one before.
    pub fn text(&self, id: &str, to: &Path) -> String {
        let percent = |value: Option<f64>| value.map(|percent| format!("{percent:.1} %"));
        let compared = match (percent(self.new_percent), percent(self.before_percent)) {
            (Some(new), Some(old)) => {
                format!(" (error on these data {old}; of the new one, left out, {new})")
            }
            _ => String::new(),
        };
        let file = to.display();
        if self.names.iter().all(|name| name != id) {
            let still = match &self.before {
                Some(_) => format!("; --device {id} still means the other one: {}{compared}", self.used),
                None => String::new(),
            };
            return format!("--predictor {file} uses it{still}\n");
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("--device {name}")).collect();
        let instead = match &self.before {
            Some(before) if *before == self.used => {
                format!(", instead of what the file held before{compared}")
            }
            Some(before) => format!(", instead of the one before: {before}{compared}"),
            None => String::new(),
        };
        format!("in this folder, {} means it from now on{instead}\n", names.join(" or "))
    }
}

/// Warns of a predictor whose error is too large to be of use.
pub fn warn(id: &str, percent: Option<f64>, output: Output) {
    if let Some(percent) = percent.filter(|percent| *percent >= USELESS_PERCENT) {
        output.note(format!(
            "warning: {id} errs by {percent:.0} % on what was left out of its fit: too much to hold a budget by; measure more, \
             or on a quieter device (edgezen profile --refine DIR adds to a dataset)"
        ));
    }
}

/// The predictor of just this identity that is found first.
fn answering(id: &str) -> Result<Option<PredictorEntry>, Failure> {
    Ok(shipped::catalogue().predictors.entries()?.into_iter().find(|entry| entry.id == id))
}

/// Whether an entry is the file at `path`.
fn is_at(entry: &PredictorEntry, path: &Path) -> bool {
    match &entry.location {
        Location::Shipped { .. } => false,
        Location::File(file) => {
            let real = |path: &Path| std::fs::canonicalize(path).ok();
            file == path || real(file).is_some_and(|file| real(path) == Some(file))
        }
    }
}
