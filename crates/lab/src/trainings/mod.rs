//! What trainings leave in their folders: the losses and accuracies of the epochs, the rates that were tried, how each class was
//! answered, and what became of finalists. Needs no libtorch, so that every build of the program draws it.

pub mod epochs;
pub mod finalists;
mod folder;
pub mod rates;

pub use epochs::Epoch;
pub use finalists::{Finalist, Finalists};
pub use folder::{Judged, Training, files_of};

/// Epoch by epoch.
pub const METRICS: &str = "metrics.csv";
/// The weights of the best epoch, and of the last one.
pub const BEST: &str = "best.safetensors";
pub const LAST: &str = "last.safetensors";
/// How often images of one class were taken for another one, and how each class was answered, on the test images.
pub const CONFUSION: &str = "confusion.csv";
pub const CLASSES: &str = "classes.csv";
/// The rates of a range test.
pub const RATES: &str = "rates.csv";
/// The folder of finalists in that of their search, where no other is named.
pub const FINALISTS: &str = "finalists";
/// The table of finalists, which `calibrate` reads, and the structure of the best network.
pub const TABLE: &str = "accuracies.csv";
pub const WINNER: &str = "winner.txt";

/// Larger tables are none of a training.
const MOST_BYTES: u64 = 1 << 30;
