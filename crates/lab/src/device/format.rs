//! Which files of networks a runtime runs as they are.

use super::DeviceError;
use super::workload::Workload;

/// Refuses a file that is not one of `runtime`'s own, which end with `.ending`; it may be sound, and run elsewhere.
///
/// # Errors
/// [`DeviceError::OtherFormat`].
pub fn check_file(
    device: &str,
    workload: Workload<'_>,
    runtime: &str,
    ending: Option<&str>,
) -> Result<(), DeviceError> {
    workload.to_work().check(runtime, ending).map_err(|error| DeviceError::OtherFormat {
        device: device.to_owned(),
        file: workload.to_string(),
        reason: error.to_string(),
    })
}
