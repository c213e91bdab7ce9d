//! A core of this computer that a measuring thread is pinned to, at real-time priority where that is allowed. The pace
//! of the core is probed.

use super::error::DeviceError;
use super::options::Options;
use edgezen_runner::conditions::Scheduling;
use edgezen_runner::{Monotonic, Pace, Policy, conditions};

/// Time spent on learning how fast the core usually is.
const LEARN_NS: u64 = 2_000_000_000;

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
        let failed = |error| DeviceError::Pin { device: name.into(), error };
        let (before, cores) = match conditions::affinity() {
            Ok(before) => {
                // The last core is the quietest: interrupts and most daemons prefer the first.
                let last = || before.last().copied().into_iter().collect();
                let cores = options.cores.clone().unwrap_or_else(last);
                conditions::pin(&cores).map_err(failed)?;
                (before, Some(cores))
            }
            // On a system without affinity the thread stays unpinned, and the identity names no cores.
            Err(conditions::PinError::Unsupported) if options.cores.is_none() => (Vec::new(), None),
            Err(error) => return Err(failed(error)),
        };
        // Real-time scheduling needs a privilege; the recorded conditions tell whether it was granted.
        let scheduling = conditions::scheduling();
        conditions::schedule(Scheduling::Realtime);
        let mut pace = Pace::default().knowing(options.usual_probe_ns);
        pace.learn(&Monotonic::start(), if policy.patience_ns == 0 { 0 } else { LEARN_NS });
        Ok(PinnedCore { cores, pace, before, scheduling })
    }

    /// The cores as an identity writes them: `3` or `2,3`.
    pub fn text(&self) -> Option<String> {
        let cores = self.cores.as_ref()?;
        Some(cores.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    }
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
