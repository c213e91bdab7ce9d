//! The file of a pool: which units there are, and how each is reached.

use super::error::PoolError;
use crate::files::{parse_toml, read_text};
use edgezen_core::files::Format;
use edgezen_core::foreign::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What can be read.
pub const FORMAT: Format =
    Format { name: "pool of devices", field: "schema", oldest: 1, newest: 1, most_bytes: 1 << 20 };

/// More units than any pool has.
const MOST_UNITS: usize = 1000;

/// Phones and boards that can be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Format of the file: 1.
    pub schema: u32,
    #[serde(rename = "unit", default)]
    pub units: Vec<Unit>,
}

/// One phone or board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Unique within the pool.
    pub name: Name,
    /// The name of its profile: `pixel2`, `raspberrypi4`.
    pub device: String,
    /// The serial number of a phone, as adb knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// A board, as ssh knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Words by which units are chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Unit {
    /// How it is reached, for people.
    pub fn place(&self) -> String {
        match (&self.serial, &self.host) {
            (Some(serial), _) => format!("serial {serial}"),
            (_, Some(host)) => format!("host {host}"),
            (None, None) => "this computer".to_owned(),
        }
    }
}

impl Pool {
    /// Reads and checks the pool in a file.
    ///
    /// # Errors
    /// A file that cannot be read or is no pool; two units of one name or at one place, and one that cannot be reached.
    pub fn read(path: &Path) -> Result<Pool, PoolError> {
        Pool::parse(path, &read_text(path, FORMAT.most_bytes)?)
    }

    /// Reads and checks the text of a pool; `path` is for the messages.
    ///
    /// # Errors
    /// As [`Pool::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Pool, PoolError> {
        let pool: Pool = parse_toml(&FORMAT, path, text)?;
        pool.check().map_err(|reason| PoolError::BadPool { path: path.to_owned(), reason })?;
        Ok(pool)
    }

    fn check(&self) -> Result<(), String> {
        if self.units.is_empty() {
            return Err("it has no [[unit]]".into());
        }
        if self.units.len() > MOST_UNITS {
            return Err(format!("more than {MOST_UNITS} units"));
        }
        let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
        for unit in &self.units {
            let name = &unit.name;
            if !names.insert(name) {
                return Err(format!("two units are called {name}"));
            }
            if unit.serial.is_some() && unit.host.is_some() {
                return Err(format!(
                    "{name} has a serial and a host; a phone has the one, a board the other"
                ));
            }
            if unit.device.is_empty() || unit.device.contains('@') {
                return Err(format!(
                    "{name}: {:?} is no name of a device; its runtime is asked for later",
                    unit.device
                ));
            }
            let place = (&unit.serial, &unit.host);
            if place != (&None, &None) && !places.insert(place) {
                return Err(format!("two units are at {}", unit.place()));
            }
        }
        Ok(())
    }

    /// The units of which `is_it` says that they are of the device that is asked for, and which have the tag, if there is one.
    pub fn chosen(&self, is_it: impl Fn(&str) -> bool, tag: Option<&str>) -> Vec<&Unit> {
        let tagged = |unit: &&Unit| tag.is_none_or(|tag| unit.tags.iter().any(|has| has == tag));
        self.units.iter().filter(|unit| is_it(&unit.device)).filter(tagged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pool, PoolError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.toml");
        std::fs::write(&path, text).unwrap();
        Pool::read(&path)
    }

    const TWO: &str = "schema = 1\n[[unit]]\nname = \"a\"\ndevice = \"raspberrypi4\"\nhost = \"pi@a\"\ntags = [\"kitchen\"]\n\
        [[unit]]\nname = \"b\"\ndevice = \"pixel2\"\nserial = \"FA81\"\n";

    #[test]
    fn units_are_chosen_by_device_and_tag() {
        let pool = read(TWO).unwrap();
        let names = |device: &str, tag| {
            pool.chosen(|name| name == device, tag)
                .iter()
                .map(|unit| unit.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("raspberrypi4", None), ["a"]);
        assert_eq!(names("raspberrypi4", Some("kitchen")), ["a"]);
        assert_eq!(names("raspberrypi4", Some("cellar")), [] as [&str; 0]);
        assert_eq!(names("pixel2", None), ["b"]);
        assert_eq!(pool.units[0].place(), "host pi@a");
    }

    #[test]
    fn what_is_no_pool_says_why() {
        for (text, word) in [
            (TWO.replace("\"b\"", "\"a\"").as_str(), "two units are called a"),
            (&TWO.replace("serial = \"FA81\"", "host = \"pi@a\""), "two units are at host pi@a"),
            (&TWO.replace("serial = \"FA81\"", "serial = \"FA81\"\nhost = \"x\""), "a serial and a host"),
            (&TWO.replace("\"pixel2\"", "\"pixel2@tract\""), "no name of a device"),
            (&TWO.replace("\"b\"", "\"../b\""), "no name"),
            (&TWO.replace("tags", "tag"), "tag"),
            ("schema = 1\n", "no [[unit]]"),
            ("schema = 2\n", "2"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(matches!(Pool::read(Path::new("/nowhere/pool.toml")), Err(PoolError::File(_))));
    }
}
