//! The memory of maps, weights and tiles.

use super::real::Real;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Bytes of a line of the cache, and of the widest register.
const LINE: usize = 64;

/// Values that begin at a line of the cache: registers that are read from it, one after another, then lie in one line each.
#[derive(Debug)]
pub struct Buffer<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
    /// Values from the start that have been in use; the system has given no memory for others yet.
    used: usize,
}

impl<T> Default for Buffer<T> {
    fn default() -> Buffer<T> {
        Buffer { values: Vec::new(), start: 0, len: 0, used: 0 }
    }
}

impl<T: Real> Buffer<T> {
    /// `len` zeros, for which the system gives memory page by page as they are first written.
    pub fn new(len: usize) -> Buffer<T> {
        let values = vec![T::default(); len + LINE / size_of::<T>()];
        let start = values.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Buffer { values, start, len, used: 0 }
    }

    /// The first `len` values, for which another buffer replaces this one where it is too small. They hold anything: zeros
    /// would cost a pass over memory each time.
    pub fn room(&mut self, len: usize) -> &mut [T] {
        if self.len < len {
            *self = Buffer::new(len);
        }
        &mut self[..len]
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

impl<T: Real> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Buffer<T> {
        let mut buffer = Buffer::new(values.len());
        buffer.copy_from_slice(&values);
        buffer.used = values.len();
        buffer
    }
}

/// Buffers that are free for the next map, so that a pass allocates two or three of them and no more.
///
/// Each could hold the largest map. What is never written costs nothing, and memory that is new costs more than its values: half a
/// second for a gigabyte. So a map goes where most of it, but not much more, has been written before.
#[derive(Debug, Default)]
pub struct Pool<T> {
    free: Vec<Buffer<T>>,
    largest: usize,
}

impl<T: Real> Pool<T> {
    /// Makes later buffers large enough for `len` values.
    pub fn foresee(&mut self, len: usize) {
        self.largest = self.largest.max(len);
    }

    /// A buffer of at least `len` values that hold anything.
    pub fn take(&mut self, len: usize) -> Buffer<T> {
        let used = |i: &usize| self.free[*i].used;
        let fits = (0..self.free.len()).filter(|&i| self.free[i].len() >= len);
        let (enough, less): (Vec<usize>, Vec<usize>) = fits.partition(|i| used(i) >= len);
        let best = enough.into_iter().min_by_key(used).or_else(|| less.into_iter().max_by_key(used));
        let mut buffer = match best {
            Some(i) => self.free.swap_remove(i),
            None => Buffer::new(len.max(self.largest)),
        };
        buffer.used = buffer.used.max(len);
        buffer
    }

    /// Takes the buffer of a map back, unless another map still reads it.
    pub fn give(&mut self, data: Arc<Buffer<T>>) {
        if let Ok(buffer) = Arc::try_unwrap(data) {
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_lines_of_the_cache() {
        for len in [0, 1, 100, 70_000] {
            let mut buffer = Buffer::<f32>::new(len);
            assert_eq!((buffer.as_ptr() as usize % LINE, buffer.len()), (0, len));
            buffer.fill(1.0);
            let doubles = Buffer::from(vec![2.0_f64; len]);
            assert_eq!((doubles.as_ptr() as usize % LINE, &doubles[..]), (0, &vec![2.0; len][..]));
        }
    }

    #[test]
    fn maps_go_where_memory_has_been_used() {
        let mut pool = Pool::<f32>::default();
        pool.foresee(1000);
        let (large, small) = (pool.take(900), pool.take(100));
        assert_eq!((large.len(), small.len()), (1000, 1000));
        let starts = [large.as_ptr(), small.as_ptr()];
        pool.give(Arc::new(large));
        pool.give(Arc::new(small));
        let fitting = pool.take(90);
        assert_eq!(fitting.as_ptr(), starts[1]);
        pool.give(Arc::new(fitting));
        let wider = pool.take(110);
        assert_eq!(wider.as_ptr(), starts[0]);
        // The other one has room as well, of which some is new.
        assert_eq!(pool.take(120).as_ptr(), starts[1]);
        pool.give(Arc::new(wider));
        assert_eq!(pool.take(2000).len(), 2000);
    }
}
