//! The CPU of an Android phone: a [remote device](super::remote) with what is special of Android as a system to measure on.
//!
//! [`survey`] lists the attached phones with their [`facts`] and [`status`]; `driver` chooses one of them; `care` changes the
//! phone for measurements, and `system` is the interface for what all remote devices have in common.

mod care;
pub mod describe;
mod driver;
pub mod facts;
pub mod matching;
pub mod status;
pub mod survey;
mod system;

#[cfg(test)]
pub use care::Care;
pub use driver::{AndroidDriver, PhoneOptions};
#[cfg(test)]
pub use system::AndroidSystem;
