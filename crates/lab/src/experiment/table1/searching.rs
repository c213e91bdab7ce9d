//! One search of the table: Algorithm 2 of the paper, with a proxy in the place of the Zen-Score. On its way, it remembers
//! the networks that had the highest score so far.

use super::Table1Error;
use super::plan::{Contestant, Freedom, SPACE, START};
use crate::runs::SavedSearch;
use edgezen_core::plainnet::{Network, ShapeError, notation};
use edgezen_core::proxy;
use edgezen_core::proxy::{Candidate, Memory, Mode, Proxy, ScoreError, Setup};
use edgezen_core::search::{Checkpoint, Instruction, Observer, Quantity, Rules, Search, SearchProgress};
use edgezen_core::space;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A search, by everything that its result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub contestant: Contestant,
    pub seed: u64,
    pub iterations: u64,
    pub population: u32,
    /// Most parameters.
    pub params: u64,
    pub resolution: u32,
    pub classes: u32,
}

/// A network with its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    pub score: f64,
    pub net: String,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    pub best: Scored,
    pub layers: u32,
    pub params: f64,
    pub flops: f64,
    /// Candidates that got a score.
    pub scored: u64,
    /// The networks that had the highest score so far when they were met, in this order. Kept of the Zen-Score alone.
    pub rising: Vec<Scored>,
    pub seconds: f64,
}

/// A proxy that remembers every network with a higher score than all before it.
struct Recorder {
    of: Box<dyn Proxy>,
    met: Mutex<Vec<Scored>>,
}

impl Recorder {
    fn look(&self, candidate: Candidate<'_>, score: &Result<f64, ScoreError>) {
        let Ok(score) = score else { return };
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if score.is_finite() && met.last().is_none_or(|last| *score > last.score) {
            met.push(Scored { score: *score, net: Network::from(candidate.blocks).to_string() });
        }
    }
}

impl Proxy for Recorder {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn batch(&self) -> Option<u32> {
        self.of.batch()
    }

    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        self.score_next(candidate, &mut Memory::default(), rng)
    }

    fn score_next(
        &self,
        candidate: Candidate<'_>,
        memory: &mut Memory,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        let score = self.of.score_next(candidate, memory, rng);
        self.look(candidate, &score);
        score
    }
}

/// Stops a search when it is asked to, and keeps its checkpoint then.
struct Watch<'a> {
    started: Instant,
    /// Seconds of the sessions before.
    spent: f64,
    folder: &'a Path,
    stop: &'a (dyn Fn() -> bool + Sync),
    failed: Mutex<Option<crate::runs::RunError>>,
}

impl Watch<'_> {
    fn seconds(&self) -> f64 {
        self.spent + self.started.elapsed().as_secs_f64()
    }
}

impl Observer for Watch<'_> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, _: SearchProgress) {}

    fn instruction(&self) -> Instruction {
        if (self.stop)() { Instruction::Stop } else { Instruction::GoOn }
    }

    fn save(&self, checkpoint: &Checkpoint) {
        if !(self.stop)() {
            return;
        }
        let saved = std::fs::create_dir_all(self.folder)
            .map_err(|e| edgezen_core::files::FileError::io(self.folder)(e).into())
            .and_then(|()| SavedSearch::new(self.seconds(), checkpoint.clone()).write(self.folder));
        if let Err(error) = saved {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

/// Runs the search `asked` on one thread. One that passes images through networks goes on from the checkpoint in
/// `folder`, where an interrupted one left it; any other takes seconds.
///
/// # Errors
/// Nothing fits the budgets, a checkpoint that cannot be read or written, and [`Table1Error::Interrupted`].
pub fn run(asked: &Asked, folder: &Path, stop: &(dyn Fn() -> bool + Sync)) -> Result<Found, Table1Error> {
    let failed = |reason: String| Table1Error::Search { contestant: asked.contestant.name(), reason };
    let space = space::by_name(SPACE).ok_or_else(|| failed(format!("there is no space {SPACE}")))?;
    let entry = proxy::by_name(&asked.contestant.proxy)
        .ok_or_else(|| failed(format!("there is no proxy {}", asked.contestant.proxy)))?;
    let setup = Setup { mode: Mode::Paper, resolution: asked.resolution };
    let recorder = Recorder { of: (entry.make)(setup), met: Mutex::default() };
    let is_slow = recorder.batch().is_some();
    let rules = Rules { population: asked.population as usize, ..Rules::PAPER };
    let mut search = Search::new(space)
        .proxy(&recorder)
        .budget(Quantity::Params, asked.params as f64)
        .input(asked.resolution, asked.classes)
        .rules(rules)
        .iterations(asked.iterations)
        .seed(asked.seed)
        .threads(1);
    search.initial = start().map_err(|e| failed(e.to_string()))?;
    if asked.contestant.freedom != Freedom::Rules {
        search = search.any_shape();
    }
    if asked.contestant.freedom != Freedom::AnyDepth {
        search = search.with_depth_limit().map_err(|e| failed(e.to_string()))?;
    }
    let saved = if is_slow { SavedSearch::read(folder)? } else { None };
    let (spent, checkpoint) = saved.map_or((0.0, None), |saved| (saved.seconds, Some(saved.search)));
    let watch = Watch { started: Instant::now(), spent, folder, stop, failed: Mutex::default() };
    let outcome = search.observed(&watch, checkpoint.as_ref()).map_err(|e| failed(e.to_string()))?;
    if let Some(error) = watch.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error.into());
    }
    if outcome.iterations < asked.iterations {
        return Err(Table1Error::Interrupted);
    }
    let seconds = watch.seconds();
    let best = &outcome.best;
    let costs = &best.costs;
    let network = Network::from(&best.blocks[..]);
    let unknown = || failed("the costs of its best network are not known".into());
    let rising = recorder.met.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Found {
        layers: network.layers().ok_or_else(unknown)?,
        params: costs[Quantity::Params].ok_or_else(unknown)?,
        flops: costs[Quantity::Flops].ok_or_else(unknown)?,
        best: Scored { score: best.score, net: network.to_string() },
        scored: outcome.scored,
        rising: if is_slow || asked.contestant.proxy != super::plan::ZEN { Vec::new() } else { rising },
        seconds,
    })
}

