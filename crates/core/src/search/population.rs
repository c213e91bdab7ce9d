//! The population and the rules by which it lives (docs/plainnet.md, section 6.2).

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
    /// The paper's mutation, improved: see [`super::islands`].
    Islands,
}

impl RuleSet {
    pub fn name(self) -> &'static str {
        match self {
            RuleSet::Paper => "paper",
            RuleSet::Reference => "reference",
            RuleSet::Islands => "islands",
        }
    }
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
    /// Children drawn from one state of the population; with islands, most children of all of them between
    /// two exchanges. Fixed by the rules, never by the number of threads, so that threads cannot change
    /// the result.
    pub round: usize,
    /// Populations that live side by side; the size above is that of all together.
    #[serde(default = "one")]
    pub islands: usize,
}

fn one() -> usize {
    1
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
        islands: 1,
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
        islands: 1,
    };

    /// The default: the paper's iterations, by climbs on islands.
    pub const ISLANDS: Rules = Rules {
        set: RuleSet::Islands,
        iterations: 96_000,
        population: 64,
        replaces: 1,
        weights: Weights::Uniform,
        reach: Reach::Reference,
        start_inside: true,
        reject_duplicates: true,
        round: 20_000,
        islands: 8,
    };
}

impl Rules {
    /// Populations that a run of so many iterations has: short ones have fewer.
    pub fn populations(&self) -> usize {
        /// Enough for a handful of climbs.
        const EACH: u64 = 8_000;
        let most = self.islands.max(1);
        let many = (self.iterations / EACH).clamp(2, most.max(2) as u64) as usize;
        // A power of two, which any usual number of threads shares evenly.
        many.min(most).next_power_of_two().min(most)
    }
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
