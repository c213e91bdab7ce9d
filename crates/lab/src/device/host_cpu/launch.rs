//! A launch: one measurement in a process of its own. The process that wants it writes a job to the other's standard
//! input and reads the reply from its standard output, one JSON object each.

use super::NAME;
use super::measuring::{self, Settings};
use crate::device::pinned_core::PinnedCore;
use crate::device::{DeviceError, Workload, running};
use edgezen_runner::{Measured, Monotonic, Policy, Running, Work};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How a process is started that calls [`answer`] on its standard streams.
#[derive(Clone, Debug)]
pub struct Launcher {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// What the process is to measure, and how.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    /// Both processes must be the same program.
    version: String,
    work: Work,
    running: Running,
    /// Whether outputs are compared with tract's before anything is timed.
    pub compare: bool,
    pub batch: u32,
    pub seed: u64,
    pub policy: Policy,
    pub cores: Option<Vec<u32>>,
    /// The usual length of a probe of the core's pace, as far as it is known.
    pub usual_probe_ns: Option<u64>,
    /// How long the core's pace is learnt.
    pub learn: Duration,
    /// The longest wait until the core is at its usual pace.
    pub settle: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Measured(Box<Measured>),
    /// Why the workload cannot be measured.
    Workload(String),
    /// Why the file cannot be read.
    File(String),
    /// Why nothing can be measured.
    Failed(String),
}

impl Job {
    pub fn new(workload: Workload<'_>, running: Running, policy: Policy) -> Job {
        Job {
            version: env!("CARGO_PKG_VERSION").into(),
            work: workload.to_work(),
            running,
            compare: true,
            batch: 1,
            seed: 0,
            policy,
            cores: None,
            usual_probe_ns: None,
            learn: Duration::ZERO,
            settle: Duration::ZERO,
        }
    }

    /// Does the job in this process.
    fn run(&self) -> Reply {
        if self.version != env!("CARGO_PKG_VERSION") {
            let ours = env!("CARGO_PKG_VERSION");
            return Reply::Failed(format!("it is of version {ours}, this program of {}", self.version));
        }
        // The library is opened by a thread that is not pinned yet; its initialisers may start threads.
        let engine = match running::open(&self.running, NAME) {
            Ok(engine) => engine,
            Err(error) => return Reply::Failed(error.to_string()),
        };
        let core = PinnedCore::learning(self.cores.as_deref(), self.usual_probe_ns, self.learn);
        let mut core = match core {
            Ok(core) => core,
            Err(error) => return Reply::Failed(error.to_string()),
        };
        if !self.settle.is_zero() {
            core.pace.settle(&Monotonic::start(), self.settle);
        }
        let workload = match &self.work {
            Work::Subject(subject) => Workload::Subject(subject),
            Work::File(path) => Workload::File(path),
            Work::Written(path) => Workload::Written(path),
        };
        let settings = Settings {
            batch: self.batch,
            seed: self.seed,
            precision: &self.running.precision,
            policy: &self.policy,
            compare: self.compare,
        };
        match measuring::measure(workload, engine.as_ref(), settings, &mut core) {
            Ok(measured) => Reply::Measured(Box::new(measured)),
            Err(DeviceError::Workload { reason, .. }) => Reply::Workload(reason),
            Err(DeviceError::BadFile { reason, .. }) => Reply::File(reason),
            Err(error) => Reply::Failed(error.to_string()),
        }
    }
}

/// Reads a job from `input`, does it, and writes the reply to `output`.
///
/// # Errors
/// Streams that fail. A job that cannot be read or done is answered, and is no error.
pub fn answer(input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let reply = match serde_json::from_reader::<_, Job>(input) {
        Ok(job) => job.run(),
        Err(error) => Reply::Failed(format!("not a job: {error}")),
    };
    serde_json::to_writer(&mut output, &reply)?;
    output.flush()
}

