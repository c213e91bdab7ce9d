//! How structures are varied: at random ([`mutation`]), and by every single change in turn ([`edits`]).

pub mod edits;
pub mod mutation;

pub use edits::{Change, Edit};
pub use mutation::Mutator;
