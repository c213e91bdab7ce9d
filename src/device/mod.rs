//! Devices: what is known of them, and of the computer that this program runs on.

pub mod computer;
pub mod profile;
