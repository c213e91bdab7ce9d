//! A core of this computer, claimed for measuring: pinned, ahead of others where that is allowed, its pace
//! probed.

use super::{DeviceError, Facts, Options, computer};
use edgezen_runner::conditions::Scheduling;
use edgezen_runner::{Conditions, Monotonic, Pace, Policy, conditions};
use serde_json::json;

/// Time spent on learning how fast the core usually is.
const LEARN_NS: u64 = 2_000_000_000;

/// The calling thread stays on its core until this is dropped.
pub struct Core {
    /// The cores it is pinned to; nothing where the system cannot pin.
    pub cores: Option<Vec<u32>>,
    pub pace: Pace<'static>,
    /// Where the thread was allowed to run before.
    before: Vec<u32>,
    /// How it was scheduled before.
    scheduling: Option<Scheduling>,
}

impl Core {
    /// Pins the calling thread for the device called `name`, and learns the pace of its core.
    ///
    /// # Errors
    /// Cores that cannot be had.
    pub fn claim(name: &str, options: &Options, policy: &Policy) -> Result<Core, DeviceError> {
        let failed = |error| DeviceError::Pin { device: name.into(), error };
        let (before, cores) = match conditions::affinity() {
            Ok(before) => {
                // The last core: interrupts and most daemons prefer the first.
                let last = || before.last().copied().into_iter().collect();
                let cores = options.cores.clone().unwrap_or_else(last);
                conditions::pin(&cores).map_err(failed)?;
                (before, Some(cores))
            }
            // A system without affinity measures unpinned, and its identity says so.
            Err(conditions::PinError::Unsupported) if options.cores.is_none() => (Vec::new(), None),
            Err(error) => return Err(failed(error)),
        };
        // Whoever may, measures ahead of everything else on the core; the conditions tell.
        let scheduling = conditions::scheduling();
        conditions::schedule(Scheduling::Realtime);
        let mut pace = Pace::default().knowing(options.usual_probe_ns);
        pace.learn(&Monotonic::start(), if policy.patience_ns == 0 { 0 } else { LEARN_NS });
        Ok(Core { cores, pace, before, scheduling })
    }

    /// The cores as an identity has them.
    pub fn text(&self) -> Option<String> {
        let cores = self.cores.as_ref()?;
        Some(cores.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if !self.before.is_empty() {
            // Nothing is left to do about a refusal here.
            let _ = conditions::pin(&self.before);
        }
        if let Some(scheduling) = self.scheduling {
            conditions::schedule(scheduling);
        }
    }
}

/// What there is to say of this computer.
pub fn facts() -> Facts {
    let mut facts = Facts::new();
    facts.insert("os".into(), json!(std::env::consts::OS));
    facts.insert("architecture".into(), json!(std::env::consts::ARCH));
    let line = |path: &str| std::fs::read_to_string(path).ok();
    if let Some(kernel) = line("/proc/sys/kernel/osrelease") {
        facts.insert("kernel".into(), json!(kernel.trim()));
    }
    if let Some(cpu) = computer::cpu() {
        facts.insert("cpu".into(), json!(cpu));
    }
    if let Ok(count) = std::thread::available_parallelism() {
        facts.insert("logical_cores".into(), json!(count.get()));
    }
    facts.insert("conditions".into(), json!(Conditions::observe()));
    facts
}
