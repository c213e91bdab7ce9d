//! The work, unit by unit: searches first, then the trainings of what they found and of random networks. Several units run
//! at once; which are finished when does not change any result.

use super::plan::{Contestant, Freedom, Settings, Task, ZEN};
use super::random;
use super::report::{Origin, Report, Subject, Trial};
use super::searching::{self, Asked, Found, at_levels};
use super::units::Units;
use super::{Table1Error, Trained, Trainer};
use edgezen_core::files::FileError;
use edgezen_core::plainnet::{Model, Network, ShapeError, Variant, notation};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which part of the experiment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// The random networks alone.
    Random,
}

/// What has just happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// So many units of a kind are to be done, of which so many were finished before.
    Begin { what: &'a str, units: usize, finished: usize },
    /// A unit was finished.
    Done { about: &'a str },
}

/// The training of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    net: String,
    seed: u64,
}

/// The training of one network, by everything that its result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedTraining {
    net: String,
    seed: u64,
    task: Task,
}

/// The experiment, ready to run.
pub struct Work<'a> {
    pub settings: &'a Settings,
    pub task: &'a Task,
    pub trainer: &'a dyn Trainer,
    /// Where finished units are kept.
    pub units: Units,
    /// Units that run at once, one thread each.
    pub workers: usize,
    pub stop: &'a (dyn Fn() -> bool + Sync),
    pub event: &'a (dyn Fn(Event<'_>) + Sync),
}

impl Work<'_> {
    /// Does what is not done yet, and reports all.
    ///
    /// # Errors
    /// The first that occurs; what was finished before it is kept.
    pub fn run(&self, part: Part) -> Result<Report, Table1Error> {
        let Work { settings, task, .. } = *self;
        let (found, curves) = match part {
            Part::All => (
                self.searches("searches", self.of_table())?,
                self.searches("long searches", self.of_curves())?,
            ),
            Part::Random => (Vec::new(), Vec::new()),
        };
        let mut wanted: Vec<(Subject, u64)> = Vec::new();
        let mut want = |subject: &Subject, trainings: u32| {
            wanted.extend((0..trainings).map(|number| (subject.clone(), settings.nth_seed(number))));
        };
        for (asked, found) in &found {
            want(&of_search(asked, found), settings.training_seeds);
        }
        for (asked, found) in &curves {
            for met in at_levels(&found.rising, settings.levels) {
                let origin = Origin::Rising { freedom: asked.contestant.freedom };
                let model = model(&met.net, task)?;
                want(&subject(origin, Some(met.score), &model)?, settings.training_seeds);
            }
        }
        for number in 0..settings.random {
            let drawn =
                random::network(settings.seed, number, settings.params, task.resolution, task.classes)
                    .ok_or(Table1Error::NoRandom(settings.params))?;
            want(&subject(Origin::Random { number }, None, &drawn)?, 1);
        }
        let trained = self.trainings(&wanted)?;
        let trials = wanted.into_iter().zip(trained).map(|((subject, training_seed), trained)| Trial {
            subject,
            training_seed,
            trained,
        });
        Ok(Report::new(settings.clone(), task.clone(), trials.collect()))
    }
}

fn of_search(asked: &Asked, found: &Found) -> Subject {
    Subject {
        origin: Origin::Search {
            contestant: asked.contestant.clone(),
            seed: asked.seed,
            seconds: found.seconds,
        },
        score: Some(found.best.score),
        layers: found.layers,
        params: found.params,
        flops: found.flops,
        net: found.best.net.clone(),
    }
}

fn subject(origin: Origin, score: Option<f64>, model: &Model) -> Result<Subject, Table1Error> {
    let bad = |error: ShapeError| Table1Error::Training(Box::new(error));
    let (params, flops) = model.official(Variant::BUILT).map_err(bad)?;
    let layers = model.network.layers().ok_or_else(|| bad(ShapeError::Empty))?;
    let net = model.network.to_string();
    Ok(Subject { origin, score, layers, params: params.0, flops: flops.0, net })
}

/// The network written as `net`, for the images of `task`.
fn model(net: &str, task: &Task) -> Result<Model, Table1Error> {
    let network: Network = notation::parse(net).map_err(|error| Table1Error::Training(Box::new(error)))?;
    Ok(Model { name: None, network, resolution: task.resolution, classes: task.classes, se: false })
}

