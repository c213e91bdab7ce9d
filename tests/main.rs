//! All integration tests in one binary: linking one is quicker than linking twenty.

mod exact;
mod golden;
mod profiles;
mod proxies;
mod scores;
mod searching;

mod spaces;
mod structures;
