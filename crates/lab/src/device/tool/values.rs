//! The values that a tool printed, checked.

use super::call::Said;
use super::description::Description;
use super::error::ToolError;
use super::pattern::{Pattern, TimePattern};
use edgezen_core::foreign::ForeignText;
use edgezen_core::units::Latency;

/// What one call says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// A run.
    pub latency: Latency,
    pub first: Option<Latency>,
    pub load: Option<Latency>,
    /// In bytes.
    pub memory: Option<f64>,
}

impl Values {
    /// Reads what `description` looks for.
    ///
    /// # Errors
    /// A pattern that does not fit, a text that is no number, and a number that no measurement gives.
    pub fn of(description: &Description, said: &Said) -> Result<Values, ToolError> {
        let time = |what, pattern: &Option<TimePattern>| {
            pattern.as_ref().map(|pattern| latency(what, pattern, said)).transpose()
        };
        let latency = latency("the latency", &description.latency, said)?;
        let all = latency * f64::from(description.runs);
        if all.ns() > said.took.as_nanos() as f64 {
            let (runs, took) = (description.runs, said.took.as_secs_f64());
            let reason = format!(
                "{runs} runs of {latency} take longer than the whole call, {took:.3} s; the unit, or the number of runs, is \
                 another one"
            );
            let value = latency.to_string();
            return Err(no_value("the latency", &value, reason, said));
        }
        let memory = description.memory.as_ref().map(|memory| {
            let what = "the memory";
            let bytes = number(what, &memory.pattern, said)? * memory.unit.bytes();
            match (0.0..1e15).contains(&bytes) {
                true => Ok(bytes),
                false => Err(no_value(what, &bytes.to_string(), "no machine has that".into(), said)),
            }
        });
        Ok(Values {
            latency,
            first: time("the first run", &description.first)?,
            load: time("the time of loading", &description.load)?,
            memory: memory.transpose()?,
        })
    }
}

fn no_value(what: &'static str, value: &str, reason: String, said: &Said) -> ToolError {
    ToolError::NoValue { what, value: ForeignText::beginning(value, 60), reason, said: said.tail() }
}

/// The last text in the output that the pattern fits; the standard output comes before the standard error.
///
/// # Errors
/// There is none.
pub fn found<'a>(what: &'static str, pattern: &Pattern, said: &'a Said) -> Result<&'a str, ToolError> {
    pattern.last(&said.stdout).or_else(|| pattern.last(&said.stderr)).ok_or_else(|| ToolError::Unmatched {
        what,
        pattern: pattern.as_str().to_owned(),
        said: said.tail(),
    })
}

fn number(what: &'static str, pattern: &Pattern, said: &Said) -> Result<f64, ToolError> {
    let text = found(what, pattern, said)?;
    text.trim().parse().map_err(|_| no_value(what, text, "that is no number".into(), said))
}

fn latency(what: &'static str, pattern: &TimePattern, said: &Said) -> Result<Latency, ToolError> {
    let ns = number(what, &pattern.pattern, said)? * pattern.unit.ns();
    Latency::measured_ns(ns).map_err(|error| no_value(what, &format!("{ns} ns"), error.to_string(), said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn description(more: &str) -> Description {
        let text = "schema = 1\nid = \"mine\"\nabout = \"mine\"\nformat = \"onnx\"\nruns = 20\n\
            command = [\"mine\", \"{runs}\", \"{model}\"]\n[latency]\npattern = 'mean (\\S+)'\nunit = \"us\"\n";
        Description::parse(Path::new("mine.toml"), &format!("{text}{more}")).unwrap()
    }

    fn said(stdout: &str, stderr: &str) -> Said {
        Said { stdout: stdout.into(), stderr: stderr.into(), took: Duration::from_secs(1) }
    }

    #[test]
    fn values_have_units_and_stand_in_either_stream() {
        let more = "[first]\npattern = 'first (\\S+) ms'\nunit = \"ms\"\n[load]\npattern = 'init (\\S+)'\nunit = \"s\"\n\
            [memory]\npattern = 'memory (\\S+)'\nunit = \"MB\"\n";
        let out = said("mean 9e9\nmean 4.25e3\n", "init 0.5\nfirst 7 ms\nmemory 2\n");
        let values = Values::of(&description(more), &out).unwrap();
        assert_eq!((values.latency.ms(), values.first.unwrap().ms()), (4.25, 7.0));
        assert_eq!((values.load.unwrap().ms(), values.memory.unwrap()), (500.0, 2_097_152.0));
        let values = Values::of(&description(""), &said("", "mean 4250")).unwrap();
        assert_eq!((values.latency.ms(), values.first, values.memory), (4.25, None, None));
    }

    #[test]
    fn what_is_no_latency_is_refused_with_the_output() {
        for (text, words) in [
            ("nothing", &["pattern", "mean", "nothing"][..]),
            ("mean fast", &["fast", "no number"]),
            ("mean nan", &["no measured latency"]),
            ("mean -3", &["no measured latency"]),
            ("mean 0", &["no measured latency"]),
            ("mean 1e300", &["no measured latency"]),
            // 20 runs of 60 ms do not fit into a second.
            ("mean 60000", &["60.0 ms", "20 runs", "unit"]),
        ] {
            let error = Values::of(&description(""), &said(text, "")).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{text}: {error}");
            }
            assert!(error.contains(text), "{error}");
        }
        let more = "[memory]\npattern = 'memory (\\S+)'\nunit = \"kB\"\n";
        for text in ["mean 40", "mean 40 memory -1", "mean 40 memory 1e30"] {
            assert!(Values::of(&description(more), &said(text, "")).is_err(), "{text}");
        }
    }
}
