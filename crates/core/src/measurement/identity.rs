//! What a latency is the latency *of*.

use crate::foreign::Name;
use crate::plainnet::lowering::Lowering;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The thermal state of a device that has computed for so long that its speed and temperature no longer change. It is a part of
/// the name of an identity: `pixel2@tract@fp32@sustained`.
pub const SUSTAINED: &str = "sustained";

/// What stands in the place of a precision where a function of a caller gives the latencies.
const FUNCTION: &str = "function";

/// Measurements and predictors of different identity never mix. Its parts are names, because they stand in the paths of
/// datasets and predictors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name of the device profile.
    pub device: Name,
    /// `tract`, `tensorrt`, `tflite`, …
    pub runtime: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<String>,
    /// `fp32`, `fp16`, `int8`.
    pub precision: Name,
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Core mask or pinned cores, where they matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// `warm`, [`SUSTAINED`], … where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thermal_state: Option<String>,
}

impl Identity {
    /// One image and one thread; nothing is known of versions, cores and heat.
    pub fn new(device: impl Into<Name>, runtime: impl Into<Name>, precision: impl Into<Name>) -> Identity {
        Identity {
            device: device.into(),
            runtime: runtime.into(),
            runtime_version: None,
            precision: precision.into(),
            batch: 1,
            threads: 1,
            cores: None,
            thermal_state: None,
        }
    }

    /// The first field in which this identity, found elsewhere, differs from `here`: `batch 1 there, 2 here`. Empty
    /// where they are equal.
    pub fn difference(&self, here: &Identity) -> String {
        self.first_difference(here)
            .map_or_else(String::new, |(name, a, b)| format!("{name} {a} there, {b} here"))
    }

    /// The same for two that are called something: `its threads are 4, not 1`, of this one beside `other`.
    pub fn contrast(&self, other: &Identity) -> String {
        self.first_difference(other).map_or_else(
            || "it is the same".to_owned(),
            |(name, a, b)| {
                let verb = if name.ends_with('s') { "are" } else { "is" };
                format!("its {name} {verb} {a}, not {b}")
            },
        )
    }

    /// The first field that differs, with its value here and there.
    fn first_difference(&self, other: &Identity) -> Option<(&'static str, String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        let fields = |i: &Identity| {
            [
                ("device", i.device.to_string()),
                ("runtime", i.runtime.to_string()),
                ("runtime version", text(&i.runtime_version)),
                ("precision", i.precision.to_string()),
                ("batch", i.batch.to_string()),
                ("threads", i.threads.to_string()),
                ("cores", text(&i.cores)),
                ("thermal state", text(&i.thermal_state)),
            ]
        };
        let mut pairs = fields(self).into_iter().zip(fields(other));
        pairs.find(|(a, b)| a != b).map(|((name, a), (_, b))| (name, a, b))
    }

    /// What stands for a function of a program that calls this one, and that gives latencies of networks on `device`.
    pub fn of_function(device: impl Into<Name>, language: Name) -> Identity {
        Identity::new(device, language, FUNCTION)
    }

    /// Whether it stands for such a function.
    pub fn is_own(&self) -> bool {
        *self.precision == *FUNCTION
    }

    /// Whether its numbers are throughputs: the time of an image is that of a device on which several are under way, and no
    /// latency of one. The runtimes of tables that state images per second are named so.
    pub fn is_throughput(&self) -> bool {
        let runtime: &str = &self.runtime;
        runtime == "anb" || runtime.ends_with("-throughput")
    }

    /// Whether the device was heated up to its plateau before it was measured.
    pub fn is_sustained(&self) -> bool {
        self.thermal_state.as_deref() == Some(SUSTAINED)
    }

    /// The name, with the number of threads where it is more than one and the name does not say it, as for
    /// `pixel3@tflite@fp32, 4 threads`: of tables that do not tell the cores.
    pub fn in_words(&self) -> String {
        let threads = if self.threads > 1 && self.cores.is_none() {
            format!(", {} threads", self.threads)
        } else {
            String::new()
        };
        format!("{self}{threads}")
    }

    /// What the runtime makes of a graph. A version is known of what was measured; without one, the rows are a
    /// table's or derived from another runtime's.
    pub fn lowering(&self) -> Lowering {
        Lowering::of_runtime(&self.runtime, &self.precision, self.runtime_version.is_some())
    }
}

