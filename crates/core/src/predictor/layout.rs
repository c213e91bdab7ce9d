//! Layouts of predictor files, by number.

use crate::files::Format;

/// Newest layout that this program reads. It grows when a reader of the old number would misread a file; new optional
/// fields are such a change too, because unknown fields are refused.
pub const SCHEMA: u32 = 6;
/// The layout before, which is still written where nothing in a file is newer: older versions of this program read it.
/// Layout 4 has models of the family kriging, corrections of networks by what they write and by their depthwise
/// convolutions, the name of a CPU, and prices of a space's details.
pub const SIMPLE_SCHEMA: u32 = 3;
/// The layout with the models and the corrections above, and without what is newer.
pub const DETAILED_SCHEMA: u32 = 4;
/// The layout that has margins of families of networks besides. Layout 6 has what other runtimes lent.
pub const FAMILIES_SCHEMA: u32 = 5;

/// The format of predictor files of both kinds.
pub const FORMAT: Format = Format {
    name: "predictor file",
    field: "schema_version",
    oldest: 1,
    newest: SCHEMA,
    most_bytes: 32 << 20,
};
