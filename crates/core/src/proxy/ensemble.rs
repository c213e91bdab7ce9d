//! Several scores at once: the sum of the logarithms of a network's ranks, as AZ-NAS combines its scores (Lee & Ham, CVPR
//! 2024). Units do not matter, and a network that one of the scores puts last falls far behind.
//!
//! [`log_ranks`] ranks networks among one another. In a search, an [`Ensemble`] ranks them among **reference networks**
//! that stay the same.
//!
//! Ranks among the members of a population would change with every child, so that a score would depend on when it was
//! asked for. Ranks among fixed networks make the ensemble a score like any other: a function of the network alone, the
//! same for any number of threads and after an interruption.
//!
//! Between two reference values a rank is interpolated. A search soon leaves the reference behind; beyond its greatest
//! value the rank goes on in steps of the mean distance of its upper half, below its least value it falls towards 0.

use super::{Candidate, Memory, Proxy, ScoreError};
use crate::plainnet::Model;
use crate::stats;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The sum of ln(rank / n) over `scores`: one slice for each score, one number for each of the n networks. The best rank
/// is n; equal scores share their mean rank. The best sum is 0.
pub fn log_ranks(scores: &[Vec<f64>]) -> Vec<f64> {
    let n = scores.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; n];
    for values in scores {
        for (sum, rank) in sums.iter_mut().zip(stats::ranks(values)) {
            *sum += (rank / n as f64).ln();
        }
    }
    sums
}

/// The name under which failures are reported.
const NAME: &str = "ensemble";

/// A sum of ln(rank / n) over its members; 0 where a network is as good as the best of the n reference networks by each
/// of them, and more beyond.
pub struct Ensemble {
    members: Vec<Member>,
}

struct Member {
    proxy: Box<dyn Proxy>,
    ranks: Ranks,
}

