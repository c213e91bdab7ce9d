//! Text from outside: what a phone, a file, a driver or a foreign library says.
//!
//! Such text is a value and nothing else. It never becomes a path, a word of a shell or a command to a terminal by
//! itself. [`ForeignText`] holds it as it came, within a bound, and prints it harmlessly; [`Name`] is what may stand in a
//! path or an identity; [`PlainPath`] is a folder on another device; [`shell_word`] is the one way to put text into a
//! command; [`escape`] decides which characters a terminal must not see.

pub mod escape;
mod name;
mod path;
mod shell;
mod text;

pub use escape::escaped;
pub use name::{Name, NameError};
pub use path::{PathError, PlainPath};
pub use shell::{is_variable, shell_word};
pub use text::{ForeignText, TooLong};
