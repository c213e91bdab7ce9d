//! Mutation of a structure (SPEC 4.4).

use crate::plainnet::{SuperBlock, relink};
use crate::space::{self, Reach, SearchSpace, Weights};
use rand::{Rng, RngExt};

/// Depth at which a residual super block is split in two (SPEC 2.9).
pub const SPLIT_THRESHOLD: i32 = 6;

/// How structures are varied.
#[derive(Clone, Copy)]
pub struct Mutator<'a> {
    pub space: &'a dyn SearchSpace,
    pub weights: Weights,
    pub reach: Reach,
}

impl Mutator<'_> {
    /// Writes to `child` a copy of `parent` in which up to `replaces` blocks are redrawn.
    ///
    /// Positions are drawn uniformly over all blocks; one that was drawn before costs its turn. The
    /// chain is linked again and deep blocks are split, as the reference does, twice.
    pub fn mutate(
        &self,
        parent: &[SuperBlock],
        replaces: u32,
        rng: &mut impl Rng,
        child: &mut Vec<SuperBlock>,
    ) {
        child.clear();
        child.extend_from_slice(parent);
        if parent.is_empty() {
            return;
        }
        let mut picked: [usize; 8] = [usize::MAX; 8];
        for turn in 0..replaces as usize {
            let position = rng.random_range(0..child.len());
            if picked.contains(&position) {
                continue;
            }
            picked[turn % picked.len()] = position;
            let block = child[position];
            let mut drawn = space::candidates(self.space, block, self.weights, self.reach).draw(rng);
            if position > 0 {
                drawn.in_c = child[position - 1].out_c;
            }
            child[position] = drawn;
        }
        relink(child);
        for _ in 0..2 {
            split_in_place(child);
        }
    }
}

/// One pass of depth splitting.
fn split_in_place(blocks: &mut Vec<SuperBlock>) {
    let mut i = 0;
    while i < blocks.len() {
        let (head, rest) = blocks[i].split(SPLIT_THRESHOLD);
        blocks[i] = head;
        i += 1;
        if let Some(rest) = rest {
            blocks.insert(i, rest);
            i += 1;
        }
    }
}
