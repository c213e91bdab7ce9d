//! A walk uphill that looks around before each step.
//!
//! Near a budget that binds, a network gets better only by exchanges: one block grows, another shrinks.
//! Pairs of changes are too many to try; but what two changes of different blocks do to score and costs is
//! about the sum of what each does alone. So a climb
//!
//! 1. begins with a few random variations (kicks) of the network where it starts, inside the budgets;
//! 2. **probes** every single edit ([`edits`]): it computes how the edit changes the score and the load on each
//!    budget. Probes may lie outside the budgets;
//! 3. **tries** the edits and pairs of edits that should gain most and should fit, in groups that are scored
//!    together, and moves to the best of a group if its score is higher;
//! 4. probes the edits of the blocks that it changed again, and continues with 3. Where no try is better, it probes
//!    every edit again that was probed from an earlier network, and ends when that does not help either.
//!
//! One call of [`Climb::next`] proposes one child, so that a climb can be interrupted between any two;
//! [`Climb::independent_of`] proposes others that can be bred and scored together with it.

use crate::plainnet::SuperBlock;
use crate::search::budget::{Budgets, Costs};
use crate::search::population::{self, Individual, Judged};
use crate::search::variation::edits::{self, Edit};
use crate::search::variation::mutation::Mutator;
use std::sync::Arc;

/// Predictions that are tried before edits are probed again that were probed from an earlier network.
const TRIES: usize = 16;

/// Pairs of edits that are held against the budgets side by side.
const ABREAST: usize = 16;

/// Where a climb starts, and where its result goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClimbOrigin {
    /// A member of the island, by its index.
    Member(usize),
    /// A network on a front. The climb never costs more than `cap` by that front's measure.
    Front { front: usize, cap: f64 },
}

/// What is known of one edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Nothing,
    /// Its probe exceeds a budget by far, or has no score.
    Useless,
    /// Its effect is known, from a probe of this network or of one a few steps ago.
    Effect,
}

#[derive(Clone, Debug)]
pub struct Climb {
    pub at: Arc<Individual>,
    pub origin: ClimbOrigin,
    /// Random variations that are still to be made.
    pub kicks: u32,
    /// Probes that are made before the next tries; in a short run these are not all.
    pub patience: usize,
    edits: Vec<Edit>,
    pub known: Vec<Known>,
    /// For each edit in turn: what it adds to the score, then to each load (the used share of a budget).
    pub effects: Vec<f32>,
    /// All edits before this index have been probed.
    seen: usize,
    /// Probes since the last tries.
    pub probed: usize,
    /// Whether every known effect was probed from the network where the climb is.
    pub fresh: bool,
    /// Number of predictions that were tried; none while edits are being probed.
    pub tried: Option<usize>,
    /// Edits, or pairs of them, that should gain most; a single edit is given twice.
    predictions: Vec<[usize; 2]>,
}

/// A child that a climb proposes to breed and score next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// A random variation.
    Kick,
    /// One edit, to learn what it does.
    Probe(usize),
    /// Two edits at once, or one if both are the same.
    Try([usize; 2]),
    /// No child: no edit or pair of edits is better, and the climb ends.
    End,
}

/// Loads of `costs` on the budgets, and on the cap of the climb's origin.
fn loads(budgets: &Budgets, costs: &Costs, origin: ClimbOrigin) -> impl Iterator<Item = f64> {
    let cap = match origin {
        ClimbOrigin::Member(_) => None,
        ClimbOrigin::Front { front, cap } => population::cost(costs, front).map(|cost| cost / cap),
    };
    budgets.loads(costs).chain(cap)
}

/// Whether `costs` keep the budgets and the cap of the climb's origin.
pub fn fits(budgets: &Budgets, costs: &Costs, origin: ClimbOrigin) -> bool {
    loads(budgets, costs, origin).all(|load| load <= 1.0)
}

