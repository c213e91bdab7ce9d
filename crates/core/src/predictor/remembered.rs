//! A predictor that remembers kernels, for several threads, and from one list of networks to the next.

use crate::measurement::Identity;
use crate::plainnet::lowering::Lowering;
use crate::plainnet::packed::packed;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tables, each of which one thread at a time looks into.
const TABLES: usize = 64;
/// Kernels in a table before it is emptied; bounds the memory to about 10 MB.
const IN_A_TABLE: usize = 1 << 12;

type Table = FxHashMap<(u64, u64), KernelEstimate>;
/// What a kernel is found by, and in which table, if in any.
type Keyed = Option<((u64, u64), usize)>;

/// A predictor with what it said of the kernels that it was asked for.
pub struct Remembered {
    inner: Arc<dyn LatencyPredictor>,
    tables: Box<[Mutex<Table>]>,
}

impl Remembered {
    pub fn new(inner: Arc<dyn LatencyPredictor>) -> Remembered {
        Remembered { inner, tables: (0..TABLES).map(|_| Mutex::default()).collect() }
    }

    /// Gives each table to `visit`, with the positions and keys of the kernels that are found in it.
    fn each(
        &self,
        keyed: &[Keyed],
        order: &[usize],
        mut visit: impl FnMut(&mut Table, &mut dyn Iterator<Item = (usize, (u64, u64))>),
    ) {
        let table_of = |i: usize| keyed[i].map(|(_, table)| table);
        for together in order.chunk_by(|&a, &b| table_of(a) == table_of(b)) {
            let Some(table) = table_of(together[0]) else { continue };
            let mut of_table = together.iter().filter_map(|&i| Some((i, keyed[i]?.0)));
            visit(&mut self.table(table), &mut of_table);
        }
    }

    fn table(&self, i: usize) -> MutexGuard<'_, Table> {
        self.tables[i].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The positions of kernels, those of each table together; without those that are in none.
fn by_table(keyed: &[Keyed]) -> Vec<usize> {
    let mut next = [0; TABLES + 1];
    keyed.iter().flatten().for_each(|&(_, table)| next[table + 1] += 1);
    (0..TABLES).for_each(|table| next[table + 1] += next[table]);
    let mut order = vec![0; next[TABLES]];
    for (i, keyed) in keyed.iter().enumerate() {
        if let Some((_, table)) = *keyed {
            order[next[table]] = i;
            next[table] += 1;
        }
    }
    order
}

/// In which table a kernel is found.
fn table_of(key: (u64, u64)) -> usize {
    // Bits that are mixed well, and others than those by which a table finds its entries.
    (FxBuildHasher.hash_one(key) >> 20) as usize % TABLES
}

fn keep(table: &mut Table, key: (u64, u64), estimate: KernelEstimate) {
    if table.len() >= IN_A_TABLE {
        table.clear();
    }
    table.insert(key, estimate);
}

impl LatencyPredictor for Remembered {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn lowering(&self) -> Lowering {
        self.inner.lowering()
    }

    fn knows(&self, kind: KernelKind, size: u32) -> bool {
        self.inner.knows(kind, size)
    }

    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        let Some(key) = packed(kernel) else { return self.inner.kernel(kernel) };
        let table = table_of(key);
        if let Some(known) = self.table(table).get(&key) {
            return *known;
        }
        // Nobody waits while it is computed. Another thread may compute the same meanwhile.
        let estimate = self.inner.kernel(kernel);
        keep(&mut self.table(table), key, estimate);
        estimate
    }

    fn kernels(&self, kernels: &[Kernel]) -> Vec<KernelEstimate> {
        // Few are not worth the lists.
        if kernels.len() < TABLES {
            return kernels.iter().map(|kernel| self.kernel(kernel)).collect();
        }
        let keyed: Vec<Keyed> =
            kernels.iter().map(|kernel| packed(kernel).map(|key| (key, table_of(key)))).collect();
        let mut found: Vec<Option<KernelEstimate>> = vec![None; kernels.len()];
        // The kernels of each table together, so that each is taken once to look and once to keep.
        let order = by_table(&keyed);
        self.each(&keyed, &order, |table, together| {
            together.for_each(|(i, key)| found[i] = table.get(&key).copied());
        });
        // Nobody waits while they are computed.
        let asked: Vec<usize> = (0..kernels.len()).filter(|&i| found[i].is_none()).collect();
        let estimates = if asked.len() == kernels.len() {
            self.inner.kernels(kernels)
        } else {
            let unknown: Vec<Kernel> = asked.iter().map(|&i| kernels[i]).collect();
            self.inner.kernels(&unknown)
        };
        let mut new = vec![false; kernels.len()];
        for (i, estimate) in asked.into_iter().zip(estimates) {
            (found[i], new[i]) = (Some(estimate), true);
        }
        self.each(&keyed, &order, |table, together| {
            let together: Vec<_> = together.filter(|&(i, _)| new[i]).collect();
            table.reserve(together.len().min(IN_A_TABLE - table.len()));
            for (i, key) in together {
                if let Some(estimate) = found[i] {
                    keep(table, key, estimate);
                }
            }
        });
        found.into_iter().flatten().collect()
    }

    fn network(&self, terms: &Terms) -> Estimate {
        self.inner.network(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;
    use crate::units::Latency;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how often it is asked.
    struct Counting(Identity, AtomicUsize);

    impl LatencyPredictor for Counting {
        fn identity(&self) -> &Identity {
            &self.0
        }
        fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
            self.1.fetch_add(1, Ordering::Relaxed);
            KernelEstimate::inside(Latency::from_ns(kernel.macs() + 1.0))
        }
        fn network(&self, Terms { latency, .. }: &Terms) -> Estimate {
            Estimate { latency: *latency, lower: *latency, upper: *latency, charged: *latency, coverage: 1.0 }
        }
    }

    #[test]
    fn kernels_are_asked_for_once_and_stay_what_they_are() {
        let kernels: Vec<Kernel> =
            published::names().flat_map(|net| published::by_name(net).unwrap().kernels().unwrap()).collect();
        let distinct = kernels.iter().collect::<std::collections::HashSet<_>>().len();
        let inner = Arc::new(Counting(Identity::new("a", "b", "fp32"), AtomicUsize::new(0)));
        let remembered = Remembered::new(inner.clone());
        for _ in 0..2 {
            for kernel in &kernels {
                assert_eq!(remembered.kernel(kernel).latency.ns(), kernel.macs() + 1.0);
            }
            assert_eq!(inner.1.load(Ordering::Relaxed), distinct);
        }
        // More than are remembered.
        let one = kernels[0];
        for out_c in 1..300_000 {
            let kernel = Kernel { out_c, ..one };
            assert_eq!(remembered.kernel(&kernel).latency.ns(), kernel.macs() + 1.0);
        }
        let kept: Vec<usize> = remembered.tables.iter().map(|table| table.lock().unwrap().len()).collect();
        assert!(kept.iter().all(|&kept| 0 < kept && kept <= IN_A_TABLE), "{kept:?}");
    }
}
