//! What trainings leave in their folders: the losses and accuracies of the epochs, the rates that were tried, how each class was
//! answered, and what became of finalists. Needs no libtorch, so that every build of the program draws it.

pub mod epochs;
pub mod finalists;
mod folder;
pub mod rates;

pub use epochs::Epoch;
pub use finalists::{Finalist, Finalists};
pub use folder::{Judged, Training, files_of};

pub use crate::files::holding::names::run::FINALISTS;
pub use crate::files::holding::names::training::{
    BEST, CHECKPOINT, CLASSES, CONFUSION, LAST, METRICS, RATES, TABLE, WINNER,
};

/// Larger tables are none of a training.
const MOST_BYTES: u64 = 1 << 30;
