//! The part that measures on the device itself: the stopwatch, the conditions that it runs under, and the protocol by
//! which jobs come in and results go out. Everything here compiles for a phone.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `android`, `caches`, `process`, `clock`: facts about an Android phone; emptying caches; settings of the runner's own
//!    process; clocks
//! 2. `conditions`: clocks, temperatures, the core to run on
//! 3. `pace`, `held_down`, `pinning`: how fast the core runs at the moment; whether its clock is held down; keeping to a core
//! 4. `sampler`: the stopwatch
//! 5. `running`: which runtime runs a network, in which precision and with how many threads
//! 6. `protocol`: jobs and replies as JSON lines
//! 7. `results`, `plausible`: replies that are kept until they are fetched; whether an answer can be true
//! 8. `spread`, `engines`: threads on cores of their own; the runtimes of a process
//! 9. `trial`: one measurement
//! 10. `serve`: answers jobs

pub mod android;
pub mod caches;
mod clock;
pub mod conditions;
pub mod engines;
pub mod held_down;
pub mod pace;
pub mod pinning;
pub mod plausible;
pub mod process;
pub mod protocol;
pub mod results;
pub mod running;
pub mod sampler;
pub mod serve;
pub mod spread;
pub mod trial;

pub use clock::{Clock, Monotonic};
pub use conditions::Conditions;
pub use pace::Pace;
pub use plausible::{Asked, Implausible};
pub use protocol::{Measured, Outputs};
pub use running::Running;
pub use sampler::{Policy, TimedBy, Timing, launch_medians, pooled};
