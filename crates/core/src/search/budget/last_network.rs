//! The last network as built, block by block.

use super::quantity::Built;
use super::sublayers::{Sublayers, behind, common, counts};
use crate::plainnet::{ShapeError, SuperBlock};
use crate::predictor::Terms;

/// A block of the last network.
#[derive(Clone, Copy, Debug)]
struct Walked {
    block: SuperBlock,
    /// Side of the map that it reads, and of the one that it writes.
    sides: [u32; 2],
    own: Built,
    /// Of the network that ends with it.
    so_far: Built,
}

/// Sums over the last network. A network is mostly like the one before: what both begin with is not added up again, and a block
/// that stands where it stood is not looked up again. Everything is added in the same order as without that, so that no bit depends
/// on it.
#[derive(Default)]
pub(super) struct LastNetwork {
    blocks: Vec<Walked>,
    /// Of each block, what its first sublayer adds and what the others do, one behind the other for each device. They lie
    /// side by side, where those of all sublayers lie far apart.
    terms: Vec<[Terms; 2]>,
    /// The sums behind each block, one for each device.
    sums: Vec<Terms>,
}

impl LastNetwork {
    /// Sums up `blocks`, which read an image of `side`, without a classifier: the terms on each device into `sums`, and what is bounded of
    /// the network as built. Gives the latter, and the side of the map behind the last block.
    ///
    /// # Errors
    /// A structure that has no shape.
    pub fn sum_up(
        &mut self,
        blocks: &[SuperBlock],
        mut side: u32,
        sublayers: &mut Sublayers<'_>,
        sums: &mut [Terms],
    ) -> Result<(Built, u32), ShapeError> {
        let devices = sums.len();
        let shared = common(blocks, self.blocks.iter().map(|walked| &walked.block));
        let mut built = Built::default();
        if let Some(last) = self.blocks[..shared].last() {
            (side, built) = (last.sides[1], last.so_far);
            sums.copy_from_slice(&self.sums[(shared - 1) * devices..shared * devices]);
        }
        self.sums.resize(blocks.len() * devices, Terms::default());
        self.terms.resize(blocks.len() * devices, [Terms::default(); 2]);
        for (i, &block) in blocks.iter().enumerate().skip(shared) {
            let of_block = i * devices..(i + 1) * devices;
            let known = self.blocks.get(i).filter(|known| known.block == block && known.sides[0] == side);
            let own = match known.map(|known| known.own) {
                Some(own) => own,
                None => match walk(block, side, sublayers, &mut self.terms[of_block.clone()]) {
                    Ok(own) => own,
                    Err(error) => {
                        self.blocks.truncate(i);
                        return Err(error);
                    }
                },
            };
            built = built.with(own);
            for (sum, [first, others]) in sums.iter_mut().zip(&self.terms[of_block.clone()]) {
                *sum = *sum + *first + *others;
            }
            self.sums[of_block].copy_from_slice(sums);
            let sides = [side, behind(&block, side)];
            side = sides[1];
            let walked = Walked { block, sides, own, so_far: built };
            match self.blocks.get_mut(i) {
                Some(place) => *place = walked,
                None => self.blocks.push(walked),
            }
        }
        self.blocks.truncate(blocks.len());
        Ok((built, side))
    }
}

/// Writes what a block that reads a map of `side` adds on each device to `terms`.
fn walk(
    block: SuperBlock,
    side: u32,
    sublayers: &mut Sublayers<'_>,
    terms: &mut [[Terms; 2]],
) -> Result<Built, ShapeError> {
    let parts = sublayers.of_block(block, side)?;
    let mut built = Built::default();
    for (part, (sublayer, count)) in parts.into_iter().zip(counts(&block)).enumerate() {
        // Nothing is added where there are no others, which changes no bit of a sum.
        let Some(sublayer) = sublayer else {
            terms.iter_mut().for_each(|terms| terms[part] = Terms::default());
            continue;
        };
        for (terms, one) in terms.iter_mut().zip(sublayers.terms(sublayer)) {
            terms[part] = one.times(count);
        }
        built = built.with(sublayer.built.times(count));
    }
    Ok(built)
}
