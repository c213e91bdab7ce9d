//! Files of a campaign's folder, beside those of the dataset.

pub use crate::dataset::keeping::{JOURNAL, LOOKUP_TABLE, PLAN};
