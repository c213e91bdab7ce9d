//! The threads of a runtime, each on a core of its own.

use super::conditions;

/// Pins every thread to one of `cores`, where there are several: the calling thread to the first, and those that were started
/// since the list `earlier` was made ([`conditions::threads`]) to the others in turn. Where the system refuses, they share the
/// cores.
pub fn spread(cores: &[u32], earlier: &[u32]) {
    let [first, others @ ..] = cores else { return };
    if others.is_empty() {
        return;
    }
    let started = conditions::threads().into_iter().filter(|thread| !earlier.contains(thread));
    for (thread, core) in started.zip(others.iter().cycle()) {
        let _ = conditions::pin_thread(thread, *core);
    }
    let _ = conditions::pin(&[*first]);
}

/// Lets the calling thread, and those that it starts from now on, use all of `cores` again.
pub fn gather(cores: &[u32]) {
    if cores.len() > 1 {
        // It was allowed before.
        let _ = conditions::pin(cores);
    }
}
