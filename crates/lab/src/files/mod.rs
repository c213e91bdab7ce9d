//! Files on disk: the one reader of versioned files, the one writer, and time stamps.

pub mod location;
mod reader;
mod time;
mod writer;

pub use reader::{open, parse_toml, read, read_at_most, read_json, read_text, read_toml};
pub use time::rfc3339;
pub use writer::{write_atomically, write_atomically_with};
