//! What predictors say of kernels, remembered: kernels come back in different sublayers more often than sublayers come back.

use super::TrackedDevice;
use crate::plainnet::lowering::Lowering;
use crate::plainnet::packed::packed;
use crate::plainnet::sketch::Sketches;
use crate::plainnet::{Graph, Kernel, Shape, ShapeError, SuperBlock, Variant};
use crate::predictor::{KernelEstimate, LatencyPredictor, Terms};
use rustc_hash::FxHashMap;

/// Kernels before all are forgotten; bounds the memory to some tens of MB, beside what one list of networks adds.
const REMEMBERED: usize = 1 << 17;

/// Kernels of a network that were never seen, and those that its new sublayers have altogether, as many as are usual in a list of a thousand.
const NEW: usize = 24;
const ASKED: usize = 192;

/// What kernels take on several devices. One for each thread.
pub(super) struct Prices<'a> {
    /// Nothing for a device whose networks are priced as a whole.
    devices: Box<[Option<Device<'a>>]>,
    sketches: Sketches,
    /// The kernels that are looked at, in a buffer that is used again.
    kernels: Vec<Keyed>,
    /// Sums that wait for prices.
    waiting: Vec<Waiting>,
}

/// A sum of which the kernels are known and their prices are not.
struct Waiting {
    /// Where the sum stands, among those of all sublayers.
    at: usize,
    device: usize,
    /// Its last kernel, and one more, among those that wait on the device: it begins where the one before ends.
    end: usize,
}

/// A kernel, and what it is found by.
#[derive(Clone, Copy)]
struct Keyed {
    kernel: Kernel,
    key: Option<(u64, u64)>,
}

impl From<Kernel> for Keyed {
    #[inline]
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
    /// The kernels of the sums that wait, by their numbers.
    waiting: Vec<u32>,
}

impl<'a> Prices<'a> {
    pub fn new(devices: &'a [TrackedDevice]) -> Prices<'a> {
        let device = |device: &'a TrackedDevice| {
            let predictor = &**device.predictor.of_kernels()?;
            let batch = predictor.identity().batch;
            let (lowering, known) = (predictor.lowering(), Known::default());
            Some(Device { predictor, lowering, batch, known, waiting: Vec::new() })
        };
        let devices = devices.iter().map(device).collect();
        Prices { devices, sketches: Sketches::default(), kernels: Vec::new(), waiting: Vec::new() }
    }

    /// Forgets all kernels of a device where they have become too many. No sum may wait.
    pub fn make_room(&mut self) {
        self.devices.iter_mut().flatten().for_each(|device| device.known.make_room());
    }

    /// Sees to it that there is place in the lists for what so many networks may ask for. Tables grow by themselves: small ones keep to the
    /// caches of a processor.
    pub fn reserve(&mut self, networks: usize) {
        for Device { known, waiting, .. } in self.devices.iter_mut().flatten() {
            known.unpriced.reserve(networks * NEW);
            known.terms.reserve(networks * NEW);
            waiting.reserve(networks * ASKED);
        }
    }

    /// The sums over the kernels of `graph`, one for each device.
    pub fn of_graph(&mut self, graph: &Graph) -> Box<[Terms]> {
        let mut sums = vec![Terms::default(); self.devices.len()].into_boxed_slice();
        for lowering in self.lowerings() {
            self.kernels.clear();
            self.kernels.extend(lowering.kernels(graph).into_iter().map(Keyed::from));
            for (sum, device) in sums.iter_mut().zip(&mut self.devices) {
                if let Some(device) = device.as_mut().filter(|device| device.lowering == lowering) {
                    *sum = device.sum_up(&self.kernels, *sum);
                }
            }
        }
        sums
    }

