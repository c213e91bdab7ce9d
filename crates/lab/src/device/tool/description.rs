//! The description of a tool: which program it is, how it is called, and where in its output the latency stands.

use super::pattern::{MemoryPattern, Pattern, TimePattern};
use super::template::{Place, Template};
use crate::files::{parse_toml, read_text};
use edgezen_core::digest::sha256;
use edgezen_core::files::{FileError, Format};
use edgezen_core::foreign::escape::is_harmful;
use edgezen_core::foreign::{Name, is_variable};
use edgezen_engine::model_file::ModelFormat;
use edgezen_engine::precision::Precision;
use edgezen_engine::runtimes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What can be read.
pub const FORMAT: Format =
    Format { name: "description of a tool", field: "schema", oldest: 1, newest: 1, most_bytes: 1 << 20 };

/// The most runs that a call may be asked for.
const MOST_RUNS: u32 = 1_000_000;
/// The longest time that a call may take, in seconds: an hour.
const LONGEST_S: u32 = 3600;
/// The greatest number of threads.
const MOST_THREADS: u32 = 256;
/// The longest text of a description, in bytes.
const LONGEST_TEXT: usize = 1000;

/// A program that runs a network a number of times and prints how long a run took. A TOML file holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Format of the file: 1.
    pub schema: u32,
    /// The runtime's name in identities, `host@ID`, and the name of the file without `.toml`. Lower-case letters, digits,
    /// `-`, `_`, `.`. What stands before a `+` is the runtime whose fusion of operations it has: `litert+mine`.
    pub id: Name,
    /// One line that says what it is.
    pub about: String,
    pub format: FileFormat,
    /// In which numbers the files are that it is given, the usual one first: `fp32`, `int8`.
    #[serde(default = "floats")]
    pub precisions: Vec<String>,
    /// The greatest number of threads that it can be asked for.
    #[serde(default = "one")]
    pub most_threads: u32,
    /// Runs that a call makes; their mean, or whatever the tool prints of them, is one sample.
    pub runs: u32,
    /// Seconds after which a call counts as hanging, and is ended.
    #[serde(default = "usual_limit")]
    pub time_limit_s: u32,
    /// A command that makes another file of the network before it is measured, once a measurement. It works in `{folder}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Template>,
    /// The program and its arguments. A program without a slash is looked for in `PATH`, others beside the description.
    pub command: Vec<Template>,
    /// Environment variables that the command gets besides those of this process.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Template>,
    /// The latency of a run.
    pub latency: TimePattern,
    /// The first run. Absent: the tool does not print it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<TimePattern>,
    /// The time that it took to make the network ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<TimePattern>,
    /// The most memory that the network took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryPattern>,
    /// Absent: the checksum of the program stands for its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionPattern>,
}

/// How the version of a tool is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionPattern {
    /// The program and its arguments.
    pub command: Vec<Template>,
    pub pattern: Pattern,
}

/// Which files a tool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    Onnx,
    Tflite,
}

impl From<FileFormat> for ModelFormat {
    fn from(format: FileFormat) -> ModelFormat {
        match format {
            FileFormat::Onnx => ModelFormat::Onnx,
            FileFormat::Tflite => ModelFormat::Tflite,
        }
    }
}

fn floats() -> Vec<String> {
    vec!["fp32".into()]
}

fn one() -> u32 {
    1
}

fn usual_limit() -> u32 {
    120
}

impl Description {
    /// Reads and checks the description in a file, which must be called after its id.
    ///
    /// # Errors
    /// A file that is absent, damaged, newer than this program, or of another kind; a field that is unknown, or has a value that
    /// makes no sense.
    pub fn read(path: &Path) -> Result<Description, FileError> {
        let description = Description::parse(path, &read_text(path, FORMAT.most_bytes)?)?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if stem != Some(description.id.as_str()) {
            let wanted = format!("its id is {0}, so that it must be called {0}.toml", description.id);
            return Err(FileError::damaged(path, wanted));
        }
        Ok(description)
    }

