//! How much memory this process may still take, so that work beyond it is refused before it begins.

use super::EngineError;
use edgezen_core::plainnet::{Graph, footprint};
use edgezen_core::units::Bytes;
use std::fs;

/// The memory that is free for this process: the least of what the machine has available, what its control group has
/// left, and what its limit on addresses allows. `None` where the system does not say.
pub fn free() -> Option<Bytes> {
    let found = [machine(), group(), addresses()];
    found.into_iter().flatten().min().map(|bytes| Bytes(bytes as f64))
}

/// The number of bytes in a line like `MemAvailable:   123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

fn machine() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// What the control group of this process has left. Pages of files do not count: the system takes them back.
fn group() -> Option<u64> {
    let folder = "/sys/fs/cgroup";
    let number = |name: &str| fs::read_to_string(format!("{folder}/{name}")).ok()?.trim().parse::<u64>().ok();
    let most = number("memory.max")?;
    let stat = fs::read_to_string(format!("{folder}/memory.stat")).ok()?;
    let held = stat.lines().find_map(|line| line.strip_prefix("anon ")?.trim().parse::<u64>().ok());
    Some(most.saturating_sub(held.unwrap_or(0)))
}

/// What the limit on addresses (`ulimit -v`) leaves.
fn addresses() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?;
    let taken = kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize")?;
    Some(most.saturating_sub(taken))
}

/// Whether `graph` fits the memory that is free when it is run with `batch` images.
///
/// # Errors
/// [`EngineError::OutOfMemory`], with the memory that it takes.
pub(super) fn check(engine: &'static str, graph: &Graph, batch: u32) -> Result<(), EngineError> {
    fits(engine, Bytes(footprint::inference(graph, f64::from(batch))), free())
}

/// Compares what is `needed` with what is `free`.
///
/// # Errors
/// [`EngineError::OutOfMemory`], with both.
pub(super) fn fits(engine: &'static str, needed: Bytes, free: Option<Bytes>) -> Result<(), EngineError> {
    match free {
        Some(free) if needed > free => Err(EngineError::OutOfMemory {
            engine,
            reason: format!("the network takes about {needed}, and {free} are free"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_lines() {
        let text = "MemTotal:       16 kB\nMemAvailable:   12 kB\nVmSize:\t  3 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable"), Some(12 * 1024));
        assert_eq!(kilobytes(text, "VmSize"), Some(3 * 1024));
        assert_eq!(kilobytes(text, "SwapFree"), None);
    }

    #[test]
    fn what_does_not_fit_is_named_with_both_sizes() {
        let error = fits("tract", Bytes(3e12), Some(Bytes(4e9))).unwrap_err().to_string();
        assert!(error.contains("3.00TB") || error.contains("3000GB"), "{error}");
        assert!(error.contains("4.00GB"), "{error}");
        assert!(fits("tract", Bytes(3e12), None).is_ok());
        #[cfg(target_os = "linux")]
        assert!(free().is_some_and(|free| free > Bytes(1e6)));
    }
}
