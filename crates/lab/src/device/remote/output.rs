//! What a phone sends, collected up to a bound.

use std::io::{Error, Write};

/// The answers to this program's commands are far shorter; the longest, a result with thousands of samples, has some
/// hundred kilobytes.
pub const MOST_BYTES: usize = 8 << 20;

/// Collects what is written. What would exceed [`MOST_BYTES`] is an error, which ends the connection.
#[derive(Debug, Default)]
pub struct Bounded {
    pub bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("more than {} MiB", MOST_BYTES >> 20)]
struct TooMuch;

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > MOST_BYTES {
            return Err(Error::other(TooMuch));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether `error` comes from [`Bounded`].
pub fn is_too_much(error: &Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooMuch>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_ends() {
        let mut output = Bounded::default();
        let part = vec![b'A'; 1 << 20];
        let error = (0..100).find_map(|_| output.write_all(&part).err()).unwrap();
        assert!(is_too_much(&error) && !is_too_much(&Error::other("something else")));
        assert_eq!(output.bytes.len(), MOST_BYTES);
    }
}
