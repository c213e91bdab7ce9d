//! Tables as the bytes of a Parquet file, and back.
//!
//! Only flat columns of integers, numbers, truth values and texts are read. Pages may be compressed with Snappy, gzip,
//! Zstandard or LZ4. A file is taken for hostile: what it claims is checked against its size before memory is taken
//! for it, and a panic of the decoder becomes an error.

mod error;
mod guard;
mod limits;
mod read;
mod write;

pub use error::ParquetError;
pub use read::read;
pub use write::{Compression, write};

#[cfg(test)]
mod tests;
