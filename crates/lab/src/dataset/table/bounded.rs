//! Text of unknown origin, of which only so much is read. A few bytes of a gzipped file can stand for any number.

use edgezen_core::units::Bytes;
use std::io::{self, Error, ErrorKind, Read};

/// Bytes of text that a table may have, unpacked.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes that a line may have. The widest public table has lines of some ten thousand.
const MOST_OF_A_LINE: u64 = 1 << 20;

/// A reader that fails where the text of a table is longer than any, or a line of it is.
pub struct Bounded<R> {
    input: R,
    bytes: u64,
    line: u64,
}

impl<R: Read> Bounded<R> {
    pub fn new(input: R) -> Bounded<R> {
        Bounded { input, bytes: 0, line: 0 }
    }

    /// Counts what was read.
    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        self.bytes += read.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(beyond("the table is", MOST_BYTES));
        }
        for part in read.split_inclusive(|&byte| byte == b'\n') {
            self.line += part.len() as u64;
            if self.line > MOST_OF_A_LINE {
                return Err(beyond("a line of the table is", MOST_OF_A_LINE));
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        Ok(())
    }
}

fn beyond(what: &str, most: u64) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{what} longer than {}, unpacked", Bytes(most as f64)))
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.count(&buffer[..read])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(input: impl Read) -> String {
        io::copy(&mut Bounded::new(input), &mut io::sink()).unwrap_err().to_string()
    }

    #[test]
    fn long_tables_and_long_lines_are_refused_with_the_bound() {
        assert!(refused(io::repeat(b',')).contains("a line of the table is longer than 1.05MB"));
        assert!(refused(io::repeat(b'\n')).contains("the table is longer than 268MB"));
        let good = "a,b\n".repeat(1000);
        assert_eq!(io::copy(&mut Bounded::new(good.as_bytes()), &mut io::sink()).unwrap(), 4000);
    }
}
