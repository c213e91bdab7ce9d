//! One measurement on a device: the runner gets a job, again and again until there is a result.

use super::LinkError;
use super::files::known_graph;
use super::launch::{outcome, replies, warning};
use super::machine::Machine;
use super::open::Remote;
use crate::device::{DeviceError, Workload};
use edgezen_core::foreign::{ForeignText, shell_word};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Graph, lowering};
use edgezen_runner::protocol;
use edgezen_runner::protocol::Job;
use edgezen_runner::{Asked, Measured, Running, Work, plausible, trial};
use std::time::Duration;

/// Attempts at one job: a runner that ends without a result is started again, each time after a longer pause.
const ATTEMPTS: u32 = 4;
/// The first of these pauses.
const PAUSE: Duration = Duration::from_millis(300);
/// Number of broken links within one job after which it is given up.
const BREAKS: u32 = 8;

/// The longest run of a network whose size is not known.
const UNKNOWN_RUN_NS: u64 = 20_000_000_000;

/// How long a job may take, and what can be true of its answer.
struct Plan {
    limit: Duration,
    asked: Asked,
}

impl Plan {
    /// For `job`, whose network has this graph; `None`: it is a file that only the runtime can read.
    fn of(job: &Job, graph: Option<&Graph>) -> Plan {
        let macs = |graph: &Graph| -> f64 {
            lowering::fused(graph).iter().map(|kernel| kernel.with_batch(job.batch).macs()).sum()
        };
        // The slowest devices compute a fifth of a MAC per nanosecond.
        let least_ns = if graph.is_some() { 10_000_000 } else { UNKNOWN_RUN_NS };
        let run_ns = |macs: f64| (5.0 * macs) as u64 + least_ns;
        let once = graph.map_or(0.0, &macs);
        // The other runtimes find out what work takes inside a network by repeating it.
        let own = job.running == Running::tract();
        let subject = job.work.subject().zip(graph);
        let repeated = subject.and_then(|(subject, graph)| trial::repeated(subject, graph, !own));
        let longest = repeated.as_ref().map_or(once, |repeated| macs(&repeated.long).max(once));
        // Where the difference between two graphs is too small to be seen, the work is timed by itself as well.
        let times = if repeated.is_some() { 2 } else { 1 };
        // Comparing the outputs takes a run in each runtime; the ranges of integers take a run each time that it is loaded.
        let besides = if own { 0 } else { run_ns(longest).saturating_mul(8) };
        let timing = job.policy.at_most_ns(run_ns(longest)).saturating_mul(times);
        let limit = Duration::from_nanos(timing.saturating_add(besides)) + Duration::from_secs(30);
        let policy = if repeated.is_some() { job.policy.split(2) } else { job.policy };
        let within_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Plan { limit, asked: Asked { policy, macs: once, within_ns } }
    }
}

impl Remote {
    /// Runs one job until it has a result, even if the link breaks or the runner is killed in between. A result that
    /// cannot be true is asked for once more, under a name that no result on the device has.
    pub fn job(&mut self, id: &str, work: &Work, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        self.system.keep_awake(&mut *self.link, &self.profile);
        let again = format!("{id}-{}", self.run);
        let measured = match self.ask(id, work, workload) {
            Err(DeviceError::Implausible { .. }) => self.ask(&again, work, workload),
            // The watchdog on the device had undone everything, after a long silence of this side.
            Ok(_) if self.system.changed().is_undone() => {
                self.notes.push(
                    "its settings had been brought back after a long silence; they are changed again".into(),
                );
                self.prepare().map_err(|error| self.lost(error))?;
                self.ask(&again, work, workload)
            }
            Ok(measured) if self.moved(&measured) => self.ask(&again, work, workload),
            answer => answer,
        }?;
        Ok(self.at_its_pace(measured))
    }

    /// Whether the profile wants a process that stays on one of its cores, and this one did not.
    fn moved(&self, measured: &Measured) -> bool {
        let cores = measured.before.core.zip(measured.after.core);
        let stays = |(before, after): (u32, u32)| before == after && self.cores.contains(&after);
        self.profile.require.same_core_verified && !self.cores.is_empty() && !cores.is_none_or(stays)
    }

