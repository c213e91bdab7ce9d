//! Budgets and the costs that are held against them.
//!
//! Layers, parameters and FLOPs are the official counts with residual links (docs/plainnet.md, section
//! 3.3); memory and latency belong to the network as built. What a predictor says of a sublayer is
//! remembered, because the same sublayers come back in most mutations.

use crate::plainnet::cost::Official;
use crate::plainnet::kernel::Lowering;
use crate::plainnet::{Graph, Kernel, Shape, ShapeError, SuperBlock, Variant, cost, graph, layers};
use crate::predictor::{Estimate, LatencyPredictor, Terms};
use crate::units::{Bytes, Latency, Macs, Params};
use rustc_hash::{FxHashMap, FxHasher};
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Latency budget on one device.
#[derive(Clone)]
pub struct LatencyBudget {
    /// Name under which results are reported.
    pub device: String,
    pub predictor: Arc<dyn LatencyPredictor>,
    /// Per image. Absent: reported, and not held against anything.
    pub limit: Option<Latency>,
}

/// Upper bounds; what is absent is not bounded.
#[derive(Clone, Default)]
pub struct Budgets {
    pub layers: Option<u32>,
    pub params: Option<Params>,
    pub flops: Option<Macs>,
    /// Peak activation memory of one image in f32.
    pub memory: Option<Bytes>,
    pub latencies: Vec<LatencyBudget>,
    /// Probability with which the latency budgets must hold by the predictor's interval; absent: the
    /// predicted value itself is compared.
    pub confidence: Option<f64>,
}

/// One budget, as [`super::Search::budget`] takes it.
#[derive(Clone)]
pub enum Budget {
    Layers(u32),
    /// Official count (docs/plainnet.md, section 3.1).
    Params(Params),
    /// Official count (docs/plainnet.md, section 3.2).
    Flops(Macs),
    /// Peak activation memory of one image in f32.
    Memory(Bytes),
    Latency(LatencyBudget),
}

impl Budget {
    /// At most `limit` per image on `device`, as `predictor` says.
    pub fn latency(
        device: impl Into<String>,
        predictor: impl LatencyPredictor + 'static,
        limit: Latency,
    ) -> Budget {
        let predictor = Arc::new(predictor);
        Budget::Latency(LatencyBudget { device: device.into(), predictor, limit: Some(limit) })
    }
}

/// What a network violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    Layers,
    Params,
    Flops,
    Memory,
    /// Index into [`Budgets::latencies`].
    Latency(usize),
}

/// What a network costs. Latencies are in the order of [`Budgets::latencies`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    pub layers: i64,
    pub params: Params,
    pub flops: Macs,
    pub memory: Option<Bytes>,
    pub latencies: Vec<Estimate>,
}

/// Candidates rejected, by the first constraint that they violate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    pub layers: u64,
    pub params: u64,
    pub flops: u64,
    pub memory: u64,
    pub latency: u64,
    /// Already in the population.
    pub duplicate: u64,
    /// Without a score: undefined or not a finite number.
    pub unscored: u64,
    /// Not a usable network.
    pub invalid: u64,
}

impl Rejected {
    pub fn count(&mut self, constraint: Constraint) {
        *match constraint {
            Constraint::Layers => &mut self.layers,
            Constraint::Params => &mut self.params,
            Constraint::Flops => &mut self.flops,
            Constraint::Memory => &mut self.memory,
            Constraint::Latency(_) => &mut self.latency,
        } += 1;
    }
}

impl std::ops::AddAssign for Rejected {
    fn add_assign(&mut self, other: Rejected) {
        self.layers += other.layers;
        self.params += other.params;
        self.flops += other.flops;
        self.memory += other.memory;
        self.latency += other.latency;
        self.duplicate += other.duplicate;
        self.unscored += other.unscored;
        self.invalid += other.invalid;
    }
}

