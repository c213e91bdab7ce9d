//! Ctrl-C: the first one asks the command to end at the next place where nothing is lost, the second one ends the program.

use super::{Exit, Failure};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
static PRESSED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
///
/// # Errors
/// Something else in this process listens already.
pub fn listen() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if PRESSED.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))
}

pub fn is_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// [`is_pressed`], for those who go on or break off.
pub fn flow() -> ControlFlow<()> {
    if is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