impl Launcher {
    /// Has `job`, which measures `workload`, done by a new process.
    ///
    /// # Errors
    /// A process that cannot be started or does not answer, or what it says of the workload.
    pub(super) fn run(&self, job: &Job, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let broken = |reason: String| DeviceError::Launch { device: NAME.into(), reason };
        let text = serde_json::to_vec(job).map_err(|e| DeviceError::workload(workload, e))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| broken(format!("{}: {e}", self.program.display())))?;
        // The process reads all of the job before it writes anything. One that ended early is described below.
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(&text);
        }
        let output = child.wait_with_output().map_err(|e| broken(e.to_string()))?;
        let reply: Reply = match serde_json::from_slice(&output.stdout) {
            Ok(reply) => reply,
            Err(error) if output.status.success() => return Err(broken(format!("not a reply: {error}"))),
            Err(_) => {
                let reason = format!("{}{}", ending(output.status), last_line(&output.stderr));
                return Err(DeviceError::workload(workload, reason));
            }
        };
        match (reply, workload) {
            (Reply::Measured(measured), _) => Ok(*measured),
            (Reply::Workload(reason), _) => Err(DeviceError::workload(workload, reason)),
            (Reply::File(reason), Workload::File(path) | Workload::Written(path)) => {
                Err(DeviceError::BadFile { path: path.to_owned(), reason })
            }
            (Reply::File(reason) | Reply::Failed(reason), _) => Err(broken(reason)),
        }
    }
}

/// How a process ended that gave no reply.
fn ending(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // Linux ends processes with this signal when memory runs out.
        let hint = if signal == libc::SIGKILL { ", perhaps because memory ran out" } else { "" };
        return format!("the process that measured it was ended by signal {signal}{hint}");
    }
    format!("the process that measured it ended without a result ({status})")
}

/// The last line of what the process said, after a colon; empty if it said nothing.
fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map_or(String::new(), |line| format!(": {}", line.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::measurement::Subject;

    fn policy() -> Policy {
        Policy { warmup_min_ns: 0, warmup_max_ns: 0, max_ns: 0, min_runs: 3, patience_ns: 0, ..Policy::HOST }
    }

    fn job(structure: &str) -> Job {
        let subject = Subject::Block { structure: structure.into(), resolution: 8 };
        Job::new(Workload::Subject(&subject), Running::tract(), policy())
    }

    fn reply(input: &[u8]) -> Reply {
        let mut output = Vec::new();
        answer(input, &mut output).unwrap();
        serde_json::from_slice(&output).unwrap()
    }

    #[test]
    fn every_job_is_answered() {
        // In a thread of its own, because measuring pins the thread.
        std::thread::spawn(|| {
            let text = |job: &Job| serde_json::to_vec(job).unwrap();
            let done = reply(&text(&job("SuperResK3K3(8,16,2,8,1)")));
            let Reply::Measured(measured) = done else { panic!("{done:?}") };
            assert!(measured.timing.samples_ns.len() >= 3 && measured.load_ns.is_some());
            assert!(matches!(reply(&text(&job("SuperResK3K3(8,16"))), Reply::Workload(_)));
            let missing =
                Job::new(Workload::File(std::path::Path::new("/nowhere/x.onnx")), Running::tract(), policy());
            assert!(matches!(reply(&text(&missing)), Reply::File(_)));
            let other = Job { version: "0".into(), ..job("SuperResK3K3(8,16,2,8,1)") };
            let Reply::Failed(reason) = reply(&text(&other)) else { panic!() };
            assert!(reason.contains("version"), "{reason}");
            assert!(matches!(reply(b"{}"), Reply::Failed(_)));
        })
        .join()
        .unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_process_that_does_not_answer_is_described() {
        let run = |script: &str| {
            let launcher =
                Launcher { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
            let subject = Subject::Block { structure: "SuperResK3K3(8,16,2,8,1)".into(), resolution: 8 };
            let workload = Workload::Subject(&subject);
            launcher.run(&Job::new(workload, Running::tract(), policy()), workload).unwrap_err().to_string()
        };
        let killed = run("kill -9 $$");
        assert!(killed.contains("signal 9") && killed.contains("memory"), "{killed}");
        let failed = run("echo >&2 'no\u{1b}[2J room'; exit 3");
        assert!(failed.contains("room") && failed.contains('3') && !failed.contains('\u{1b}'), "{failed}");
        let other = run("cat >/dev/null; echo hello");
        assert!(other.contains("not a reply"), "{other}");
        let missing = Launcher { program: "/nowhere/edgezen".into(), arguments: vec![] };
        let subject = Subject::Block { structure: "SuperResK3K3(8,16,2,8,1)".into(), resolution: 8 };
        let workload = Workload::Subject(&subject);
        let error = missing.run(&Job::new(workload, Running::tract(), policy()), workload).unwrap_err();
        assert!(matches!(error, DeviceError::Launch { .. }), "{error}");
    }
}
