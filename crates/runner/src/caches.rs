//! Cold caches: what lies in them is replaced before each sample, so that a network is timed as after a while in which other programs
//! ran. Weights then come from the memory, and a network whose weights fit into a cache loses its advantage.

use std::hint::black_box;
use std::path::Path;

/// The last-level cache of a device that does not tell its size.
const UNKNOWN: usize = 32 << 20;

/// More than any processor's cache has.
const MOST: usize = 512 << 20;

/// So many bytes are replaced for each byte of the last-level cache: what a cache keeps is not always what came last.
const TIMES: usize = 2;

/// Bytes of a line of a cache on every processor that networks are measured on.
const LINE: usize = 64;

/// Replaces what lies in the caches.
pub struct Flush {
    buffer: Vec<u8>,
}

impl Flush {
    pub fn new() -> Flush {
        Flush { buffer: vec![0; bytes()] }
    }

    /// Writes to each line of a piece of memory that is larger than all caches.
    pub fn run(&mut self) {
        for line in self.buffer.chunks_mut(LINE) {
            line[0] = line[0].wrapping_add(1);
        }
        black_box(&mut self.buffer);
    }
}

impl Default for Flush {
    fn default() -> Flush {
        Flush::new()
    }
}

/// How much memory a flush takes.
pub fn bytes() -> usize {
    TIMES * last_level(Path::new("/sys/devices/system/cpu/cpu0/cache")).unwrap_or(UNKNOWN).min(MOST)
}

/// The size of the largest cache that a core sees, in bytes.
fn last_level(folder: &Path) -> Option<usize> {
    let sizes = std::fs::read_dir(folder).ok()?.flatten().filter_map(|index| {
        let text = std::fs::read_to_string(index.path().join("size")).ok()?;
        let text = text.trim();
        let (digits, unit) = match text.strip_suffix('K') {
            Some(digits) => (digits, 1 << 10),
            None => (text.strip_suffix('M')?, 1 << 20),
        };
        digits.parse::<usize>().ok()?.checked_mul(unit)
    });
    sizes.max().filter(|&size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_cache_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(last_level(dir.path()), None);
        for (index, size) in
            [("index0", "32K\n"), ("index2", "1024K\n"), ("index3", "16M\n"), ("index4", "x\n")]
        {
            std::fs::create_dir(dir.path().join(index)).unwrap();
            std::fs::write(dir.path().join(index).join("size"), size).unwrap();
        }
        assert_eq!(last_level(dir.path()), Some(16 << 20));
        assert_eq!(last_level(Path::new("/nowhere")), None);
    }

    #[test]
    fn every_line_is_written() {
        let mut flush = Flush { buffer: vec![0; 3 * LINE + 1] };
        flush.run();
        flush.run();
        let written: Vec<usize> =
            flush.buffer.iter().enumerate().filter(|(_, byte)| **byte == 2).map(|(at, _)| at).collect();
        assert_eq!(written, [0, LINE, 2 * LINE, 3 * LINE]);
    }
}
