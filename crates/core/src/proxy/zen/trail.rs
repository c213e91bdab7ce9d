//! Scores of networks that are alike: what they share is computed once, and where they differ in widths alone
//! they are computed side by side.

use super::recursion::{Conv, State};
use super::{ZenScore, finite, on_wide_registers};
use crate::plainnet::{Network, Step, SuperBlock, Variant};
use crate::proxy::ScoreError;

/// The last network walked along, with the state behind each of its blocks; and room to work in.
#[derive(Default)]
pub(super) struct Trail {
    blocks: Vec<SuperBlock>,
    states: Vec<State>,
    convs: Vec<Conv>,
    /// Where each block that is new ends in `convs`.
    ends: Vec<usize>,
    beside: side_by_side::Room,
}

impl ZenScore {
    /// Appends the convolutions of a block that reads a map of `side`, which becomes the side of what it writes;
    /// nothing where its stride is larger.
    fn enter(&self, block: &SuperBlock, side: &mut u32, convs: &mut Vec<Conv>) -> Option<()> {
        let stride = block.stride.unsigned_abs();
        if stride > *side {
            return None;
        }
        *side = side.div_ceil(stride.max(1));
        let sublayer = |first, convs: &mut Vec<Conv>| {
            block.walk_sublayer(first, Variant::SCORED, &mut |step| {
                if let Step::Layer(layer) = step {
                    convs.extend(self.conv(layer));
                }
            });
        };
        sublayer(true, convs);
        if block.sublayers > 1 {
            let second = convs.len();
            sublayer(false, convs);
            // The others are like the second.
            let second = second..convs.len();
            for _ in 2..block.sublayers.min(SuperBlock::MAX_SUBLAYERS) {
                convs.extend_from_within(second.clone());
            }
        }
        Some(())
    }

    /// The state behind `blocks`; from the first of them on that is not on the trail.
    fn walk(&self, blocks: &[SuperBlock], trail: &mut Trail) -> Result<State, ScoreError> {
        let Trail { blocks: before, states, convs, ends, .. } = trail;
        let shared = common(blocks, before);
        before.truncate(shared);
        states.truncate(shared);
        let start = states.last().copied().unwrap_or_else(|| State::start(self.resolution));
        if shared == blocks.len() {
            return Ok(start);
        }
        convs.clear();
        ends.clear();
        let mut side = start.side;
        for block in &blocks[shared..] {
            if self.enter(block, &mut side, convs).is_none() {
                // Says which block, and on what map.
                crate::plainnet::shape::validate_scored(&Network::from(blocks).blocks, self.resolution)?;
            }
            ends.push(convs.len());
        }
        before.extend_from_slice(&blocks[shared..]);
        Ok(on_wide_registers(
            #[inline(always)]
            || {
                let mut state = start;
                let mut from = 0;
                for &end in &*ends {
                    for conv in &convs[from..end] {
                        self.step(&mut state, conv);
                    }
                    states.push(state);
                    from = end;
                }
                state
            },
        ))
    }

    /// Score of a chain of valid super blocks, from the first block on that is not on the trail.
    pub(super) fn score_along(&self, blocks: &[SuperBlock], trail: &mut Trail) -> Result<f64, ScoreError> {
        let state = self.walk(blocks, trail)?;
        finite(state.score(self.mode))
    }
}

