//! All integration tests in one binary: linking one is quicker than linking twenty.

mod devices;
mod golden;
mod profiles;
mod scores;
mod searching;

mod spaces;
mod structures;
