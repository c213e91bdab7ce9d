//! Computes the costs of networks, remembering the parts it has seen.

use super::last_network::LastNetwork;
use super::official::OfficialCosts;
use super::quantity::{Built, Source};
use super::sublayers::{Sublayer, Sublayers, behind, counts};
use super::{Amounts, Budget, Budgets, CostError, Costs, Quantity};
use crate::plainnet::{Model, Network, ShapeError, SuperBlock, Variant, cost};
use crate::predictor::pricing::Pricing;
use crate::predictor::{Estimate, Terms};
use std::ops::Range;

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

/// A network whose sublayers are known.
struct Walked {
    /// Where they stand in the list of those of all networks.
    parts: Range<usize>,
    /// Of the map behind the last block.
    side: u32,
}

/// Computes costs, remembering the sublayers it has seen, and the last network, to which most are alike. One for each thread.
pub struct Accountant<'a> {
    budgets: &'a Budgets,
    /// Whether anything is asked of the network as built.
    builds: bool,
    resolution: u32,
    classes: u32,
    variant: Variant,
    official: OfficialCosts,
    sublayers: Sublayers<'a>,
    last: LastNetwork,
    /// Of the network that is looked at, one for each device.
    sums: Vec<Terms>,
}

impl<'a> Accountant<'a> {
    pub fn new(budgets: &'a Budgets, resolution: u32, classes: u32) -> Accountant<'a> {
        Accountant::of(budgets, resolution, classes, Variant::BUILT)
    }

    /// Whether the networks have squeeze-excite.
    #[must_use]
    pub fn with_se(self, se: bool) -> Accountant<'a> {
        Accountant::of(self.budgets, self.resolution, self.classes, Variant::built(se))
    }

    fn of(budgets: &'a Budgets, resolution: u32, classes: u32, variant: Variant) -> Accountant<'a> {
        let bounds_built = budgets.iter().any(|budget| Pass::Built.gives(budget.quantity.source()));
        Accountant {
            budgets,
            builds: bounds_built || !budgets.devices.is_empty(),
            resolution,
            classes,
            variant,
            official: OfficialCosts::new(resolution, classes, variant),
            sublayers: Sublayers::new(budgets, bounds_built, classes, variant),
            last: LastNetwork::default(),
            sums: Vec::new(),
        }
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

    /// The latencies of several networks on the first device alone, whatever the budgets say; nothing where no device is tracked. What the
    /// networks ask for, and was never seen, is priced side by side: some hundreds are quicker than few, and take some KB each.
    pub fn latencies(&mut self, networks: &[&[SuperBlock]]) -> Vec<Result<Option<Estimate>, CostError>> {
        // Networks of a list are unlike each other: what would be kept of the one before is of no use.
        self.sublayers.make_room();
        self.sublayers.reserve(networks.len());
        let mut parts = Vec::new();
        let walked: Vec<_> = networks.iter().map(|blocks| self.walk(blocks, &mut parts)).collect();
        self.sublayers.settle();
        let mut latency = |blocks: &[SuperBlock], Walked { parts: own, side }| {
            self.clear();
            parts[own].iter().for_each(|&(sublayer, count)| self.add(sublayer, count));
            if let Some(last) = blocks.last() {
                self.add_head(last.out_c, side);
            }
            if self.budgets.devices.is_empty() { Ok(None) } else { self.estimate(0, blocks).map(Some) }
        };
        networks.iter().zip(walked).map(|(blocks, walked)| latency(blocks, walked?)).collect()
    }

    /// Appends the sublayers of a network, and how many there are of each, to `parts`.
    fn walk(
        &mut self,
        blocks: &[SuperBlock],
        parts: &mut Vec<(Sublayer, u32)>,
    ) -> Result<Walked, ShapeError> {
        let (begin, mut side) = (parts.len(), self.resolution);
        for block in blocks {
            let sublayers = self.sublayers.of_block_later(*block, side)?;
            let counted = sublayers.into_iter().zip(counts(block));
            parts.extend(counted.filter_map(|(sublayer, count)| Some((sublayer?, count))));
            side = behind(block, side);
        }
        Ok(Walked { parts: begin..parts.len(), side })
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
                let official = self.official.of(blocks)?;
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

    /// Sums the terms of all sublayers and the classifier into `sums`, where devices are tracked; gives what is
    /// bounded of the network as built.
    fn sum_up(&mut self, blocks: &[SuperBlock]) -> Result<Built, ShapeError> {
        self.clear();
        if !self.builds {
            return Ok(Built::default());
        }
        self.sublayers.make_room();
        let Accountant { last, sublayers, sums, resolution, .. } = self;
        let (mut built, side) = last.sum_up(blocks, *resolution, sublayers, sums)?;
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
            side = self.add_block(*block, side)?;
            parts.push(self.sums.clone());
        }
        if let Some(last) = blocks.last() {
            self.clear();
            self.add_head(last.out_c, side);
            parts.push(self.sums.clone());
        }
        Ok(parts)
    }

    fn clear(&mut self) {
        self.sums.clear();
        self.sums.resize(self.budgets.devices.len(), Terms::default());
    }

    /// Adds a block that reads a map of `side`; gives the side of what it writes.
    fn add_block(&mut self, block: SuperBlock, side: u32) -> Result<u32, ShapeError> {
        let sublayers = self.sublayers.of_block(block, side)?;
        for (sublayer, count) in sublayers.into_iter().zip(counts(&block)) {
            if let Some(sublayer) = sublayer {
                self.add(sublayer, count);
            }
        }
        Ok(behind(&block, side))
    }

    fn add(&mut self, sublayer: Sublayer, count: u32) {
        let terms = self.sublayers.terms(sublayer);
        self.sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum = *sum + term.times(count));
    }

    /// Adds pooling and the classifier.
    fn add_head(&mut self, out_c: i32, side: u32) {
        let head = self.sublayers.head(out_c, side);
        self.sums.iter_mut().zip(head).for_each(|(sum, term)| *sum = *sum + *term);
    }
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
                let listed = kept.latencies(&[&child, &at]).swap_remove(0);
                assert_eq!(listed.unwrap(), costs.latencies.first().copied());
                // What fails half way leaves nothing behind.
                let mut broken = child.clone();
                let middle = broken.len() / 2;
                broken[middle].stride = 0;
                assert!(kept.costs(&broken).is_err());
                assert!(kept.sum_up(&broken).is_err());
                let listed = kept.latencies(&[&broken, &child]);
                assert!(listed[0].is_err());
                assert_eq!(listed[1], Ok(costs.latencies.first().copied()));
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