    /// Reads and checks a description; `path` is only named in errors.
    ///
    /// # Errors
    /// As [`Description::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Description, FileError> {
        let description: Description = parse_toml(&FORMAT, path, text)?;
        description.check().map_err(|problem| FileError::damaged(path, problem))?;
        Ok(description)
    }

    /// What is wrong with it, after the field that it is wrong in.
    fn check(&self) -> Result<(), String> {
        self.name_is_free()?;
        if self.about.is_empty() || self.about.len() > LONGEST_TEXT || self.about.chars().any(is_harmful) {
            return Err(format!(
                "about: is empty, longer than {LONGEST_TEXT} bytes, or holds control characters"
            ));
        }
        let unknown = self.precisions.iter().find(|precision| Precision::by_name(precision).is_none());
        if self.precisions.is_empty() || unknown.is_some() {
            return Err("precisions: are the numbers in the files, fp32 or int8 or both".into());
        }
        for (field, number, most) in [
            ("most_threads", self.most_threads, MOST_THREADS),
            ("runs", self.runs, MOST_RUNS),
            ("time_limit_s", self.time_limit_s, LONGEST_S),
        ] {
            if !(1..=most).contains(&number) {
                return Err(format!("{field}: is {number}; it can be 1 to {most}"));
            }
        }
        self.commands_are_complete()?;
        match self.environment.keys().find(|name| !is_variable(name)) {
            Some(name) => Err(format!("environment: {name:?} is not the name of a variable")),
            None => Ok(()),
        }
    }

    fn name_is_free(&self) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.+".contains(c);
        if !self.id.chars().all(fits) {
            return Err(format!(
                "id: {:?} has other characters than a-z, 0-9, -, _, . and +",
                self.id.as_str()
            ));
        }
        let taken = runtimes::by_name(&self.id).is_some();
        // Such a part of a device's name is a number of threads.
        let threads = self.id.strip_suffix('t').is_some_and(|digits| digits.parse::<u32>().is_ok());
        match taken || threads || Precision::by_name(&self.id).is_some() {
            true => Err(format!("id: {:?} means something else already", self.id.as_str())),
            false => Ok(()),
        }
    }

    fn commands_are_complete(&self) -> Result<(), String> {
        let has = |arguments: &[Template], place| arguments.iter().any(|argument| argument.has(place));
        if self.command.is_empty() {
            return Err("command: is empty; its first element is the program".into());
        }
        let model = has(&self.command, Place::Model) || has(&self.prepare, Place::Model);
        if !model {
            return Err("command: has no {model}, so that it would not know the network".into());
        }
        if !has(&self.command, Place::Runs) {
            return Err("command: has no {runs}; a sample is the time of so many runs".into());
        }
        let threads =
            has(&self.command, Place::Threads) || self.environment.values().any(|v| v.has(Place::Threads));
        if self.most_threads > 1 && !threads {
            return Err("command: has no {threads}, and most_threads is greater than 1".into());
        }
        let Some(version) = &self.version else { return Ok(()) };
        let of_network = |argument: &Template| argument.has(Place::Model) || argument.has_size();
        match version.command.is_empty() || version.command.iter().any(of_network) {
            true => Err("version.command: is empty, or asks for a network, which there is none of".into()),
            false => Ok(()),
        }
    }

    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(self.time_limit_s.into())
    }

    /// Whether the sizes of the network's input must be known.
    pub fn needs_sizes(&self) -> bool {
        let arguments = self.prepare.iter().chain(&self.command).chain(self.environment.values());
        arguments.into_iter().any(Template::has_size)
    }

    /// The first digits of a checksum of what decides about the measured times. Comments and the order of fields do not.
    pub fn digest(&self) -> String {
        let unsaid = Description { about: String::new(), time_limit_s: 1, ..self.clone() };
        // It was read from TOML, so that JSON can hold it.
        let text = serde_json::to_string(&unsaid).unwrap_or_default();
        sha256(text)[..8].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SMALL: &str = "schema = 1\nid = \"mine\"\nabout = \"my tool\"\nformat = \"onnx\"\nruns = 20\n\
        command = [\"mine\", \"-n\", \"{runs}\", \"{model}\"]\n[latency]\npattern = 'mean ([0-9.]+)'\nunit = \"ms\"\n";

    fn parse(text: &str) -> Result<Description, FileError> {
        Description::parse(Path::new("mine.toml"), text)
    }

    #[test]
    fn what_is_left_out_has_the_usual_value() {
        let small = parse(SMALL).unwrap();
        assert_eq!((small.precisions.as_slice(), small.most_threads), (&["fp32".to_owned()][..], 1));
        assert_eq!((small.time_limit(), small.needs_sizes()), (Duration::from_secs(120), false));
        assert!(small.first.is_none() && small.version.is_none() && small.prepare.is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_field() {
        for (from, to, words) in [
            ("runs = 20", "runs = 0", &["runs", "1 to 1000000"][..]),
            ("runs = 20", "runs = 20\nrun = 3", &["unknown field `run`", "line 6"]),
            ("unit = \"ms\"", "unit = \"min\"", &["min", "ms"]),
            ("unit = \"ms\"\n", "", &["unit"]),
            ("id = \"mine\"", "id = \"tract\"", &["id", "something else"]),
            ("id = \"mine\"", "id = \"2t\"", &["id", "something else"]),
            ("id = \"mine\"", "id = \"int8\"", &["id", "something else"]),
            ("id = \"mine\"", "id = \"../mine\"", &["no name"]),
            ("id = \"mine\"", "id = \"Mine\"", &["id", "a-z"]),
            ("format = \"onnx\"", "format = \"ncnn\"", &["ncnn", "tflite"]),
            ("\"{model}\"", "\"{modell}\"", &["{modell}", "{model}"]),
            (", \"{model}\"", "", &["{model}"]),
            ("\"{runs}\", ", "", &["{runs}"]),
            ("command = [\"mine\", \"-n\", \"{runs}\", \"{model}\"]", "command = []", &["command", "empty"]),
            ("runs = 20", "runs = 20\nmost_threads = 4", &["{threads}"]),
            ("runs = 20", "runs = 20\nprecisions = [\"fp16\"]", &["precisions"]),
            ("runs = 20", "runs = 20\ntime_limit_s = 4000", &["time_limit_s", "3600"]),
            ("'mean ([0-9.]+)'", "'mean'", &["0 groups"]),
            ("about = \"my tool\"", "about = \"\"", &["about"]),
            ("[latency]", "[environment]\n\"A=B\" = \"1\"\n[latency]", &["A=B"]),
            ("schema = 1", "schema = 2", &["2"]),
        ] {
            assert!(SMALL.contains(from), "{from}");
            let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{to}: {error}");
            }
            assert!(error.contains("mine.toml"), "{error}");
        }
    }

    #[test]
    fn the_digest_is_that_of_what_decides() {
        let small = parse(SMALL).unwrap();
        let with = |from: &str, to: &str| parse(&SMALL.replacen(from, to, 1)).unwrap().digest();
        assert_eq!(with("about = \"my tool\"", "about = \"yours\"  # a remark"), small.digest());
        assert_eq!(small.digest().len(), 8);
        assert_ne!(with("\"-n\"", "\"-N\""), small.digest());
        assert_ne!(with("runs = 20", "runs = 21"), small.digest());
    }

    #[test]
    fn a_file_is_called_after_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("yours.toml");
        std::fs::write(&path, SMALL).unwrap();
        assert!(Description::read(&path).unwrap_err().to_string().contains("mine.toml"));
        let path = dir.path().join("mine.toml");
        std::fs::write(&path, SMALL).unwrap();
        assert_eq!(Description::read(&path).unwrap(), parse(SMALL).unwrap());
        assert!(Description::read(&dir.path().join("no.toml")).unwrap_err().is_missing());
    }
}
