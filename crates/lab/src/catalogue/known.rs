//! Facts about devices that no profile describes, and the years of those that one does: what they are, since when there are
//! any, and what computes in them, each with its source (`device-profiles/facts/devices.toml`).

use crate::device::profile::Fact;
use edgezen_core::files::FileError;
use edgezen_core::foreign::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The newest format that this program reads.
const SCHEMA: u32 = 1;
/// The source of every fact that has none of its own.
const ALL: &str = "all";
/// No device here is older, and none comes from so far ahead.
const YEARS: std::ops::RangeInclusive<u16> = 2000..=2100;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    Phone,
    Laptop,
    Desktop,
    Board,
    Server,
    Car,
    /// A chip that computes networks beside another one.
    Accelerator,
    /// A chip of phones, measured in one that the source does not name.
    Chip,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Phone => "phone",
            Form::Laptop => "laptop",
            Form::Desktop => "desktop computer",
            Form::Board => "board",
            Form::Server => "server",
            Form::Car => "computer of a car",
            Form::Accelerator => "accelerator",
            Form::Chip => "chip",
        })
    }
}

/// What is known of a device. What is not known, or has no source, is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDevice {
    /// As in identities.
    pub id: String,
    /// As its maker calls it.
    pub name: String,
    pub form: Form,
    /// The year in which it came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// System on a chip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc: Option<String>,
    /// Cores and their clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// What computes networks beside the cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npu: Option<String>,
    /// Type and width of the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Peak bandwidth of the memory, 10⁹ bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gbps: Option<f64>,
    /// By the name of the fact; `all` is the source of those that have no entry.
    pub sources: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    schema: u32,
    #[serde(default)]
    device: Vec<KnownDevice>,
}

impl KnownDevice {
    /// All facts with their sources.
    pub fn facts(&self) -> Vec<Fact> {
        let text = |value: &Option<String>| value.clone();
        let facts = [
            ("year", self.year.map(|year| year.to_string())),
            ("soc", text(&self.soc)),
            ("cpu", text(&self.cpu)),
            ("npu", text(&self.npu)),
            ("memory", text(&self.memory)),
            ("memory_gbps", self.memory_gbps.map(|rate| rate.to_string())),
        ];
        let fact = |(path, value): (&str, Option<String>)| {
            let source = self.sources.get(path).or_else(|| self.sources.get(ALL)).cloned();
            value.map(|value| Fact { path: path.to_owned(), value, source })
        };
        facts.into_iter().filter_map(fact).collect()
    }

    /// One line: `Samsung Galaxy S25, phone of 2025`.
    pub fn title(&self) -> String {
        let year = self.year.map(|year| format!(" of {year}")).unwrap_or_default();
        format!("{}, {}{year}", self.name, self.form)
    }

    /// What computes in it, in one line: `Snapdragon 8 Elite for Galaxy (SM8750-AC); NPU Hexagon v79; memory 84.8 GB/s`.
    pub fn hardware(&self) -> String {
        let npu = self.npu.as_ref().map(|npu| format!("NPU {npu}"));
        let rate = self.memory_gbps.map(|rate| format!("{rate} GB/s"));
        let memory: Vec<String> = self.memory.iter().cloned().chain(rate).collect();
        let memory = (!memory.is_empty()).then(|| format!("memory {}", memory.join(", ")));
        let parts = [self.soc.clone(), self.cpu.clone(), npu, memory];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn check(&self) -> Result<(), String> {
        Name::parse(&self.id).map_err(|e| format!("{:?}: {e}", self.id))?;
        if let Some(year) = self.year.filter(|year| !YEARS.contains(year)) {
            return Err(format!("{}: the year {year}", self.id));
        }
        if let Some(rate) = self.memory_gbps.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(format!("{}: a memory of {rate} GB/s", self.id));
        }
        let facts = self.facts();
        if let Some(fact) = facts.iter().find(|fact| fact.source.is_none()) {
            return Err(format!("{}: {} has no source", self.id, fact.path));
        }
        let is_fact = |key: &&String| *key == ALL || facts.iter().any(|fact| fact.path == **key);
        match self.sources.keys().find(|key| !is_fact(key)) {
            Some(key) => Err(format!("{}: a source of {key:?}, which is no fact of it", self.id)),
            None => Ok(()),
        }
    }
}

/// Reads the facts in `text`, which is `path`.
///
/// # Errors
/// Text that is not of this format; a fact without a source; a device that occurs twice.
pub fn parse(text: &str, path: &Path) -> Result<Vec<KnownDevice>, FileError> {
    let book: Book = toml::from_str(text).map_err(|e| FileError::damaged(path, e))?;
    if book.schema != SCHEMA {
        return Err(FileError::damaged(path, format!("schema {}; this program reads {SCHEMA}", book.schema)));
    }
    for (i, device) in book.device.iter().enumerate() {
        device.check().map_err(|reason| FileError::damaged(path, reason))?;
        if book.device[..i].iter().any(|before| before.id == device.id) {
            return Err(FileError::damaged(path, format!("{} occurs twice", device.id)));
        }
    }
    Ok(book.device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "schema = 1\n[[device]]\nid = \"pad\"\nname = \"Pad\"\nform = \"board\"\nyear = 2024\nsoc = \"X1\"\n\
        npu = \"N, 6 TOPS\"\nmemory_gbps = 12.8\n[device.sources]\nall = \"maker\"\nyear = \"news\"\n";

    fn error(text: &str) -> String {
        parse(text, Path::new("devices.toml")).unwrap_err().to_string()
    }

    #[test]
    fn every_fact_has_a_source() {
        let known = parse(ONE, Path::new("devices.toml")).unwrap();
        let facts = known[0].facts();
        let of = |path: &str| facts.iter().find(|fact| fact.path == path).unwrap().source.clone().unwrap();
        assert_eq!((facts.len(), of("year"), of("npu")), (4, "news".to_owned(), "maker".to_owned()));
        assert_eq!(known[0].title(), "Pad, board of 2024");
        assert_eq!(known[0].hardware(), "X1; NPU N, 6 TOPS; memory 12.8 GB/s");
        assert!(error(&ONE.replace("all = \"maker\"\n", "")).contains("pad: soc has no source"));
        assert!(error(&ONE.replace("all =", "cpu = \"x\"\nall =")).contains("no fact of it"));
    }

    #[test]
    fn nonsense_is_refused() {
        for (from, to) in [
            ("year = 2024", "year = 1024"),
            ("12.8", "-1.0"),
            ("12.8", "nan"),
            ("\"board\"", "\"toaster\""),
            ("id = \"pad\"", "id = \"../pad\""),
            ("soc =", "chip ="),
            ("schema = 1", "schema = 2"),
        ] {
            assert!(error(&ONE.replace(from, to)).contains("devices.toml"), "{to}");
        }
        let twice = format!("{ONE}{}", ONE.replace("schema = 1\n", ""));
        assert!(error(&twice).contains("twice"));
    }
}
