//! What a runner asks of the system for its own process.

/// Goes on when the link that started this process breaks: with a record of results, the work counts.
pub fn outlive_the_link() {
    #[cfg(unix)]
    // SAFETY: sets a disposition that needs no handler.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// Ends this process after so many seconds, whatever it does then: nobody has to come and look.
pub fn limit_time(seconds: u32) {
    #[cfg(unix)]
    // SAFETY: the signal of the alarm ends the process by default.
    unsafe {
        libc::alarm(seconds);
    }
    #[cfg(not(unix))]
    let _ = seconds;
}
