//! Devices: what is known of them.

pub mod profile;
