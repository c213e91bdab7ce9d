//! All integration tests of the program in one binary: linking one is quicker than linking twenty. Each folder is a
//! promise; `docs/architecture.md` says what is tested where.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

mod architecture;
mod boards;
mod commands;
mod contracts;
mod golden;
mod phones;
#[cfg(feature = "torch")]
mod torch;
