//! Computes the costs of networks, remembering the parts it has seen.
//!
//! What a predictor says of a sublayer is remembered, because the same sublayers come back in most mutations.

use super::prices::Prices;
use super::quantity::{Built, Source};
use super::{Amounts, Budget, Budgets, CostError, Costs, Quantity};
use crate::plainnet::cost::{self, Official};
use crate::plainnet::{Block, Model, Network, Shape, ShapeError, SuperBlock, Variant, graph};
use crate::predictor::pricing::Pricing;
use crate::predictor::{Estimate, Terms};
use crate::units::{Macs, Params};
use rustc_hash::{FxHashMap, FxHasher};
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

/// Slots of a direct-mapped cache for the official costs of sublayers; a new entry overwrites the old.
const SLOTS: usize = 1 << 13;

/// Sublayers before all are forgotten; bounds the memory to some tens of MB.
const REMEMBERED: usize = 1 << 17;

/// One look at a network. Each gives several quantities; a look at the network as built costs most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Structure,
    Official,
    Built,
}

impl Pass {
    /// Cheapest first.
    const ALL: [Pass; 3] = [Pass::Structure, Pass::Official, Pass::Built];

    /// Whether it computes the value of a quantity with this source.
    fn gives(self, source: &Source) -> bool {
        match source {
            Source::Structure(_) => self == Pass::Structure,
            Source::Official(_) => self == Pass::Official,
            Source::Built(_) => self == Pass::Built,
            Source::Predicted => false,
        }
    }
}

/// What is remembered of one sublayer.
#[derive(Clone, Copy, Debug)]
struct Sublayer {
    /// Where its terms begin, one for each device.
    at: usize,
    built: Built,
}

/// A block of the last network, with official costs.
#[derive(Clone, Copy, Debug)]
struct Passed {
    block: SuperBlock,
    /// Of the block itself.
    own: Official,
    /// Of the network that ends with it.
    so_far: Official,
}

/// How many blocks two networks begin with alike.
fn common<'a>(blocks: &[SuperBlock], others: impl Iterator<Item = &'a SuperBlock>) -> usize {
    blocks.iter().zip(others).take_while(|(block, other)| block == other).count()
}

/// A block of the last network, as built.
#[derive(Clone, Copy, Debug)]
struct Walked {
    block: SuperBlock,
    /// Side of the map that it reads, and of the one that it writes.
    sides: [u32; 2],
    own: Built,
    /// Of the network that ends with it.
    so_far: Built,
}

/// Computes costs, remembering the sublayers it has seen. One for each thread.
///
/// A network is mostly like the one before: what both begin with is not added up again, and a block that stands where it stood
/// is not looked up again. Everything is added in the same order as without that, so that no bit depends on it.
pub struct Accountant<'a> {
    budgets: &'a Budgets,
    /// Whether anything is asked of the network as built.
    builds: bool,
    /// Whether quantities of it are bounded.
    bounds_built: bool,
    resolution: u32,
    classes: u32,
    variant: Variant,
    official: Box<[Option<(SuperBlock, i64, Official)>]>,
    /// The official costs of the last network, block by block.
    passed: Vec<Passed>,
    /// The last network as built, block by block.
    walked: Vec<Walked>,
    /// Of each of its blocks, what its first sublayer adds and what the others do, one behind the other for each device. They lie
    /// side by side, where those of all sublayers lie far apart.
    walked_terms: Vec<[Terms; 2]>,
    /// The sums behind each of its blocks, one for each device.
    walked_sums: Vec<Terms>,
    sublayers: FxHashMap<(SuperBlock, u32), Sublayer>,
    /// Of all sublayers, one behind the other.
    terms: Vec<Terms>,
    heads: FxHashMap<(i32, u32), Box<[Terms]>>,
    prices: Prices<'a>,
    sums: Vec<Terms>,
}

impl<'a> Accountant<'a> {
    pub fn new(budgets: &'a Budgets, resolution: u32, classes: u32) -> Accountant<'a> {
        let bounded = budgets.iter().any(|budget| Pass::Built.gives(budget.quantity.source()));
        Accountant {
            budgets,
            builds: bounded || !budgets.devices.is_empty(),
            bounds_built: bounded,
            resolution,
            classes,
            variant: Variant::BUILT,
            official: vec![None; SLOTS].into(),
            passed: Vec::new(),
            walked: Vec::new(),
            walked_terms: Vec::new(),
            walked_sums: Vec::new(),
            sublayers: FxHashMap::default(),
            terms: Vec::new(),
            heads: FxHashMap::default(),
            prices: Prices::new(&budgets.devices),
            sums: Vec::new(),
        }
    }

    /// Whether the networks have squeeze-excite.
    #[must_use]
    pub fn with_se(mut self, se: bool) -> Accountant<'a> {
        self.variant = Variant::built(se);
        self
    }

