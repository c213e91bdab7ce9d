//! A walk uphill that looks around before each step.
//!
//! Near a budget that binds, a network gets better only by exchanges: one block grows, another shrinks.
//! Pairs of changes are too many to try; but what two changes of different blocks do to score and costs is
//! about the sum of what each does alone. So a climb
//!
//! 1. begins with a few variations at random of where it starts, inside the budgets;
//! 2. **probes** every single edit ([`edits`]): what it gains, and what it takes of each budget. Probes
//!    may lie outside the budgets;
//! 3. **tries** the edits and pairs of edits that promise most and should fit, those together that are scored
//!    together, and takes the best if it is better in truth;
//! 4. probes the blocks it changed again, and goes on with 3. Where nothing is better, it probes
//!    what is stale, and ends when that does not help either.
//!
//! One call of [`Climb::next`] is one child, so that a climb can be cut anywhere between two;
//! [`Climb::also`] says which others may be bred and scored together with it.

use super::Individual;
use super::budget::Budgets;
use super::edits::{self, Edit};
use super::mutation::Mutator;
use crate::plainnet::SuperBlock;
use std::sync::Arc;

/// Predictions that are tried before all that is stale is probed again.
const TRIES: usize = 16;

/// Where a climb comes from, and where its result goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Origin {
    /// A member of the island, by its place.
    Member(usize),
    /// A network on a front. The climb never costs more than `cap` by that front's measure.
    Front { front: usize, cap: f64 },
}

/// What is known of one edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// It leads too far, or to no score.
    Useless,
    /// Probed, here or a few steps ago.
    Effect,
}

#[derive(Clone, Debug)]
pub(super) struct Climb {
    pub at: Arc<Individual>,
    pub origin: Origin,
    /// Variations at random that are left.
    pub kicks: u32,
    /// Probes that are made before the next tries; a short run cannot wait for all of them.
    pub patience: usize,
    edits: Vec<Edit>,
    pub known: Vec<Known>,
    /// For each edit: what it adds to the score, then to each load.
    pub effects: Vec<f32>,
    /// Edits before this one are all probed, where they are known at all.
    seen: usize,
    /// Probes since the last tries.
    pub probed: usize,
    /// Whether every edit was probed from where the climb is.
    pub fresh: bool,
    /// Predictions tried, while they are being tried.
    pub tried: Option<usize>,
    predictions: Vec<[usize; 2]>,
}

/// What a climb asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A variation at random.
    Kick,
    Probe(usize),
    /// Two edits at once, or one if both are the same.
    Try([usize; 2]),
    /// Nothing: it has arrived.
    End,
}

/// What a climb keeps to.
pub(super) struct Bounds<'a> {
    pub budgets: &'a Budgets,
    /// What front `i` ranks by.
    pub cost: fn(&Individual, usize) -> f64,
}

impl Bounds<'_> {
    /// Loads of `individual` on the budgets and on the cap of the climb's origin.
    fn loads(&self, individual: &Individual, origin: Origin) -> impl Iterator<Item = f64> {
        let cap = match origin {
            Origin::Member(_) => None,
            Origin::Front { front, cap } => Some((self.cost)(individual, front) / cap),
        };
        self.budgets.loads(&individual.costs).chain(cap)
    }

    pub fn fits(&self, individual: &Individual, origin: Origin) -> bool {
        self.loads(individual, origin).all(|load| load <= 1.0)
    }
}

impl Climb {
    pub fn new(at: Arc<Individual>, origin: Origin, kicks: u32, patience: usize) -> Climb {
        Climb {
            at,
            origin,
            kicks,
            patience,
            edits: Vec::new(),
            known: Vec::new(),
            effects: Vec::new(),
            seen: 0,
            probed: 0,
            fresh: true,
            tried: None,
            predictions: Vec::new(),
        }
    }

    /// Lists the edits again, as after a checkpoint was read. False if what was kept does not belong to them.
    pub fn restore(&mut self, mutator: &Mutator<'_>, bounds: &Bounds<'_>) -> bool {
        if self.known.is_empty() {
            return self.effects.is_empty() && self.tried.is_none();
        }
        self.look(mutator);
        let width = self.width(bounds);
        if self.known.len() != self.edits.len() || self.effects.len() != width * self.edits.len() {
            return false;
        }
        if self.tried.is_some() {
            self.predict(bounds);
        }
        true
    }

