//! Finalists: the most different networks of a front, trained by successive halving. `rounds` says which networks, and for how long;
//! `trainings` trains them.

mod rounds;
mod trainings;

pub use rounds::{Round, most_different, rounds};
pub use trainings::{Event, Halved, Halving, HalvingError, Setting, Stepped, Trained};
