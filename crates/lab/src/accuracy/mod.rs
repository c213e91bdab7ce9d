//! Accuracies of trained networks: tables of them, how well scores rank them, and calibrations fitted to them.
//!
//! * [`table`]: networks with their accuracies, as people and public sources have them;
//! * [`trained`]: the same with what is known of each network;
//! * [`ranks`]: rank correlations and regrets with their errors;
//! * [`fit`]: a calibration from a sample of trained networks.

pub mod fit;
pub mod ranks;
pub mod table;
pub mod trained;

pub use fit::{Calibrating, FitError};
pub use table::{AccuracyTable, AccuracyTableError};
pub use trained::{LeftOut, Trained};
