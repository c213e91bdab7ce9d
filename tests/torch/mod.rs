//! What the feature `torch` adds, on CPU tensors.

mod devices;
mod forward;
mod scores;
mod train;