impl Climb {
    pub fn new(at: Arc<Individual>, origin: ClimbOrigin, kicks: u32, patience: usize) -> Climb {
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

    /// Lists the edits again after a checkpoint was read. False if the effects of the checkpoint belong to another list.
    pub fn restore(&mut self, mutator: &Mutator<'_>, budgets: &Budgets) -> bool {
        if self.known.is_empty() {
            return self.effects.is_empty() && self.tried.is_none();
        }
        self.look(mutator);
        let width = self.width(budgets);
        if self.known.len() != self.edits.len() || self.effects.len() != width * self.edits.len() {
            return false;
        }
        if self.probed > self.edits.len() || !self.effects.iter().all(|effect| effect.is_finite()) {
            return false;
        }
        if let Some(tried) = self.tried {
            self.predict(budgets);
            return tried <= self.predictions.len();
        }
        true
    }

    /// Lists what could be changed here.
    fn look(&mut self, mutator: &Mutator<'_>) {
        self.edits = edits::around(mutator, &self.at.blocks);
    }

    fn width(&self, budgets: &Budgets) -> usize {
        1 + loads(budgets, &self.at.costs, self.origin).count()
    }

    /// A random variation led to `found`, which fits: the climb continues from there. A climb from a front must not
    /// cost more than `found` from now on, so that fronts grow towards lower costs.
    pub fn kicked(&mut self, found: &Arc<Individual>) {
        self.at = Arc::clone(found);
        if let ClimbOrigin::Front { front, cap } = &mut self.origin {
            *cap = population::cost(&found.costs, *front).unwrap_or(*cap);
        }
    }

    /// The next proposal.
    pub fn next(&mut self, mutator: &Mutator<'_>, budgets: &Budgets) -> Proposal {
        if self.kicks > 0 {
            return Proposal::Kick;
        }
        if self.known.is_empty() {
            self.look(mutator);
            self.forget(budgets);
        }
        loop {
            if let Some(tried) = &mut self.tried {
                if let Some(&pair) = self.predictions.get(*tried) {
                    *tried += 1;
                    return Proposal::Try(pair);
                }
                self.tried = None;
                self.probed = 0;
                if self.known.iter().all(|known| *known != Known::Nothing) {
                    if self.fresh {
                        return Proposal::End;
                    }
                    self.forget(budgets);
                }
            }
            let unknown = self.known[self.seen..].iter().position(|known| *known == Known::Nothing);
            self.seen = unknown.map_or(self.known.len(), |ahead| self.seen + ahead);
            match unknown.map(|_| self.seen).filter(|_| self.probed < self.patience) {
                Some(edit) => {
                    self.probed += 1;
                    return Proposal::Probe(edit);
                }
                None => {
                    self.predict(budgets);
                    self.tried = Some(0);
                }
            }
        }
    }

    /// Further proposals, up to `most`, that do not depend on the result of `proposal`, so that all can be scored
    /// together.
    pub fn independent_of(&mut self, proposal: Proposal, most: usize) -> Vec<Proposal> {
        match proposal {
            Proposal::Kick | Proposal::End => Vec::new(),
            Proposal::Probe(last) => {
                let most = most.min(self.patience.saturating_sub(self.probed));
                // Networks that differ in widths alone are the quickest to score together; next come networks that differ in
                // the same block.
                let Edit { block, .. } = self.edits[last];
                let keeps = self.keeps_layers([last; 2]);
                let unknown = (last + 1..self.known.len()).filter(|&edit| {
                    self.known[edit] == Known::Nothing
                        && self.keeps_layers([edit; 2]) == keeps
                        && (keeps || self.edits[edit].block == block)
                });
                let probes: Vec<Proposal> = unknown.take(most).map(Proposal::Probe).collect();
                self.probed += probes.len();
                probes
            }
            Proposal::Try(pair) => {
                let Some(tried) = self.tried else { return Vec::new() };
                let keeps = self.keeps_layers(pair);
                let alike =
                    self.predictions[tried..].iter().take_while(|&&pair| self.keeps_layers(pair) == keeps);
                let tries: Vec<Proposal> = alike.take(most).map(|&pair| Proposal::Try(pair)).collect();
                self.tried = Some(tried + tries.len());
                tries
            }
        }
    }

    fn keeps_layers(&self, pair: [usize; 2]) -> bool {
        pair.iter().all(|&edit| self.edits[edit].keeps_layers())
    }

    /// Writes to `child` the network with both edits, or with one if both are the same.
    pub fn child(&self, pair: [usize; 2], child: &mut Vec<SuperBlock>) {
        let [a, b] = pair.map(|i| self.edits[i]);
        let both = [a, b];
        edits::apply(&self.at.blocks, if pair[0] == pair[1] { &both[..1] } else { &both }, child);
    }

    /// Takes in what a probe found: the score and the costs of the network, or nothing if it is of no use.
    pub fn probed(&mut self, edit: usize, found: Option<&Judged>, budgets: &Budgets) {
        let Some(found) = found else {
            self.known[edit] = Known::Useless;
            return;
        };
        self.known[edit] = Known::Effect;
        let width = self.width(budgets);
        let effect = &mut self.effects[edit * width..(edit + 1) * width];
        effect[0] = (found.score - self.at.score) as f32;
        let loads =
            loads(budgets, &found.costs, self.origin).zip(loads(budgets, &self.at.costs, self.origin));
        for (effect, (there, here)) in effect[1..].iter_mut().zip(loads) {
            *effect = (there - here) as f32;
        }
    }

    /// Takes in the best of some tries that fit: the climb moves there if its score is higher.
    pub fn tried(
        &mut self,
        pair: [usize; 2],
        found: &Arc<Individual>,
        mutator: &Mutator<'_>,
        budgets: &Budgets,
    ) {
        if found.score <= self.at.score {
            return;
        }
        let blocks = pair.map(|i| self.edits[i].block);
        let before = std::mem::replace(&mut self.at, Arc::clone(found));
        self.tried = None;
        self.probed = 0;
        let old = std::mem::take(&mut self.edits);
        self.look(mutator);
        let (known, effects) = (std::mem::take(&mut self.known), std::mem::take(&mut self.effects));
        self.forget(budgets);
        // One block may have been removed while another was split: then the others stand in other places.
        if !differ_only_in(&before.blocks, &self.at.blocks, blocks) {
            return;
        }
        // Edits of other blocks are the same as before, and their effects nearly so.
        let width = self.width(budgets);
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

    /// Forgets what is known of all edits.
    fn forget(&mut self, budgets: &Budgets) {
        self.known.clear();
        self.known.resize(self.edits.len(), Known::Nothing);
        self.effects.clear();
        self.effects.resize(self.edits.len() * self.width(budgets), 0.0);
        self.seen = 0;
        self.fresh = true;
    }

    /// Lists the edits and pairs of edits that should gain most among those that should fit.
    fn predict(&mut self, budgets: &Budgets) {
        let width = self.width(budgets);
        let room: Vec<f32> =
            loads(budgets, &self.at.costs, self.origin).map(|load| (1.0 - load) as f32).collect();
        let effect = |edit: usize| &self.effects[edit * width..(edit + 1) * width];
        let mut order: Vec<usize> =
            (0..self.edits.len()).filter(|&edit| self.known[edit] == Known::Effect).collect();
        order.sort_by(|&a, &b| effect(b)[0].total_cmp(&effect(a)[0]));
        // In this order, gains and loads apart, so that many pairs are looked at side by side; nothing fits what fills up.
        let gains: Vec<f32> = order.iter().map(|&edit| effect(edit)[0]).collect();
        let column = |load: usize| -> Vec<f32> {
            let loads = order.iter().map(|&edit| effect(edit)[1 + load]);
            loads.chain([f32::INFINITY; ABREAST]).collect()
        };
        let columns: Vec<(Vec<f32>, f32)> =
            room.iter().enumerate().map(|(i, &room)| (column(i), room)).collect();
        let mut found: Vec<(f32, [usize; 2])> = Vec::new();
        // The gain that a prediction must exceed to be among the first.
        let mut floor = 0.0;
        for (i, &a) in gains.iter().enumerate() {
            if a <= 0.0 {
                break;
            }
            if a > floor && columns.iter().all(|(loads, room)| loads[i] <= *room) {
                found.push((a, [order[i]; 2]));
            }
            'pairs: for from in (i + 1..gains.len()).step_by(ABREAST) {
                if a + gains[from] <= floor {
                    break;
                }
                let mut fit = [true; ABREAST];
                for (loads, room) in &columns {
                    let with = loads[i];
                    for (fit, load) in fit.iter_mut().zip(&loads[from..from + ABREAST]) {
                        *fit &= with + load <= *room;
                    }
                }
                if fit == [false; ABREAST] {
                    continue;
                }
                for ((k, &b), fits) in gains.iter().enumerate().skip(from).zip(fit) {
                    let gain = a + b;
                    if gain <= floor {
                        break 'pairs;
                    }
                    let pair = [order[i], order[k]];
                    if fits && self.edits[pair[0]].goes_with(&self.edits[pair[1]]) {
                        found.push((gain, pair));
                        if found.len() >= 8 * TRIES {
                            floor = keep_first(&mut found);
                        }
                    }
                }
            }
        }
        keep_first(&mut found);
        self.predictions = found.into_iter().map(|(_, pair)| pair).collect();
        // Predictions like the first one stand together at the front, to be scored together.
        if let Some(&first) = self.predictions.first() {
            let keeps = self.keeps_layers(first);
            let (alike, others): (Vec<_>, Vec<_>) =
                self.predictions.iter().partition(|&&pair| self.keeps_layers(pair) == keeps);
            self.predictions = [alike, others].concat();
        }
    }
}

/// Whether two networks have the same blocks, their inputs aside, but for those at the indices `except`.
fn differ_only_in(a: &[SuperBlock], b: &[SuperBlock], except: [usize; 2]) -> bool {
    let same = |a: &SuperBlock, b: &SuperBlock| SuperBlock { in_c: b.in_c, ..*a } == *b;
    let mut pairs = a.iter().zip(b).enumerate();
    a.len() == b.len() && pairs.all(|(i, (a, b))| except.contains(&i) || same(a, b))
}

/// Keeps the predictions of the highest gains, in order; gives the gain of the last of them.
fn keep_first(found: &mut Vec<(f32, [usize; 2])>) -> f32 {
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(TRIES);
    if found.len() == TRIES { found.last().map_or(0.0, |last| last.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;

    #[test]
    fn a_removal_beside_a_split_moves_the_other_blocks() {
        let blocks = |net: &str| notation::parse(net).unwrap().super_blocks("").unwrap();
        let stem = "SuperConvK3BNRELU(3,8,2,1)";
        let before = blocks(&format!(
            "{stem}SuperResK3K3(8,16,2,16,2)SuperResK3K3(16,16,1,16,1)SuperResK3K3(16,32,2,32,5)SuperResK3K3(32,64,2,64,1)"
        ));
        let wider = blocks(&format!(
            "{stem}SuperResK3K3(8,24,2,16,2)SuperResK3K3(24,16,1,16,1)SuperResK3K3(16,32,2,32,5)SuperResK3K3(32,64,2,64,1)"
        ));
        assert!(differ_only_in(&before, &wider, [1, 1]) && !differ_only_in(&before, &wider, [3, 3]));
        // Block 2 is gone, and block 3 has become two.
        let moved = blocks(&format!(
            "{stem}SuperResK3K3(8,16,2,16,2)SuperResK3K3(16,32,2,32,3)SuperResK3K3(32,32,1,32,3)SuperResK3K3(32,64,2,64,1)"
        ));
        assert!(differ_only_in(&before, &moved, [2, 3]));
        let shifted = blocks(&format!(
            "{stem}SuperResK3K3(8,16,2,16,2)SuperResK3K3(16,32,2,32,5)SuperResK3K3(32,64,2,64,3)SuperResK3K3(64,64,1,64,3)"
        ));
        assert!(!differ_only_in(&before, &shifted, [2, 4]));
    }
}
