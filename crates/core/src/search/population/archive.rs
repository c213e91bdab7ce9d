//! The Pareto fronts of score against cost: what a search remembers besides its populations.

use super::Individual;
use super::individual::Judged;
use crate::search::budget::{Costs, Quantity};
use std::sync::Arc;

/// The networks that no other network beats in both score and cost, cheapest first.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Costs and scores both ascend.
    points: Vec<(f64, Arc<Individual>)>,
}

impl Front {
    /// Whether a network of this score and cost would enter.
    pub fn accepts(&self, score: f64, cost: f64) -> bool {
        let cheaper = self.points.partition_point(|point| point.0 <= cost);
        cheaper == 0 || self.points[cheaper - 1].1.score < score
    }

    /// Enters `individual` if nothing beats it, and drops what it beats.
    pub fn insert(&mut self, individual: &Arc<Individual>, cost: f64) {
        if !self.accepts(individual.score, cost) {
            return;
        }
        let start = self.points.partition_point(|point| point.0 < cost);
        let beaten =
            self.points[start..].iter().take_while(|point| point.1.score <= individual.score).count();
        self.points.splice(start..start + beaten, [(cost, Arc::clone(individual))]);
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Cheapest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Individual> {
        self.points.iter().map(|point| &*point.1)
    }

    /// Cheapest first, with the costs that they are ranked by.
    pub(crate) fn points(&self) -> &[(f64, Arc<Individual>)] {
        &self.points
    }

    /// The network with the highest score.
    pub fn best(&self) -> Option<&Arc<Individual>> {
        self.points.last().map(|point| &point.1)
    }

    /// The network at `share` (0 to 1) of the way from the lowest to the highest cost, by ratios.
    pub(crate) fn at(&self, share: f64) -> Option<&Arc<Individual>> {
        let (low, high) = (self.points.first()?.0.max(f64::MIN_POSITIVE), self.points.last()?.0);
        let target = low * (high / low).powf(share);
        let i = self.points.partition_point(|point| point.0 < target);
        self.points.get(i).or(self.points.last()).map(|point| &point.1)
    }

    /// The points that no other network beats by `predicted`, either; the best network is always one of them. A front is
    /// ranked by charged latencies, which differ from predicted ones where a predictor extrapolates.
    fn also_by(&self, predicted: impl Fn(&Individual) -> Option<f64>) -> Vec<&(f64, Arc<Individual>)> {
        let mut least = f64::INFINITY;
        let mut kept: Vec<&(f64, Arc<Individual>)> = Vec::new();
        for point in self.points.iter().rev() {
            let value = predicted(&point.1).unwrap_or(point.0);
            if value < least {
                least = value;
                kept.push(point);
            }
        }
        kept.reverse();
        kept
    }

    /// At most `count` networks spread over points of a front, both ends included: about equally far from each
    /// other along the curve of score against the logarithm of the cost.
    fn spread(points: &[&(f64, Arc<Individual>)], count: usize) -> Vec<Arc<Individual>> {
        let n = points.len();
        if n <= count.max(2) {
            return points.iter().map(|point| Arc::clone(&point.1)).collect();
        }
        let log = |i: usize| points[i].0.max(f64::MIN_POSITIVE).ln();
        let score = |i: usize| points[i].1.score;
        let span = |a: f64, b: f64| if b > a { b - a } else { 1.0 };
        let (width, height) = (span(log(0), log(n - 1)), span(score(0), score(n - 1)));
        let mut along = vec![0.0];
        for i in 1..n {
            let (dx, dy) = ((log(i) - log(i - 1)) / width, (score(i) - score(i - 1)) / height);
            along.push(along[i - 1] + dx.hypot(dy));
        }
        let length = along[n - 1];
        let mut chosen: Vec<usize> = Vec::with_capacity(count);
        for step in 0..count {
            let target = length * step as f64 / (count - 1) as f64;
            let after = along.partition_point(|&a| a < target).min(n - 1);
            let nearer = after > 0 && target - along[after - 1] < along[after] - target;
            let i = if nearer { after - 1 } else { after };
            if chosen.last().is_none_or(|&last| last < i) {
                chosen.push(i);
            }
        }
        chosen.into_iter().map(|i| Arc::clone(&points[i].1)).collect()
    }
}

/// The fronts of a search: of score against the latency on each device, or against FLOPs where no
/// latency is asked for.
#[derive(Clone, Debug)]
pub struct Fronts {
    fronts: Vec<Front>,
}

/// A network on a front, and the indices of the fronts that it is on.
#[derive(Clone, Debug)]
pub struct OnFront {
    pub individual: Arc<Individual>,
    pub fronts: Vec<usize>,
}

/// What front `i` ranks by: the charged latency on device `i` in nanoseconds, or FLOPs where no device is tracked. Both are
/// known of every individual of the search that the front belongs to.
pub fn cost(costs: &Costs, i: usize) -> Option<f64> {
    let latency = costs.latencies.get(i).map(|estimate| estimate.charged.ns());
    latency.or(costs[Quantity::Flops])
}

impl Fronts {
    pub fn new(devices: usize) -> Fronts {
        Fronts { fronts: vec![Front::default(); devices.max(1)] }
    }

    pub(crate) fn of(fronts: Vec<Front>) -> Fronts {
        Fronts { fronts }
    }