impl Work<'_> {
    /// The searches of the table: the contestants with all seeds.
    fn of_table(&self) -> Vec<Asked> {
        let Work { settings, .. } = *self;
        let of = |contestant: Contestant| {
            let one = move |number| {
                let seed = settings.nth_seed(number);
                self.asked(contestant.clone(), seed, settings.iterations, settings.population)
            };
            (0..settings.search_seeds).map(one)
        };
        settings.contestants().into_iter().flat_map(of).collect()
    }

    /// A search by the Zen-Score under each set of rules, for its rising scores.
    fn of_curves(&self) -> Vec<Asked> {
        let Work { settings, .. } = *self;
        if settings.levels == 0 {
            return Vec::new();
        }
        let of = |freedom| {
            let contestant = Contestant { proxy: ZEN.to_owned(), freedom };
            let seed = settings.nth_seed(0);
            self.asked(contestant, seed, settings.curve_iterations, settings.curve_population)
        };
        Freedom::ALL.into_iter().map(of).collect()
    }

    fn asked(&self, contestant: Contestant, seed: u64, iterations: u64, population: u32) -> Asked {
        let Task { resolution, classes, .. } = *self.task;
        let params = self.settings.params;
        Asked { contestant, seed, iterations, population, params, resolution, classes }
    }

    /// Runs the searches `asked`, in their order.
    fn searches(&self, what: &str, asked: Vec<Asked>) -> Result<Vec<(Asked, Found)>, Table1Error> {
        let known = |asked: &Asked| self.units.find::<_, Found>(asked);
        let do_one = |asked: &Asked| {
            let folder = self.units.place(asked, "search")?;
            let found = searching::run(asked, &folder, self.stop)?;
            let found = self.units.keep(asked, &found)?;
            // Its checkpoint is of no more use.
            let _ = std::fs::remove_dir_all(&folder);
            let about = format!(
                "{}, seed {}: score {:.4}, {} layers, {:.0} parameters, {:.1} s",
                asked.contestant.name(),
                asked.seed,
                found.best.score,
                found.layers,
                found.params,
                found.seconds
            );
            (self.event)(Event::Done { about: &about });
            Ok(found)
        };
        let found = self.all(what, &asked, known, do_one)?;
        Ok(asked.into_iter().zip(found).collect())
    }

    /// The trainings of all `wanted` networks, in their order. What is wanted twice is trained once.
    fn trainings(&self, wanted: &[(Subject, u64)]) -> Result<Vec<Trained>, Table1Error> {
        let Work { task, trainer, .. } = *self;
        let mut requests: Vec<Request> = Vec::new();
        let mut places = Vec::with_capacity(wanted.len());
        for (subject, seed) in wanted {
            let request = Request { net: subject.net.clone(), seed: *seed };
            let known = requests.iter().position(|known| *known == request);
            places.push(known.unwrap_or(requests.len()));
            if known.is_none() {
                requests.push(request);
            }
        }
        let full = |request: &Request| AskedTraining {
            net: request.net.clone(),
            seed: request.seed,
            task: task.clone(),
        };
        let known = |request: &Request| self.units.find::<_, Trained>(&full(request));
        let do_one = |request: &Request| {
            let model = model(&request.net, task)?;
            let trained = trainer.train(&model, request.seed, self.stop)?;
            let trained = self.units.keep(&full(request), &trained)?;
            let layers = model.network.layers().unwrap_or_default();
            let params = model.official(Variant::BUILT).map_or(f64::NAN, |(params, _)| params.0);
            let about = format!(
                "{layers} layers, {params:.0} parameters, seed {}: {:.2} % of the test images in epoch {}, {:.1} s",
                request.seed,
                100.0 * trained.test,
                trained.epoch,
                trained.seconds
            );
            (self.event)(Event::Done { about: &about });
            Ok(trained)
        };
        let trained = self.all("trainings", &requests, known, do_one)?;
        Ok(places.into_iter().map(|place| trained[place]).collect())
    }

    /// The results of all `units`, in their order: those that are `known`, and those that `do_one` computes.
    fn all<A: Sync, R: Send>(
        &self,
        what: &str,
        units: &[A],
        known: impl Fn(&A) -> Result<Option<R>, FileError>,
        do_one: impl Fn(&A) -> Result<R, Table1Error> + Sync,
    ) -> Result<Vec<R>, Table1Error> {
        let mut results: Vec<Option<R>> = Vec::with_capacity(units.len());
        for unit in units {
            results.push(known(unit)?);
        }
        let open: Vec<usize> = (0..units.len()).filter(|&i| results[i].is_none()).collect();
        (self.event)(Event::Begin { what, units: units.len(), finished: units.len() - open.len() });
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done: Mutex<Vec<(usize, Result<R, Table1Error>)>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, open.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&unit) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if failed.load(Ordering::Relaxed) {
                            return;
                        }
                        let result =
                            if (self.stop)() { Err(Table1Error::Interrupted) } else { do_one(&units[unit]) };
                        failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((unit, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Of several failures the one that says most: an interruption comes last.
        done.sort_by_key(|(unit, result)| (matches!(result, Err(Table1Error::Interrupted)), *unit));
        for (unit, result) in done {
            results[unit] = Some(result?);
        }
        results.into_iter().collect::<Option<Vec<R>>>().ok_or(Table1Error::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::super::{page, picture};
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// Gives every network an accuracy by its MACs and the seed, so that searches by FLOPs win; stops after some trainings.
    struct Fake {
        trained: AtomicU32,
        most: u32,
    }

    impl Trainer for Fake {
        fn train(&self, model: &Model, seed: u64, _: &dyn Fn() -> bool) -> Result<Trained, Table1Error> {
            if self.trained.fetch_add(1, Ordering::Relaxed) >= self.most {
                return Err(Table1Error::Interrupted);
            }
            let flops = model.official(Variant::BUILT).unwrap().1.0;
            let test = 0.5 + flops.ln() / 100.0 + (seed % 3) as f64 / 1_000.0;
            Ok(Trained { epoch: 1, validation: test, test, diverged: None, seconds: 0.0 })
        }
    }

    fn settings() -> Settings {
        Settings {
            proxies: vec!["zen".into(), "flops".into()],
            search_seeds: 3,
            training_seeds: 2,
            iterations: 1_500,
            population: 16,
            params: 50_000,
            random: 4,
            levels: 3,
            curve_iterations: 400,
            curve_population: 16,
            seed: 0,
        }
    }

    fn task() -> Task {
        Task {
            data: "digits".into(),
            sha256: "0".into(),
            classes: 10,
            resolution: 16,
            images: [1, 1, 1],
            recipe: serde_json::Value::Null,
        }
    }

    fn report(folder: &std::path::Path, fake: &Fake, workers: usize) -> Result<Report, Table1Error> {
        let (settings, task) = (settings(), task());
        let work = Work {
            settings: &settings,
            task: &task,
            trainer: fake,
            units: Units::new(folder),
            workers,
            stop: &|| false,
            event: &|_| {},
        };
        work.run(Part::All)
    }

    #[test]
    fn every_network_is_trained_once_for_each_seed_and_nothing_twice() {
        let dir = tempfile::tempdir().unwrap();
        let unlimited = || Fake { trained: AtomicU32::new(0), most: u32::MAX };
        let first = unlimited();
        let whole = report(dir.path(), &first, 2).unwrap();
        let names: Vec<&str> = whole.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["zen", "flops", "zen, any shape", "zen, any shape and depth", "random"]);
        let trainings: Vec<usize> = whole.lines.iter().map(|line| line.trainings).collect();
        assert_eq!(trainings, [6, 6, 6, 6, 4]);
        assert_eq!(whole.curves.len(), 3);
        assert!(first.trained.load(Ordering::Relaxed) <= whole.trials.len() as u32);
        // The fake trainer likes MACs: what the paper says of FLOPs is refuted, and of random networks it holds or not.
        let flops = &whole.lines[1];
        assert!(flops.to_zen.unwrap().points > 0.0, "{flops:?}");
        assert_eq!(flops.verdict, Some(Verdict::Reversed), "{flops:?}");
        assert!(page::sentences(&whole).iter().any(|sentence| sentence.contains("the reverse is found")));
        assert!(
            page::write(&whole).contains("| flops | 93.1 | 64.7 |")
                && picture::draw(&whole).starts_with("<svg")
        );
        assert_eq!(whole.csv().lines().count(), 1 + whole.lines.len());
        assert_eq!(whole.networks_csv().lines().count(), 1 + whole.trials.len());
        let again = unlimited();
        assert_eq!(report(dir.path(), &again, 1).unwrap(), whole);
        assert_eq!(again.trained.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_run_that_was_stopped_ends_as_one_that_was_not() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let unlimited = Fake { trained: AtomicU32::new(0), most: u32::MAX };
        let whole = report(one.path(), &unlimited, 1).unwrap();
        let stopped = Fake { trained: AtomicU32::new(0), most: 5 };
        assert!(matches!(report(other.path(), &stopped, 2), Err(Table1Error::Interrupted)));
        let rest = Fake { trained: AtomicU32::new(0), most: u32::MAX };
        let parts = report(other.path(), &rest, 2).unwrap();
        let total = unlimited.trained.load(Ordering::Relaxed);
        assert_eq!(rest.trained.load(Ordering::Relaxed), total - 5);
        let accuracies = |report: &Report| report.lines.iter().map(|line| line.accuracy).collect::<Vec<_>>();
        assert_eq!(accuracies(&parts), accuracies(&whole));
    }
}