    /// What was measured, beside the usual pace of the core as everything so far shows it: a single process cannot know whether
    /// the core is slower than it was in others.
    fn at_its_pace(&mut self, mut measured: Measured) -> Measured {
        if let Some(learnt) = measured.timing.usual_probe_ns {
            let usual = self.usual_probe_ns.map_or(learnt, |known| known.min(learnt));
            self.usual_probe_ns = Some(usual);
            measured.timing.usual_probe_ns = Some(usual);
        }
        measured
    }

    fn ask(&mut self, id: &str, work: &Work, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let batch = work.subject().and_then(Subject::batch).unwrap_or(self.identity.batch);
        let graph = known_graph(workload)?;
        let key = workload.key();
        let job = Job {
            protocol: protocol::VERSION,
            id: id.to_owned(),
            work: work.clone(),
            running: self.running.clone(),
            compare: !self.compared.contains(&key),
            batch,
            seed: self.seed,
            policy: self.policy,
        };
        let plan = Plan::of(&job, graph.as_ref());
        let limit = plan.limit;
        let json = serde_json::to_string(&job).map_err(|e| DeviceError::workload(workload, e))?;
        let command = format!(
            "{}{} --time-limit {} --results {} --job {}",
            self.system.before_job(&self.dir, &self.machine, limit),
            self.command(),
            limit.as_secs(),
            shell_word(&self.results()),
            shell_word(&json)
        );
        let (mut attempts, mut breaks) = (0, 0);
        loop {
            match self.link.shell(&command, limit + Duration::from_secs(15)) {
                Ok(finished) => {
                    let said = self.system.heard(&finished.stdout);
                    let replies = replies(&finished.stdout);
                    let warned = warning(&replies).map(|reason| reason.to_string());
                    for reason in said.into_iter().chain(warned) {
                        if !self.notes.contains(&reason) {
                            self.notes.push(reason);
                        }
                    }
                    match outcome(replies, id) {
                        Some(Ok(measured)) => {
                            return match plausible::check(&measured, &plan.asked) {
                                Ok(()) => {
                                    self.compared.insert(key);
                                    Ok(measured)
                                }
                                Err(lie) => Err(DeviceError::Implausible {
                                    device: self.name(),
                                    reason: ForeignText::message(format_args!("of {workload}, {lie}")),
                                }),
                            };
                        }
                        Some(Err((fault, reason))) => {
                            return Err(DeviceError::workload(workload, format!("{fault}: {reason}")));
                        }
                        None if attempts + 1 < ATTEMPTS => {
                            std::thread::sleep(PAUSE * 2_u32.pow(attempts));
                            attempts += 1;
                        }
                        None => {
                            let reason = format!(
                                "the runner ended {ATTEMPTS} times without a result: {}",
                                finished.complaint()
                            );
                            return Err(DeviceError::workload(workload, reason));
                        }
                    }
                }
                Err(error) if error.may_pass() && breaks < BREAKS => {
                    breaks += 1;
                    self.regain(&error)?;
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Gets the device back after `cause`, and makes sure that it is the same device and was not restarted.
    fn regain(&mut self, cause: &LinkError) -> Result<(), DeviceError> {
        let waited = self.link.await_ready(self.patience);
        waited.map_err(|e| match e.needs_a_person() {
            true => DeviceError::Link(e),
            false => {
                self.lost(format!("{cause}; it did not come back within {} s ({e})", self.patience.as_secs()))
            }
        })?;
        let now = match Machine::read(&mut *self.link, &self.system.questions()) {
            Ok(now) => now,
            // The link broke again; the next attempt at the job will deal with it.
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let identity =
            |machine: &Machine| (self.system.build(machine).cloned(), self.system.serial(machine).cloned());
        if identity(&now) != identity(&self.machine) {
            return Err(self.lost(format!("another {} answers now", self.system.noun())));
        }
        if now.boot_id != self.machine.boot_id {
            return Err(self.lost("it was started anew meanwhile (another boot id)"));
        }
        Ok(())
    }
}
