//! The networks that a search keeps: its populations, and the fronts of score against cost.

mod archive;
mod individual;

pub(super) use archive::cost;
pub use archive::{Front, Fronts, OnFront};
pub use individual::Individual;
pub(super) use individual::Judged;

use super::optimiser::Rules;
use crate::plainnet::SuperBlock;
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The members, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Population {
    members: Vec<Arc<Individual>>,
    /// Their scores, beside them for quick scanning.
    scores: Vec<f64>,
    /// Structures of the members, kept where duplicates are rejected.
    known: FxHashSet<u64>,
}

impl Population {
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn get(&self, index: usize) -> &Individual {
        &self.members[index]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Individual> {
        self.members.iter().map(|member| &**member)
    }

    /// The members as they are shared with the fronts.
    pub fn members(&self) -> &[Arc<Individual>] {
        &self.members
    }

    /// The first member with the highest score.
    pub fn best(&self) -> Option<&Individual> {
        self.iter().reduce(|best, other| if other.score > best.score { other } else { best })
    }

    pub fn total_score(&self) -> f64 {
        self.scores.iter().sum()
    }

    /// Whether a member has this structure; always false where duplicates are allowed.
    pub fn knows(&self, blocks: &[SuperBlock]) -> bool {
        !self.known.is_empty() && self.known.contains(&fingerprint(blocks))
    }

    pub fn push(&mut self, individual: Arc<Individual>, rules: &Rules) {
        if rules.reject_duplicates {
            self.known.insert(fingerprint(&individual.blocks));
        }
        self.scores.push(individual.score);
        self.members.push(individual);
    }

    /// Puts `individual` in the place of the member at `index`.
    pub fn replace(&mut self, index: usize, individual: Arc<Individual>, rules: &Rules) {
        if rules.reject_duplicates {
            self.known.remove(&fingerprint(&self.members[index].blocks));
            self.known.insert(fingerprint(&individual.blocks));
        }
        self.scores[index] = individual.score;
        self.members[index] = individual;
    }

    /// The place of the first of the lowest scores.
    pub fn worst(&self) -> Option<usize> {
        let lowest = self.scores.iter().enumerate().reduce(|low, at| if at.1 < low.1 { at } else { low });
        lowest.map(|(index, _)| index)
    }

    /// Removes the first of the lowest scores until at most `size` are left.
    pub fn shrink_to(&mut self, size: usize) {
        while self.members.len() > size {
            let Some(worst) = self.worst() else { return };
            self.scores.remove(worst);
            let removed = self.members.remove(worst);
            if !self.known.is_empty() {
                self.known.remove(&fingerprint(&removed.blocks));
            }
        }
    }
}

fn fingerprint(blocks: &[SuperBlock]) -> u64 {
    let mut hasher = FxHasher::default();
    blocks.hash(&mut hasher);
    hasher.finish()
}
