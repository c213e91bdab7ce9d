//! Phones through the Android Debug Bridge: the list of attached ones, and a small link to one of them.
//!
//! The server that comes with Android's platform tools owns the cable; `server` asks it which phones
//! there are and in what state, `remote` runs commands and moves files through it. Everything above
//! this module sees the [`Link`] trait only.

mod link;
mod lock;
mod remote;
mod server;

#[cfg(test)]
pub mod fake;

pub use link::{Finished, Link, LinkError, quoted};
pub use lock::{Lock, LockError};
pub use remote::AdbLink;
pub use server::{Attached, Server, State};
