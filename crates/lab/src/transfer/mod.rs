//! Few-shot transfer: a predictor for a device from that of another one and a handful of measurements.
//!
//! The measurements are chosen among many by what the source says of them, before any latency is looked at. They are then
//! taken on the device ([`device`]) or looked up in data that are there ([`target`] reads them), and the source is adapted
//! to them ([`kernels`], [`networks`]).

pub mod device;
mod error;
pub mod kernels;
pub mod networks;
mod outcome;
pub mod target;

pub use self::error::TransferError;
pub use self::outcome::Transferred;
