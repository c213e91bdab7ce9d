//! What a search remembers besides its population: the Pareto front of score against cost.

use super::Individual;
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

    /// At most `count` networks spread over the range of scores, both ends included.
    pub fn spread(&self, count: usize) -> Vec<&Individual> {
        let n = self.points.len();
        if n <= count || count < 2 {
            return self.iter().collect();
        }
        let (low, high) = (self.points[0].1.score, self.points[n - 1].1.score);
        let mut chosen: Vec<&Individual> = Vec::with_capacity(count);
        let mut at = 0;
        for step in 0..count {
            let target = low + (high - low) * step as f64 / (count - 1) as f64;
            while at + 1 < n && self.points[at].1.score < target {
                at += 1;
            }
            let point = &*self.points[at].1;
            if chosen.last().is_none_or(|last| last.blocks != point.blocks) {
                chosen.push(point);
            }
        }
        chosen
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
        }
    }
}
