//! The extension module `edgezen._edgezen`: edgezen in the process of a Python program. It turns Python's values into those of
//! [`edgezen::cli`] and back, and computes nothing itself. The package around it, `python/edgezen`, is what users call.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `raised`, `threads`: failures as exceptions; threads that survive a fork
//! 2. `asking`: functions in Python as scores and latencies
//! 3. `calling`, `pricing`: commands by their words; latencies, scores and samples of many networks
//! 4. `module`: the functions, and how Python finds them

mod asking;
mod calling;
mod module;
mod pricing;
mod raised;
mod threads;
