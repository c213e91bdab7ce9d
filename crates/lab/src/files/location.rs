//! Where a file with a name of its own lies: compiled into the program, or on disk.

use std::fmt;
use std::path::PathBuf;

/// Files that are compiled into a program: names without their extension, and texts.
pub type Shipped = &'static [(&'static str, &'static str)];

/// Larger files that are compiled into a program: names without their extension, and gzipped texts.
pub type Packed = &'static [(&'static str, &'static [u8])];

/// Where a named file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Compiled into the program, with this content: the text, or the gzipped text of a [`Packed`] file.
    Shipped {
        content: &'static [u8],
    },
    File(PathBuf),
}

impl fmt::Display for Location {
    /// `shipped`, or the path of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Shipped { .. } => f.write_str("shipped"),
            Location::File(path) => path.display().fmt(f),
        }
    }
}
