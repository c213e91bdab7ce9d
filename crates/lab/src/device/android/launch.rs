//! Starting the runner once: its command line, and what it prints.

use super::matching;
use super::runners::Pushed;
use crate::device::adb::{Link, LinkError, quoted};
use edgezen_runner::Measured;
use edgezen_runner::protocol;
use edgezen_runner::protocol::{Fault, Reply};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the runner reports about itself when it starts.
pub struct Greeting {
    pub engine: String,
    pub engine_version: String,
    pub target: String,
}

/// Starts the runner without a job. The inner `Err` says why the runner does not work.
pub fn greet(
    link: &mut dyn Link,
    runner: &Pushed,
    cores: &[u32],
) -> Result<Result<Greeting, String>, LinkError> {
    let command = format!("{} --jobs /dev/null", runner_command(runner, cores, None));
    let finished = link.shell(&command, Duration::from_secs(20))?;
    Ok(match replies(&finished.stdout).into_iter().next() {
        Some(Reply::Ready { protocol, engine, engine_version, target, .. }) => {
            if protocol == protocol::VERSION {
                Ok(Greeting { engine, engine_version, target })
            } else {
                Err(format!("it speaks protocol {protocol}, this program {}", protocol::VERSION))
            }
        }
        _ => Err(finished.complaint()),
    })
}

/// The command that starts the runner, with the environment and the cores that all its calls share.
pub fn runner_command(runner: &Pushed, cores: &[u32], env: Option<&BTreeMap<String, String>>) -> String {
    let env: String =
        env.into_iter().flatten().map(|(name, value)| format!("{name}={} ", quoted(value))).collect();
    let cores = match cores {
        [] => String::new(),
        cores => format!(" --cores {}", matching::list(cores).replace(' ', "")),
    };
    format!("{env}{}{cores}", runner.remote)
}

/// The replies among the lines that the runner printed. Other lines, such as warnings of the system's loader, are ignored.
pub fn replies(stdout: &str) -> Vec<Reply> {
    stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The result of the job `wanted`; `None` if the runner ended before it had one.
pub fn outcome(replies: Vec<Reply>, wanted: &str) -> Option<Result<Measured, (Fault, String)>> {
    replies.into_iter().find_map(|reply| match reply {
        Reply::Done { id, measured } if id == wanted => Some(Ok(*measured)),
        Reply::Failed { id, fault, reason } if id.as_deref().is_none_or(|id| id == wanted) => {
            Some(Err((fault, reason)))
        }
        _ => None,
    })
}

/// The first warning among the replies.
pub fn warning(replies: &[Reply]) -> Option<String> {
    replies.iter().find_map(|reply| match reply {
        Reply::Warning { reason } => Some(reason.clone()),
        _ => None,
    })
}
