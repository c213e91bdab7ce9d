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
    devices: Box<[Device<'a>]>,
    sketches: Sketches,
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
            let predictor = &*device.predictor;
            let batch = predictor.identity().batch;
            Device { predictor, lowering: predictor.lowering(), batch, known: Known::default() }
        };
        Prices { devices: devices.iter().map(device).collect(), sketches: Sketches::default() }
    }

    /// The sums over the kernels of `graph`, one for each device.
    pub fn of_graph(&mut self, graph: &Graph) -> Box<[Terms]> {
        let mut sums = vec![Terms::default(); self.devices.len()];
        for lowering in Lowering::ALL {
            if self.is_used(lowering) {
                lowering.kernels(graph).iter().for_each(|kernel| self.add(lowering, kernel, &mut sums));
            }
        }
        sums.into()
    }

    /// The sums over the kernels of one sublayer of `block`: the first, or any of the others.
    ///
    /// # Errors
    /// The integers of the block make no usable network.
    pub fn of_sublayer(
        &mut self,
        block: &SuperBlock,
        first: bool,
        input: Shape,
        variant: Variant,
    ) -> Result<Box<[Terms]>, ShapeError> {
        let mut sums = vec![Terms::default(); self.devices.len()];
        let mut sketches = std::mem::take(&mut self.sketches);
        let mut done = Ok(());
        for lowering in Lowering::ALL {
            if self.is_used(lowering) && done.is_ok() {
                let add = |kernel: Kernel| self.add(lowering, &kernel, &mut sums);
                done = sketches.kernels(lowering, block, first, input, variant, add);
            }
        }
        self.sketches = sketches;
        done.map(|()| sums.into())
    }

    fn is_used(&self, lowering: Lowering) -> bool {
        self.devices.iter().any(|device| device.lowering == lowering)
    }

    /// Adds a kernel to the sums of the devices that have this lowering.
    fn add(&mut self, lowering: Lowering, kernel: &Kernel, sums: &mut [Terms]) {
        for (sum, device) in sums.iter_mut().zip(&mut self.devices) {
            if device.lowering == lowering {
                let estimate = device.known.estimate(kernel, device.predictor);
                // As the predictor itself does it.
                *sum = *sum + Terms::of(&kernel.with_batch(device.batch), estimate);
            }
        }
    }
}

/// Estimates of kernels that were seen.
#[derive(Default)]
struct Known {
    /// Almost all: their sizes fit into two words, so that a table of them keeps to the caches of a processor.
    packed: FxHashMap<(u64, u64), KernelEstimate>,
    others: FxHashMap<Kernel, KernelEstimate>,
}

impl Known {
    fn estimate(&mut self, kernel: &Kernel, predictor: &dyn LatencyPredictor) -> KernelEstimate {
        if self.packed.len() + self.others.len() > REMEMBERED {
            *self = Known::default();
        }
        let estimate = || predictor.kernel(kernel);
        match packed(kernel) {
            Some(key) => *self.packed.entry(key).or_insert_with(estimate),
            None => *self.others.entry(*kernel).or_insert_with(estimate),
        }
    }
}
