//! The networks one step away: every change of one attribute of one block.

use super::mutation::Mutator;
use crate::plainnet::{SuperBlock, SuperKind, relink};
use crate::space;
use std::fmt;

/// What an edit changes, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Kind(SuperKind, SuperKind),
    Width(i32, i32),
    Bottleneck(i32, i32),
    Depth(i32, i32),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Kind(from, to) => write!(f, "{from} -> {to}"),
            Change::Width(from, to) => write!(f, "width {from} -> {to}"),
            Change::Bottleneck(from, to) => write!(f, "bottleneck {from} -> {to}"),
            Change::Depth(from, to) => write!(f, "depth {from} -> {to}"),
        }
    }
}

/// One edit and the structure that it leads to.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Index of the block.
    pub block: usize,
    pub change: Change,
    pub blocks: Vec<SuperBlock>,
}

/// All single edits of `blocks` that the space allows.
pub fn around(mutator: &Mutator<'_>, blocks: &[SuperBlock]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (i, &block) in blocks.iter().enumerate() {
        let choices = space::candidates(mutator.space, block, mutator.weights, mutator.reach);
        let mut push = |change: Change, edited: SuperBlock| {
            if edited == block {
                return;
            }
            let mut blocks = blocks.to_vec();
            blocks[i] = edited;
            relink(&mut blocks);
            edits.push(Edit { block: i, change, blocks });
        };
        for (kind, _) in choices.kinds() {
            push(Change::Kind(block.kind, kind), SuperBlock { kind, ..block });
        }
        for &out_c in choices.out_c.as_slice() {
            push(Change::Width(block.out_c, out_c), SuperBlock { out_c, ..block });
        }
        for &bottleneck in choices.bottleneck.as_slice() {
            push(Change::Bottleneck(block.bottleneck, bottleneck), SuperBlock { bottleneck, ..block });
        }
        for &sublayers in choices.sublayers.as_slice() {
            push(Change::Depth(block.sublayers, sublayers), SuperBlock { sublayers, ..block });
        }
    }
    edits
}
