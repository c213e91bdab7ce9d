//! The population and the rules by which it lives (SPEC 6.1, 6.2).

use super::budget::Costs;
use crate::plainnet::SuperBlock;
use crate::space::{Reach, Weights};
use rustc_hash::{FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A network in the population.
#[derive(Clone, Debug, PartialEq)]
pub struct Individual {
    pub blocks: Box<[SuperBlock]>,
    pub score: f64,
    pub costs: Costs,
}

/// Which rules a search follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSet {
    /// Algorithm 2 of the paper, without duplicates.
    Paper,
    /// The released loop, line by line.
    Reference,
}

/// The rules of a search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub set: RuleSet,
    pub iterations: u64,
    /// Number of members; the reference lets one more live until the next iteration.
    pub population: usize,
    /// Blocks redrawn in one mutation, once the population has grown beyond [`Rules::SEEDLING`].
    pub replaces: u32,
    pub weights: Weights,
    pub reach: Reach,
    /// The initial structure is a member from the start, if it fits the budgets.
    pub start_inside: bool,
    pub reject_duplicates: bool,
    /// Children drawn from one state of the population. Fixed by the rules, never by the number of
    /// threads, so that threads cannot change the result.
    pub round: usize,
}

impl Rules {
    /// Up to this many members, the initial structure is mutated instead of a member.
    pub const SEEDLING: usize = 10;

    /// The paper's rules: 96,000 iterations, population 256, one block at a time, range 0.5 to 2.
    pub const PAPER: Rules = Rules {
        set: RuleSet::Paper,
        iterations: 96_000,
        population: 256,
        replaces: 1,
        weights: Weights::Uniform,
        reach: Reach::Paper,
        start_inside: true,
        reject_duplicates: true,
        round: 64,
    };

    /// The released rules: 480,000 iterations, population 512, up to two blocks at a time.
    pub const REFERENCE: Rules = Rules {
        set: RuleSet::Reference,
        iterations: 480_000,
        population: 512,
        replaces: 2,
        weights: Weights::Reference,
        reach: Reach::Reference,
        start_inside: false,
        reject_duplicates: false,
        round: 1,
    };
}

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

    /// The first member with the highest score.
    pub fn best(&self) -> Option<&Individual> {
        self.iter().reduce(|best, other| if other.score > best.score { other } else { best })
    }

    pub fn mean_score(&self) -> Option<f64> {
        crate::stats::mean(&self.scores)
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

    /// Removes the first of the lowest scores until at most `size` are left.
    pub fn shrink_to(&mut self, size: usize) {
        while self.members.len() > size {
            let mut worst = 0;
            for (i, score) in self.scores.iter().enumerate() {
                if *score < self.scores[worst] {
                    worst = i;
                }
            }
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
