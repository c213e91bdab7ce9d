//! An allocator that counts: how many bytes are in use, and how many were at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which refuses to hand out more than `most` bytes at a time; who asks for more is aborted.
pub struct Bounded {
    most: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
}

impl Bounded {
    pub const fn new(most: usize) -> Bounded {
        Bounded { most, used: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// The most bytes in use since the last call; starts anew.
    pub fn take_peak(&self) -> usize {
        self.peak.swap(self.used.load(Ordering::Relaxed), Ordering::Relaxed)
    }
}

// SAFETY: memory comes from the system's allocator, and returns to it with the layout that it came with.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = self.used.fetch_add(layout.size(), Ordering::Relaxed).saturating_add(layout.size());
        if used > self.most {
            self.used.fetch_sub(layout.size(), Ordering::Relaxed);
            return std::ptr::null_mut();
        }
        self.peak.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.used.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
