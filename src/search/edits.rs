//! The networks one step away: every change of one attribute of one block.

use super::mutation::{self, Mutator, WIDTH_STEP};
use crate::plainnet::{SuperBlock, SuperKind};
use crate::space;
use std::fmt;

/// What an edit changes, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Kind(SuperKind, SuperKind),
    Width(i32, i32),
    Bottleneck(i32, i32),
    Depth(i32, i32),
    /// The block goes; the one before it takes over.
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Kind(from, to) => write!(f, "{from} -> {to}"),
            Change::Width(from, to) => write!(f, "width {from} -> {to}"),
            Change::Bottleneck(from, to) => write!(f, "bottleneck {from} -> {to}"),
            Change::Depth(from, to) => write!(f, "depth {from} -> {to}"),
            Change::Removed => f.write_str("removed"),
        }
    }
}

/// One change of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Index of the block.
    pub block: usize,
    pub change: Change,
}

impl Edit {
    /// Whether both can be made at once.
    pub fn goes_with(&self, other: &Edit) -> bool {
        let removes = |edit: &Edit| edit.change == Change::Removed;
        let same = std::mem::discriminant(&self.change) == std::mem::discriminant(&other.change);
        self.block != other.block || !(same || removes(self) || removes(other))
    }
}

/// Writes to `child` what `edits`, which go with each other, make of `blocks`: linked again, deep blocks
/// split as in any mutation.
pub fn apply(blocks: &[SuperBlock], edits: &[Edit], child: &mut Vec<SuperBlock>) {
    child.clear();
    child.extend_from_slice(blocks);
    for edit in edits {
        let Some(block) = child.get_mut(edit.block) else { continue };
        match edit.change {
            Change::Kind(_, to) => block.kind = to,
            Change::Width(_, to) => block.out_c = to,
            Change::Bottleneck(_, to) => block.bottleneck = to,
            Change::Depth(_, to) => block.sublayers = to,
            Change::Removed => {}
        }
    }
    let removed = |i: usize| edits.iter().any(|edit| edit.block == i && edit.change == Change::Removed);
    let mut index = 0..;
    child.retain(|_| !index.next().is_some_and(removed));
    mutation::tidy(child);
}

/// All single edits of `blocks` that the space allows, in the order of the blocks.
pub fn around(mutator: &Mutator<'_>, blocks: &[SuperBlock]) -> Vec<Edit> {
    let mut edits = Vec::new();
    (0..blocks.len()).for_each(|i| of_block(mutator, blocks, i, &mut edits));
    edits
}

/// Adds the edits of block `i`: what a mutation may make of each attribute, the next widths, and its
/// removal where its stage keeps another.
pub fn of_block(mutator: &Mutator<'_>, blocks: &[SuperBlock], i: usize, edits: &mut Vec<Edit>) {
    let Some(&block) = blocks.get(i) else { return };
    let choices = space::candidates(mutator.space, block, mutator.weights, mutator.reach);
    let mut push = |change| edits.push(Edit { block: i, change });
    for (kind, _) in choices.kinds().into_iter().filter(|&(kind, _)| kind != block.kind) {
        push(Change::Kind(block.kind, kind));
    }
    let most = mutator.space.max_channels();
    let mut widths = |choices: &[i32], width: i32, change: fn(i32, i32) -> Change| {
        let next = [width - WIDTH_STEP, width + WIDTH_STEP];
        let next = next.into_iter().filter(|w| (WIDTH_STEP..=most).contains(w) && !choices.contains(w));
        let all = choices.iter().copied().chain(next);
        all.filter(|&to| to != width).for_each(|to| push(change(width, to)));
    };
    let fixed = block.kind.is_conv() && mutator.space.width_is_fixed(block.kind);
    if !fixed {
        widths(choices.out_c.as_slice(), block.out_c, Change::Width);
    }
    if block.kind.is_conv() {
        return;
    }
    widths(choices.bottleneck.as_slice(), block.bottleneck, Change::Bottleneck);
    for &to in choices.sublayers.as_slice().iter().filter(|&&to| to != block.sublayers) {
        push(Change::Depth(block.sublayers, to));
    }
    if mutation::removable(blocks, i) {
        push(Change::Removed);
    }
}