impl Budgets {
    /// Adds a budget, or replaces the one of its kind (and device).
    pub fn set(&mut self, budget: Budget) {
        match budget {
            Budget::Layers(limit) => self.layers = Some(limit),
            Budget::Params(limit) => self.params = Some(limit),
            Budget::Flops(limit) => self.flops = Some(limit),
            Budget::Memory(limit) => self.memory = Some(limit),
            Budget::Latency(limit) => {
                self.latencies.retain(|known| known.device != limit.device);
                self.latencies.push(limit);
            }
        }
    }

    /// Whether anything is bounded at all.
    pub fn any(&self) -> bool {
        self.layers.is_some()
            || self.params.is_some()
            || self.flops.is_some()
            || self.memory.is_some()
            || self.latencies.iter().any(|budget| budget.limit.is_some())
    }

    /// The latency that is compared with the budget.
    pub fn budgeted(&self, estimate: &Estimate) -> Latency {
        match self.confidence {
            None => estimate.latency,
            Some(confidence) => estimate.upper_at(confidence),
        }
    }

    /// The part that `costs` take of each budget in force; ≤ 1 where it is kept. Always the same budgets in
    /// the same order.
    pub fn loads(&self, costs: &Costs) -> impl Iterator<Item = f64> {
        let fixed = [
            self.layers.map(|limit| costs.layers as f64 / f64::from(limit)),
            self.params.map(|limit| costs.params.0 / limit.0),
            self.flops.map(|limit| costs.flops.0 / limit.0),
            self.memory.zip(costs.memory).map(|(limit, memory)| memory.0 / limit.0),
        ];
        let latencies = self.latencies.iter().zip(&costs.latencies).filter_map(|(budget, estimate)| {
            budget.limit.map(|limit| self.budgeted(estimate).ns() / limit.ns())
        });
        fixed.into_iter().flatten().chain(latencies)
    }

    /// How many times over its budget each cost is, at most; ≤ 1 if all fit.
    pub fn violation(&self, costs: &Costs) -> f64 {
        self.loads(costs).fold(0.0, f64::max)
    }

    /// The first budget that `costs` exceed, in the order of [`Accountant::within`].
    pub fn exceeded(&self, costs: &Costs) -> Option<Constraint> {
        if self.layers.is_some_and(|limit| costs.layers > i64::from(limit)) {
            return Some(Constraint::Layers);
        }
        if self.params.is_some_and(|limit| costs.params > limit) {
            return Some(Constraint::Params);
        }
        if self.flops.is_some_and(|limit| costs.flops > limit) {
            return Some(Constraint::Flops);
        }
        if costs.memory.zip(self.memory).is_some_and(|(memory, limit)| memory > limit) {
            return Some(Constraint::Memory);
        }
        let over = |(budget, estimate): (&LatencyBudget, &Estimate)| {
            budget.limit.is_some_and(|limit| self.budgeted(estimate) > limit)
        };
        self.latencies.iter().zip(&costs.latencies).position(over).map(Constraint::Latency)
    }
}

/// Places for the official costs of blocks; a newcomer takes the place of whoever was there.
const PLACES: usize = 1 << 12;

/// Sublayers remembered before the table starts anew; bounds the memory to some tens of MB.
const REMEMBERED: usize = 1 << 17;

/// What is remembered of one sublayer.
#[derive(Clone, Debug)]
struct Sublayer {
    terms: Box<[Terms]>,
    peak_elements: u64,
}

/// Computes costs, remembering the sublayers it has seen. One for each thread.
pub struct Accountant<'a> {
    budgets: &'a Budgets,
    resolution: u32,
    classes: u32,
    official: Box<[Option<(SuperBlock, i64, Official)>]>,
    sublayers: FxHashMap<(SuperBlock, u32), Sublayer>,
    heads: FxHashMap<(i32, u32), Box<[Terms]>>,
    /// Kernels come back in different sublayers more often than sublayers come back.
    kernels: FxHashMap<Kernel, Box<[Terms]>>,
    sums: Vec<Terms>,
}

