//! The networks one step away: changes of one block, in one attribute, or in two that balance each other.

use super::mutation::{self, Mutator, WIDTH_STEP};
use crate::plainnet::block::smart_round;
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
    /// Width and bottleneck by about the same factor.
    Scaled([i32; 2], [i32; 2]),
    /// Another expansion; width and bottleneck so that the expanded maps keep about their width.
    Traded {
        from: u8,
        to: u8,
        kernel: u8,
        widths: [i32; 2],
    },
    /// The block is removed; the next one reads what the one before it writes.
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Kind(from, to) => write!(f, "{from} -> {to}"),
            Change::Width(from, to) => write!(f, "width {from} -> {to}"),
            Change::Bottleneck(from, to) => write!(f, "bottleneck {from} -> {to}"),
            Change::Depth(from, to) => write!(f, "depth {from} -> {to}"),
            Change::Scaled([width, bottleneck], [to, narrow]) => {
                write!(f, "widths {width}/{bottleneck} -> {to}/{narrow}")
            }
            Change::Traded { from, to, widths: [width, bottleneck], .. } => {
                write!(f, "expansion {from} -> {to}, widths {width}/{bottleneck}")
            }
            Change::Removed => f.write_str("removed"),
        }
    }
}

impl Change {
    /// Whether kind, width, bottleneck and depth change.
    fn touches(&self) -> [bool; 4] {
        match self {
            Change::Kind(..) => [true, false, false, false],
            Change::Width(..) => [false, true, false, false],
            Change::Bottleneck(..) => [false, false, true, false],
            Change::Depth(..) => [false, false, false, true],
            Change::Scaled(..) => [false, true, true, false],
            Change::Traded { .. } => [true, true, true, false],
            Change::Removed => [true; 4],
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
        let both = self.change.touches().into_iter().zip(other.change.touches());
        self.block != other.block || !both.into_iter().any(|(a, b)| a && b)
    }

    /// Whether it leaves the layers as they are, but for their widths.
    pub fn keeps_layers(&self) -> bool {
        match self.change {
            Change::Kind(from, to) => from.has_layers_of(to),
            Change::Width(..) | Change::Bottleneck(..) | Change::Scaled(..) | Change::Traded { .. } => true,
            Change::Depth(..) | Change::Removed => false,
        }
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
            Change::Scaled(_, [to, narrow]) => (block.out_c, block.bottleneck) = (to, narrow),
            Change::Traded { to, kernel, widths, .. } => {
                block.kind = SuperKind::Inverted { expansion: to, kernel };
                [block.out_c, block.bottleneck] = widths;
            }
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

/// Adds the edits of block `i`: what a mutation may make of each attribute, the next widths, width and bottleneck
/// together, an expansion for widths, and its removal where its stage keeps another.
pub fn of_block(mutator: &Mutator<'_>, blocks: &[SuperBlock], i: usize, edits: &mut Vec<Edit>) {
    let Some(&block) = blocks.get(i) else { return };
    let choices = space::candidates(mutator.space, block, mutator.weights, mutator.reach);
    let mut push = |change| edits.push(Edit { block: i, change });
    for (kind, _) in choices.kinds().into_iter().filter(|&(kind, _)| kind != block.kind) {
        push(Change::Kind(block.kind, kind));
    }
    let most = mutator.space.most_width(block.kind);
    let widths = |choices: &[i32], width: i32| -> Vec<i32> {
        let next = [width - WIDTH_STEP, width + WIDTH_STEP];
        let next = next.into_iter().filter(|w| (WIDTH_STEP..=most).contains(w) && !choices.contains(w));
        choices.iter().copied().chain(next).filter(|&to| to != width).collect()
    };
    let fixed = block.kind.is_conv() && mutator.space.width_is_fixed(block.kind);
    if !fixed {
        let widths = widths(choices.out_c.as_slice(), block.out_c);
        widths.into_iter().for_each(|to| push(Change::Width(block.out_c, to)));
    }
    if block.kind.is_conv() {
        return;
    }
    let bottlenecks = widths(choices.bottleneck.as_slice(), block.bottleneck);
    bottlenecks.iter().for_each(|&to| push(Change::Bottleneck(block.bottleneck, to)));
    let before = [block.out_c, block.bottleneck];
    let scaled = |factor: f64| {
        let round = |width| smart_round(f64::from(width) * factor, WIDTH_STEP);
        let after = before.map(round);
        let changed = after[0] != before[0] && after[1] != before[1];
        (changed && after.iter().all(|width| (WIDTH_STEP..=most).contains(width))).then_some(after)
    };
    for to in bottlenecks {
        if let Some(after) = scaled(f64::from(to) / f64::from(block.bottleneck)) {
            push(Change::Scaled(before, after));
        }
    }
    for (kind, _) in choices.kinds() {
        let (
            SuperKind::Inverted { expansion, kernel },
            SuperKind::Inverted { expansion: other, kernel: size },
        ) = (block.kind, kind)
        else {
            continue;
        };
        if size == kernel
            && other != expansion
            && let Some(widths) = scaled(f64::from(expansion) / f64::from(other))
        {
            push(Change::Traded { from: expansion, to: other, kernel, widths });
        }
    }
    for &to in choices.sublayers.as_slice().iter().filter(|&&to| to != block.sublayers) {
        push(Change::Depth(block.sublayers, to));
    }
    if mutation::removable(blocks, i) {
        push(Change::Removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Network, Step, Variant, notation, relink, shape};
    use crate::space::{KindWeights, MutationReach};

    #[test]
    fn edits_lead_to_other_networks_of_the_space() {
        for space in space::registry() {
            let mutator =
                Mutator { space: *space, weights: KindWeights::Uniform, reach: MutationReach::Reference };
            let mut blocks = notation::parse(space.default_structure()).unwrap().super_blocks("").unwrap();
            relink(&mut blocks);
            let layers = |blocks: &[SuperBlock]| {
                let mut layers = Vec::new();
                for block in blocks {
                    block.walk(Variant::SCORED, &mut |step| {
                        if let Step::Layer(layer) = step {
                            layers.push(std::mem::discriminant(&layer));
                        }
                    });
                }
                layers
            };
            let edits = around(&mutator, &blocks);
            assert!(edits.iter().any(|edit| matches!(edit.change, Change::Scaled(..))));
            let mut child = Vec::new();
            for edit in edits {
                apply(&blocks, &[edit], &mut child);
                shape::validate(&Network::from(&child[..]).blocks, 224).unwrap();
                assert_ne!(child, blocks, "{}", edit.change);
                assert!(child.iter().all(|block| block.out_c % WIDTH_STEP == 0));
                assert!(!edit.goes_with(&edit), "{}", edit.change);
                if edit.keeps_layers() {
                    assert_eq!(layers(&child), layers(&blocks), "{}", edit.change);
                }
            }
        }
    }
}
