//! One part of the work.

use edgezen_core::files::Format;
use serde::{Deserialize, Serialize};

/// The layout of the file of a job.
pub const FORMAT: Format =
    Format { name: "job", field: "job_version", oldest: 1, newest: 1, most_bytes: 1 << 28 };

/// One part of the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub job_version: u32,
    /// Version of the program that planned it: another one may compute other numbers.
    pub tool_version: String,
    pub work: Work,
}

/// What a job consists of: items that the same options go with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Scores of networks.
    Score { options: Vec<String>, nets: Vec<String> },
    /// One search for each seed.
    Search {
        options: Vec<String>,
        seeds: Vec<u64>,
        /// Checksum of what the options stand for, predictors included, without the seed.
        meaning: String,
    },
    /// Trainings of finalists, of which those of a round need those of the round before.
    Train {
        options: Vec<String>,
        trainings: Vec<Step>,
        seed: u64,
        /// Checksum of what the options stand for: networks, recipe, images and seed.
        meaning: String,
    },
}

/// The training of a finalist for a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From 0.
    pub round: usize,
    /// It is that of the network which was the best of the round before (0), the second best (1), and so on.
    pub place: usize,
}

impl Job {
    pub fn new(work: Work) -> Job {
        Job { job_version: FORMAT.newest, tool_version: env!("CARGO_PKG_VERSION").to_owned(), work }
    }
}

impl Work {
    /// The number of its items.
    pub fn items(&self) -> usize {
        match self {
            Work::Score { nets, .. } => nets.len(),
            Work::Search { seeds, .. } => seeds.len(),
            Work::Train { trainings, .. } => trainings.len(),
        }
    }

    /// The same work in `parts` of almost the same size, in the order of the items; fewer where there are fewer items.
    pub fn cut(&self, parts: usize) -> Vec<Work> {
        let parts = parts.clamp(1, self.items().max(1));
        let bound = |part: usize| part * self.items() / parts;
        let piece = |part: usize| {
            let range = bound(part)..bound(part + 1);
            match self {
                Work::Score { options, nets } => {
                    Work::Score { options: options.clone(), nets: nets[range].to_vec() }
                }
                Work::Search { options, seeds, meaning } => Work::Search {
                    options: options.clone(),
                    seeds: seeds[range].to_vec(),
                    meaning: meaning.clone(),
                },
                Work::Train { options, trainings, seed, meaning } => Work::Train {
                    options: options.clone(),
                    trainings: trainings[range].to_vec(),
                    seed: *seed,
                    meaning: meaning.clone(),
                },
            }
        };
        (0..parts).map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_item_once_and_in_order() {
        for (items, parts, expected) in [(10, 3, 3), (10, 1, 1), (3, 8, 3), (1, 1, 1), (7, 7, 7), (5, 0, 1)] {
            let seeds: Vec<u64> = (100..100 + items).collect();
            let work =
                Work::Search { options: vec!["--x".into()], seeds: seeds.clone(), meaning: "m".into() };
            let cut = work.cut(parts);
            assert_eq!(cut.len(), expected);
            let sizes: Vec<usize> = cut.iter().map(Work::items).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
            let found: Vec<u64> = cut
                .iter()
                .flat_map(|part| match part {
                    Work::Search { seeds, .. } => seeds.clone(),
                    Work::Score { .. } | Work::Train { .. } => panic!("another command"),
                })
                .collect();
            assert_eq!(found, seeds);
        }
    }
}