    /// The costs of `blocks`, or the first budget that they exceed. Nothing is computed that an exceeded budget
    /// makes needless.
    ///
    /// # Errors
    /// A structure that has no shape, or no latency.
    pub fn within(&mut self, blocks: &[SuperBlock]) -> Result<Result<Costs, Budget>, CostError> {
        let budgets = self.budgets;
        let mut costs = Costs::default();
        for pass in Pass::ALL {
            self.measure(pass, blocks, &mut costs.amounts)?;
            let mut known = budgets.bounds.iter().filter(|budget| pass.gives(budget.quantity.source()));
            if let Some(over) = known.find(|budget| budgets.exceeds(budget, &costs)) {
                return Ok(Err(*over));
            }
        }
        costs.latencies.reserve_exact(budgets.devices.len());
        for i in 0..budgets.devices.len() {
            costs.latencies.push(self.estimate(i, blocks)?);
            if let Some(over) = budgets.device_budget(i).filter(|budget| budgets.exceeds(budget, &costs)) {
                return Ok(Err(*over));
            }
        }
        Ok(Ok(costs))
    }

    /// All costs of `blocks`, whatever the budgets say.
    ///
    /// # Errors
    /// A structure that has no shape, or no latency.
    pub fn costs(&mut self, blocks: &[SuperBlock]) -> Result<Costs, CostError> {
        let mut amounts = Amounts::default();
        for pass in Pass::ALL {
            self.measure(pass, blocks, &mut amounts)?;
        }
        let latencies = (0..self.budgets.devices.len()).map(|i| self.estimate(i, blocks));
        Ok(Costs { amounts, latencies: latencies.collect::<Result<_, _>>()? })
    }

    /// The latency on the first device alone, whatever the budgets say; nothing where no device is tracked.
    ///
    /// # Errors
    /// A structure that has no shape, or no latency.
    pub fn latency(&mut self, blocks: &[SuperBlock]) -> Result<Option<Estimate>, CostError> {
        // Networks of a list are unlike each other: what would be kept of the one before is of no use.
        self.make_room();
        self.clear();
        let mut side = self.resolution;
        for block in blocks {
            self.add_block(block, &mut side)?;
        }
        if let Some(last) = blocks.last() {
            self.add_head(last.out_c, side);
        }
        if self.budgets.devices.is_empty() { Ok(None) } else { self.estimate(0, blocks).map(Some) }
    }

    /// The latency of `blocks`, whose kernels are summed up already, on the device with this index.
    fn estimate(&self, index: usize, blocks: &[SuperBlock]) -> Result<Estimate, CostError> {
        match &self.budgets.devices[index].predictor {
            Pricing::Kernels(predictor) => Ok(predictor.network(&self.sums[index])),
            Pricing::Whole(predictor) => {
                let network = Network::from(blocks);
                let Accountant { resolution, classes, variant, .. } = *self;
                let model = Model { name: None, network, resolution, classes, se: variant.se };
                Ok(predictor.estimate(&model)?)
            }
        }
    }

    /// Writes to `amounts` what one pass over `blocks` gives. The pass over the network as built also sums up the
    /// terms of the predictors, and is left out where neither is asked for.
    fn measure(
        &mut self,
        pass: Pass,
        blocks: &[SuperBlock],
        amounts: &mut Amounts,
    ) -> Result<(), ShapeError> {
        match pass {
            Pass::Structure => {
                for quantity in Quantity::all() {
                    if let Source::Structure(count) = quantity.source() {
                        amounts[quantity] = Some(count(blocks));
                    }
                }
            }
            Pass::Official => {
                let official = self.official(blocks)?;
                for quantity in Quantity::all() {
                    if let Source::Official(read) = quantity.source() {
                        amounts[quantity] = Some(read(&official));
                    }
                }
            }
            Pass::Built => {
                let built = self.sum_up(blocks)?;
                for budget in &self.budgets.bounds {
                    if let Source::Built(read) = budget.quantity.source() {
                        amounts[budget.quantity] = Some(read(&built));
                    }
                }
            }
        }
        Ok(())
    }

