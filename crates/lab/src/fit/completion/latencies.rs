//! A table of networks on devices as numbers: which latency is known of which device, network and setting.

use crate::dataset::DatasetError;
use crate::dataset::names;
use crate::dataset::table::KernelTable;
use edgezen_core::units::Latency;
use ndarray::Array3;
use std::collections::BTreeMap;

/// Latencies of networks, known by their names alone, on devices.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Sorted.
    pub devices: Vec<String>,
    /// Name and side of the input: `resnet50@224`. Sorted.
    pub networks: Vec<String>,
    /// Runtime and precision: `qnn@w8a8`. Sorted.
    pub settings: Vec<String>,
    /// Logarithms of milliseconds, by device, network and setting.
    pub logs: Array3<Option<f64>>,
}

/// Columns without which a table is none of networks on devices.
const NETWORK: &str = "network";
const DEVICE: &str = "device";
const LATENCY: &str = "latency_ms";

impl Latencies {
    /// The rows of `table`, whose columns are `network`, `device` and `latency_ms`, and maybe `resolution`, `runtime`,
    /// `precision` and `threads`. Rows without a latency name what is wanted.
    ///
    /// # Errors
    /// A missing column, a latency that nothing takes, or two rows of one network in one setting of a device.
    pub fn of(table: &KernelTable) -> Result<Latencies, DatasetError> {
        let (network, device) = (table.required(NETWORK)?, table.required(DEVICE)?);
        let ms = table.required(LATENCY)?;
        let cell =
            |row: usize, name: &str| table.position(name).map(|at| table.row(row)[at].trim().to_owned());
        let named = |parts: Vec<Option<String>>| -> String {
            let given: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            given.join("@")
        };
        let mut rows: BTreeMap<(String, String, String), (usize, Option<f64>)> = BTreeMap::new();
        for row in 0..table.len() {
            let cells = table.row(row);
            let key = (
                names::device(cells[device].trim()),
                named(vec![Some(cells[network].trim().to_owned()), cell(row, "resolution")]),
                named(["runtime", "precision", "threads"].map(|name| cell(row, name)).to_vec()),
            );
            let log = latency(&cells[ms])
                .map_err(|reason| DatasetError::cell(table.path(), row, LATENCY, reason))?;
            if let Some((first, _)) = rows.insert(key, (row, log)) {
                let reason = format!("the same network, device and setting as in row {}", first + 1);
                return Err(DatasetError::cell(table.path(), row, NETWORK, reason));
            }
        }
        let distinct = |of: fn(&(String, String, String)) -> &String| -> Vec<String> {
            let mut all: Vec<String> = rows.keys().map(|key| of(key).clone()).collect();
            all.sort();
            all.dedup();
            all
        };
        let (devices, networks, settings) =
            (distinct(|key| &key.0), distinct(|key| &key.1), distinct(|key| &key.2));
        let mut logs = Array3::from_elem((devices.len(), networks.len(), settings.len()), None);
        let at = |all: &[String], one: &String| all.binary_search(one).unwrap_or_default();
        for ((device, network, setting), (_, log)) in &rows {
            logs[(at(&devices, device), at(&networks, network), at(&settings, setting))] = *log;
        }
        Ok(Latencies { devices, networks, settings, logs })
    }

    /// How many networks of each setting are known of a device.
    pub fn known(&self, device: usize) -> Vec<usize> {
        let of_setting = |setting: usize| {
            (0..self.networks.len())
                .filter(|&network| self.logs[(device, network, setting)].is_some())
                .count()
        };
        (0..self.settings.len()).map(of_setting).collect()
    }
}

/// The logarithm of a cell's milliseconds; `None` of an empty cell.
fn latency(cell: &str) -> Result<Option<f64>, String> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    let ms: f64 = cell.parse().map_err(|_| format!("{cell:?} is not a latency"))?;
    let latency = Latency::measured_ns(ms * 1e6).map_err(|e| e.to_string())?;
    Ok(Some(latency.ms().ln()))
}
