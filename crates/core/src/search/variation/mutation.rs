//! Variation of a structure: the mutation of the paper and of the released code (docs/plainnet.md, section
//! 4.4), and the smaller and larger steps of the islands.

use crate::plainnet::{SuperBlock, SuperKind, relink};
use crate::space;
use crate::space::{KindWeights, MutationReach, SearchSpace};
use rand::{Rng, RngExt};

/// A super block of so many sublayers or more is split in two (docs/plainnet.md, section 2.9).
pub const SPLIT_THRESHOLD: i32 = 6;

/// Widths are multiples of this (docs/plainnet.md, section 2.7).
pub(crate) const WIDTH_STEP: i32 = 8;

/// How structures are varied.
#[derive(Clone, Copy)]
pub struct Mutator<'a> {
    pub space: &'a dyn SearchSpace,
    pub weights: KindWeights,
    pub reach: MutationReach,
}

/// What one step changes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Kind,
    Width,
    Bottleneck,
    Depth,
}

/// Whether a step makes the block larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    fn draw(rng: &mut impl Rng) -> Direction {
        if rng.random() { Direction::Up } else { Direction::Down }
    }

    fn opposite(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }
}

impl Mutator<'_> {
    /// Writes to `child` a copy of `parent` in which up to `replaces` blocks are redrawn.
    ///
    /// Positions are drawn uniformly over all blocks. A position that was drawn before is not redrawn, and still counts
    /// as one of the replacements. Then the chain is linked again and deep blocks are split, twice, as in the released
    /// code.
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
        tidy(child);
    }

    /// Writes to `child` a variation of `parent` of a size drawn at random: a step or two of single
    /// attributes, an exchange (something grows, something else shrinks), a redrawn block, a block
    /// more or less. Every child could be reached by the mutations of the paper, in more steps.
    pub fn vary(&self, parent: &[SuperBlock], rng: &mut impl Rng, child: &mut Vec<SuperBlock>) {
        if parent.is_empty() {
            child.clear();
            return;
        }
        let turn = rng.random_range(0..100_u32);
        if turn < 8 {
            return self.mutate(parent, 1 + u32::from(turn < 2), rng, child);
        }
        child.clear();
        child.extend_from_slice(parent);
        match turn {
            8..14 => split_somewhere(child, rng),
            14..18 => drop_somewhere(child, rng),
            _ => {}
        }
        let steps = match turn {
            // Near a budget that binds, a network improves only by exchanges: one block grows, another shrinks.
            18..68 => 2,
            68..80 => 3,
            _ => 1,
        };
        let mut direction = Direction::draw(rng);
        for _ in 0..steps {
            self.step(child, direction, rng);
            direction = direction.opposite();
        }
        tidy(child);
    }

    /// Changes one attribute of one block.
    fn step(&self, blocks: &mut [SuperBlock], direction: Direction, rng: &mut impl Rng) {
        let block = &mut blocks[rng.random_range(0..blocks.len())];
        if block.kind.is_conv() {
            if !self.space.width_is_fixed(block.kind) {
                block.out_c = self.width(block.kind, block.out_c, direction, rng);
            }
            return;
        }
        const ATTRIBUTES: [Attribute; 4] =
            [Attribute::Kind, Attribute::Width, Attribute::Bottleneck, Attribute::Depth];
        match ATTRIBUTES[rng.random_range(0..ATTRIBUTES.len())] {
            Attribute::Kind => {
                let kinds = self.space.kinds();
                if !kinds.is_empty() {
                    block.kind = kinds[rng.random_range(0..kinds.len())].0;
                }
            }
            Attribute::Width => block.out_c = self.width(block.kind, block.out_c, direction, rng),
            Attribute::Bottleneck => {
                block.bottleneck = self.width(block.kind, block.bottleneck, direction, rng);
            }
            Attribute::Depth => match direction {
                Direction::Up => block.sublayers += 1,
                Direction::Down => block.sublayers = (block.sublayers - 1).max(1),
            },
        }
    }

    /// A neighbouring width of a block of type `kind`: the next multiple as often as one of the paper's factors.
    fn width(&self, kind: SuperKind, width: i32, direction: Direction, rng: &mut impl Rng) -> i32 {
        let most = self.space.most_width(kind);
        if rng.random() {
            let step = if direction == Direction::Up { WIDTH_STEP } else { -WIDTH_STEP };
            return (width + step).clamp(WIDTH_STEP, most.max(WIDTH_STEP));
        }
        let choices = space::channel_choices(width, most, self.reach);
        let further = |&&w: &&i32| if direction == Direction::Up { w > width } else { w < width };
        let count = choices.as_slice().iter().filter(further).count();
        if count == 0 {
            return width;
        }
        choices.as_slice().iter().filter(further).nth(rng.random_range(0..count)).map_or(width, |&w| w)
    }
}