    fn official(&mut self, blocks: &[SuperBlock]) -> Result<Official, ShapeError> {
        let shared = common(blocks, self.passed.iter().map(|passed| &passed.block));
        let start =
            Official { params: Params(0.0), flops: Macs(0.0), resolution: i64::from(self.resolution) };
        let mut so_far = self.passed[..shared].last().map_or(start, |last| last.so_far);
        // The resolution before a block of the last network that stands at the same place.
        let mut before = so_far.resolution;
        for (i, &block) in blocks.iter().enumerate().skip(shared) {
            let last = self.passed.get(i).copied();
            let own = match last {
                Some(last) if last.block == block && before == so_far.resolution => last.own,
                _ => match self.official_block(&block, so_far.resolution) {
                    Ok(own) => own,
                    Err(error) => {
                        self.passed.truncate(i);
                        return Err(error);
                    }
                },
            };
            so_far.params += own.params;
            so_far.flops += own.flops;
            so_far.resolution = own.resolution;
            let passed = Passed { block, own, so_far };
            match self.passed.get_mut(i) {
                Some(place) => before = std::mem::replace(place, passed).so_far.resolution,
                None => self.passed.push(passed),
            }
        }
        self.passed.truncate(blocks.len());
        let head = cost::official_head(blocks.last().map_or(0, |block| block.out_c), self.classes);
        Ok(Official {
            params: so_far.params + head.params,
            flops: so_far.flops + head.flops,
            resolution: head.resolution,
        })
    }

    fn official_block(&mut self, block: &SuperBlock, resolution: i64) -> Result<Official, ShapeError> {
        if block.sublayers < 1 {
            return cost::official_block(block, resolution, self.variant);
        }
        let first = self.official_sublayer(block, true, resolution)?;
        if block.sublayers == 1 {
            return Ok(first);
        }
        let next = self.official_sublayer(block, false, first.resolution)?;
        Ok(first.with_alike(next, block.sublayers - 1))
    }

    fn official_sublayer(
        &mut self,
        block: &SuperBlock,
        first: bool,
        resolution: i64,
    ) -> Result<Official, ShapeError> {
        let key = sublayer_key(block, first);
        let mut hasher = FxHasher::default();
        (key, resolution).hash(&mut hasher);
        // The high bits are the well mixed ones.
        let slot = (hasher.finish() >> (64 - SLOTS.ilog2())) as usize;
        match self.official.get(slot) {
            Some(Some((known, at, part))) if *known == key && *at == resolution => Ok(*part),
            _ => {
                let part = cost::official_sublayer(block, first, resolution, self.variant)?;
                if let Some(entry) = self.official.get_mut(slot) {
                    *entry = Some((key, resolution, part));
                }
                Ok(part)
            }
        }
    }

    /// Sums the terms of all sublayers and the classifier into `sums`, where devices are tracked; gives what is
    /// bounded of the network as built.
    fn sum_up(&mut self, blocks: &[SuperBlock]) -> Result<Built, ShapeError> {
        self.clear();
        if !self.builds {
            return Ok(Built::default());
        }
        self.make_room();
        let devices = self.sums.len();
        let shared = common(blocks, self.walked.iter().map(|walked| &walked.block));
        let (mut side, mut built) = (self.resolution, Built::default());
        if let Some(last) = self.walked[..shared].last() {
            (side, built) = (last.sides[1], last.so_far);
            self.sums.copy_from_slice(&self.walked_sums[(shared - 1) * devices..shared * devices]);
        }
        self.walked_sums.resize(blocks.len() * devices, Terms::default());
        self.walked_terms.resize(blocks.len() * devices, [Terms::default(); 2]);
        for (i, &block) in blocks.iter().enumerate().skip(shared) {
            let known = self.walked.get(i).filter(|known| known.block == block && known.sides[0] == side);
            let own = match known.map(|known| known.own) {
                Some(own) => own,
                None => match self.walk(block, side, i * devices) {
                    Ok(own) => own,
                    Err(error) => {
                        self.walked.truncate(i);
                        return Err(error);
                    }
                },
            };
            built = built.with(own);
            let of_block = i * devices..(i + 1) * devices;
            for (sum, [first, others]) in self.sums.iter_mut().zip(&self.walked_terms[of_block.clone()]) {
                *sum = *sum + *first + *others;
            }
            self.walked_sums[of_block].copy_from_slice(&self.sums);
            let sides = [side, behind(&block, side)];
            side = sides[1];
            let walked = Walked { block, sides, own, so_far: built };
            match self.walked.get_mut(i) {
                Some(place) => *place = walked,
                None => self.walked.push(walked),
            }
        }
        self.walked.truncate(blocks.len());
        if let Some(last) = blocks.last() {
            self.add_head(last.out_c, side);
            let head = cost::exact_head(cost::Exact::default(), last.out_c, self.classes).params;
            built.weights += head.unsigned_abs();
        }
        Ok(built)
    }

