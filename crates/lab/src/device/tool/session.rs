//! A tool that is ready to measure: its program was found, and its version is known.

use super::call::{self, Call};
use super::error::ToolError;
use super::lookup::Tool;
use super::template::{self, Template};
use super::values::{self, Values};
use edgezen_core::digest::sha256;
use edgezen_core::foreign::ForeignText;
use edgezen_runner::{Conditions, Measured, Outputs, TimedBy, Timing};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a tool may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);
/// The longest text that is taken for a version.
const LONGEST_VERSION: usize = 60;

/// A tool that is ready to measure.
#[derive(Clone, Debug)]
pub struct Session {
    pub tool: Tool,
    threads: u32,
    /// The version of the program, and the beginning of a checksum of how it is called.
    pub version: String,
}

/// What is measured, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The file of the network, with its whole path.
    pub model: &'a Path,
    pub batch: u32,
    /// Channels, height and width of the first input, where the description asks for them.
    pub sizes: Option<[usize; 3]>,
    /// Calls are repeated until so much time has passed; there is one at least.
    pub time: Duration,
    /// A measurement whose half interval is wider than this counts as noisy.
    pub noisy_half_width: f64,
}

impl Session {
    /// Finds the program, and its version.
    ///
    /// # Errors
    /// There is no such program, or it does not tell its version.
    pub fn open(tool: Tool, threads: u32) -> Result<Session, ToolError> {
        let mut session = Session { tool, threads, version: String::new() };
        let folder = scratch()?;
        let (here, description) = (session.here()?, &session.tool.description);
        let values = session.values(None, &folder, &here);
        let program = session.call(&description.command[..1], &values)?.program;
        let own = match &description.version {
            Some(version) => {
                let limit = VERSION_LIMIT.min(description.time_limit());
                let said = Call { limit, ..session.call(&version.command, &values)? }.run()?;
                let found = values::found("the version", &version.pattern, &said)?.trim();
                if found.is_empty()
                    || found.len() > LONGEST_VERSION
                    || !found.bytes().all(|byte| byte.is_ascii_graphic())
                {
                    return Err(ToolError::NoValue {
                        what: "the version",
                        value: ForeignText::beginning(found, LONGEST_VERSION),
                        reason: format!("a version has 1 to {LONGEST_VERSION} letters, digits and signs"),
                        said: said.tail(),
                    });
                }
                found.to_owned()
            }
            None => {
                let bytes =
                    std::fs::read(&program).map_err(|error| ToolError::Io { path: program, error })?;
                format!("sha256-{}", &sha256(bytes)[..12])
            }
        };
        session.version = format!("{own}+{}", session.tool.description.digest());
        Ok(session)
    }

    /// Has the tool run `subject`, which must be in its file format, on the cores of the calling thread. Every call is one
    /// sample, of as many runs as the description says.
    ///
    /// # Errors
    /// A call that fails, and output without a latency.
    pub fn measure(&self, subject: &Subject<'_>) -> Result<Measured, ToolError> {
        let description = &self.tool.description;
        let (folder, here) = (scratch()?, self.here()?);
        let values = template::Values {
            batch: subject.batch,
            sizes: subject.sizes,
            ..self.values(Some(subject.model), &folder, &here)
        };
        if !description.prepare.is_empty() {
            self.call(&description.prepare, &values)?.run()?;
        }
        let call = self.call(&description.command, &values)?;
        let (before, started) = (Conditions::observe(), Instant::now());
        let mut calls = vec![Values::of(description, &call.run()?)?];
        while started.elapsed() < subject.time {
            calls.push(Values::of(description, &call.run()?)?);
        }
        let after = Conditions::observe();
        let runs = f64::from(description.runs);
        let timing = Timing {
            first_ns: calls[0].first.map(|first| first.ns() as u64),
            warmup_runs: 0,
            k: description.runs,
            samples_ns: calls.iter().map(|call| (call.latency.ns() * runs).round() as u64).collect(),
            probes_ns: Vec::new(),
            usual_probe_ns: None,
            checksum: None,
            noisy_half_width: subject.noisy_half_width,
            overhead_ns: None,
            timed_by: TimedBy::Tool,
        };
        let most = calls.iter().filter_map(|call| call.memory).max_by(f64::total_cmp);
        Ok(Measured {
            timing,
            before,
            after,
            load_ns: calls[0].load.map(|load| load.ns() as u64),
            peak_bytes: most.map(|bytes| bytes as u64),
            outputs: Some(Outputs::Unchecked),
            energy: None,
        })
    }

    /// The folder of the description, with its whole path.
    fn here(&self) -> Result<PathBuf, ToolError> {
        let file = &self.tool.file;
        let whole = std::path::absolute(file);
        let whole = whole.map_err(|error| ToolError::Io { path: file.clone(), error })?;
        Ok(whole.parent().unwrap_or(&whole).to_owned())
    }

    fn values<'a>(
        &self,
        model: Option<&'a Path>,
        folder: &'a TempDir,
        here: &'a Path,
    ) -> template::Values<'a> {
        let (threads, runs) = (self.threads, self.tool.description.runs);
        template::Values { model, threads, runs, folder: folder.path(), here, batch: 1, sizes: None }
    }

    /// The call of a command with these values.
    fn call(&self, command: &[Template], values: &template::Values<'_>) -> Result<Call, ToolError> {
        let filled = |argument: &Template| argument.filled(values).map_err(ToolError::Place);
        let mut arguments = command.iter().map(filled).collect::<Result<Vec<_>, _>>()?;
        let name = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
        let environment = &self.tool.description.environment;
        // A variable that asks for the network is left out where there is none, as for the version.
        let known =
            environment.iter().filter_map(|(name, value)| match (value.filled(values), values.model) {
                (Ok(value), _) => Some(Ok((name.clone(), value))),
                (Err(_), None) => None,
                (Err(place), Some(_)) => Some(Err(ToolError::Place(place))),
            });
        Ok(Call {
            program: call::program(&name, values.here)?,
            arguments,
            environment: known.collect::<Result<_, _>>()?,
            folder: values.folder.to_owned(),
            limit: self.tool.description.time_limit(),
        })
    }
}

