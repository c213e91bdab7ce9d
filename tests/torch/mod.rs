//! What the feature `torch` adds, on CPU tensors.

mod deploying;
mod devices;
mod forward;
mod recipe;
mod scores;
mod table1;
mod train;
