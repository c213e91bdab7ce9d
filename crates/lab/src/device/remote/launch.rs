//! Starting the runner once: its command line, and what it prints.

use super::cores;
use super::kit::Kit;
use super::{Finished, Link, LinkError};
use edgezen_core::foreign::{ForeignText, shell_word};
use edgezen_runner::Measured;
use edgezen_runner::protocol;
use edgezen_runner::protocol::{Fault, Reply};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the runner reports when it starts, of itself and of the runtime that is to measure.
#[derive(Debug)]
pub struct Greeting {
    pub runtime_version: ForeignText,
    pub target: ForeignText,
}

/// Why a runner that was started is not used.
#[derive(Debug)]
pub enum Refusal {
    /// It does not run, or is of another version; another runner may do.
    DoesNotWork(ForeignText),
    /// It works, and cannot use the runtime; another runner may.
    NoRuntime(ForeignText),
    /// What it says of itself cannot be true.
    Nonsense(ForeignText),
}

/// Longest wait for a runner that is to say who it is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the device starts the runner at all; the inner `Err` is what it says instead.
pub fn probe(link: &mut dyn Link, kit: &Kit) -> Result<Result<(), ForeignText>, LinkError> {
    let finished = link.shell(&format!("{} --version", kit.command()), PATIENCE)?;
    let is_runner = finished.stdout.lines().any(|line| line.starts_with("device-runner "));
    Ok(if finished.ok() && is_runner { Ok(()) } else { Err(finished.complaint()) })
}

/// Starts the runner without a job. The inner `Err` says why the runner is not used to measure in `runtime`.
pub fn greet(
    link: &mut dyn Link,
    kit: &Kit,
    cores: &[u32],
    runtime: &str,
) -> Result<Result<Greeting, Refusal>, LinkError> {
    let command = format!("{} --jobs /dev/null", runner_command(kit, cores, None));
    let finished = link.shell(&command, PATIENCE)?;
    Ok(understood(&finished, runtime))
}

fn understood(finished: &Finished, runtime: &str) -> Result<Greeting, Refusal> {
    let Some(Reply::Ready { protocol, runtimes, target, .. }) = replies(&finished.stdout).into_iter().next()
    else {
        return Err(Refusal::DoesNotWork(finished.complaint()));
    };
    if protocol != protocol::VERSION {
        let reason = format!(
            "it is of another version of this program: it speaks protocol {protocol}, this program {}",
            protocol::VERSION
        );
        return Err(Refusal::DoesNotWork(reason.as_str().into()));
    }
    let Some(here) = runtimes.iter().find(|here| here.name == runtime) else {
        let names: Vec<&str> = runtimes.iter().map(|here| here.name.as_str()).collect();
        let reason = format!("it has no runtime {runtime} (it has: {})", names.join(", "));
        return Err(Refusal::NoRuntime(ForeignText::message(reason)));
    };
    let Some(version) = here.version.clone() else {
        let reason = here.missing.as_deref().unwrap_or("it does not say why");
        return Err(Refusal::NoRuntime(ForeignText::message(reason)));
    };
    match (ForeignText::whole(version), ForeignText::whole(target)) {
        (Ok(runtime_version), Ok(target)) => Ok(Greeting { runtime_version, target }),
        (Err(e), _) | (_, Err(e)) => Err(Refusal::Nonsense(ForeignText::message(e))),
    }
}

/// The command that starts the runner to measure, with the environment and the cores that all its calls share.
pub fn runner_command(kit: &Kit, cores: &[u32], env: Option<&BTreeMap<String, String>>) -> String {
    let env: String =
        env.into_iter().flatten().map(|(name, value)| format!("{name}={} ", shell_word(value))).collect();
    let cores = match cores {
        [] => String::new(),
        cores => format!(" --cores {}", cores::list(cores).replace(' ', "")),
    };
    format!("{env}{}{}{cores}", kit.command(), kit.options())
}

/// The replies among the lines that the runner printed. Other lines, such as warnings of the system's loader, are ignored.
pub fn replies(stdout: &str) -> Vec<Reply> {
    stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The result of the job `wanted`; `None` if the runner ended before it had one.
pub fn outcome(replies: Vec<Reply>, wanted: &str) -> Option<Result<Measured, (Fault, ForeignText)>> {
    replies.into_iter().find_map(|reply| match reply {
        Reply::Done { id, measured } if id == wanted => Some(Ok(*measured)),
        Reply::Failed { id, fault, reason } if id.as_deref().is_none_or(|id| id == wanted) => {
            Some(Err((fault, ForeignText::message(reason))))
        }
        _ => None,
    })
}

/// The first warning among the replies.
pub fn warning(replies: &[Reply]) -> Option<ForeignText> {
    replies.iter().find_map(|reply| match reply {
        Reply::Warning { reason } => Some(ForeignText::message(reason)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted(line: &str, runtime: &str) -> Result<Greeting, Refusal> {
        let finished =
            Finished { stdout: format!("WARNING: linker\n{line}\n"), stderr: String::new(), status: 0 };
        understood(&finished, runtime)
    }

    #[test]
    fn a_runner_is_used_for_the_runtimes_that_it_has() {
        let line = format!(
            r#"{{"reply":"ready","protocol":{},"runner_version":"1","runtimes":[{{"name":"tract","version":"0.2"}},
               {{"name":"litert","missing":"no library"}}],"target":"t","cores":[]}}"#,
            protocol::VERSION
        )
        .replace('\n', " ");
        assert_eq!(greeted(&line, "tract").unwrap().runtime_version, "0.2");
        for (runtime, word) in [("litert", "no library"), ("onnxruntime", "it has: tract, litert")] {
            match greeted(&line, runtime) {
                Err(Refusal::NoRuntime(reason)) => assert!(reason.raw().contains(word), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_runner_of_an_earlier_version_is_refused_by_name() {
        let line = r#"{"reply":"ready","protocol":2,"runner_version":"0","engine":"tract","engine_version":"0","target":"t","cores":[0]}"#;
        for (line, word) in [(line, "protocol 2"), ("no greeting", "exit status 0")] {
            match greeted(line, "tract") {
                Err(Refusal::DoesNotWork(reason)) => assert!(reason.raw().contains(word), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