    /// Lists what could be changed here.
    fn look(&mut self, mutator: &Mutator<'_>) {
        self.edits = edits::around(mutator, &self.at.blocks);
    }

    fn width(&self, bounds: &Bounds<'_>) -> usize {
        1 + bounds.loads(&self.at, self.origin).count()
    }

    /// A variation led to `found`, which fits: the climb goes on from there. One from a front must stay as
    /// cheap, so that fronts grow towards what costs less.
    pub fn kicked(&mut self, found: &Arc<Individual>, bounds: &Bounds<'_>) {
        self.at = Arc::clone(found);
        if let Origin::Front { front, cap } = &mut self.origin {
            *cap = (bounds.cost)(found, *front);
        }
    }

    /// What the climb wants to see.
    pub fn next(&mut self, mutator: &Mutator<'_>, bounds: &Bounds<'_>) -> Wish {
        if self.kicks > 0 {
            return Wish::Kick;
        }
        if self.known.is_empty() {
            self.look(mutator);
            self.forget(bounds);
        }
        loop {
            if let Some(tried) = &mut self.tried {
                if let Some(&pair) = self.predictions.get(*tried) {
                    *tried += 1;
                    return Wish::Try(pair);
                }
                self.tried = None;
                self.probed = 0;
                if self.known.iter().all(|known| *known != Known::Nothing) {
                    if self.fresh {
                        return Wish::End;
                    }
                    self.forget(bounds);
                }
            }
            let unknown = self.known[self.seen..].iter().position(|known| *known == Known::Nothing);
            self.seen = unknown.map_or(self.known.len(), |ahead| self.seen + ahead);
            match unknown.map(|_| self.seen).filter(|_| self.probed < self.patience) {
                Some(edit) => {
                    self.probed += 1;
                    return Wish::Probe(edit);
                }
                None => {
                    self.predict(bounds);
                    self.tried = Some(0);
                }
            }
        }
    }

    /// What else will be wished for after `wish`, whatever that finds; up to `most`.
    pub fn also(&mut self, wish: Wish, most: usize) -> Vec<Wish> {
        match wish {
            Wish::Kick | Wish::End => Vec::new(),
            Wish::Probe(last) => {
                let most = most.min(self.patience.saturating_sub(self.probed));
                // Networks that differ in widths alone are scored most quickly together; others if they part and meet
                // again at the same block.
                let Edit { block, .. } = self.edits[last];
                let keeps = self.keeps_layers([last; 2]);
                let unknown = (last + 1..self.known.len()).filter(|&edit| {
                    self.known[edit] == Known::Nothing
                        && self.keeps_layers([edit; 2]) == keeps
                        && (keeps || self.edits[edit].block == block)
                });
                let probes: Vec<Wish> = unknown.take(most).map(Wish::Probe).collect();
                self.probed += probes.len();
                probes
            }
            Wish::Try(pair) => {
                let Some(tried) = self.tried else { return Vec::new() };
                let keeps = self.keeps_layers(pair);
                let alike =
                    self.predictions[tried..].iter().take_while(|&&pair| self.keeps_layers(pair) == keeps);
                let tries: Vec<Wish> = alike.take(most).map(|&pair| Wish::Try(pair)).collect();
                self.tried = Some(tried + tries.len());
                tries
            }
        }
    }

    fn keeps_layers(&self, pair: [usize; 2]) -> bool {
        pair.iter().all(|&edit| self.edits[edit].keeps_layers())
    }

    /// Writes to `child` the network that was wished for.
    pub fn child(&self, pair: [usize; 2], child: &mut Vec<SuperBlock>) {
        let [a, b] = pair.map(|i| self.edits[i]);
        let both = [a, b];
        edits::apply(&self.at.blocks, if pair[0] == pair[1] { &both[..1] } else { &both }, child);
    }

    /// What a probe found; nothing if it is not to be followed.
    pub fn probed(&mut self, edit: usize, found: Option<&Individual>, bounds: &Bounds<'_>) {
        let Some(found) = found else {
            self.known[edit] = Known::Useless;
            return;
        };
        self.known[edit] = Known::Effect;
        let width = self.width(bounds);
        let effect = &mut self.effects[edit * width..(edit + 1) * width];
        effect[0] = (found.score - self.at.score) as f32;
        let loads = bounds.loads(found, self.origin).zip(bounds.loads(&self.at, self.origin));
        for (effect, (there, here)) in effect[1..].iter_mut().zip(loads) {
            *effect = (there - here) as f32;
        }
    }