    /// The sums of each block on each device, and those of the classifier with its pooling at the end. They are empty for devices
    /// whose networks are priced as a whole.
    ///
    /// # Errors
    /// A structure that has no shape.
    pub fn by_block(&mut self, blocks: &[SuperBlock]) -> Result<Vec<Vec<Terms>>, ShapeError> {
        let mut side = self.resolution;
        let mut parts = Vec::with_capacity(blocks.len() + 1);
        for block in blocks {
            self.clear();
            self.add_block(block, &mut side)?;
            parts.push(self.sums.clone());
        }
        if let Some(last) = blocks.last() {
            self.clear();
            self.add_head(last.out_c, side);
            parts.push(self.sums.clone());
        }
        Ok(parts)
    }

    fn make_room(&mut self) {
        if self.sublayers.len() > REMEMBERED {
            self.sublayers.clear();
            self.terms.clear();
        }
    }

    fn clear(&mut self) {
        self.sums.clear();
        self.sums.resize(self.budgets.devices.len(), Terms::default());
    }

    /// Adds a block that reads a map of `side`, which becomes the side of what it writes.
    fn add_block(&mut self, block: &SuperBlock, side: &mut u32) -> Result<Built, ShapeError> {
        let sublayers = self.sublayers_of(*block, *side)?;
        *side = behind(block, *side);
        Ok(self.add(block, sublayers))
    }

    /// The first sublayer of a block that reads a map of `side`, and those after it where there are any.
    fn sublayers_of(&mut self, block: SuperBlock, side: u32) -> Result<[Option<Sublayer>; 2], ShapeError> {
        let first = self.sublayer(block, true, side)?;
        let others = (block.sublayers > 1).then(|| self.sublayer(block, false, behind(&block, side)));
        Ok([Some(first), others.transpose()?])
    }

    /// Writes what a block that reads a map of `side` adds on each device to `walked_terms`, from `at` on.
    fn walk(&mut self, block: SuperBlock, side: u32, at: usize) -> Result<Built, ShapeError> {
        let [first, others] = self.sublayers_of(block, side)?;
        let count = block.sublayers.unsigned_abs().saturating_sub(1);
        for (device, terms) in self.walked_terms[at..at + self.sums.len()].iter_mut().enumerate() {
            // Nothing is added where there are no others, which changes no bit of a sum.
            let of = |sublayer: Option<Sublayer>, count: u32| {
                sublayer.map_or(Terms::default(), |known| self.terms[known.at + device].times(count))
            };
            *terms = [of(first, 1), of(others, count)];
        }
        let built = |sublayer: Option<Sublayer>, count: u32| {
            sublayer.map_or(Built::default(), |known| known.built.times(count))
        };
        Ok(built(first, 1).with(built(others, count)))
    }

    /// Adds the sublayers of a block.
    fn add(&mut self, block: &SuperBlock, sublayers: [Option<Sublayer>; 2]) -> Built {
        let mut built = Built::default();
        for (known, count) in sublayers.into_iter().zip([1, block.sublayers.unsigned_abs().saturating_sub(1)])
        {
            let Some(known) = known else { continue };
            for (sum, term) in self.sums.iter_mut().zip(&self.terms[known.at..]) {
                *sum = *sum + term.times(count);
            }
            built = built.with(known.built.times(count));
        }
        built
    }

    /// Adds pooling and the classifier.
    fn add_head(&mut self, out_c: i32, side: u32) {
        let key = (out_c, side);
        if !self.heads.contains_key(&key) {
            let map = Shape::square(out_c.unsigned_abs(), side);
            let terms = self.prices.of_graph(&graph::with_classifier(graph::Graph::new(map), self.classes));
            self.heads.insert(key, terms);
        }
        let head = self.heads.get(&key).map_or(&[][..], |terms| terms);
        self.sums.iter_mut().zip(head).for_each(|(sum, term)| *sum = *sum + *term);
    }

    /// One sublayer of a block, which reads a map of `side`: the first, or any of the others.
    fn sublayer(&mut self, block: SuperBlock, first: bool, side: u32) -> Result<Sublayer, ShapeError> {
        let key = sublayer_key(&block, first);
        Ok(match self.sublayers.entry((key, side)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let in_c = if first { block.in_c } else { block.out_c };
                let input = Shape::square(in_c.unsigned_abs(), side);
                let budgets = self.bounds_built.then_some(self.budgets);
                let built =
                    budgets.map_or(Ok(Built::default()), |b| built(b, &block, first, input, self.variant))?;
                let at = self.terms.len();
                self.terms.resize(at + self.sums.len(), Terms::default());
                self.prices.of_sublayer(&block, first, input, self.variant, &mut self.terms[at..])?;
                *place.insert(Sublayer { at, built })
            }
        })
    }
}