impl fmt::Display for Identity {
    /// `pixel2@tflite@fp32`, or `host@litert@fp32@2t` where several threads were kept on cores that are known. Tables of others
    /// do not tell the cores; the device of such a table stands for the number of threads that the table has. The sustained state
    /// stands at the end: `pixel2@tract@fp32@sustained`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}@{}", self.device, self.runtime, self.precision)?;
        if self.threads > 1 && self.cores.is_some() {
            write!(f, "@{}t", self.threads)?;
        }
        if self.is_sustained() { write!(f, "@{SUSTAINED}") } else { Ok(()) }
    }
}

impl FromStr for Identity {
    type Err = String;
    /// Reads `device@runtime@precision`, with `@sustained` behind it or without; one image, one thread.
    fn from_str(text: &str) -> Result<Identity, String> {
        let name = |part: &str| Name::parse(part).map_err(|e| e.to_string());
        match text.split('@').collect::<Vec<_>>()[..] {
            [device, runtime, precision] => {
                Ok(Identity::new(name(device)?, name(runtime)?, name(precision)?))
            }
            [device, runtime, precision, SUSTAINED] => Ok(Identity {
                thermal_state: Some(SUSTAINED.to_owned()),
                ..Identity::new(name(device)?, name(runtime)?, name(precision)?)
            }),
            _ => Err(format!("{text:?} is not device@runtime@precision")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_on_known_cores_are_part_of_the_name() {
        let one = Identity { cores: Some("3".into()), ..Identity::new("host", "litert", "int8") };
        assert_eq!(one.to_string(), "host@litert@int8");
        let two = Identity { threads: 2, cores: Some("2,3".into()), ..one.clone() };
        assert_eq!(two.to_string(), "host@litert@int8@2t");
        assert_eq!(two.in_words(), "host@litert@int8@2t");
        let unknown = Identity { cores: None, ..two.clone() };
        assert_eq!(unknown.to_string(), "host@litert@int8");
        assert_eq!(two.contrast(&one), "its threads are 2, not 1");
        assert_eq!(one.difference(&two), "threads 1 there, 2 here");
        // People are told all the same.
        assert_eq!(unknown.in_words(), "host@litert@int8, 2 threads");
        assert_eq!(Identity::new("host", "litert", "int8").in_words(), "host@litert@int8");
    }

    #[test]
    fn the_sustained_state_is_part_of_the_name_and_the_usual_one_is_not() {
        let in_state = |state: &str| Identity {
            thermal_state: Some(state.into()),
            ..Identity::new("pixel2", "tract", "fp32")
        };
        assert_eq!(in_state("warm").to_string(), "pixel2@tract@fp32");
        let sustained = in_state(SUSTAINED);
        assert_eq!(sustained.to_string(), "pixel2@tract@fp32@sustained");
        assert_eq!(sustained.to_string().parse::<Identity>().unwrap(), sustained);
        let two = Identity { threads: 2, cores: Some("30".into()), ..sustained };
        assert_eq!(two.to_string(), "pixel2@tract@fp32@2t@sustained");
    }

    #[test]
    fn an_identity_is_no_way_out_of_a_folder() {
        assert_eq!("pixel2@tflite@fp32".parse::<Identity>().unwrap().to_string(), "pixel2@tflite@fp32");
        let throughput = |text: &str| text.parse::<Identity>().unwrap().is_throughput();
        assert!(throughput("a100@anb@fp32") && throughput("zcu102@dpu-throughput@int8"));
        assert!(!throughput("zcu102@dpu@int8"));
        for bad in
            ["../evil@tract@fp32", "d@x/../../../escaped/evil@fp32", "d@@fp32", "d@r", "d@r@p@x", ".d@r@p"]
        {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
        let json = |runtime: &str| serde_json::json!({"device": "d", "runtime": runtime, "precision": "fp32", "batch": 1, "threads": 1});
        assert!(serde_json::from_value::<Identity>(json("torch2.1")).is_ok());
        assert!(serde_json::from_value::<Identity>(json("x/../../../escaped/evil")).is_err());
    }
}