    /// The best of some tries is `found`, which fits: taken if it is better.
    pub fn tried(
        &mut self,
        pair: [usize; 2],
        found: &Arc<Individual>,
        mutator: &Mutator<'_>,
        bounds: &Bounds<'_>,
    ) {
        if found.score <= self.at.score {
            return;
        }
        let blocks = pair.map(|i| self.edits[i].block);
        let length = self.at.blocks.len();
        self.at = Arc::clone(found);
        self.tried = None;
        self.probed = 0;
        let old = std::mem::take(&mut self.edits);
        self.look(mutator);
        let (known, effects) = (std::mem::take(&mut self.known), std::mem::take(&mut self.effects));
        self.forget(bounds);
        if self.at.blocks.len() != length {
            return;
        }
        // Edits of other blocks are the same as before, and so, nearly, is what they do.
        let width = self.width(bounds);
        let stale = |edit: &Edit| !blocks.contains(&edit.block);
        let kept = old.iter().enumerate().filter(|(_, edit)| stale(edit));
        let mut places = self.edits.iter().enumerate().filter(|(_, edit)| stale(edit));
        for ((from, before), (to, now)) in kept.zip(&mut places) {
            debug_assert_eq!(before, now);
            self.known[to] = known[from];
            self.effects[to * width..(to + 1) * width]
                .copy_from_slice(&effects[from * width..(from + 1) * width]);
            self.fresh = false;
        }
    }

    /// Nothing is known of any edit.
    fn forget(&mut self, bounds: &Bounds<'_>) {
        self.known.clear();
        self.known.resize(self.edits.len(), Known::Nothing);
        self.effects.clear();
        self.effects.resize(self.edits.len() * self.width(bounds), 0.0);
        self.seen = 0;
        self.fresh = true;
    }

    /// The edits and pairs of them that should gain most among those that should fit.
    fn predict(&mut self, bounds: &Bounds<'_>) {
        let width = self.width(bounds);
        let room: Vec<f32> = bounds.loads(&self.at, self.origin).map(|load| (1.0 - load) as f32).collect();
        let effect = |edit: usize| &self.effects[edit * width..(edit + 1) * width];
        let mut order: Vec<usize> =
            (0..self.edits.len()).filter(|&edit| self.known[edit] == Known::Effect).collect();
        order.sort_by(|&a, &b| effect(b)[0].total_cmp(&effect(a)[0]));
        let sorted: Vec<&[f32]> = order.iter().map(|&edit| effect(edit)).collect();
        let mut found: Vec<(f32, [usize; 2])> = Vec::new();
        // What a prediction must promise to be among the first.
        let mut floor = 0.0;
        for (i, a) in sorted.iter().enumerate() {
            if a[0] <= 0.0 {
                break;
            }
            if a[0] > floor && a[1..].iter().zip(&room).all(|(load, room)| load <= room) {
                found.push((a[0], [order[i]; 2]));
            }
            for (k, b) in sorted[i + 1..].iter().enumerate() {
                let gain = a[0] + b[0];
                if gain <= floor {
                    break;
                }
                let fits = a[1..].iter().zip(&b[1..]).zip(&room).all(|((a, b), room)| a + b <= *room);
                let pair = [order[i], order[i + 1 + k]];
                if fits && self.edits[pair[0]].goes_with(&self.edits[pair[1]]) {
                    found.push((gain, pair));
                    if found.len() >= 8 * TRIES {
                        floor = keep_first(&mut found);
                    }
                }
            }
        }
        keep_first(&mut found);
        self.predictions = found.into_iter().map(|(_, pair)| pair).collect();
        // Those like the first come first, to be scored together.
        if let Some(&first) = self.predictions.first() {
            let keeps = self.keeps_layers(first);
            let (alike, others): (Vec<_>, Vec<_>) =
                self.predictions.iter().partition(|&&pair| self.keeps_layers(pair) == keeps);
            self.predictions = [alike, others].concat();
        }
    }
}

/// Keeps the first predictions, in order; gives what the last of them promises.
fn keep_first(found: &mut Vec<(f32, [usize; 2])>) -> f32 {
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(TRIES);
    if found.len() == TRIES { found.last().map_or(0.0, |last| last.0) } else { 0.0 }
}
