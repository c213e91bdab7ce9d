//! Clocks: the machine's own, and the interface by which tests bring one of theirs.

/// A monotonic clock.
pub trait Clock {
    /// Nanoseconds since some fixed moment.
    fn now_ns(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(std::time::Instant);

impl Monotonic {
    pub fn start() -> Monotonic {
        Monotonic(std::time::Instant::now())
    }
}

impl Clock for Monotonic {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when a test says so.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Fake(std::cell::Cell<u64>);

#[cfg(test)]
impl Fake {
    pub(crate) fn pass(&self, ns: u64) {
        self.0.set(self.0.get() + ns);
    }

    pub(crate) fn set(&self, ns: u64) {
        self.0.set(ns);
    }
}

#[cfg(test)]
impl Clock for Fake {
    fn now_ns(&self) -> u64 {
        self.0.get()
    }
}