/// Why scores make no ensemble.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EnsembleError {
    #[error("an ensemble takes at least one score")]
    Empty,
    #[error("{0} passes images through networks; an ensemble of a search takes closed forms")]
    OnImages(&'static str),
    #[error("no reference network has a score by {proxy}: {reason}")]
    NoReference { proxy: &'static str, reason: String },
}

impl Ensemble {
    /// The ensemble of `proxies`, with ranks among `reference`. A reference network that one of them cannot score is left out
    /// of that one's ranks.
    ///
    /// # Errors
    /// No proxies, one that runs networks, or one that scores no reference network.
    pub fn new(
        proxies: Vec<Box<dyn Proxy>>,
        reference: &[Candidate<'_>],
        seed: u64,
    ) -> Result<Ensemble, EnsembleError> {
        if proxies.is_empty() {
            return Err(EnsembleError::Empty);
        }
        let member = |proxy: Box<dyn Proxy>| {
            if proxy.batch().is_some() {
                return Err(EnsembleError::OnImages(proxy.name()));
            }
            let mut reason = "there is none".to_owned();
            let mut scores = Vec::with_capacity(reference.len());
            for &candidate in reference {
                match proxy.score(candidate, &mut Xoshiro256PlusPlus::seed_from_u64(seed)) {
                    Ok(score) if score.is_finite() => scores.push(score),
                    Ok(_) => reason = ScoreError::NotFinite { proxy: proxy.name() }.to_string(),
                    Err(error) => reason = error.to_string(),
                }
            }
            let ranks = Ranks::of(scores);
            let ranks = ranks.ok_or(EnsembleError::NoReference { proxy: proxy.name(), reason })?;
            Ok(Member { proxy, ranks })
        };
        Ok(Ensemble { members: proxies.into_iter().map(member).collect::<Result<_, _>>()? })
    }
}

/// Ranks among fixed values.
#[derive(Clone, Debug, PartialEq)]
struct Ranks {
    /// Distinct values with their ranks from 1, ascending; equal values shared their mean rank.
    known: Vec<(f64, f64)>,
    count: f64,
    /// Distance of one rank outside of the known values.
    step: f64,
}

impl Ranks {
    fn of(mut values: Vec<f64>) -> Option<Ranks> {
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let mut known = Vec::new();
        let mut before = 0.0;
        for run in values.chunk_by(|a, b| a == b) {
            let many = run.len() as f64;
            known.push((run[0], before + (many + 1.0) / 2.0));
            before += many;
        }
        let count = before;
        let upper = (greatest - values[values.len() / 2]) / (0.5 * count);
        let steps = [upper, (greatest - least) / count, greatest.abs() / count, 1.0 / count];
        let step = steps.into_iter().find(|step| *step > 0.0)?;
        Some(Ranks { known, count, step })
    }

    /// ln(rank / n).
    fn log(&self, value: f64) -> f64 {
        let after = self.known.partition_point(|(known, _)| *known < value);
        let rank = match (after.checked_sub(1).map(|before| self.known[before]), self.known.get(after)) {
            (None, None) => return f64::NAN,
            (None, Some(&(least, rank))) => rank / (1.0 + (least - value) / self.step),
            (Some((greatest, rank)), None) => rank + (value - greatest) / self.step,
            (Some((below, rank)), Some(&(above, next))) => {
                rank + (next - rank) * (value - below) / (above - below)
            }
        };
        (rank / self.count).ln()
    }
}

impl Proxy for Ensemble {
    fn name(&self) -> &'static str {
        NAME
    }

    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let mut sum = 0.0;
        for member in &self.members {
            sum += member.ranks.log(member.proxy.score(candidate, rng)?);
        }
        Ok(sum)
    }

    fn score_next(
        &self,
        candidate: Candidate<'_>,
        memory: &mut Memory,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        let memories = self.memories(memory);
        let mut sum = 0.0;
        for (member, memory) in self.members.iter().zip(memories) {
            sum += member.ranks.log(member.proxy.score_next(candidate, memory, rng)?);
        }
        Ok(sum)
    }

    fn score_alike(
        &self,
        candidates: &[Candidate<'_>],
        memory: &mut Memory,
        rng: &mut dyn FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Result<f64, ScoreError>> {
        let memories = self.memories(memory);
        let mut sums = vec![Ok(0.0); candidates.len()];
        for (member, memory) in self.members.iter().zip(memories) {
            let scores = member.proxy.score_alike(candidates, memory, rng);
            for (sum, score) in sums.iter_mut().zip(scores) {
                let before = std::mem::replace(sum, Ok(0.0));
                *sum = before.and_then(|before| Ok(before + member.ranks.log(score?)));
            }
        }
        sums
    }

    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let mut sum = 0.0;
        for member in &self.members {
            sum += member.ranks.log(member.proxy.score_model(model, rng)?);
        }
        Ok(sum)
    }
}

impl Ensemble {
    /// What each member keeps.
    fn memories<'a>(&self, memory: &'a mut Memory) -> &'a mut Vec<Memory> {
        let memories = memory.of::<Vec<Memory>>();
        memories.resize_with(self.members.len(), Memory::default);
        memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{SuperBlock, notation};
    use crate::proxy::{self, Mode, Setup};

    #[test]
    fn the_best_of_all_is_zero_and_the_worst_of_one_is_far_behind() {
        let sums = log_ranks(&[vec![3.0, 1.0, 2.0], vec![30.0, 20.0, 10.0]]);
        assert_eq!(sums[0], 0.0);
        assert!((sums[1] - ((1.0_f64 / 3.0).ln() + (2.0_f64 / 3.0).ln())).abs() < 1e-12);
        assert!((sums[1] - sums[2]).abs() < 1e-12);
        assert_eq!(log_ranks(&[vec![5.0, 5.0]]), vec![0.75_f64.ln(); 2]);
    }

    #[test]
    fn ranks_are_interpolated_and_go_on() {
        let ranks = Ranks::of(vec![3.0, 1.0, 1.0, 5.0]).unwrap();
        assert_eq!(ranks.known, [(1.0, 1.5), (3.0, 3.0), (5.0, 4.0)]);
        // The upper half goes from 3 to 5 in two ranks.
        assert_eq!((ranks.count, ranks.step), (4.0, 1.0));
        for (value, rank) in [(5.0, 4.0), (4.0, 3.5), (2.0, 2.25), (1.0, 1.5), (7.0, 6.0), (0.0, 0.75)] {
            assert!((ranks.log(value) - (rank / 4.0_f64).ln()).abs() < 1e-12, "{value}");
        }
        assert_eq!(Ranks::of(Vec::new()), None);
        // Values that are all alike still tell more from less.
        let alike = Ranks::of(vec![2.0; 8]).unwrap();
        assert!(alike.log(1.0) < alike.log(2.0) && alike.log(2.0) < alike.log(3.0));
    }

    fn of(names: &[&str], reference: &[Vec<SuperBlock>]) -> Result<Ensemble, EnsembleError> {
        let setup = Setup { mode: Mode::Paper, resolution: 32 };
        let proxies = names.iter().map(|name| (proxy::by_name(name).unwrap().make)(setup)).collect();
        let candidates: Vec<Candidate<'_>> =
            reference.iter().map(|blocks| Candidate { blocks, resolution: 32, classes: 10 }).collect();
        Ensemble::new(proxies, &candidates, 1)
    }

    fn networks() -> Vec<Vec<SuperBlock>> {
        let net = |width: i32| {
            let text = format!("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,{width},2,{width},1)");
            notation::parse(&text).unwrap().super_blocks("").unwrap()
        };
        (1..9).map(|i| net(8 * i)).collect()
    }

    #[test]
    fn it_is_the_sum_over_its_members_however_it_is_asked() {
        let networks = networks();
        let ensemble = of(&["zen", "params", "macs"], &networks).unwrap();
        let candidates: Vec<Candidate<'_>> =
            networks.iter().map(|blocks| Candidate { blocks, resolution: 32, classes: 10 }).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        let (mut memory, mut alike) = (Memory::default(), Memory::default());
        let together = ensemble
            .score_alike(&candidates, &mut alike, &mut |i| Xoshiro256PlusPlus::seed_from_u64(i as u64));
        for (i, &candidate) in candidates.iter().enumerate() {
            // The wider network is better by each of the three: ln(rank / n), three times.
            let want = 3.0 * ((i + 1) as f64 / 8.0).ln();
            let one = ensemble.score(candidate, &mut rng).unwrap();
            assert!((one - want).abs() < 1e-9, "{i}: {one} for {want}");
            assert_eq!(ensemble.score_next(candidate, &mut memory, &mut rng), Ok(one));
            assert!((together[i].as_ref().unwrap() - one).abs() < 1e-9);
        }
    }

    #[test]
    fn what_makes_no_ensemble_is_refused() {
        let networks = networks();
        assert_eq!(of(&[], &networks).err(), Some(EnsembleError::Empty));
        assert_eq!(of(&["zen", "naswot"], &networks).err(), Some(EnsembleError::OnImages("naswot")));
        let error = of(&["zen", "params"], &[]).err();
        assert!(matches!(error, Some(EnsembleError::NoReference { proxy: "zen", .. })), "{error:?}");
    }
}
