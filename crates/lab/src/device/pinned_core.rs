//! A core of this computer that a measuring thread is pinned to, at real-time priority where that is allowed. The pace
//! of the core is probed.

use super::error::DeviceError;
use super::options::Options;
use edgezen_runner::conditions::{PinError, Scheduling};
use edgezen_runner::{Monotonic, Pace, Policy, conditions};
use std::time::Duration;

/// Time spent on learning how fast the core usually is.
pub const LEARN: Duration = Duration::from_secs(2);

/// The calling thread stays on its core until this value is dropped.
pub struct PinnedCore {
    /// Numbers of the cores that the thread is pinned to; `None` where the system cannot pin.
    pub cores: Option<Vec<u32>>,
    pub pace: Pace<'static>,
    /// Cores that the thread was allowed to run on before.
    before: Vec<u32>,
    /// How the thread was scheduled before.
    scheduling: Option<Scheduling>,
}

impl PinnedCore {
    /// Pins the calling thread for the device called `name`, and learns the usual pace of its core.
    ///
    /// # Errors
    /// The system refuses to pin the thread to these cores.
    pub fn claim(name: &str, options: &Options, policy: &Policy) -> Result<PinnedCore, DeviceError> {
        let learn = if policy.patience_ns == 0 { Duration::ZERO } else { LEARN };
        let claimed = PinnedCore::learning(options.cores.as_deref(), options.usual_probe_ns, learn);
        claimed.map_err(|error| DeviceError::Pin { device: name.into(), error })
    }

    /// Pins the calling thread to `cores`, or to the core that is chosen where there are none, and probes it for the time
    /// `learn`. `known_ns` is the usual length of a probe, as it was found earlier.
    ///
    /// # Errors
    /// The system refuses to pin the thread to these cores.
    pub fn learning(
        cores: Option<&[u32]>,
        known_ns: Option<u64>,
        learn: Duration,
    ) -> Result<PinnedCore, PinError> {
        let before = conditions::affinity().unwrap_or_default();
        let cores = PinnedCore::choose(cores)?;
        if let Some(cores) = &cores {
            conditions::pin(cores)?;
        }
        // Real-time scheduling needs a privilege; the recorded conditions tell whether it was granted.
        let scheduling = conditions::scheduling();
        conditions::schedule(Scheduling::Realtime);
        let mut pace = Pace::default().knowing(known_ns);
        pace.learn(&Monotonic::start(), u64::try_from(learn.as_nanos()).unwrap_or(u64::MAX));
        Ok(PinnedCore { cores, pace, before, scheduling })
    }

    /// The cores to measure on: `wanted`, or the last one that this thread may use, which is the quietest, because
    /// interrupts and most daemons prefer the first. `None` on a system without affinity, where the thread stays unpinned.
    ///
    /// # Errors
    /// Cores are wanted on a system without affinity, or it does not say which cores there are.
    pub fn choose(wanted: Option<&[u32]>) -> Result<Option<Vec<u32>>, PinError> {
        match conditions::affinity() {
            Ok(allowed) => {
                let last = || allowed.last().copied().into_iter().collect();
                Ok(Some(wanted.map_or_else(last, <[u32]>::to_vec)))
            }
            Err(PinError::Unsupported) if wanted.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The cores as an identity writes them: `3` or `2,3`.
    pub fn text(&self) -> Option<String> {
        self.cores.as_deref().map(text)
    }
}

/// Cores as an identity writes them: `3` or `2,3`.
pub fn text(cores: &[u32]) -> String {
    cores.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl Drop for PinnedCore {
    fn drop(&mut self) {
        if !self.before.is_empty() {
            // A refusal cannot be reported from here.
            let _ = conditions::pin(&self.before);
        }
        if let Some(scheduling) = self.scheduling {
            conditions::schedule(scheduling);
        }
    }
}
