//! Phones through the Android Debug Bridge: the list of the attached ones, and a link to one of them.
//!
//! The adb server, which comes with Android's platform tools, owns the USB connections. `server` asks it which phones
//! there are and in what state; `remote` runs commands and moves files through it. Everything above this module uses a
//! phone through the [`Link`] trait only.

mod error;
mod link;
mod lock;
mod output;
mod phone_state;
mod remote;
mod serial;
mod server;

#[cfg(test)]
pub mod fake;

pub use error::LinkError;
pub use link::{Finished, Link};
pub use lock::{Lock, LockError};
pub use phone_state::PhoneState;
pub use remote::AdbLink;
pub use serial::over_network;
pub use server::{AttachedPhone, Server};
