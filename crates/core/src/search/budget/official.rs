//! Official costs of networks that follow each other: parts that they share are added up once.

use super::sublayers::{common, sublayer_key};
use crate::plainnet::cost::{self, Official};
use crate::plainnet::{ShapeError, SuperBlock, Variant};
use crate::units::{Macs, Params};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Slots of a direct-mapped cache for the official costs of sublayers; a new entry overwrites the old.
const SLOTS: usize = 1 << 13;

/// A block of the last network, with official costs.
#[derive(Clone, Copy, Debug)]
struct Passed {
    block: SuperBlock,
    /// Of the block itself.
    own: Official,
    /// Of the network that ends with it.
    so_far: Official,
}

/// Official costs of sublayers, and those of the last network, block by block: what two networks begin with is not added up
/// again. Everything is added in the same order as without that, so that no bit depends on it.
pub(super) struct OfficialCosts {
    resolution: u32,
    classes: u32,
    variant: Variant,
    known: Box<[Option<(SuperBlock, i64, Official)>]>,
    last: Vec<Passed>,
}

impl OfficialCosts {
    pub fn new(resolution: u32, classes: u32, variant: Variant) -> OfficialCosts {
        OfficialCosts { resolution, classes, variant, known: vec![None; SLOTS].into(), last: Vec::new() }
    }

    /// Of a network with its classifier.
    ///
    /// # Errors
    /// A structure that has no shape.
    pub fn of(&mut self, blocks: &[SuperBlock]) -> Result<Official, ShapeError> {
        let shared = common(blocks, self.last.iter().map(|passed| &passed.block));
        let start =
            Official { params: Params(0.0), flops: Macs(0.0), resolution: i64::from(self.resolution) };
        let mut so_far = self.last[..shared].last().map_or(start, |last| last.so_far);
        // The resolution before a block of the last network that stands at the same place.
        let mut before = so_far.resolution;
        for (i, &block) in blocks.iter().enumerate().skip(shared) {
            let last = self.last.get(i).copied();
            let own = match last {
                Some(last) if last.block == block && before == so_far.resolution => last.own,
                _ => match self.block(&block, so_far.resolution) {
                    Ok(own) => own,
                    Err(error) => {
                        self.last.truncate(i);
                        return Err(error);
                    }
                },
            };
            so_far.params += own.params;
            so_far.flops += own.flops;
            so_far.resolution = own.resolution;
            let passed = Passed { block, own, so_far };
            match self.last.get_mut(i) {
                Some(place) => before = std::mem::replace(place, passed).so_far.resolution,
                None => self.last.push(passed),
            }
        }
        self.last.truncate(blocks.len());
        let head = cost::official_head(blocks.last().map_or(0, |block| block.out_c), self.classes);
        Ok(Official {
            params: so_far.params + head.params,
            flops: so_far.flops + head.flops,
            resolution: head.resolution,
        })
    }

    fn block(&mut self, block: &SuperBlock, resolution: i64) -> Result<Official, ShapeError> {
        if block.sublayers < 1 {
            return cost::official_block(block, resolution, self.variant);
        }
        let first = self.sublayer(block, true, resolution)?;
        if block.sublayers == 1 {
            return Ok(first);
        }
        let next = self.sublayer(block, false, first.resolution)?;
        Ok(first.with_alike(next, block.sublayers - 1))
    }

    fn sublayer(&mut self, block: &SuperBlock, first: bool, resolution: i64) -> Result<Official, ShapeError> {
        let key = sublayer_key(block, first);
        let mut hasher = FxHasher::default();
        (key, resolution).hash(&mut hasher);
        // The high bits are the well mixed ones.
        let slot = (hasher.finish() >> (64 - SLOTS.ilog2())) as usize;
        match self.known.get(slot) {
            Some(Some((known, at, part))) if *known == key && *at == resolution => Ok(*part),
            _ => {
                let part = cost::official_sublayer(block, first, resolution, self.variant)?;
                if let Some(entry) = self.known.get_mut(slot) {
                    *entry = Some((key, resolution, part));
                }
                Ok(part)
            }
        }
    }
}
