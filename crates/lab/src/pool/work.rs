//! What is left to measure, shared by the threads of several units: each takes a part, measures it, and comes back for more. What a
//! unit that is lost had not measured yet goes to the others.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The least number of configurations that a unit takes: every part begins with a few looks at the sentinel.
const LEAST: usize = 10;

/// Numbers of configurations that nobody measures yet.
#[derive(Debug)]
pub struct Work {
    left: Mutex<Left>,
    changed: Condvar,
    units: usize,
}

#[derive(Debug)]
struct Left {
    free: VecDeque<usize>,
    /// Parts that units are measuring.
    leased: usize,
}

impl Work {
    /// `free` for so many units. `leased` parts are being measured already.
    pub fn new(free: Vec<usize>, leased: usize, units: usize) -> Work {
        let left = Mutex::new(Left { free: free.into(), leased });
        Work { left, changed: Condvar::new(), units: units.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next part: half of an equal share of what is left, so that all units end at about the same time. Waits while there is
    /// nothing and other units may still give something back. `None`: nothing is left.
    pub fn take(&self) -> Option<Vec<usize>> {
        let mut left = self.lock();
        loop {
            if !left.free.is_empty() {
                let share = left.free.len().div_ceil(2 * self.units).max(LEAST).min(left.free.len());
                left.leased += 1;
                return Some(left.free.drain(..share).collect());
            }
            if left.leased == 0 {
                return None;
            }
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A part has ended; `rest` of it was not measured.
    pub fn give_back(&self, rest: Vec<usize>) {
        let mut left = self.lock();
        left.leased -= 1;
        left.free.extend(rest);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_smaller_and_nothing_is_lost() {
        let work = Work::new((0..100).collect(), 0, 2);
        let mut sizes = Vec::new();
        let mut seen = Vec::new();
        while let Some(part) = work.take() {
            sizes.push(part.len());
            seen.extend(part);
            work.give_back(Vec::new());
        }
        assert_eq!((sizes[0], sizes[1], *sizes.last().unwrap() <= LEAST), (25, 19, true));
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_lost_unit_gives_back_is_taken_by_another() {
        let work = Work::new((0..10).collect(), 0, 2);
        let lost = work.take().unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut seen = Vec::new();
                while let Some(part) = work.take() {
                    seen.extend(part);
                    work.give_back(Vec::new());
                }
                seen
            });
            std::thread::sleep(std::time::Duration::from_millis(20));
            work.give_back(lost[4..].to_vec());
            assert_eq!(other.join().unwrap(), [4, 5, 6, 7, 8, 9]);
        });
        assert_eq!(work.take(), None);
    }
}
