//! A search from its plan to its result: what is searched, measured and written, in this order, for a new run and for
//! one that goes on.

use super::plan::{Earlier, SearchPlan};
use super::watch::{self, Session, Watch};
use super::{Args, text};
use crate::cli::caller::Caller;
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, target, verify};
use crate::shipped;
use edgezen_core::accuracy::Prediction;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::notation;
use edgezen_core::proxy::Proxy;
use edgezen_core::proxy::ensemble::Ensemble;
use edgezen_core::search::winner::{self, Winner};
use edgezen_core::search::{Checkpoint, Individual, Search, SearchOutcome, degeneracy, explain};
use edgezen_lab::campaign::networks::LAUNCHES;
use edgezen_lab::rescoring;
use edgezen_lab::rescoring::Race;
use edgezen_lab::runs;
use edgezen_lab::runs::{
    Chosen, Content, FoundNetwork, Manifest, NotExported, Rescored, RunFolder, SavedSearch, SearchResult,
    Verification,
};
use edgezen_lab::verify::{OnDevice, Verify};
use std::ops::ControlFlow;
use std::path::Path;

/// One search, with what it needs.
pub struct Job<'a> {
    pub args: &'a Args,
    pub plan: &'a SearchPlan,
    pub proxy: &'a dyn Proxy,
    pub search: &'a Search<'a>,
    /// What chooses the winner; absent where the greatest score wins.
    pub ensemble: Option<&'a Ensemble>,
    pub output: Output,
    /// The program that runs the search in its own process; absent for the command line.
    pub caller: Option<&'a dyn Caller>,
}

/// What a search found.
struct Found {
    outcome: SearchOutcome,
    /// Absent where the greatest score wins.
    winner: Option<Winner>,
    /// Of all sessions.
    seconds: f64,
}

impl Found {
    /// The winner; the network with the greatest score where that wins.
    fn winning(&self) -> &Individual {
        self.winner.as_ref().map_or(&self.outcome.best, |winner| &winner.network)
    }
}

/// What is known of a run beside what the search found.
struct Known<'a> {
    /// The winner, or the best of those that were measured inside the budget.
    best: &'a Individual,
    verification: Option<Verification>,
    rescored: Option<Rescored>,
    notes: Vec<String>,
}

/// A run whose result is on the disk.
struct Written {
    result: SearchResult,
    /// Why the network file of the best network is not, though it could be.
    lacking: Option<Failure>,
}

