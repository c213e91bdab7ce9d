//! Damaged inputs for every parser: what a file, a phone or a person may send must be read or refused, and must not
//! end in a panic, an abort, a hang, or more memory than the input deserves.
//!
//! A [`Parser`] is a function that reads bytes, with whole inputs to start from. [`mutation::mutated`] damages one of
//! them in a way that follows from a seed and a number alone, so that every input can be made again. A checksum that
//! covers an input is made anew after it was damaged ([`Parser::seal`]), because else nothing behind the checksum
//! would ever be reached.
//!
//! The program `edgezen-fuzz` runs any number of inputs over all parsers, in processes that may die. The same parsers
//! are targets of `cargo fuzz` (`fuzz_targets/`).

pub mod heap;
pub mod mutation;
pub mod parsers;

pub use parsers::{Parser, by_name, registry};

/// Reads `input` with the parser called `name`, as the targets of `cargo fuzz` do.
///
/// # Panics
/// There is no parser of that name; whatever fault the parser has.
pub fn parse(name: &str, input: &[u8]) {
    let parser = by_name(name).unwrap_or_else(|| panic!("there is no parser called {name}"));
    let _refused = (parser.parse)(&(parser.seal)(input.to_vec()));
}
