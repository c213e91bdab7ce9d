//! Ctrl-C: the first one asks the command to end at the next place where nothing is lost, the second one ends the program.
//!
//! Where it may take long to come to that place, a command says how to end instead ([`impatient`]): a thread then waits
//! [`PATIENCE`] after the first Ctrl-C, and ends the program itself.

use super::{Exit, Failure};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long an impatient command may take to end before the program ends it.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What an impatient command does last; gives the error that the program ends with.
type Last = Box<dyn FnOnce() -> Failure + Send>;

/// Whether Ctrl-C was pressed.
static PRESSED: AtomicBool = AtomicBool::new(false);
/// Whether this module listens already.
static LISTENING: Mutex<bool> = Mutex::new(false);
/// What is to be done where the command has not ended after a while; `None` where it is waited for.
static LAST: Mutex<Option<Last>> = Mutex::new(None);

/// Listens from now on, if it does not yet.
///
/// # Errors
/// Something else in this process listens already.
pub fn listen() -> Result<(), Failure> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if !*listening {
        ctrlc::set_handler(pressed)
            .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;
        *listening = true;
    }
    Ok(())
}

fn pressed() {
    if PRESSED.swap(true, Ordering::Relaxed) {
        std::process::exit(Exit::Interrupted as i32);
    }
    // Waiting on another thread leaves this one free to hear the second Ctrl-C.
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        if let Some(last) = take_last() {
            super::report(&last());
            std::process::exit(Exit::Interrupted as i32);
        }
    });
}

fn take_last() -> Option<Last> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// From now until [`patient`], the program is ended by `last` where the command has not ended a while after Ctrl-C. Nothing
/// that is not on the disk by then may be worth more than the wait.
pub fn impatient(last: impl FnOnce() -> Failure + Send + 'static) {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(last));
}

/// The command is waited for again, however long it takes to end.
pub fn patient() {
    if take_last().is_none() && is_pressed() {
        // The thread that waited is about to end the program.
        std::thread::sleep(PATIENCE);
    }
}

pub fn is_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// [`is_pressed`], for those who go on or break off.
pub fn flow() -> ControlFlow<()> {
    if is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
