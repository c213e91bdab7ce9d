//! Optimisers: how a search gets from its networks to better ones.
//!
//! An optimiser is one file, which implements [`Optimiser`], and one line of the registry.

pub(crate) mod climb;
mod islands;
mod paper;
mod reference;
mod rules;
mod sequential;

pub use rules::{Rules, RulesError};

use super::Search;
use super::running::state::SearchState;
use super::running::worker::Worker;
use crate::plainnet::SuperBlock;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// A way to vary the networks of a search and to select among them.
pub trait Optimiser: Send + Sync {
    /// As given to `--optimiser` and written in files.
    fn name(&self) -> &'static str;

    /// The rules that it follows where nothing else is said.
    fn rules(&self) -> Rules;

    /// How many threads one round can keep busy.
    fn parallelism(&self, rules: &Rules) -> usize;

    /// Breeds and judges the children of one round, and enters them into `state`.
    fn round(&self, breeding: &mut Breeding<'_>, state: &mut SearchState);
}

/// What a round works with.
pub struct Breeding<'a> {
    pub(crate) search: &'a Search<'a>,
    /// A structure inside the budgets, from which the search starts.
    pub(crate) start: &'a [SuperBlock],
    /// One for each thread.
    pub(crate) workers: Vec<Worker<'a>>,
    pub(crate) pool: rayon::ThreadPool,
}

/// All optimisers; the first is the default.
pub fn registry() -> &'static [&'static dyn Optimiser] {
    REGISTRY
}

static REGISTRY: &[&dyn Optimiser] = &[&islands::Islands, &paper::Paper, &reference::Reference];

/// The optimiser called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Optimiser> {
    registry().iter().copied().find(|optimiser| optimiser.name() == name)
}

impl PartialEq for dyn Optimiser {
    fn eq(&self, other: &dyn Optimiser) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for dyn Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for dyn Optimiser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for &'static dyn Optimiser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        by_name(&name).ok_or_else(|| D::Error::custom(format_args!("unknown optimiser {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimiser_is_found_by_its_name_and_follows_its_own_rules() {
        for &optimiser in registry() {
            assert!(by_name(optimiser.name()) == Some(optimiser));
            let rules = optimiser.rules();
            assert_eq!(rules.optimiser.name(), optimiser.name());
            let written = serde_json::to_string(&rules).unwrap();
            assert_eq!(serde_json::from_str::<Rules>(&written).unwrap(), rules);
        }
    }
}
