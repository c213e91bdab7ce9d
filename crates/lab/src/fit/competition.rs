//! The competition of families: each is cross-validated on the same folds, and the best one is chosen for each kind.

use crate::fit::candidate::Candidate;
use crate::fit::choice::{Choice, choose};
use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::families;
use crate::fit::observation::folds;
use crate::fit::training::Shared;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::Terms;

/// Fewest observations that can be fitted and judged.
const MIN_OBSERVATIONS: usize = 8;
/// Folds where there are many observations: each costs a fit of every family.
const FEW_FOLDS: usize = 5;
/// Folds otherwise: more of the data stays in each fit.
const MANY_FOLDS: usize = 10;
/// Observations that count as many.
const LARGE: usize = 5_000;

/// All families, the winners, and what the winners say of what they have not seen.
pub(super) struct Competition {
    /// The fold of each observation.
    pub fold: Vec<usize>,
    pub candidates: Vec<Candidate>,
    pub choice: Choice,
    /// Of each observation: the sums over its kernels, by fits without its fold.
    pub held_out: Vec<Terms>,
}

impl Competition {
    /// Fits every family that suits the data, once without each fold.
    ///
    /// # Errors
    /// Too few observations, or a failure of the solver.
    pub fn run(data: &Data) -> Result<Competition, FitError> {
        let observations = data.observations;
        if observations.len() < MIN_OBSERVATIONS {
            return Err(FitError::TooFew { found: observations.len(), needed: MIN_OBSERVATIONS });
        }
        let folds_wanted = if observations.len() < LARGE { MANY_FOLDS } else { FEW_FOLDS };
        let fold = folds(observations, folds_wanted);
        let shared: Vec<Shared> = (0..folds_wanted).map(|_| Shared::default()).collect();
        let mut candidates = Vec::new();
        for &family in families::registry() {
            let scope = family.scope();
            if KernelKind::ALL.iter().any(|&kind| scope.suits(data.count(kind))) {
                candidates.push(Candidate::cross_validate(family, data, &fold, &shared)?);
            }
        }
        let choice = choose(data, &candidates);
        let held_out = observations
            .iter()
            .enumerate()
            .map(|(i, o)| choice.held_out(data, &candidates, &fold, i, o))
            .collect();
        Ok(Competition { fold, candidates, choice, held_out })
    }
}