impl<'a> Accountant<'a> {
    pub fn new(budgets: &'a Budgets, resolution: u32, classes: u32) -> Accountant<'a> {
        Accountant {
            budgets,
            resolution,
            classes,
            official: vec![None; PLACES].into(),
            sublayers: FxHashMap::default(),
            heads: FxHashMap::default(),
            kernels: FxHashMap::default(),
            sums: Vec::new(),
        }
    }

    /// The costs of `blocks`, or the first budget that they exceed, in the order of the reference:
    /// layers, size, FLOPs, then memory and latency.
    pub fn within(&mut self, blocks: &[SuperBlock]) -> Result<Result<Costs, Constraint>, ShapeError> {
        let budgets = self.budgets;
        let layers = layers(blocks);
        if budgets.layers.is_some_and(|limit| layers > i64::from(limit)) {
            return Ok(Err(Constraint::Layers));
        }
        let (params, flops) = self.official(blocks)?;
        if budgets.params.is_some_and(|limit| params > limit) {
            return Ok(Err(Constraint::Params));
        }
        if budgets.flops.is_some_and(|limit| flops > limit) {
            return Ok(Err(Constraint::Flops));
        }
        let peak = self.sum_up(blocks)?;
        let memory = budgets.memory.map(|_| Bytes(peak as f64 * 4.0));
        if memory.zip(budgets.memory).is_some_and(|(memory, limit)| memory > limit) {
            return Ok(Err(Constraint::Memory));
        }
        let mut latencies = Vec::with_capacity(budgets.latencies.len());
        for (i, budget) in budgets.latencies.iter().enumerate() {
            let estimate = budget.predictor.network(&self.sums[i]);
            if budget.limit.is_some_and(|limit| budgets.budgeted(&estimate) > limit) {
                return Ok(Err(Constraint::Latency(i)));
            }
            latencies.push(estimate);
        }
        Ok(Ok(Costs { layers, params, flops, memory, latencies }))
    }

    /// All costs of `blocks`, whatever the budgets say.
    pub fn costs(&mut self, blocks: &[SuperBlock]) -> Result<Costs, ShapeError> {
        let (params, flops) = self.official(blocks)?;
        let peak = self.sum_up(blocks)?;
        let latencies = self
            .budgets
            .latencies
            .iter()
            .zip(&self.sums)
            .map(|(b, terms)| b.predictor.network(terms))
            .collect();
        let memory = self.budgets.memory.map(|_| Bytes(peak as f64 * 4.0));
        Ok(Costs { layers: layers(blocks), params, flops, memory, latencies })
    }

    fn official(&mut self, blocks: &[SuperBlock]) -> Result<(Params, Macs), ShapeError> {
        let mut resolution = i64::from(self.resolution);
        let (mut params, mut flops) = (Params(0.0), Macs(0.0));
        for block in blocks {
            let part = self.official_block(block, resolution)?;
            params += part.params;
            flops += part.flops;
            resolution = part.resolution;
        }
        let head = cost::official_head(blocks.last().map_or(0, |block| block.out_c), self.classes);
        Ok((params + head.params, flops + head.flops))
    }

    fn official_block(&mut self, block: &SuperBlock, resolution: i64) -> Result<Official, ShapeError> {
        let mut hasher = FxHasher::default();
        (block, resolution).hash(&mut hasher);
        // The high bits are the well mixed ones.
        let place = (hasher.finish() >> (64 - PLACES.ilog2())) as usize;
        match self.official.get(place) {
            Some(Some((known, at, part))) if known == block && *at == resolution => Ok(*part),
            _ => {
                let part = cost::official_block(block, resolution, Variant::BUILT)?;
                if let Some(slot) = self.official.get_mut(place) {
                    *slot = Some((*block, resolution, part));
                }
                Ok(part)
            }
        }
    }

    /// Sums the terms of all sublayers and the classifier into `sums`; gives the peak of the feature
    /// maps in elements.
    fn sum_up(&mut self, blocks: &[SuperBlock]) -> Result<u64, ShapeError> {
        self.clear();
        if self.sums.is_empty() && self.budgets.memory.is_none() {
            return Ok(0);
        }
        if self.sublayers.len() > REMEMBERED {
            self.sublayers.clear();
        }
        let mut side = self.resolution;
        let mut peak = 0;
        for block in blocks {
            peak = peak.max(self.add_block(block, &mut side)?);
        }
        if let Some(last) = blocks.last() {
            self.add_head(last.out_c, side);
        }
        Ok(peak)
    }

    /// The sums of each block on each device, and those of the classifier with its pooling at the end.
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

    fn clear(&mut self) {
        self.sums.clear();
        self.sums.resize(self.budgets.latencies.len(), Terms::default());
    }

    /// Adds a block that reads a map of `side`, which becomes the side of what it writes.
    fn add_block(&mut self, block: &SuperBlock, side: &mut u32) -> Result<u64, ShapeError> {
        let mut peak = self.add_sublayers(*block, true, *side, 1)?;
        *side = side.div_ceil(block.stride.unsigned_abs().max(1));
        if block.sublayers > 1 {
            let more = block.sublayers.unsigned_abs() - 1;
            peak = peak.max(self.add_sublayers(*block, false, *side, more)?);
        }
        Ok(peak)
    }

    /// Adds pooling and the classifier.
    fn add_head(&mut self, out_c: i32, side: u32) {
        let key = (out_c, side);
        if !self.heads.contains_key(&key) {
            let map = Shape::square(out_c.unsigned_abs(), side);
            let terms = self.terms(&graph::with_classifier(graph::Graph::new(map), self.classes));
            self.heads.insert(key, terms);
        }
        let head = self.heads.get(&key).map_or(&[][..], |terms| terms);
        self.sums.iter_mut().zip(head).for_each(|(sum, term)| *sum = *sum + *term);
    }

    fn add_sublayers(
        &mut self,
        block: SuperBlock,
        first: bool,
        side: u32,
        count: u32,
    ) -> Result<u64, ShapeError> {
        // Sublayers after the first do not depend on the block's input.
        let key = if first {
            SuperBlock { sublayers: 1, ..block }
        } else {
            SuperBlock { sublayers: 0, in_c: block.out_c, stride: 1, ..block }
        };
        if !self.sublayers.contains_key(&(key, side)) {
            let in_c = if first { block.in_c } else { block.out_c };
            let graph = graph::sublayer(&block, first, Shape::square(in_c.unsigned_abs(), side))?;
            let sublayer = Sublayer { terms: self.terms(&graph), peak_elements: graph.peak_elements() };
            self.sublayers.insert((key, side), sublayer);
        }
        let Some(known) = self.sublayers.get(&(key, side)) else { return Ok(0) };
        for (sum, term) in self.sums.iter_mut().zip(&known.terms) {
            *sum = *sum + term.times(count);
        }
        Ok(known.peak_elements)
    }

    /// The sums over the kernels of `graph`, one for each device.
    fn terms(&mut self, graph: &Graph) -> Box<[Terms]> {
        let budgets = self.budgets;
        let mut sums = vec![Terms::default(); budgets.latencies.len()];
        if sums.is_empty() {
            return sums.into();
        }
        if self.kernels.len() > REMEMBERED {
            self.kernels.clear();
        }
        // Runtimes differ in what they make a kernel of.
        for lowering in Lowering::ALL {
            let meant = |budget: &LatencyBudget| budget.predictor.lowering() == lowering;
            if !budgets.latencies.iter().any(meant) {
                continue;
            }
            for kernel in lowering.kernels(graph) {
                let terms = self.kernels.entry(kernel).or_insert_with(|| {
                    let of = |budget: &LatencyBudget| budget.predictor.terms(&kernel);
                    budgets.latencies.iter().map(of).collect()
                });
                let summed = sums.iter_mut().zip(terms.iter()).zip(&budgets.latencies);
                let summed = summed.filter(|(_, budget)| meant(budget));
                summed.for_each(|((sum, term), _)| *sum = *sum + *term);
            }
        }
        sums.into()
    }
}
