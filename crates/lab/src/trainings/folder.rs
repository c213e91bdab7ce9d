//! The folder of a training.

use super::epochs::{self, Epoch};
use super::rates::{self, Tried};
use super::{BEST, CLASSES, CONFUSION, METRICS, MOST_BYTES, RATES};
use crate::files;
use crate::files::holding::names::training::FILES;
use crate::images::Answers;
use edgezen_core::files::FileError;
use edgezen_engine::safetensors::Tensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A training, as far as it went.
pub struct Training {
    /// What it is called: its folder.
    pub name: String,
    /// What the file of its best weights says of the network; empty before the first epoch.
    pub facts: BTreeMap<String, String>,
    pub epochs: Vec<Epoch>,
    /// The rates that were tried; empty where nobody asked for them.
    pub tried: Vec<Tried>,
    /// Absent before the end, and where the test images chose the epoch.
    pub judged: Option<Judged>,
}

/// What the network of the best epoch said of the test images.
pub struct Judged {
    /// The names of the classes, in the order of their numbers.
    pub classes: Vec<String>,
    pub answers: Answers,
}

/// Files of a training that nothing else may take the place of.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    FILES.iter().map(|name| dir.join(name)).filter(|path| path.exists()).collect()
}

impl Training {
    /// The training in a folder; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what a training wrote.
    pub fn read(dir: &Path) -> Result<Option<Training>, FileError> {
        let text = |name: &str| -> Result<Option<String>, FileError> {
            match files::read_text(&dir.join(name), MOST_BYTES) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.is_missing() => Ok(None),
                Err(error) => Err(error),
            }
        };
        let bad = |name: &str, what: &str| FileError::damaged(&dir.join(name), what);
        let epochs = text(METRICS)?
            .map(|text| epochs::decode(&text).ok_or_else(|| bad(METRICS, "not the metrics of a training")))
            .transpose()?;
        let tried = text(RATES)?
            .map(|text| rates::decode(&text).ok_or_else(|| bad(RATES, "not the rates of a range test")))
            .transpose()?;
        if epochs.is_none() && tried.is_none() {
            return Ok(None);
        }
        let judged = match text(CLASSES)?.zip(text(CONFUSION)?) {
            None => None,
            Some((classes, confusion)) => {
                let classes =
                    Answers::class_names(&classes).ok_or_else(|| bad(CLASSES, "not a table of classes"))?;
                let answers = Answers::of_confusion_csv(&confusion, &classes)
                    .ok_or_else(|| bad(CONFUSION, "not a table of confusions of these classes"))?;
                Some(Judged { classes, answers })
            }
        };
        let weights = dir.join(BEST);
        let facts = if weights.exists() {
            Tensors::read(&weights).map_err(|error| FileError::damaged(&weights, error))?.metadata
        } else {
            BTreeMap::new()
        };
        Ok(Some(Training {
            name: dir.display().to_string(),
            facts,
            epochs: epochs.unwrap_or_default(),
            tried: tried.unwrap_or_default(),
            judged,
        }))
    }

    /// A training that ended before its first epoch did.
    pub fn without_epochs(dir: &Path) -> Training {
        Training {
            name: dir.display().to_string(),
            facts: BTreeMap::new(),
            epochs: Vec::new(),
            tried: Vec::new(),
            judged: None,
        }
    }

    /// The epoch with the most images right, the first of several.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.iter().rev().max_by(|a, b| a.top1.total_cmp(&b.top1))
    }
}
