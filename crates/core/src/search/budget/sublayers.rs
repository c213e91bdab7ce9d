//! Sublayers of blocks, remembered: what predictors say of them, and what is bounded of them as built. The same ones come back in most
//! networks.

use super::prices::Prices;
use super::quantity::Built;
use super::{Budgets, Quantity};
use crate::plainnet::{Block, Shape, ShapeError, SuperBlock, Variant, cost, graph};
use crate::predictor::Terms;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

/// Sublayers before all are forgotten; bounds the memory to some tens of MB.
const REMEMBERED: usize = 1 << 17;

/// Sublayers of a network that were never seen, as many as are usual in a list of a thousand.
const NEW: usize = 13;

/// What is remembered of one sublayer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sublayer {
    /// Where its terms begin, one for each device.
    at: usize,
    pub built: Built,
}

/// When the terms of sublayers are needed that were never seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Now,
    /// After others were asked for, so that all of them are priced side by side.
    Later,
}

/// The first sublayer of a block, and those after it where there are any.
pub(super) type OfBlock = [Option<Sublayer>; 2];

/// How many sublayers of a block are like each of [`OfBlock`].
pub(super) fn counts(block: &SuperBlock) -> [u32; 2] {
    [1, block.sublayers.unsigned_abs().saturating_sub(1)]
}

/// How many blocks two networks begin with alike.
pub(super) fn common<'a>(blocks: &[SuperBlock], others: impl Iterator<Item = &'a SuperBlock>) -> usize {
    blocks.iter().zip(others).take_while(|(block, other)| block == other).count()
}

/// The side of the map that a block writes which reads one of `side`.
pub(super) fn behind(block: &SuperBlock, side: u32) -> u32 {
    side.div_ceil(block.stride.unsigned_abs().max(1))
}

/// What a sublayer of a block depends on. Sublayers after the first do not depend on the block's input.
pub(super) fn sublayer_key(block: &SuperBlock, first: bool) -> SuperBlock {
    if first {
        SuperBlock { sublayers: 1, ..*block }
    } else {
        SuperBlock { sublayers: 0, in_c: block.out_c, stride: 1, ..*block }
    }
}

/// The sublayers and classifiers that were seen.
pub(super) struct Sublayers<'a> {
    budgets: &'a Budgets,
    /// Whether quantities of the network as built are bounded.
    bounds_built: bool,
    classes: u32,
    variant: Variant,
    known: FxHashMap<(SuperBlock, u32), Sublayer>,
    /// Of all sublayers, one behind the other.
    terms: Vec<Terms>,
    heads: FxHashMap<(i32, u32), Box<[Terms]>>,
    prices: Prices<'a>,
}

impl<'a> Sublayers<'a> {
    pub fn new(budgets: &'a Budgets, bounds_built: bool, classes: u32, variant: Variant) -> Sublayers<'a> {
        Sublayers {
            budgets,
            bounds_built,
            classes,
            variant,
            known: FxHashMap::default(),
            terms: Vec::new(),
            heads: FxHashMap::default(),
            prices: Prices::new(&budgets.devices),
        }
    }

    /// Forgets all where they have become too many.
    pub fn make_room(&mut self) {
        self.prices.make_room();
        if self.known.len() > REMEMBERED {
            self.known.clear();
            self.terms.clear();
        }
    }

    /// Those of a block that reads a map of `side`.
    ///
    /// # Errors
    /// The block has no shape.
    pub fn of_block(&mut self, block: SuperBlock, side: u32) -> Result<OfBlock, ShapeError> {
        self.block(block, side, Asked::Now)
    }

    /// As [`Sublayers::of_block`], but the terms of sublayers that were never seen are known only after [`Sublayers::settle`].
    ///
    /// # Errors
    /// The block has no shape.
    pub fn of_block_later(&mut self, block: SuperBlock, side: u32) -> Result<OfBlock, ShapeError> {
        self.block(block, side, Asked::Later)
    }

    fn block(&mut self, block: SuperBlock, side: u32, asked: Asked) -> Result<OfBlock, ShapeError> {
        let first = self.sublayer(block, true, side, asked)?;
        let others = (block.sublayers > 1).then(|| self.sublayer(block, false, behind(&block, side), asked));
        Ok([Some(first), others.transpose()?])
    }

    /// Sees to it that there is place for what so many networks may ask for.
    pub fn reserve(&mut self, networks: usize) {
        self.terms.reserve(networks * NEW * self.budgets.devices.len());
        self.prices.reserve(networks);
    }

    /// Finds the terms that were left for later.
    pub fn settle(&mut self) {
        self.prices.settle(&mut self.terms);
    }

    /// What one sublayer adds on each device.
    pub fn terms(&self, sublayer: Sublayer) -> &[Terms] {
        &self.terms[sublayer.at..sublayer.at + self.budgets.devices.len()]
    }

    /// What pooling and the classifier add on each device behind maps of `out_c` channels.
    pub fn head(&mut self, out_c: i32, side: u32) -> &[Terms] {
        let Sublayers { prices, classes, .. } = self;
        self.heads.entry((out_c, side)).or_insert_with(|| {
            let map = Shape::square(out_c.unsigned_abs(), side);
            prices.of_graph(&graph::with_classifier(graph::Graph::new(map), *classes))
        })
    }

    /// One sublayer of a block, which reads a map of `side`: the first, or any of the others.
    fn sublayer(
        &mut self,
        block: SuperBlock,
        first: bool,
        side: u32,
        asked: Asked,
    ) -> Result<Sublayer, ShapeError> {
        let key = sublayer_key(&block, first);
        Ok(match self.known.entry((key, side)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let in_c = if first { block.in_c } else { block.out_c };
                let input = Shape::square(in_c.unsigned_abs(), side);
                let budgets = self.bounds_built.then_some(self.budgets);
                let built =
                    budgets.map_or(Ok(Built::default()), |b| built(b, &block, first, input, self.variant))?;
                let at = self.terms.len();
                self.terms.resize(at + self.budgets.devices.len(), Terms::default());
                let variant = self.variant;
                match asked {
                    Asked::Now => {
                        self.prices.of_sublayer(&block, first, input, variant, &mut self.terms[at..])?;
                    }
                    Asked::Later => self.prices.of_sublayer_later(&block, first, input, variant, at)?,
                }
                *place.insert(Sublayer { at, built })
            }
        })
    }
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
