//! All kinds of meters.

use super::result::NoEnergy;
use super::sensor::Sensor;
use super::{battery, package, rail};
use std::path::Path;

/// Looks for a kind of meter below `root`. `None`: there is none of that kind.
type Find = fn(&Path) -> Option<Result<Box<dyn Sensor>, NoEnergy>>;

/// The finest first.
const REGISTRY: [Find; 3] = [rail::find, package::find, battery::find];

/// The first meter that there is.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn find(root: &Path) -> Result<Box<dyn Sensor>, NoEnergy> {
    let found = REGISTRY.iter().filter_map(|find| find(root));
    let mut why = NoEnergy::NoMeter;
    for sensor in found {
        match sensor {
            Ok(sensor) => return Ok(sensor),
            Err(error) => why = error,
        }
    }
    Err(why)
}
