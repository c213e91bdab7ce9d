//! The CPU of a Linux board: a [remote device](super::remote) that is reached through `ssh`, with what is special of Linux as a
//! system to measure on.

mod driver;
pub mod facts;
mod matching;
mod prepare;
pub mod status;
mod system;
mod throttled;

pub use driver::{BoardOptions, LinuxDriver};
