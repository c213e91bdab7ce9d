//! Files of a campaign's folder, beside those of the dataset.

/// One line for each finished measurement.
pub const JOURNAL: &str = "journal.jsonl";
/// What is measured.
pub const PLAN: &str = "plan.json";
/// What a block costs on this device.
pub const LOOKUP_TABLE: &str = "lookup_table.csv";
