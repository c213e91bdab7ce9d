//! Predictors and measurements must be of the same identity to be compared.

use edgezen_core::measurement::Identity;

/// A predictor, and measurements of something else.
#[derive(Debug, thiserror::Error)]
#[error("the predictor is for {predictor}, but the measurements are of {measured}")]
pub struct OtherIdentity {
    pub predictor: String,
    pub measured: String,
}

impl OtherIdentity {
    /// Two identities that are called the same, and differ in this.
    pub fn by(predictor: &Identity, measured: &Identity, difference: &str) -> OtherIdentity {
        OtherIdentity { predictor: predictor.to_string(), measured: format!("{measured} ({difference})") }
    }
}

/// Refuses to judge a predictor by measurements of something else.
///
/// # Errors
/// Identities that differ in device, runtime, precision, batch or threads.
pub fn same_identity(predictor: &Identity, measured: &Identity) -> Result<(), OtherIdentity> {
    let same = predictor.to_string() == measured.to_string()
        && predictor.batch == measured.batch
        && predictor.threads == measured.threads;
    if same {
        return Ok(());
    }
    let describe = |id: &Identity| format!("{id}, batch {}, {} threads", id.batch, id.threads);
    Err(OtherIdentity { predictor: describe(predictor), measured: describe(measured) })
}
