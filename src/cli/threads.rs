//! The threads that share the work of one command.

use super::Failure;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// So many threads; one for each core where `threads` is 0.
///
/// # Errors
/// The system gives none.
pub fn pool(threads: usize) -> Result<ThreadPool, Failure> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Failure::runtime(format!("cannot start {threads} threads: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::Shape;
    use edgezen_lab::images::{Item, OnBroken, Pictures, View};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Mutex;

    #[test]
    fn images_are_decoded_in_no_more_threads_than_are_asked_for() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image_cases");
        let item = |_| Item { path: root.join("colour.png"), class: 0 };
        let items: Vec<Item> = (0..64).map(item).collect();
        let seen = Mutex::new(BTreeSet::new());
        let note = || {
            seen.lock().unwrap().insert(format!("{:?}", std::thread::current().id()));
        };
        let view = View::of(Shape { c: 3, h: 8, w: 8 });
        pool(2)
            .unwrap()
            .install(|| Pictures::read(&items, &root, view, OnBroken::Refuse, &note).map(|_| ()))
            .unwrap();
        let threads = seen.into_inner().unwrap().len();
        assert!((1..=2).contains(&threads), "{threads}");
        assert_eq!(pool(3).unwrap().install(rayon::current_num_threads), 3);
    }
}