    pub fn insert(&mut self, individual: &Arc<Individual>) {
        for (i, front) in self.fronts.iter_mut().enumerate() {
            if let Some(cost) = cost(&individual.costs, i) {
                front.insert(individual, cost);
            }
        }
    }

    /// Whether [`Fronts::insert_if_new`] would enter such a network.
    pub(crate) fn is_new(&self, judged: &Judged, others: &Fronts) -> bool {
        self.fronts.iter().zip(&others.fronts).enumerate().any(|(i, (front, other))| {
            cost(&judged.costs, i)
                .is_some_and(|cost| other.accepts(judged.score, cost) && front.accepts(judged.score, cost))
        })
    }

    /// Enters `individual` where `others`, too, would take it.
    pub(crate) fn insert_if_new(&mut self, individual: &Arc<Individual>, others: &Fronts) {
        for (i, (front, other)) in self.fronts.iter_mut().zip(&others.fronts).enumerate() {
            let Some(cost) = cost(&individual.costs, i) else { continue };
            if other.accepts(individual.score, cost) {
                front.insert(individual, cost);
            }
        }
    }

    /// Enters all of `others`.
    pub(crate) fn absorb(&mut self, others: &Fronts) {
        for (front, other) in self.fronts.iter_mut().zip(&others.fronts) {
            other.points.iter().for_each(|(cost, individual)| front.insert(individual, *cost));
        }
    }

    /// In the order of the tracked devices.
    pub fn iter(&self) -> impl Iterator<Item = &Front> {
        self.fronts.iter()
    }

    pub(crate) fn get(&self, i: usize) -> &Front {
        &self.fronts[i]
    }

    pub fn count(&self) -> usize {
        self.fronts.len()
    }

    /// The network with the highest score; it is on every front.
    pub fn best(&self) -> Option<&Arc<Individual>> {
        self.fronts.first()?.best()
    }

    /// At most `count` networks spread over all fronts, cheapest on the first device first.
    pub fn spread(&self, count: usize) -> Vec<OnFront> {
        let share = count / self.fronts.len().max(1);
        let mut all: Vec<OnFront> = Vec::new();
        let predicted = |individual: &Individual, i: usize| {
            individual.costs.latencies.get(i).map(|estimate| estimate.latency.ns())
        };
        let fronts: Vec<Vec<&(f64, Arc<Individual>)>> = self
            .fronts
            .iter()
            .enumerate()
            .map(|(i, front)| front.also_by(|individual| predicted(individual, i)))
            .collect();
        for (i, front) in fronts.iter().enumerate() {
            for individual in Front::spread(front, share) {
                match all.iter_mut().find(|known| known.individual.blocks == individual.blocks) {
                    Some(known) => known.fronts.push(i),
                    None => all.push(OnFront { individual, fronts: vec![i] }),
                }
            }
        }
        // A network that was chosen for one device may also lie on the front of another.
        for on in &mut all {
            for (i, front) in fronts.iter().enumerate() {
                let Some(cost) = cost(&on.individual.costs, i) else { continue };
                if !on.fronts.contains(&i)
                    && front.iter().any(|p| p.0 == cost && p.1.score == on.individual.score)
                {
                    on.fronts.push(i);
                }
            }
            on.fronts.sort_unstable();
        }
        all.sort_by(|a, b| {
            (cost(&a.individual.costs, 0), a.individual.score)
                .partial_cmp(&(cost(&b.individual.costs, 0), b.individual.score))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn individual(score: f64) -> Arc<Individual> {
        Arc::new(Individual { blocks: Box::new([]), score, costs: Default::default() })
    }

    proptest! {
        #[test]
        fn holds_exactly_what_nothing_beats(points in prop::collection::vec((0_u8..20, 0_u8..20), 1..60)) {
            let mut front = Front::default();
            for &(score, cost) in &points {
                front.insert(&individual(f64::from(score)), f64::from(cost));
            }
            let mut want: Vec<(u8, u8)> = points.iter().copied().filter(|&(score, cost)| {
                !points.iter().any(|&(s, c)| (s >= score && c < cost) || (s > score && c <= cost))
            }).collect();
            want.sort_by_key(|&(_, cost)| cost);
            want.dedup();
            let have: Vec<(f64, f64)> = front.points.iter().map(|(cost, i)| (i.score, *cost)).collect();
            let want: Vec<(f64, f64)> = want.iter().map(|&(s, c)| (f64::from(s), f64::from(c))).collect();
            prop_assert_eq!(have, want);
            // What is also best by another measure contains the best, and rises in that measure.
            let other = |individual: &Individual| Some((individual.score * 7.0) % 5.0);
            let both = front.also_by(other);
            prop_assert_eq!(both.last().map(|p| p.1.score), front.best().map(|i| i.score));
            prop_assert!(both.windows(2).all(|pair| other(&pair[0].1) < other(&pair[1].1)));
            // A spread has both ends, no network twice, and no more than asked for.
            let points: Vec<_> = front.points.iter().collect();
            let spread = Front::spread(&points, 5);
            prop_assert!(spread.len() <= 5 && spread.len() >= front.len().min(2));
            prop_assert!(spread.windows(2).all(|pair| pair[0].score < pair[1].score));
            prop_assert_eq!(spread.last().map(|i| i.score), front.best().map(|i| i.score));
        }
    }
}
