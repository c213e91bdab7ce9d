//! Phones through the Android Debug Bridge: the list of the attached ones, and a link to one of them.
//!
//! The adb server, which comes with Android's platform tools, owns the USB connections. `server` asks it which phones
//! there are and in what state; `remote` runs commands and moves files through it. Everything above this module uses a
//! phone through the [`Link`](super::remote::Link) trait only.

mod remote;
mod serial;
mod server;

pub use remote::AdbLink;
pub use serial::over_network;
pub use server::{AttachedPhone, Server};
