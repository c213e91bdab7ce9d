//! What predictor files of both kinds say of themselves beside their numbers.

use crate::measurement::Identity;
use crate::predictor::ranges::within;

/// The fields that both kinds of predictor file begin with. `id` and `device` of the file follow from the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Date of the data, RFC 3339: not of the fit, which can be repeated.
    pub created: String,
    /// Version of the program that fitted the predictor.
    pub tool_version: String,
    /// SPDX expression, of the data and so of the numbers.
    pub licence: String,
    pub identity: Identity,
    /// Of the samples tables, one after another.
    pub dataset_sha256: String,
}

/// Whether the fields that repeat the identity agree with it.
pub(in crate::predictor) fn check(
    schema: u32,
    id: &str,
    device: &str,
    identity: &Identity,
) -> Result<(), String> {
    if schema == 0 {
        return Err("schema 0 was never written".into());
    }
    within("batch", identity.batch, &(1..=65_536))?;
    within("threads", identity.threads, &(1..=65_536))?;
    if id != identity.to_string() {
        return Err(format!("id {id:?} does not fit the identity {identity}"));
    }
    if device != identity.device.as_str() {
        return Err(format!("device {device:?} does not fit the identity {identity}"));
    }
    Ok(())
}