/// Blocks that both chains begin with.
fn common(a: &[SuperBlock], b: &[SuperBlock]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

mod side_by_side {
    use super::super::numbers::{MOST, SideBySide};
    use super::*;
    use crate::proxy::Candidate;
    use pulp::{Simd, WithSimd};
    use std::ops::Range;

    /// What is computed with, in buffers that are used again.
    #[derive(Default)]
    pub struct Room {
        /// The convolutions of the first network from where they part.
        first: Vec<Conv>,
        /// Before its blocks, and behind each of them: how many convolutions there are so far, and the side of the map.
        marks: Vec<(usize, u32)>,
        /// The convolutions that the others have in place of those of the first, one network behind the other.
        own: Vec<Conv>,
        others: Vec<Beside>,
        /// The state at which each network runs like the others again.
        states: Vec<State>,
        /// The convolutions from there on.
        alike: Vec<Conv<[f32; MOST]>>,
    }

    /// The convolutions of a network from where it parts from the first.
    struct Beside {
        /// Its own, as a range of [`Room::own`].
        own: Range<usize>,
        /// How many of the first network follow, up to the end of both.
        tail: usize,
    }

    impl ZenScore {
        /// The scores of a few networks that share most blocks.
        pub(in super::super) fn score_side_by_side(
            &self,
            candidates: &[Candidate<'_>],
            trail: &mut Trail,
        ) -> Vec<Result<f64, ScoreError>> {
            let together = match candidates {
                [] | [_] => None,
                [first, rest @ ..] if rest.len() < MOST => {
                    let lengths = rest.iter().map(|other| common(first.blocks, other.blocks));
                    let shared = lengths.min().unwrap_or(0);
                    self.part(candidates, shared, trail)
                }
                _ => None,
            };
            match together {
                Some(scores) => scores.into_iter().take(candidates.len()).map(finite).collect(),
                None => {
                    candidates.iter().map(|candidate| self.score_along(candidate.blocks, trail)).collect()
                }
            }
        }

        /// The scores of networks that part behind `shared` blocks; nothing where they do not run alike again.
        fn part(
            &self,
            candidates: &[Candidate<'_>],
            shared: usize,
            trail: &mut Trail,
        ) -> Option<[f64; MOST]> {
            let (leader, rest) = candidates.split_first()?;
            let start = self.walk(&leader.blocks[..shared], trail).ok()?;
            let leader = &leader.blocks[shared..];
            let Room { first, marks, own, others, states, alike } = &mut trail.beside;
            first.clear();
            marks.clear();
            own.clear();
            others.clear();
            let mut side = start.side;
            marks.push((0, side));
            for block in leader {
                self.enter(block, &mut side, first)?;
                marks.push((first.len(), side));
            }
            others.push(Beside { own: 0..0, tail: first.len() });
            for candidate in rest {
                let blocks = &candidate.blocks[shared..];
                let equal = blocks.iter().rev().zip(leader.iter().rev()).take_while(|(a, b)| a == b).count();
                let (changed, unchanged) = blocks.split_at(blocks.len() - equal);
                let from = own.len();
                let mut side = start.side;
                for (i, block) in changed.iter().enumerate() {
                    match marks.get(i..i + 2) {
                        // As in the first network.
                        Some(&[(begin, before), (end, behind)]) if leader[i] == *block && side == before => {
                            own.extend_from_slice(&first[begin..end]);
                            side = behind;
                        }
                        _ => self.enter(block, &mut side, own)?,
                    }
                }
                let (at, side_there) = marks[leader.len() - equal];
                let mut tail = first.len() - at;
                if side != side_there {
                    tail = 0;
                    for block in unchanged {
                        self.enter(block, &mut side, own)?;
                    }
                }
                others.push(Beside { own: from..own.len(), tail });
            }
            let run_alike = |Beside { own: range, tail }: &Beside| {
                let replaced = first[..first.len() - tail].iter().rev();
                let pairs = own[range.clone()].iter().rev().zip(replaced);
                tail + pairs.take_while(|(a, b)| a.is_alike(b)).count()
            };
            let count = others.iter().map(run_alike).min()?;
            states.clear();
            on_wide_registers(
                #[inline(always)]
                || {
                    for Beside { own: range, tail } in &*others {
                        let mut state = start;
                        let apart = range.len() + tail - count;
                        for conv in own[range.clone()].iter().chain(&first[first.len() - tail..]).take(apart)
                        {
                            self.step(&mut state, conv);
                        }
                        states.push(state);
                    }
                },
            );
            if !states.iter().all(|state| state.is_alike(&states[0])) {
                return None;
            }
            alike.clear();
            alike.extend(first[first.len() - count..].iter().map(Conv::shared));
            for (lane, Beside { own: range, tail }) in others.iter().enumerate() {
                let apart = range.len() + tail - count;
                for (conv, place) in own[range.clone()].iter().skip(apart).zip(&mut *alike) {
                    place.put(lane, conv);
                }
            }
            // Those that part nowhere have one state.
            if others.iter().all(|Beside { own, tail }| own.len() + tail == count) {
                states.truncate(1);
            }
            let together = Together { zen: self, states, alike, networks: candidates.len() };
            Some(pulp::Arch::new().dispatch(together))
        }
    }

    struct Together<'a> {
        zen: &'a ZenScore,
        /// Of each network; of all, if it is a single one.
        states: &'a [State],
        alike: &'a [Conv<[f32; MOST]>],
        networks: usize,
    }

    impl WithSimd for Together<'_> {
        type Output = [f64; MOST];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f64; MOST] {
            let mut scores = [f64::NAN; MOST];
            let width = S::F32_LANES.min(MOST);
            for (i, scores) in scores[..self.networks.min(MOST)].chunks_mut(width).enumerate() {
                self.group(simd, i * width, scores);
            }
            scores
        }
    }

    impl Together<'_> {
        /// Scores as many networks, from `from` on, as there are `scores`.
        #[inline(always)]
        fn group<S: Simd>(&self, simd: S, from: usize, scores: &mut [f64]) {
            let of_group = match self.states {
                [_] => self.states,
                states => &states[from..from + scores.len()],
            };
            let Some(mut state) = State::side_by_side(simd, of_group) else { return };
            for conv in self.alike {
                let conv = Conv {
                    fan_c: SideBySide::load(simd, &conv.fan_c, from),
                    per_fan_c: SideBySide::load(simd, &conv.per_fan_c, from),
                    out_c: SideBySide::load(simd, &conv.out_c, from),
                    few: SideBySide::load(simd, &conv.few, from),
                    kernel: conv.kernel,
                    stride: conv.stride,
                    depthwise: conv.depthwise,
                };
                self.zen.step(&mut state, &conv);
            }
            let mut scores = scores.iter_mut();
            state.finish(self.zen.mode, |score| {
                if let Some(slot) = scores.next() {
                    *slot = score;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{SuperKind, published, relink};
    use crate::proxy::{Candidate, Memory, Mode, Proxy};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Networks around `blocks`: another width, another bottleneck, another depth, another kind of each block.
    fn around(blocks: &[SuperBlock]) -> Vec<Vec<SuperBlock>> {
        let mut all = Vec::new();
        for i in 0..blocks.len() {
            let mut add = |change: &dyn Fn(&mut SuperBlock)| {
                let mut other = blocks.to_vec();
                change(&mut other[i]);
                relink(&mut other);
                all.push(other);
            };
            add(&|block| block.out_c += 8);
            add(&|block| block.out_c *= 2);
            add(&|block| block.bottleneck += 16);
            add(&|block| block.sublayers += 1);
            add(&|block| {
                if let SuperKind::Inverted { expansion, .. } = block.kind {
                    block.kind = SuperKind::Inverted { expansion, kernel: 7 };
                }
            });
        }
        all
    }

    #[test]
    fn neighbours_do_not_change_a_score() {
        for (name, side) in [
            ("zennet_imagenet1k_flops400M_SE_res224", 224),
            ("zennet_cifar10_model_size1M_res32", 32),
            ("zennet_imagenet1k_latency12ms_res224", 224),
        ] {
            let model = published::by_name(name).unwrap();
            let blocks = model.network.super_blocks("the test scores").unwrap();
            let networks = around(&blocks);
            for mode in [Mode::Paper, Mode::Reference] {
                let zen = ZenScore::new(mode, side);
                let mut memory = Memory::default();
                for size in [1, 2, 5, 16, 20] {
                    for networks in networks.chunks(size) {
                        let candidate =
                            |blocks| Candidate { blocks, resolution: side, classes: model.classes };
                        let candidates: Vec<_> = networks.iter().map(|blocks| candidate(blocks)).collect();
                        let mut rng = |_| Xoshiro256PlusPlus::seed_from_u64(0);
                        let scores = zen.score_alike(&candidates, &mut memory, &mut rng);
                        let alone: Vec<_> = networks.iter().map(|blocks| zen.score_blocks(blocks)).collect();
                        assert_eq!(scores, alone, "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_no_score_leaves_the_others_theirs() {
        let model = published::by_name("zennet_cifar10_model_size1M_res32").unwrap();
        let blocks = model.network.super_blocks("the test scores").unwrap();
        let mut broken = blocks.clone();
        for block in &mut broken {
            block.stride = 2;
        }
        let zen = ZenScore::new(Mode::Paper, 32);
        let candidates =
            [&blocks, &broken, &blocks].map(|blocks| Candidate { blocks, resolution: 32, classes: 10 });
        let mut rng = |_| Xoshiro256PlusPlus::seed_from_u64(0);
        let scores = zen.score_alike(&candidates, &mut Memory::default(), &mut rng);
        assert_eq!(scores[0], scores[2]);
        assert!(scores[0].is_ok() && scores[1].is_err());
    }
}
