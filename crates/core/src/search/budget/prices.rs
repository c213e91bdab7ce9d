//! What predictors say of kernels, remembered: kernels come back in different sublayers more often than sublayers come back.

use super::TrackedDevice;
use crate::plainnet::lowering::Lowering;
use crate::plainnet::packed::packed;
use crate::plainnet::sketch::Sketches;
use crate::plainnet::{Graph, Kernel, Shape, ShapeError, SuperBlock, Variant};
use crate::predictor::{KernelEstimate, LatencyPredictor, Terms};
use rustc_hash::FxHashMap;

/// Kernels before all are forgotten; bounds the memory to some tens of MB.
const REMEMBERED: usize = 1 << 17;

/// What kernels take on several devices. One for each thread.
pub(super) struct Prices<'a> {
    /// Nothing for a device whose networks are priced as a whole.
    devices: Box<[Option<Device<'a>>]>,
    sketches: Sketches,
    /// The kernels that are looked at, in a buffer that is used again.
    kernels: Vec<Keyed>,
}

/// A kernel, and what it is found by.
#[derive(Clone, Copy)]
struct Keyed {
    kernel: Kernel,
    key: Option<(u64, u64)>,
}

impl From<Kernel> for Keyed {
    fn from(kernel: Kernel) -> Keyed {
        Keyed { kernel, key: packed(&kernel) }
    }
}

/// What kernels take on one device.
struct Device<'a> {
    predictor: &'a dyn LatencyPredictor,
    /// What its runtime makes a kernel of.
    lowering: Lowering,
    batch: u32,
    known: Known,
}

impl<'a> Prices<'a> {
    pub fn new(devices: &'a [TrackedDevice]) -> Prices<'a> {
        let device = |device: &'a TrackedDevice| {
            let predictor = &**device.predictor.of_kernels()?;
            let batch = predictor.identity().batch;
            Some(Device { predictor, lowering: predictor.lowering(), batch, known: Known::default() })
        };
        let devices = devices.iter().map(device).collect();
        Prices { devices, sketches: Sketches::default(), kernels: Vec::new() }
    }

    /// The sums over the kernels of `graph`, one for each device.
    pub fn of_graph(&mut self, graph: &Graph) -> Box<[Terms]> {
        let mut sums = vec![Terms::default(); self.devices.len()].into_boxed_slice();
        for lowering in self.lowerings() {
            self.kernels.clear();
            self.kernels.extend(lowering.kernels(graph).into_iter().map(Keyed::from));
            self.sum_up(lowering, &mut sums);
        }
        sums
    }

    /// Adds the kernels of one sublayer of `block` to `sums`, one for each device: the first sublayer, or any of the others.
    ///
    /// # Errors
    /// The integers of the block make no usable network.
    pub fn of_sublayer(
        &mut self,
        block: &SuperBlock,
        first: bool,
        input: Shape,
        variant: Variant,
        sums: &mut [Terms],
    ) -> Result<(), ShapeError> {
        for lowering in self.lowerings() {
            self.kernels.clear();
            let keep = |kernel: Kernel| self.kernels.push(kernel.into());
            self.sketches.kernels(lowering, block, first, input, variant, keep)?;
            self.sum_up(lowering, sums);
        }
        Ok(())
    }

    /// The lowerings of the devices.
    fn lowerings(&self) -> impl Iterator<Item = Lowering> + use<> {
        let used = Lowering::ALL
            .map(|lowering| self.devices.iter().flatten().any(|device| device.lowering == lowering));
        Lowering::ALL.into_iter().zip(used).filter_map(|(lowering, used)| used.then_some(lowering))
    }

    /// Adds the kernels to the sums of the devices that have this lowering.
    fn sum_up(&mut self, lowering: Lowering, sums: &mut [Terms]) {
        for (sum, device) in sums.iter_mut().zip(&mut self.devices) {
            if let Some(device) = device.as_mut().filter(|device| device.lowering == lowering) {
                *sum = device.sum_up(&self.kernels, *sum);
            }
        }
    }
}

impl Device<'_> {
    /// `sum` and the kernels, one after the other.
    fn sum_up(&mut self, kernels: &[Keyed], sum: Terms) -> Terms {
        let Device { predictor, batch, known, .. } = self;
        // As the predictor itself does it.
        let terms = |kernel: &Kernel, estimate| Terms::of(&kernel.with_batch(*batch), estimate);
        known.make_room();
        kernels.chunks(ABREAST).fold(sum, |sum, kernels| {
            // All are looked up before the first is needed: no one waits for the memory of the one before.
            let mut found = [None; ABREAST];
            for (found, Keyed { key, .. }) in found.iter_mut().zip(kernels) {
                *found = key.and_then(|key| known.packed.get(&key).copied());
            }
            kernels.iter().zip(found).fold(sum, |sum, (keyed, found)| {
                let estimate = found.unwrap_or_else(|| known.estimate(keyed, *predictor));
                sum + terms(&keyed.kernel, estimate)
            })
        })
    }
}

/// Kernels that are looked up side by side: about as many as a sublayer has.
const ABREAST: usize = 8;

/// Estimates of kernels that were seen.
#[derive(Default)]
struct Known {
    /// Almost all: their sizes fit into two words, so that a table of them keeps to the caches of a processor.
    packed: FxHashMap<(u64, u64), KernelEstimate>,
    others: FxHashMap<Kernel, KernelEstimate>,
}

impl Known {
    fn make_room(&mut self) {
        if self.packed.len() + self.others.len() > REMEMBERED {
            *self = Known::default();
        }
    }

    fn estimate(
        &mut self,
        Keyed { kernel, key }: &Keyed,
        predictor: &dyn LatencyPredictor,
    ) -> KernelEstimate {
        let estimate = || predictor.kernel(kernel);
        match *key {
            Some(key) => *self.packed.entry(key).or_insert_with(estimate),
            None => *self.others.entry(*kernel).or_insert_with(estimate),
        }
    }
}
