//! Device profiles: facts about a device, each with its source, and how to measure on it.
//!
//! A profile is a TOML file (schema 1). The shipped ones are compiled into the program; a file of the user's takes
//! precedence (see [`Profiles::by_name`]). A profile is checked when it is read, so other code may rely on every number
//! being in range.

mod check;
mod error;
mod fact;
mod fields;
mod lookup;
mod peaks;
mod position;
mod search_defaults;
mod tables;

pub use error::ProfileError;
pub use fact::Fact;
pub use lookup::{ProfileEntry, Profiles, read};
pub use peaks::Peaks;
pub use search_defaults::{LayerLimit, SearchDefaults};
pub use tables::{
    Cluster, DefaultIdentity, Gpu, Matching, Measure, Memory, Plateau, Require, Runner, Soc, Thermal,
};

use edgezen_core::files::Format;
use edgezen_core::foreign::Name;
use edgezen_core::measurement::Identity;
use edgezen_core::space;
use edgezen_core::space::SearchSpace;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The newest format that this program reads. It is raised when a field changes its meaning or is removed, and when an
/// old program must not ignore a new field.
pub const SCHEMA: u32 = 1;

/// What can be read. Schema 0 passes here, and is refused with its line when the fields are checked.
pub const FORMAT: Format =
    Format { name: "device profile", field: "schema", oldest: 0, newest: SCHEMA, most_bytes: 16 << 20 };

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Format of the file: [`SCHEMA`].
    pub schema: u32,
    /// The name on the command line and in identities: lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// Other names for it, such as a phone's code name. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    pub kind: Kind,
    /// One line that describes the device. Absent: the name of the SoC or GPU, otherwise of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a program drafted the profile and nobody has reviewed it. Absent: no.
    #[serde(default)]
    pub generated: bool,
    /// How to recognise the device. Absent: it is not recognised, only chosen by name.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// The identity that the short name means.
    pub default: DefaultIdentity,
    /// Defaults of a search for this device.
    pub search: SearchDefaults,
    /// Absent: not known, or no SoC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soc: Option<Soc>,
    /// Groups of equal CPU cores, the fastest first. Absent: not known; read them from the device.
    #[serde(default, rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The GPU that networks run on. Absent: they run on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Absent: the defaults of [`Measure`].
    #[serde(default)]
    pub measure: Measure,
    /// Absent: nothing is required.
    #[serde(default)]
    pub require: Require,
    /// Absent: temperatures are not watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal: Option<Thermal>,
    /// Absent: networks run inside this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// Sources of facts. A key is the path of a field (`cluster.gold.max_khz`) or of a table (`gpu`). A field without an
    /// entry of its own has the source of the innermost table that has one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// Every fact of the file, in the order of its tables. They are filled in when the profile is read.
    #[serde(skip)]
    facts: Vec<Fact>,
}

/// The kind of a device; each driver measures the devices of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The computer that this program runs on.
    Host,
    /// A made-up device whose latencies come from a formula, for tests and for trying the program out.
    Simulated,
    /// The CPU of an Android phone.
    AndroidCpu,
    /// The CPU of a Linux board.
    LinuxCpu,
    NvidiaGpu,
    /// The CPU of the computer that this program runs on, through libtorch.
    TorchCpu,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Host => "host",
            Kind::Simulated => "simulated",
            Kind::AndroidCpu => "android-cpu",
            Kind::LinuxCpu => "linux-cpu",
            Kind::NvidiaGpu => "nvidia-gpu",
            Kind::TorchCpu => "torch-cpu",
        })
    }
}

impl Profile {
    /// Reads a profile; `file` is only named in errors.
    ///
    /// # Errors
    /// Not TOML, an unknown field, a wrong type, a newer schema, or a value that fails a check.
    pub fn parse(text: &str, file: &str) -> Result<Profile, ProfileError> {
        position::check_schema(text, file)?;
        let mut profile: Profile =
            toml::from_str(text).map_err(|error| position::syntax(text, file, &error))?;
        profile.facts = fact::facts(text, &profile.sources);
        profile.validate().map_err(|problem| position::invalid(text, file, problem))?;
        Ok(profile)
    }

    /// All facts about the device, with their sources.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether `name` is the id or an alias.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// One line that describes the device.
    pub fn title(&self) -> String {
        let part = || self.soc.as_ref().map(|soc| &soc.name).or(self.gpu.as_ref().map(|gpu| &gpu.name));
        self.description.clone().or_else(|| part().cloned()).unwrap_or_else(|| self.kind.to_string())
    }

    /// The identity that the short name means. Its parts are names already, because the profile was checked.
    pub fn identity(&self) -> Identity {
        let default = &self.default;
        Identity {
            device: Name::resembling(&self.id),
            runtime: Name::resembling(&default.runtime),
            runtime_version: None,
            precision: Name::resembling(&default.precision),
            batch: default.batch,
            threads: default.threads,
            cores: default.cores.clone(),
            thermal_state: default.thermal_state.clone(),
        }
    }

    /// The identity of this program's own measurements on the device, without the version of the runtime, which only the
    /// runtime knows.
    pub fn measured_identity(&self) -> Identity {
        let measure = &self.measure;
        let default = self.identity();
        Identity {
            runtime: measure.runtime.as_deref().map_or(default.runtime, Name::resembling),
            precision: measure.precision.as_deref().map_or(default.precision, Name::resembling),
            batch: measure.batch.unwrap_or(default.batch),
            threads: measure.threads.unwrap_or(default.threads),
            cores: measure.taskset.clone().or(default.cores),
            thermal_state: measure.state.clone().or(default.thermal_state),
            ..default
        }
    }

    /// The search space of this device.
    pub fn space(&self) -> Option<&'static dyn SearchSpace> {
        space::by_name(&self.search.space)
    }
}

#[cfg(test)]
mod tests;
