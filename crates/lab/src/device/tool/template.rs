//! Arguments of a command with places for values: `--graph={model}`.
//!
//! An argument stays one argument, whatever its values hold: there is no shell, nothing is split, and a value is not looked
//! through for further places.

use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What may stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file of the network, with its whole path.
    Model,
    /// Threads that run the network.
    Threads,
    /// Runs that a call makes.
    Runs,
    /// An empty folder of this measurement. The command runs in it; it goes afterwards.
    Folder,
    /// The folder of the description.
    Here,
    /// Images per run.
    Batch,
    /// The sizes of the network's first input.
    Channels,
    Height,
    Width,
}

impl Place {
    pub const ALL: [Place; 9] = [
        Place::Model,
        Place::Threads,
        Place::Runs,
        Place::Folder,
        Place::Here,
        Place::Batch,
        Place::Channels,
        Place::Height,
        Place::Width,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Place::Model => "model",
            Place::Threads => "threads",
            Place::Runs => "runs",
            Place::Folder => "folder",
            Place::Here => "here",
            Place::Batch => "batch",
            Place::Channels => "channels",
            Place::Height => "height",
            Place::Width => "width",
        }
    }

    /// Whether only somebody who has looked into the network knows the value.
    pub fn is_size(self) -> bool {
        matches!(self, Place::Channels | Place::Height | Place::Width)
    }
}

/// The values of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `None` where no network is measured, but a version asked for.
    pub model: Option<&'a Path>,
    pub threads: u32,
    pub runs: u32,
    pub folder: &'a Path,
    pub here: &'a Path,
    pub batch: u32,
    /// Channels, height and width of the first input; `None` where nobody looked.
    pub sizes: Option<[usize; 3]>,
}

impl Values<'_> {
    /// `None` where the value is not known.
    fn of(&self, place: Place) -> Option<OsString> {
        let size = |at: usize| self.sizes.map(|sizes| sizes[at].to_string().into());
        match place {
            Place::Model => self.model.map(|path| path.as_os_str().to_owned()),
            Place::Threads => Some(self.threads.to_string().into()),
            Place::Runs => Some(self.runs.to_string().into()),
            Place::Folder => Some(self.folder.as_os_str().to_owned()),
            Place::Here => Some(self.here.as_os_str().to_owned()),
            Place::Batch => Some(self.batch.to_string().into()),
            Place::Channels => size(0),
            Place::Height => size(1),
            Place::Width => size(2),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// One argument. It is written as text; `{{` and `}}` stand for single braces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Template(Vec<Part>);

/// Why a text is no argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("{{{0}}} stands for nothing; known: {known}; {{{{ and }}}} are single braces", known = known())]
    Unknown(String),
    #[error("{0:?} has a single brace; {{{{ and }}}} stand for one")]
    Brace(String),
    #[error("{0:?} holds a zero byte, which no argument can")]
    Zero(String),
}

fn known() -> String {
    Place::ALL.map(|place| format!("{{{}}}", place.name())).join(", ")
}

impl Template {
    /// # Errors
    /// A place that stands for nothing, and a brace that is neither closed nor doubled.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        if text.contains('\0') {
            return Err(TemplateError::Zero(text.to_owned()));
        }
        let brace = || TemplateError::Brace(text.to_owned());
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(&from[..1]);
                rest = after;
                continue;
            }
            let (name, after) =
                from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(brace)?;
            let place = Place::ALL.into_iter().find(|place| place.name() == name);
            let place = place.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Place(place));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template(parts))
    }

    /// Whether `place` stands in it.
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&Part::Place(place))
    }

    /// Whether a size of the network's input stands in it.
    pub fn has_size(&self) -> bool {
        Place::ALL.into_iter().any(|place| place.is_size() && self.has(place))
    }

    /// The argument with these values.
    ///
    /// # Errors
    /// The name of the first place whose value is not known.
    pub fn filled(&self, values: &Values<'_>) -> Result<OsString, &'static str> {
        let mut argument = OsString::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => argument.push(OsStr::new(text)),
                Part::Place(place) => argument.push(values.of(*place).ok_or(place.name())?),
            }
        }
        Ok(argument)
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;
    fn try_from(text: String) -> Result<Template, TemplateError> {
        Template::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        let text = |part: Part| match part {
            Part::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Part::Place(place) => format!("{{{}}}", place.name()),
        };
        template.0.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(model: &str) -> Values<'_> {
        Values {
            model: Some(Path::new(model)),
            threads: 2,
            runs: 50,
            folder: Path::new("/tmp/a b"),
            here: Path::new("/home/x"),
            batch: 1,
            sizes: Some([3, 224, 160]),
        }
    }

    fn filled(text: &str, model: &str) -> String {
        Template::parse(text).unwrap().filled(&values(model)).unwrap().into_string().unwrap()
    }

    #[test]
    fn an_argument_stays_one_whatever_its_values_hold() {
        assert_eq!(filled("--graph={model}", "/a b/$(rm).onnx"), "--graph=/a b/$(rm).onnx");
        assert_eq!(filled("{threads},{runs}", ""), "2,50");
        assert_eq!(filled("shape=[{width},{height},{channels}]", ""), "shape=[160,224,3]");
        // What stands in a value is no place.
        assert_eq!(filled("{model}", "/{threads}/{{x}}.onnx"), "/{threads}/{{x}}.onnx");
        assert_eq!(filled("{{\"runs\": {runs}}}", ""), "{\"runs\": 50}");
        assert_eq!(filled("", "x"), "");
        assert_eq!(filled("{here}/loop.py", ""), "/home/x/loop.py");
    }

    #[test]
    fn a_text_is_written_as_it_was_read() {
        for text in ["--graph={model}", "{{\"runs\": {runs}}}", "", "plain", "{here}{folder}"] {
            assert_eq!(String::from(Template::parse(text).unwrap()), text);
        }
    }

    #[test]
    fn other_braces_are_refused() {
        let error = Template::parse("{modle}").unwrap_err().to_string();
        assert!(
            error.contains("{modle}") && error.contains("{model}") && error.contains("{{ and }}"),
            "{error}"
        );
        for bad in ["{model", "model}", "{", "a}b", "{{{"] {
            assert!(matches!(Template::parse(bad), Err(TemplateError::Brace(_))), "{bad}");
        }
        assert!(Template::parse("a\0b").is_err());
    }

    #[test]
    fn a_value_that_is_not_known_is_named() {
        let nobody = Values { model: None, sizes: None, ..values("") };
        assert_eq!(Template::parse("-s {width}").unwrap().filled(&nobody), Err("width"));
        assert_eq!(Template::parse("{model}").unwrap().filled(&nobody), Err("model"));
        assert!(Template::parse("{height}").unwrap().has_size());
        assert!(!Template::parse("{batch}").unwrap().has_size());
    }
}