/// An empty folder that goes with the result.
fn scratch() -> Result<TempDir, ToolError> {
    tempfile::tempdir().map_err(|error| ToolError::Io { path: std::env::temp_dir(), error })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::super::description::Description;
    use super::*;

    /// A tool that is a shell script, in a folder of its own.
    fn tool(script: &str, more: &str) -> (TempDir, Tool) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine.sh"), script).unwrap();
        let file = dir.path().join("mine.toml");
        let text = format!(
            "schema = 1\nid = \"mine\"\nabout = \"mine\"\nformat = \"onnx\"\nruns = 10\nmost_threads = 4\n\
             command = [\"sh\", \"{{here}}/mine.sh\", \"{{model}}\", \"{{threads}}\", \"{{runs}}\", \"{{folder}}\"]\n{more}\
             [latency]\npattern = 'mean (\\S+)'\nunit = \"us\"\n[first]\npattern = 'first (\\S+)'\nunit = \"us\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let description = Description::read(&file).unwrap();
        (dir, Tool { description, file })
    }

    fn subject(model: &Path) -> Subject<'_> {
        Subject { model, batch: 1, sizes: None, time: Duration::ZERO, noisy_half_width: 0.05 }
    }

    #[test]
    fn a_call_is_one_sample_of_as_many_runs_as_it_makes() {
        let script = "[ -f \"$1\" ] && [ $2 = 2 ] && [ $3 = 10 ] && [ \"$PWD\" = \"$4\" ] || exit 1\n\
            sleep 0.05; echo first 300; echo mean 120.5\n";
        let (dir, tool) = tool(script, "");
        let model = dir.path().join("a b.onnx");
        std::fs::write(&model, "x").unwrap();
        let session = Session::open(tool.clone(), 2).unwrap();
        let measured = session.measure(&subject(&model)).unwrap();
        let timing = &measured.timing;
        assert_eq!((timing.k, timing.samples_ns.as_slice()), (10, &[1_205_000][..]));
        assert_eq!((timing.first_ns, timing.checksum, timing.timed_by), (Some(300_000), None, TimedBy::Tool));
        assert_eq!((measured.outputs, measured.load_ns), (Some(Outputs::Unchecked), None));
        timing.check().unwrap();
        // More time gives more calls.
        let longer = Subject { time: Duration::from_millis(120), ..subject(&model) };
        assert!(session.measure(&longer).unwrap().timing.samples_ns.len() >= 2);
        // Another command is another version.
        let digest = tool.description.digest();
        assert!(session.version.starts_with("sha256-") && session.version.ends_with(&format!("+{digest}")));
    }

    #[test]
    fn the_version_is_what_the_tool_says() {
        let version =
            "[version]\ncommand = [\"sh\", \"-c\", \"echo mine 2.7.1-rc\"]\npattern = 'mine (.*)'\n";
        let (_dir, good) = tool("", version);
        let version_of = |tool| Session::open(tool, 1).map(|session| session.version);
        assert!(version_of(good).unwrap().starts_with("2.7.1-rc+"));
        let (_dir, odd) = tool("", &version.replace("2.7.1-rc", "a version with spaces"));
        assert!(matches!(version_of(odd), Err(ToolError::NoValue { what: "the version", .. })));
        let (_dir, none) = tool("", &version.replace("mine (.*)", "yours (.*)"));
        assert!(matches!(version_of(none), Err(ToolError::Unmatched { what: "the version", .. })));
        let (dir, mut absent) = tool("", "");
        absent.description.command[0] = Template::parse("./no-such-tool").unwrap();
        assert!(matches!(version_of(absent), Err(ToolError::NotFound { .. })));
        drop(dir);
    }

    #[test]
    fn a_file_may_be_made_of_the_network_first() {
        let prepare = "prepare = [\"cp\", \"{model}\", \"{folder}/copy\"]\n";
        let (dir, tool) = tool("cat \"$4/copy\"\n", prepare);
        let model = dir.path().join("a.onnx");
        std::fs::write(&model, "first 400 mean 120\n").unwrap();
        let session = Session::open(tool, 1).unwrap();
        // The whole call may be shorter than what it claims: ten runs of 120 µs.
        match session.measure(&subject(&model)) {
            Ok(measured) => assert_eq!(measured.timing.samples_ns, [1_200_000]),
            Err(error) => assert!(matches!(error, ToolError::NoValue { .. }), "{error}"),
        }
        assert!(matches!(session.measure(&subject(Path::new("/no.onnx"))), Err(ToolError::Failed { .. })));
    }

    #[test]
    fn sizes_of_the_input_are_asked_for_only_where_they_are_needed() {
        let (dir, mut tool) = tool("sleep 0.05; echo first $5; echo mean 120\n", "");
        tool.description.command.push(Template::parse("{width}").unwrap());
        let model = dir.path().join("a.onnx");
        let session = Session::open(tool, 1).unwrap();
        assert!(matches!(session.measure(&subject(&model)), Err(ToolError::Place("width"))));
        let sized = Subject { sizes: Some([3, 200, 160]), ..subject(&model) };
        assert_eq!(session.measure(&sized).unwrap().timing.first_ns, Some(160_000));
    }
}
