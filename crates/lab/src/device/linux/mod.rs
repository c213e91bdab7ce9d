//! The CPU of a Linux board: a [remote device](super::remote) that is reached through `ssh`, with what is special of Linux as a
//! system to measure on.

mod driver;
mod facts;
mod matching;
mod prepare;
mod status;
mod system;
mod throttled;

pub use driver::{BoardOptions, LinuxDriver};
