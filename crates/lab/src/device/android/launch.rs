//! Starting the runner once: its command line, and what it prints.

use super::matching;
use super::runners::Pushed;
use crate::device::adb::{Link, LinkError};
use edgezen_core::foreign::{ForeignText, Name, shell_word};
use edgezen_runner::Measured;
use edgezen_runner::protocol;
use edgezen_runner::protocol::{Fault, Reply};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the runner reports about itself when it starts.
pub struct Greeting {
    pub engine: Name,
    pub engine_version: ForeignText,
    pub target: ForeignText,
}

/// Why a runner that was started is not used.
pub enum Refusal {
    /// It does not run, or is of another version; another runner may do.
    DoesNotWork(ForeignText),
    /// What it says of itself cannot be true.
    Nonsense(ForeignText),
}

/// Starts the runner without a job. The inner `Err` says why the runner is not used.
pub fn greet(
    link: &mut dyn Link,
    runner: &Pushed,
    cores: &[u32],
) -> Result<Result<Greeting, Refusal>, LinkError> {
    let command = format!("{} --jobs /dev/null", runner_command(runner, cores, None));
    let finished = link.shell(&command, Duration::from_secs(20))?;
    Ok(match replies(&finished.stdout).into_iter().next() {
        Some(Reply::Ready { protocol, engine, engine_version, target, .. }) => {
            if protocol != protocol::VERSION {
                let reason = format!("it speaks protocol {protocol}, this program {}", protocol::VERSION);
                return Ok(Err(Refusal::DoesNotWork(reason.as_str().into())));
            }
            let texts = (ForeignText::whole(engine_version), ForeignText::whole(target));
            match (Name::parse(&engine), texts) {
                (Ok(engine), (Ok(engine_version), Ok(target))) => {
                    Ok(Greeting { engine, engine_version, target })
                }
                (Err(e), _) => Err(Refusal::Nonsense(ForeignText::message(format_args!("its engine {e}")))),
                (_, (Err(e), _) | (_, Err(e))) => Err(Refusal::Nonsense(ForeignText::message(e))),
            }
        }
        _ => Err(Refusal::DoesNotWork(finished.complaint())),
    })
}

/// The command that starts the runner, with the environment and the cores that all its calls share.
pub fn runner_command(runner: &Pushed, cores: &[u32], env: Option<&BTreeMap<String, String>>) -> String {
    let env: String =
        env.into_iter().flatten().map(|(name, value)| format!("{name}={} ", shell_word(value))).collect();
    let cores = match cores {
        [] => String::new(),
        cores => format!(" --cores {}", matching::list(cores).replace(' ', "")),
    };
    format!("{env}{}{cores}", shell_word(&runner.remote))
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
