//! The CPU of an Android phone. A runner program on the phone measures; this side sends it one job at a time and keeps
//! the phone fit to measure.
//!
//! Every measurement is a new process, pinned to the cores that the profile names. The runner stores each result on the
//! phone before it sends it, under a name that is unique within the campaign. So when the link breaks, the same job is
//! sent again, and a result that was measured already comes back unchanged.
//!
//! [`survey`] lists the attached phones with their [`facts`] and [`status`]; `driver` chooses one of them, `outfit` puts a
//! runner onto it with all that its runtime needs (`kit`), `opening` opens it, `claim` takes and releases it, and `job`
//! measures on it. `open_phone` holds the data that these share, and `device` is the interface for campaigns. What is special
//! of Android as a system to measure on is in `care` and [`status`]; jobs and results are the same on every remote device.

mod care;
mod claim;
pub mod describe;
mod device;
mod driver;
pub mod facts;
mod job;
mod kit;
mod launch;
pub mod matching;
mod open_phone;
mod opening;
mod outfit;
mod pushing;
mod runners;
pub mod status;
pub mod survey;
#[cfg(test)]
mod tests;

pub use driver::{AndroidDriver, PhoneOptions};
