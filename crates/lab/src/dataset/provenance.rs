//! Where a dataset comes from.

use serde::{Deserialize, Serialize};

/// Where a dataset comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Who measured, or the publication and address of an imported table.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// RFC 3339, UTC.
    pub created: String,
    pub tool_version: String,
    /// Anything a reader should know: what was left out, what was converted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
