//! The threads that share the work. A fork, as Python's multiprocessing makes them, copies none of them, so that the child gets
//! threads of its own; without that, its first prediction would wait for ever.

use edgezen::cli::Failure;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// The threads, and the process that has them.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The threads of this process: one for each core.
///
/// # Errors
/// The system gives none.
pub fn pool() -> Result<Arc<ThreadPool>, Failure> {
    let process = std::process::id();
    let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, pool)) = &*slot
        && *owner == process
    {
        return Ok(pool.clone());
    }
    let pool = fresh()?;
    // The threads of the parent are not here to be ended.
    std::mem::forget(slot.replace((process, pool.clone())));
    Ok(pool)
}

/// Threads for one command alone, one for each core. A command that waits for functions in Python needs them: such a function may call
/// edgezen itself, and finds the threads of [`pool`] free.
///
/// # Errors
/// The system gives none.
pub fn fresh() -> Result<Arc<ThreadPool>, Failure> {
    let pool = ThreadPoolBuilder::new()
        .thread_name(|index| format!("edgezen-{index}"))
        .build()
        .map_err(|error| Failure::runtime(format!("cannot start threads: {error}")))?;
    Ok(Arc::new(pool))
}
