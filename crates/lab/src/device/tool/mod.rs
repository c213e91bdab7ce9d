//! Tools: programs of others that run a network a number of times and print how long a run took, such as TensorFlow Lite's
//! `benchmark_model`. A TOML file describes each ([`Description`]); `docs/runtimes.md` says how one is written.
//!
//! This program calls a tool on the cores that it chose, within a limit of time, and takes each call as one sample. It sees no
//! outputs, so that they are unchecked, and no clock, so that the times are the tool's.

mod call;
mod description;
mod error;
mod lookup;
mod pattern;
mod session;
mod template;
mod values;

pub use description::{Description, FORMAT};
pub use error::{Tail, ToolError};
pub use lookup::{Tool, ToolEntry, Tools, with_id};
pub use session::{Session, Subject};