/// What a sublayer of a block depends on. Sublayers after the first do not depend on the block's input.
fn sublayer_key(block: &SuperBlock, first: bool) -> SuperBlock {
    if first {
        SuperBlock { sublayers: 1, ..*block }
    } else {
        SuperBlock { sublayers: 0, in_c: block.out_c, stride: 1, ..*block }
    }
}

/// The side of the map that a block writes which reads one of `side`.
fn behind(block: &SuperBlock, side: u32) -> u32 {
    side.div_ceil(block.stride.unsigned_abs().max(1))
}

/// What is bounded of one sublayer as built.
fn built(
    budgets: &Budgets,
    block: &SuperBlock,
    first: bool,
    input: Shape,
    variant: Variant,
) -> Result<Built, ShapeError> {
    let peak_elements = graph::sublayer(block, first, input, variant)?.peak_elements();
    if budgets.limit(Quantity::Weights).is_none() {
        return Ok(Built { peak_elements, weights: 0 });
    }
    // Only the first sublayer of a block may have a projection: another one is what a second adds.
    let in_c = i32::try_from(input.c).unwrap_or(i32::MAX);
    let stride = if first { block.stride } else { 1 };
    let exact = |sublayers| {
        let block = Block::Super(SuperBlock { sublayers, in_c, stride, ..*block });
        Ok(cost::exact(&[block], i64::from(input.h), variant)?.params)
    };
    let one: i64 = exact(1)?;
    let weights: Result<i64, ShapeError> = if first { Ok(one) } else { exact(2).map(|two| two - one) };
    Ok(Built { peak_elements, weights: weights?.unsigned_abs() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{notation, relink};
    use crate::predictor::any::AnyPredictor;
    use crate::search::budget::TrackedDevice;
    use crate::search::variation::Mutator;
    use crate::space::{self, KindWeights, MutationReach};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use std::path::Path;
    use std::sync::Arc;

    fn budgets(devices: &[&str]) -> Budgets {
        let mut budgets = Budgets::default();
        budgets.bound(Quantity::Memory, 8e6);
        budgets.bound(Quantity::Weights, 8e6);
        for id in devices {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors");
            let path = folder.join(format!("{id}.json"));
            let AnyPredictor::Kernels(predictor) =
                AnyPredictor::parse(&std::fs::read(&path).unwrap(), &path).unwrap()
            else {
                panic!("a predictor of whole networks")
            };
            let predictor = Arc::new(*predictor).into();
            budgets.track(TrackedDevice { name: (*id).to_owned(), predictor });
        }
        budgets
    }

    #[test]
    fn the_network_before_changes_no_cost() {
        let space = space::by_name("mobilenet").unwrap();
        let mutator = Mutator { space, weights: KindWeights::Uniform, reach: MutationReach::Reference };
        let mut start = notation::parse(space.default_structure()).unwrap().super_blocks("").unwrap();
        relink(&mut start);
        for devices in [&["pixel2@tflite@fp32", "v100@paddle-tensorrt@fp32"][..], &[]] {
            let budgets = budgets(devices);
            let mut kept = Accountant::new(&budgets, 224, 1000);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
            let (mut at, mut child) = (start.clone(), Vec::new());
            for i in 0..200 {
                mutator.vary(&at, &mut rng, &mut child);
                let mut alone = Accountant::new(&budgets, 224, 1000);
                let costs = alone.costs(&child).unwrap();
                assert_eq!(kept.costs(&child).unwrap(), costs, "{i}");
                assert_eq!(kept.latency(&child).unwrap(), costs.latencies.first().copied());
                // What fails half way leaves nothing behind.
                let mut broken = child.clone();
                let middle = broken.len() / 2;
                broken[middle].stride = 0;
                assert!(kept.costs(&broken).is_err());
                assert!(kept.sum_up(&broken).is_err() && kept.latency(&broken).is_err());
                if i % 3 == 0 {
                    assert_eq!(kept.costs(&at).unwrap(), alone.costs(&at).unwrap(), "{i}");
                }
                if i % 7 == 0 && child.len() < 30 {
                    std::mem::swap(&mut at, &mut child);
                }
            }
        }
    }
}
