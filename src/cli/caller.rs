//! Who runs a command that takes long, where it is another program in its own process.

use edgezen_core::search::SearchProgress;

/// What a running command tells the program that called it, and asks of it.
pub trait Caller: Sync {
    /// How far a search is.
    fn progress(&self, progress: &SearchProgress);

    /// Whether the command is to stop, as after Ctrl-C. Asked often: must be quick.
    fn wants_to_stop(&self) -> bool;
}