/// Writes to `child` the first stages of one parent and the last stages of the other.
///
/// Both are cut before a block that reduces the resolution, the same number of reductions from the
/// start, so that the child keeps the space's strides. False if there is no such cut.
pub fn cross(
    first: &[SuperBlock],
    second: &[SuperBlock],
    rng: &mut impl Rng,
    child: &mut Vec<SuperBlock>,
) -> bool {
    let reductions = |blocks: &[SuperBlock]| blocks.iter().filter(|b| b.stride > 1).count();
    let stages = reductions(first);
    if stages == 0 || stages != reductions(second) {
        return false;
    }
    let stage = rng.random_range(0..stages);
    let cut = |blocks: &[SuperBlock]| {
        blocks.iter().enumerate().filter(|(_, b)| b.stride > 1).nth(stage).map_or(0, |(i, _)| i)
    };
    child.clear();
    child.extend_from_slice(&first[..cut(first)]);
    child.extend_from_slice(&second[cut(second)..]);
    tidy(child);
    true
}

/// Divides a block of several sublayers into two blocks of the same kind and widths. The network hardly changes, but
/// later mutations can change each half by itself.
fn split_somewhere(blocks: &mut Vec<SuperBlock>, rng: &mut impl Rng) {
    let i = rng.random_range(0..blocks.len());
    let block = blocks[i];
    if block.kind.is_conv() || block.sublayers < 2 {
        return;
    }
    let head = rng.random_range(1..block.sublayers);
    blocks[i].sublayers = head;
    let rest = SuperBlock { in_c: block.out_c, stride: 1, sublayers: block.sublayers - head, ..block };
    blocks.insert(i + 1, rest);
}

/// Removes a block, if it follows another of its stage (blocks of one resolution).
fn drop_somewhere(blocks: &mut Vec<SuperBlock>, rng: &mut impl Rng) {
    let i = rng.random_range(0..blocks.len());
    if removable(blocks, i) {
        blocks.remove(i);
    }
}

/// Whether block `i` follows another of its stage.
pub(crate) fn removable(blocks: &[SuperBlock], i: usize) -> bool {
    i > 0 && blocks[i].stride == 1 && !blocks[i].kind.is_conv() && !blocks[i - 1].kind.is_conv()
}

/// Links the chain again and splits deep blocks.
pub(crate) fn tidy(blocks: &mut Vec<SuperBlock>) {
    relink(blocks);
    for _ in 0..2 {
        split_in_place(blocks);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Network, notation, shape};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn reductions(blocks: &[SuperBlock]) -> Vec<i32> {
        blocks.iter().map(|b| b.stride).filter(|&s| s > 1).collect()
    }

    #[test]
    fn variations_are_networks_of_the_space() {
        for space in space::registry() {
            let mutator =
                Mutator { space: *space, weights: KindWeights::Uniform, reach: MutationReach::Reference };
            let start = notation::parse(space.default_structure()).unwrap().super_blocks("").unwrap();
            let mut parent = start.clone();
            relink(&mut parent);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
            let (mut child, mut mixed) = (Vec::new(), Vec::new());
            for _ in 0..3_000 {
                mutator.vary(&parent, &mut rng, &mut child);
                for blocks in [&child, &mixed].into_iter().filter(|blocks| !blocks.is_empty()) {
                    shape::validate(&Network::from(&blocks[..]).blocks, 224).unwrap();
                    assert_eq!(reductions(blocks), reductions(&start));
                    for block in blocks.iter().filter(|block| !block.kind.is_conv()) {
                        assert!(space.kinds().iter().any(|&(kind, _)| kind == block.kind));
                        assert!(block.out_c % 8 == 0 && block.out_c <= space.max_channels());
                        assert!(block.bottleneck % 8 == 0 && block.sublayers < SPLIT_THRESHOLD + 2);
                    }
                }
                assert!(cross(&parent, &child, &mut rng, &mut mixed));
                // Walk on, and turn back before the network gets out of hand.
                if crate::plainnet::layers(&child) < 40 && child.iter().all(|b| b.out_c < 1024) {
                    std::mem::swap(&mut parent, &mut child);
                } else {
                    parent.clone_from(&start);
                    relink(&mut parent);
                }
            }
        }
    }
}
