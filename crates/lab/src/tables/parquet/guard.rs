//! Work on files of unknown origin.

use super::ParquetError;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a file of unknown origin: a panic inside becomes an error, and is not printed. The decoder asserts
/// some properties of the file instead of reporting them.
pub fn shielded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !SHIELDED.get() {
                previous(info);
            }
        }));
    });
    let before = SHIELDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    SHIELDED.set(before);
    result.unwrap_or(Err(ParquetError::Damaged))
}
