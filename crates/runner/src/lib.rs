//! The part that measures on the device itself: the stopwatch, the conditions that it runs under, and the protocol by
//! which jobs come in and results go out. Everything here compiles for a phone.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `android`, `caches`, `process`, `clock`: facts about an Android phone; emptying caches; settings of the runner's own
//!    process; clocks
//! 2. `conditions`: clocks, temperatures, the core to run on
//! 3. `pace`, `held_down`, `pinning`, `energy`: how fast the core runs at the moment; whether its clock is held down; keeping to a
//!    core; the energy of a run
//! 4. `policy`: how long and how often to measure
//! 5. `timing`: what a stopwatch saw
//! 6. `passes`: several timings together
//! 7. `differences`, `sampler`: what one timing takes off another; the stopwatch
//! 8. `running`, `work`: which runtime runs a network, in which precision and with how many threads; what is run
//! 9. `protocol`: jobs and replies as JSON lines
//! 10. `results`, `plausible`: replies that are kept until they are fetched; whether an answer can be true
//! 11. `spread`, `engines`: threads on cores of their own; the runtimes of a process
//! 12. `trial`: one measurement
//! 13. `serve`: answers jobs

pub mod android;
pub mod caches;
mod clock;
pub mod conditions;
mod differences;
pub mod energy;
pub mod engines;
pub mod held_down;
pub mod pace;
mod passes;
pub mod pinning;
pub mod plausible;
mod policy;
pub mod process;
pub mod protocol;
pub mod results;
pub mod running;
pub mod sampler;
pub mod serve;
pub mod spread;
mod timing;
pub mod trial;
pub mod work;

pub use clock::{Clock, Monotonic};
pub use conditions::Conditions;
pub use energy::{Energy, Metered, NoEnergy};
pub use pace::Pace;
pub use passes::{launch_medians, pooled};
pub use plausible::{Asked, Implausible};
pub use policy::{Policy, PolicyError};
pub use protocol::{Measured, Outputs};
pub use running::Running;
pub use timing::{TimedBy, Timing, TimingError};
pub use work::{Work, WorkError};
