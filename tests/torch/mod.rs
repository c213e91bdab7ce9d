//! What the feature `torch` adds, on CPU tensors.

mod deploying;
mod devices;
mod finding;
mod forward;
mod precision;
mod pytorch_way;
mod recipe;
mod reference;
mod scores;
mod starting;
mod table1;
mod train;
