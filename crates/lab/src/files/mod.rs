//! Files on disk: the one reader of versioned files, the one writer, locks on folders, and time stamps.
//!
//! * [`write_atomically`] replaces a file of a folder that the program owns (`writer`).
//! * [`Destination`] is a file that somebody named as the place of a result: what is there stays, unless it may go.
//! * [`FileLock`] keeps a folder for one process.
//! * [`holding`] says what a folder of results holds.
//! * [`home`] says where the user's own files are looked for by name.
//! * [`renewal`] replaces the files of a finished result by those of a new one, all together.

mod destination;
pub mod holding;
pub mod home;
pub mod location;
mod lock;
mod reader;
pub mod renewal;
mod temporary;
mod time;
mod writer;

pub use destination::Destination;
pub use lock::{FileLock, LockError, lock_folder};
pub use reader::{open, parse_toml, read, read_at_most, read_json, read_text, read_toml};
pub use temporary::{clear_stale, open_without_following};
pub use time::{is_date, rfc3339};
pub use writer::{create_inside, write_atomically, write_atomically_with};
