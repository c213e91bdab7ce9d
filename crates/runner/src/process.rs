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
    end_with_parent();
}

/// Ends this process with the thread that started it, where the system can do that.
pub fn end_with_parent() {
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

/// Gives the standard output of this process to the caller alone; whatever else is printed there goes to the standard error
/// from now on.
///
/// # Errors
/// A system that has no copies of open files left.
#[cfg(unix)]
pub fn take_stdout() -> std::io::Result<std::fs::File> {
    use std::os::fd::{AsFd, AsRawFd};
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let copy = stdout.as_fd().try_clone_to_owned()?;
    // SAFETY: both numbers are those of open files; afterwards they stand for the same one.
    let status = unsafe { libc::dup2(stderr.as_raw_fd(), stdout.as_raw_fd()) };
    if status < 0 { Err(std::io::Error::last_os_error()) } else { Ok(copy.into()) }
}

/// # Errors
/// None: other systems keep it as it is.
#[cfg(not(unix))]
pub fn take_stdout() -> std::io::Result<std::io::Stdout> {
    Ok(std::io::stdout())
}

/// Memory of this process at a moment, as the system counts it in physical pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    pub now_bytes: u64,
    /// The most so far, or since [`forget_peak`].
    pub peak_bytes: u64,
}

/// `None` where the system does not say.
pub fn resident() -> Option<Resident> {
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<Resident> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Resident { now_bytes: bytes("VmRSS")?, peak_bytes: bytes("VmHWM")? })
}

/// Has the system take the memory of this process anew as the most so far. Whether it did, [`resident`] shows.
pub fn forget_peak() {
    // 5: the peak alone. Systems without this file, or that refuse it, keep the old peak.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_of_the_process() {
        let status = "VmPeak:\t  90 kB\nVmHWM:\t  32 kB\nVmRSS:\t  16 kB\n";
        assert_eq!(resident_of(status), Some(Resident { now_bytes: 16 << 10, peak_bytes: 32 << 10 }));
        assert_eq!(resident_of("VmRSS:\t 16 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_counts_what_was_held_and_is_gone() {
        forget_peak();
        let before = resident().unwrap();
        let held = vec![1_u8; 64 << 20];
        assert_eq!(held.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 64 << 20);
        drop(held);
        assert!(resident().unwrap().peak_bytes >= before.now_bytes + (60 << 20));
    }
}
