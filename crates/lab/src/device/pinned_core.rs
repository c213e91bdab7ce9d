//! The cores of this computer that a network runs on: one for each of its threads, which are pinned, at real-time priority
//! where that is allowed. The pace of the core of the first thread is probed.

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
    pub fn claim(
        name: &str,
        options: &Options,
        threads: u32,
        policy: &Policy,
    ) -> Result<PinnedCore, DeviceError> {
        let learn = if policy.patience_ns == 0 { Duration::ZERO } else { LEARN };
        PinnedCore::choose(options.cores.as_deref(), threads)
            .and_then(|cores| PinnedCore::learning(cores.as_deref(), options.usual_probe_ns, learn))
            .map_err(|error| DeviceError::Pin { device: name.into(), error })
    }

    /// Pins the calling thread to `cores`, or to the core that is chosen where there are none, and probes the first of them for
    /// the time `learn`. `known_ns` is the usual length of a probe, as it was found earlier.
    ///
    /// # Errors
    /// The system refuses to pin the thread to these cores.
    pub fn learning(
        cores: Option<&[u32]>,
        known_ns: Option<u64>,
        learn: Duration,
    ) -> Result<PinnedCore, PinError> {
        let before = conditions::affinity().unwrap_or_default();
        let cores = PinnedCore::choose(cores, 1)?;
        if let Some(cores) = &cores {
            // Threads that the runtime starts may use all of the cores from the beginning.
            conditions::pin(cores)?;
        }
        // Real-time scheduling needs a privilege; the recorded conditions tell whether it was granted.
        let scheduling = conditions::scheduling();
        conditions::schedule(Scheduling::Realtime);
        let mut pace = Pace::default().knowing(known_ns);
        pace.learn(&Monotonic::start(), u64::try_from(learn.as_nanos()).unwrap_or(u64::MAX));
        Ok(PinnedCore { cores, pace, before, scheduling })
    }

    /// Forgets how fast the core usually is, and learns it again for the time `learn`.
    pub fn learn_anew(&mut self, learn: Duration) {
        self.pace = Pace::default();
        self.pace.learn(&Monotonic::start(), u64::try_from(learn.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The cores to measure on, one for each of `threads`: `wanted`, or the last ones that this thread may use, which are the
    /// quietest, because interrupts and most daemons prefer the first. `None` on a system without affinity, where the thread
    /// stays unpinned.
    ///
    /// # Errors
    /// Cores that this computer does not have; fewer cores than threads; cores or several threads on a system without affinity;
    /// it does not say which cores there are.
    pub fn choose(wanted: Option<&[u32]>, threads: u32) -> Result<Option<Vec<u32>>, PinError> {
        conditions::are_there(wanted.unwrap_or_default())?;
        let wanted_threads = threads.max(1) as usize;
        match conditions::affinity() {
            Ok(allowed) => {
                let last = || allowed[allowed.len().saturating_sub(wanted_threads)..].to_vec();
                let cores = wanted.map_or_else(last, <[u32]>::to_vec);
                if cores.len() < wanted_threads {
                    return Err(PinError::Few { threads, cores });
                }
                Ok(Some(cores))
            }
            Err(PinError::Unsupported) if wanted.is_none() && wanted_threads == 1 => Ok(None),
            Err(error) => Err(error),
        }
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