    /// Writes the sums over the kernels of one sublayer of `block` to `sums`, one for each device: the first sublayer, or any of the others.
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
            for (sum, device) in sums.iter_mut().zip(&mut self.devices) {
                if let Some(device) = device.as_mut().filter(|device| device.lowering == lowering) {
                    *sum = device.sum_up(&self.kernels, Terms::default());
                }
            }
        }
        Ok(())
    }

    /// As [`Prices::of_sublayer`], but the sums are written by [`Prices::settle`], among those of all sublayers from `at` on: what many
    /// sublayers ask for is priced side by side.
    ///
    /// # Errors
    /// The integers of the block make no usable network.
    pub fn of_sublayer_later(
        &mut self,
        block: &SuperBlock,
        first: bool,
        input: Shape,
        variant: Variant,
        at: usize,
    ) -> Result<(), ShapeError> {
        for lowering in self.lowerings() {
            let Prices { devices, sketches, waiting, .. } = self;
            sketches.kernels(lowering, block, first, input, variant, |kernel| {
                let kernel = Keyed::from(kernel);
                for device in devices.iter_mut().flatten().filter(|device| device.lowering == lowering) {
                    let number = device.known.number(&kernel);
                    device.waiting.push(number);
                }
            })?;
            for (i, device) in devices.iter().enumerate() {
                if let Some(device) = device.as_ref().filter(|device| device.lowering == lowering) {
                    waiting.push(Waiting { at: at + i, device: i, end: device.waiting.len() });
                }
            }
        }
        Ok(())
    }

    /// Writes all sums that wait to `sums`, those of all sublayers.
    pub fn settle(&mut self, sums: &mut [Terms]) {
        let Prices { devices, waiting, .. } = self;
        devices.iter_mut().flatten().for_each(Device::price);
        let mut begins = vec![0; devices.len()];
        for Waiting { at, device, end } in waiting.drain(..) {
            let begin = std::mem::replace(&mut begins[device], end);
            if let Some(device) = &devices[device] {
                sums[at] = device.known.sum(&device.waiting[begin..end], Terms::default());
            }
        }
        devices.iter_mut().flatten().for_each(|device| device.waiting.clear());
    }

    /// The lowerings of the devices.
    fn lowerings(&self) -> impl Iterator<Item = Lowering> + use<> {
        let used = Lowering::ALL
            .map(|lowering| self.devices.iter().flatten().any(|device| device.lowering == lowering));
        Lowering::ALL.into_iter().zip(used).filter_map(|(lowering, used)| used.then_some(lowering))
    }
}

impl Device<'_> {
    /// `sum` and the kernels, one after the other.
    fn sum_up(&mut self, kernels: &[Keyed], sum: Terms) -> Terms {
        kernels.chunks(ABREAST).fold(sum, |sum, kernels| {
            // All are looked up before the first is needed: no one waits for the memory of the one before.
            let mut numbers = [0; ABREAST];
            for (number, kernel) in numbers.iter_mut().zip(kernels) {
                *number = self.known.number(kernel);
            }
            self.price();
            self.known.sum(&numbers[..kernels.len()], sum)
        })
    }

    /// Prices the kernels that have none.
    fn price(&mut self) {
        let Device { predictor, batch, known, .. } = self;
        if known.unpriced.is_empty() {
            return;
        }
        // As the predictor itself does it.
        let terms =
            |(kernel, estimate): (&Kernel, KernelEstimate)| Terms::of(&kernel.with_batch(*batch), estimate);
        let estimates = predictor.kernels(&known.unpriced);
        known.terms.extend(known.unpriced.iter().zip(estimates).map(terms));
        known.unpriced.clear();
    }
}

/// Kernels that are looked up side by side: about as many as a sublayer has.
const ABREAST: usize = 8;

/// Kernels that were seen, by their numbers.
#[derive(Default)]
struct Known {
    /// Almost all: their sizes fit into two words, so that a table of them keeps to the caches of a processor.
    packed: FxHashMap<(u64, u64), u32>,
    others: FxHashMap<Kernel, u32>,
    /// What each adds to a network, by its number.
    terms: Vec<Terms>,
    /// Those with the next numbers.
    unpriced: Vec<Kernel>,
}

impl Known {
    fn make_room(&mut self) {
        if self.terms.len() > REMEMBERED {
            *self = Known::default();
        }
    }

    /// The number of a kernel; the next one, if it was never seen.
    #[inline]
    fn number(&mut self, Keyed { kernel, key }: &Keyed) -> u32 {
        let Known { packed, others, terms, unpriced } = self;
        let next = || {
            let number = terms.len() + unpriced.len();
            unpriced.push(*kernel);
            number as u32
        };
        match *key {
            Some(key) => *packed.entry(key).or_insert_with(next),
            None => *others.entry(*kernel).or_insert_with(next),
        }
    }

    /// `sum` and the kernels with these numbers, one after the other. All have prices.
    #[inline]
    fn sum(&self, numbers: &[u32], sum: Terms) -> Terms {
        numbers.iter().fold(sum, |sum, &number| sum + self.terms[number as usize])
    }
}