fn start() -> Result<Vec<edgezen_core::plainnet::SuperBlock>, ShapeError> {
    let network = notation::parse(START).map_err(|_| ShapeError::Empty)?;
    network.super_blocks("a search varies")
}

/// Up to `levels` of the networks that were met at rising scores: those that first reached scores at equal distances, from
/// the first score to the highest.
pub fn at_levels(rising: &[Scored], levels: u32) -> Vec<Scored> {
    let (Some(first), Some(last)) = (rising.first(), rising.last()) else { return Vec::new() };
    let mut chosen: Vec<Scored> = Vec::new();
    for level in 0..levels {
        let share = if levels > 1 { f64::from(level) / f64::from(levels - 1) } else { 1.0 };
        let target = first.score + share * (last.score - first.score);
        // Rounding may put the target a hair above the highest score.
        let met = rising.iter().find(|met| met.score >= target).unwrap_or(last);
        if chosen.last() != Some(met) {
            chosen.push(met.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(proxy: &str, freedom: Freedom) -> Asked {
        Asked {
            contestant: Contestant { proxy: proxy.into(), freedom },
            seed: 1,
            iterations: 600,
            population: 32,
            params: 50_000,
            resolution: 16,
            classes: 10,
        }
    }

    #[test]
    fn a_search_keeps_its_budget_and_remembers_how_its_score_rose() {
        let dir = tempfile::tempdir().unwrap();
        let found = |freedom| {
            run(&Asked { iterations: 6_000, ..asked("zen", freedom) }, dir.path(), &|| false).unwrap()
        };
        let ruled = found(Freedom::Rules);
        assert!(ruled.params <= 50_000.0 && ruled.params > 10_000.0, "{}", ruled.params);
        assert_eq!(ruled.rising.last(), Some(&ruled.best));
        assert!(ruled.rising.len() > 5 && ruled.rising.windows(2).all(|pair| pair[0].score < pair[1].score));
        // Without a limit on the layers, the score is bought with depth.
        let free = found(Freedom::AnyDepth);
        assert!(free.layers > ruled.layers && free.best.score > ruled.best.score, "{:?}", free.best);
        assert!(run(&asked("flops", Freedom::Rules), dir.path(), &|| false).unwrap().rising.is_empty());
        assert_eq!(found(Freedom::Rules).best, ruled.best);
    }

    #[test]
    fn a_slow_search_goes_on_from_where_it_was_stopped() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let asked = Asked { iterations: 24, population: 8, ..asked("naswot", Freedom::Rules) };
        let whole = run(&asked, &dir.path().join("whole"), &|| false).unwrap();
        let folder = dir.path().join("parts");
        let calls = AtomicU32::new(0);
        let stop = || calls.fetch_add(1, Ordering::Relaxed) >= 1;
        assert!(matches!(run(&asked, &folder, &stop), Err(Table1Error::Interrupted)));
        assert!(folder.join("checkpoint").is_file());
        let rest = run(&asked, &folder, &|| false).unwrap();
        assert_eq!((rest.best, rest.scored), (whole.best, whole.scored));
    }

    #[test]
    fn levels_are_first_reached_and_equally_far_apart() {
        let met = |score: f64| Scored { score, net: score.to_string() };
        let rising: Vec<Scored> = [0.0, 1.0, 4.0, 5.1, 9.0, 10.0].map(met).into();
        let scores = |levels| at_levels(&rising, levels).iter().map(|met| met.score).collect::<Vec<_>>();
        assert_eq!(scores(3), [0.0, 5.1, 10.0]);
        assert_eq!(scores(5), [0.0, 4.0, 5.1, 9.0, 10.0]);
        assert_eq!(scores(1), [10.0]);
        assert_eq!(scores(0), [0.0; 0]);
        assert!(at_levels(&[], 4).is_empty());
    }
}
