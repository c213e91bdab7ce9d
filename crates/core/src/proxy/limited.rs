//! A proxy that scores no network that takes more memory than there is.

use super::{Candidate, Memory, Proxy, ScoreError};
use crate::plainnet::{Model, Network};
use crate::units::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A proxy, and the memory that is free for it; `None` where that is not known.
pub struct Limited<P: ?Sized> {
    pub free: Option<Bytes>,
    pub proxy: Box<P>,
}

/// Compares what a score takes with what is `free`.
///
/// # Errors
/// It takes more.
pub fn check(proxy: &'static str, needed: Option<Bytes>, free: Option<Bytes>) -> Result<(), ScoreError> {
    match (needed, free) {
        (Some(needed), Some(free)) if needed > free => Err(ScoreError::Memory { proxy, needed, free }),
        _ => Ok(()),
    }
}

impl<P: Proxy + ?Sized> Limited<P> {
    fn fits(&self, candidate: Candidate<'_>) -> Result<(), ScoreError> {
        // A closed form takes microseconds, and should not wait for a question that it has no answer to.
        if self.proxy.batch().is_none() {
            return Ok(());
        }
        let Candidate { blocks, resolution, classes } = candidate;
        let network = Network::from(blocks);
        let model = Model { name: None, network, resolution, classes, se: false };
        check(self.proxy.name(), self.proxy.memory(&model)?, self.free)
    }
}

impl<P: Proxy + ?Sized> Proxy for Limited<P> {
    fn name(&self) -> &'static str {
        self.proxy.name()
    }

    fn batch(&self) -> Option<u32> {
        self.proxy.batch()
    }

    fn memory(&self, model: &Model) -> Result<Option<Bytes>, ScoreError> {
        self.proxy.memory(model)
    }

    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        self.fits(candidate)?;
        self.proxy.score(candidate, rng)
    }

    fn score_next(
        &self,
        candidate: Candidate<'_>,
        memory: &mut Memory,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        self.fits(candidate)?;
        self.proxy.score_next(candidate, memory, rng)
    }

    fn score_alike(
        &self,
        candidates: &[Candidate<'_>],
        memory: &mut Memory,
        rng: &mut dyn FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Result<f64, ScoreError>> {
        if self.proxy.batch().is_none() {
            return self.proxy.score_alike(candidates, memory, rng);
        }
        let each = candidates.iter().enumerate();
        each.map(|(i, &candidate)| self.score_next(candidate, memory, &mut rng(i))).collect()
    }

    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        check(self.proxy.name(), self.proxy.memory(model)?, self.free)?;
        self.proxy.score_model(model, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;
    use crate::proxy::{self, Mode, Setup};
    use rand::SeedableRng;

    #[test]
    fn what_does_not_fit_is_refused_with_the_memory_that_it_takes() {
        let model = published::by_name("zennet_cifar10_model_size05M_res32").unwrap();
        let setup = Setup { mode: Mode::Paper, resolution: model.resolution };
        for entry in proxy::registry() {
            let limited = |free| Limited { free: Some(Bytes(free)), proxy: (entry.make)(setup) };
            let needed = limited(0.0).memory(&model).unwrap();
            assert_eq!(needed.is_some(), entry.with_batch.is_some(), "{}", entry.name);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
            let refused = limited(1000.0).score_model(&model, &mut rng);
            let blocks = model.network.super_blocks("").unwrap();
            let candidate =
                Candidate { blocks: &blocks, resolution: model.resolution, classes: model.classes };
            let alike = limited(1000.0).score_next(candidate, &mut Memory::default(), &mut rng);
            for score in [refused, alike] {
                match needed {
                    Some(needed) => assert_eq!(
                        score,
                        Err(ScoreError::Memory { proxy: limited(0.0).name(), needed, free: Bytes(1000.0) })
                    ),
                    None => assert!(score.is_ok(), "{}: {score:?}", entry.name),
                }
            }
        }
    }
}
