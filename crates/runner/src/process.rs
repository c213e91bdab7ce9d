//! What the runner asks of the system for its own process.

/// Keeps this process running when the connection that started it breaks. With a record of results, its work is not
/// lost.
pub fn outlive_the_link() {
    #[cfg(unix)]
    // SAFETY: sets a disposition that needs no handler.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// Leaves interruptions from the terminal to the process that started this one, and ends with it where the system can do
/// that.
pub fn belong_to_parent() {
    #[cfg(unix)]
    // SAFETY: sets a disposition that needs no handler.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: takes plain numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Ends this process after so many seconds, whatever it is doing, so that a runner that hangs does not stay on the
/// device.
pub fn limit_time(seconds: u32) {
    #[cfg(unix)]
    // SAFETY: the signal of the alarm ends the process by default.
    unsafe {
        libc::alarm(seconds);
    }
    #[cfg(not(unix))]
    let _ = seconds;
}
