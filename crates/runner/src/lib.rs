//! The part that measures on the device itself: the stopwatch, the conditions that it runs under, and the protocol by
//! which jobs come in and results go out. Everything here compiles for a phone.
//!
//! The parts, from the bottom up: `clock`, `process`, `android`; `conditions`, `pace`; `sampler`; `protocol`; `results`;
//! `serve`.

pub mod android;
pub mod clock;
pub mod conditions;
pub mod pace;
pub mod process;
pub mod protocol;
pub mod results;
pub mod sampler;
pub mod serve;

pub use clock::{Clock, Monotonic};
pub use conditions::Conditions;
pub use pace::Pace;
pub use protocol::Measured;
pub use sampler::{Policy, Timing, pooled};