impl Job<'_> {
    /// Goes on with a run. A finished one is shown again, unless something new is asked for.
    pub fn go_on(&self, earlier: Earlier) -> Result<(), Failure> {
        let Earlier { mut folder, manifest, saved } = earlier;
        let dir = &self.plan.out;
        let ours = self.plan.manifest();
        let is_prolonged = ours.rules.iterations > manifest.rules.iterations;
        let is_rescored_otherwise = ours.rescore != manifest.rescore;
        let manifest =
            Manifest { rules: ours.rules, begun_with: ours.begun_with, rescore: ours.rescore, ..manifest };
        if folder.content() == Content::Finished {
            let recorded = runs::read_result(dir)?;
            if !is_prolonged && self.args.verify == 0 {
                return self.show(&folder, &manifest, recorded, saved);
            }
            let saved = saved.ok_or_else(|| {
                Failure::usage(format!("{} holds no checkpoint to go on from", dir.display()))
            })?;
            folder.renew(&manifest, &saved)?;
            return self.run(folder, Some(saved), Some(recorded));
        }
        if is_prolonged || is_rescored_otherwise {
            runs::write_manifest(folder.home(), &manifest)?;
        }
        let recorded = if folder.is_same_run() { Some(runs::read_result(dir)?) } else { None };
        self.run(folder, saved, recorded)
    }

    /// Shows a finished run. Files that it lacks are written.
    fn show(
        &self,
        folder: &RunFolder,
        manifest: &Manifest,
        mut result: SearchResult,
        saved: Option<SavedSearch>,
    ) -> Result<(), Failure> {
        let (plan, home) = (self.plan, folder.home());
        result.run_dir = plan.out.display().to_string();
        // A run that was interrupted meanwhile has none of what it was to have.
        if self.args.rescore.is_some() || (plan.rescore.is_some() && result.rescored.is_none()) {
            let Found { outcome, .. } = self.search(home, saved)?;
            result.rescored = self.rescored(&outcome, home, 0)?;
            runs::write_result(home, &result)?;
            runs::write_manifest(home, manifest)?;
        }
        let mut lacking = None;
        if !home.join("best.onnx").is_file() || !home.join("best.txt").exists() {
            let best = notation::parse(&result.best.net)?.super_blocks("a search finds")?;
            match runs::write_best(home, &plan.model(&best), plan.seed)? {
                Some(NotExported::File(error)) => lacking = Some(lacks(error, plan)),
                Some(reason) => self.output.note(format!("note: {reason}")),
                None => {}
            }
        }
        if !home.join("front.csv").exists() {
            let best = notation::parse(&result.best.net)?.super_blocks("a search finds")?;
            runs::write_front(home, &result, &plan.model(&best))?;
        }
        if let Some(failure) = lacking {
            return Err(failure);
        }
        self.output.result(&result, || text::text(&result, plan))?;
        judge(&result, plan)
    }

    /// Searches, measures and writes. `recorded` is what is known of the same run, which is prolonged or measured again.
    pub fn run(
        &self,
        mut folder: RunFolder,
        saved: Option<SavedSearch>,
        recorded: Option<SearchResult>,
    ) -> Result<(), Failure> {
        let Job { plan, proxy, output, .. } = *self;
        if let Some(batch) = proxy.batch() {
            output.note(format!(
                "{} passes images through every network ({batch} of them), which takes up to seconds; --batch sets how many",
                proxy.name()
            ));
        }
        let home = folder.home().to_owned();
        let found = self.search(&home, saved)?;
        let outcome = &found.outcome;
        runs::write_outcome(&home, outcome, &plan.budgets)?;
        // A finished run that goes on is measured again only where that is asked for now.
        let asked = if recorded.is_some() { self.args.verify } else { plan.verify };
        let winning = found.winning();
        let earlier = recorded.and_then(|recorded| recorded.verification);
        // What can be broken off comes before what a device would have to do again. What was found is on the disk by then,
        // because Ctrl-C may end the program in the middle of it.
        let rescored = match &plan.rescore {
            None => None,
            Some(_) => {
                let known =
                    Known { best: winning, verification: earlier.clone(), rescored: None, notes: Vec::new() };
                self.write(&home, &found, known)?;
                let rescored = self.rescored(outcome, &home, asked)?;
                if asked > 0 {
                    // Not finished before it is measured.
                    runs::withdraw_result(&home)?;
                }
                rescored
            }
        };
        let mut notes = Vec::new();
        let mut failure = None;
        let (measured, best) = match self.verified(outcome, winning, asked) {
            Ok(verified) => verified,
            // What was found is written all the same.
            Err(reason) => {
                failure = Some(reason);
                (None, winning.clone())
            }
        };
        let is_measured = measured.is_some();
        if earlier.is_some() && !is_measured {
            notes.push(
                "what was measured before the run was prolonged is kept; --resume --verify measures again"
                    .into(),
            );
        }
        if let Some(measured) = &measured {
            runs::write_verification(&home, measured)?;
        }
        let known = Known { best: &best, verification: measured.or(earlier), rescored, notes };
        let Written { result, lacking } = self.write(&home, &found, known)?;
        result.notes.iter().for_each(|note| output.note(format!("note: {note}")));
        let page = plan.out.join("report.html");
        if home != plan.out && page.exists() {
            let (page, run) = (page.display(), plan.out.display());
            output.note(format!("note: {page} shows the run before; edgezen report {run} draws it anew"));
        }
        folder.finish()?;
        if let Some(failure) = lacking.or(failure) {
            return Err(failure);
        }
        output.result(&result, || text::text(&result, plan))?;
        if is_measured { judge(&result, plan) } else { Ok(()) }
    }

    /// Writes the best network, the front and the result into `home`; what is to be known of the best network comes after the
    /// notes in `known`.
    fn write(&self, home: &Path, found: &Found, known: Known<'_>) -> Result<Written, Failure> {
        let Job { plan, proxy, .. } = *self;
        let Found { outcome, winner, seconds } = found;
        let Known { best, verification, rescored, mut notes } = known;
        if let Some(prediction) = plan.by_calibration(&best.blocks)? {
            notes.push(of_accuracy(&prediction));
        }
        let mut lacking = None;
        match runs::write_best(home, &plan.model(&best.blocks), plan.seed)? {
            Some(NotExported::File(error)) => lacking = Some(lacks(error, plan)),
            Some(reason) => notes.push(reason.to_string()),
            None => {}
        }
        let extrapolated = degeneracy::extrapolated(self.search, &best.blocks)?;
        let result = SearchResult {
            best: FoundNetwork::of(best, &plan.budgets),
            front: runs::front(outcome, &plan.budgets),
            proxy: plan.proxy_name(),
            mode: plan.mode,
            winner: winner
                .as_ref()
                .filter(|winner| winner.network.blocks == best.blocks)
                .zip(plan.winner_name())
                .map(|(winner, by)| Chosen {
                    by,
                    finalists: winner.finalists,
                    greatest: FoundNetwork::of(&outcome.best, &plan.budgets),
                    exceeding: winner.exceeding,
                }),
            rules: plan.rules.optimiser,
            iterations: outcome.iterations,
            scored: outcome.scored,
            rejected: outcome.rejected.clone(),
            seconds: *seconds,
            seconds_by_phase: outcome.phases,
            seed: plan.seed,
            run_dir: plan.out.display().to_string(),
            verified: verification.iter().flat_map(|v| v.networks()).cloned().collect(),
            verification,
            rescored,
            notes,
            degeneracies: degeneracy::of(self.search, &best.blocks, &extrapolated),
            extrapolated,
            explanation: explain::explain(self.search, proxy, &best.blocks)?,
        };
        runs::write_front(home, &result, &plan.model(&best.blocks))?;
        runs::write_result(home, &result)?;
        Ok(Written { result, lacking })
    }

    /// Scores the best networks again, if that was asked for; the result so far is in `home`, and `verify` networks are to be
    /// measured afterwards.
    fn rescored(
        &self,
        outcome: &SearchOutcome,
        home: &Path,
        verify: usize,
    ) -> Result<Option<Rescored>, Failure> {
        let Job { plan, output, .. } = *self;
        let Some(table) = &plan.rescore else { return Ok(None) };
        let top = usize::from(table.top).min(outcome.ranked().len());
        output.note(format!(
            "the {top} best networks are scored again on random weights and images, which takes up to minutes"
        ));
        let bar = output.progress(top as u64, "scoring again {bar:16} {pos}/{len} decided  {msg}  {elapsed}");
        let broken_off = || watch::not_rescored(&plan.out, home == plan.out, table, verify);
        let waiting = watch::Impatience::new(self.caller, &bar, broken_off());
        let rescored =
            rescoring::run(outcome, top, plan.mode, plan.resolution, plan.seed, &mut |race: Race| {
                bar.set_position(race.decided as u64);
                bar.set_message(format!("{} draws", race.draws));
                if watch::stopped(self.caller) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        waiting.over();
        bar.finish_and_clear();
        rescored.map(Some).ok_or_else(broken_off)
    }

    /// Runs the search, from where it was saved.
    fn search(&self, home: &Path, saved: Option<SavedSearch>) -> Result<Found, Failure> {
        let Job { args, plan, .. } = *self;
        let (spent, checkpoint) = match saved {
            Some(SavedSearch { seconds, search, .. }) => (seconds, Some(search)),
            None => (0.0, None),
        };
        let from = checkpoint.as_ref().map(Checkpoint::iteration);
        let iterations = plan.rules.iterations;
        let pause = args.checkpoint_every;
        let session = Session { home, run: &plan.out, iterations, spent, from, pause };
        let watch = Watch::new(session, self.output, self.caller)?;
        let outcome = self.search.observed(&watch, checkpoint.as_ref());
        let done = outcome.as_ref().is_ok_and(|outcome| outcome.iterations >= iterations);
        let chosen = match (self.ensemble, &outcome) {
            (Some(ensemble), Ok(outcome)) if done => {
                winner::of(self.search, outcome, ensemble, &watch::Unsaved(&watch))
            }
            _ => Ok(None),
        };
        let seconds = watch.finish()?;
        let (outcome, winner) = (outcome?, chosen?);
        if !done || winner.is_some() != self.ensemble.is_some() {
            return Err(watch::interrupted(&plan.out, Some(outcome.iterations), iterations));
        }
        Ok(Found { outcome, winner, seconds })
    }

    /// Measures the winner and the best networks of the front, if that was asked for. Gives the record and the best network: of
    /// those measured inside the budget, else the winner.
    fn verified(
        &self,
        outcome: &SearchOutcome,
        winning: &Individual,
        asked: usize,
    ) -> Result<(Option<Verification>, Individual), Failure> {
        let Job { args, plan, .. } = *self;
        let Some(name) = plan.device.as_deref().filter(|_| asked > 0) else {
            return Ok((None, winning.clone()));
        };
        target::warn_unfit(&target::unfit(name), self.output);
        let profiles = shipped::profiles();
        let device = OnDevice {
            profiles: &profiles,
            name,
            options: args.reach.of_free_unit(name)?.options(name, LAUNCHES, 0),
        };
        let mut shown = verify::Shown::new(self.output);
        let verify = Verify { search: self.search, device, winner: winning, asked };
        let finding = verify.run(outcome, &mut |event| {
            shown.show(event);
            if watch::stopped(self.caller) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((Some(finding.verification), finding.best.unwrap_or_else(|| winning.clone())))
    }
}

/// The failure of a run whose result was written, and whose network file the disk did not take.
fn lacks(error: FileError, plan: &SearchPlan) -> Failure {
    let failure = Failure::from(error);
    let first = match (failure.exit, &failure.remedy) {
        (Exit::Usage, _) => "move away what is there; then ".to_owned(),
        (_, Some(remedy)) => format!("{remedy}; then "),
        (_, None) => String::new(),
    };
    let out = plan.out.display();
    failure
        .remedy(format!("{first}edgezen search --resume --out {out} writes it: the rest of the run is there"))
}

/// What is to be known of an accuracy that a calibration predicts.
fn of_accuracy(prediction: &Prediction) -> String {
    let Prediction { accuracy, lower, upper, outside } = prediction;
    let interval =
        format!("the calibration predicts an accuracy of {accuracy:.1} % ({lower:.1} to {upper:.1} %)");
    let quantities = match outside.as_slice() {
        [] => return interval,
        [one] => format!("{one} of this network lies"),
        [first, others @ ..] => {
            format!("{first} and {} further quantities of this network lie", others.len())
        }
    };
    format!("{interval}; it is extrapolated, because {quantities} outside of what it was fitted to")
}

/// Fails where too few networks were measured inside the budget.
fn judge(result: &SearchResult, plan: &SearchPlan) -> Result<(), Failure> {
    if let Some(v) = &result.verification
        && v.inside_budget < v.asked
    {
        let again = format!("edgezen search --resume --verify {} --out {}", v.asked, plan.out.display());
        verify::usual_speed(v.networks(), Some(&again))?;
    }
    match &result.verification {
        Some(v) if v.inside_budget < v.asked && plan.limit(&v.device).is_some() => {
            let message = format!(
                "{} of {} networks were measured inside the budget on {}",
                v.inside_budget, v.asked, v.device
            );
            Err(Failure::new(Exit::Infeasible, message)
                .remedy("more --iterations, a larger budget, or a predictor of more samples"))
        }
        // A network that was measured badly is not known to be inside.
        Some(v) if v.networks().all(|row| row.quality.is_doubtful()) && v.networks().next().is_some() => {
            let again = format!("edgezen search --resume --verify {} --out {}", v.asked, plan.out.display());
            Err(Failure::new(Exit::Quality, format!("no network could be measured well on {}", v.device))
                .remedy(format!("close other programs, then measure again: {again}")))
        }
        _ => Ok(()),
    }
}
