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
        let rows = rows(table)?;
        let distinct = |of: fn(&Key) -> &String| -> Vec<String> {
            let mut all: Vec<String> = rows.keys().map(|key| of(key).clone()).collect();
            all.sort();
            all.dedup();
            all
        };
        let devices = distinct(|key| &key.device);
        let networks = distinct(|key| &key.network);
        let settings = distinct(|key| &key.setting);
        let mut logs = Array3::from_elem((devices.len(), networks.len(), settings.len()), None);
        let at = |all: &[String], one: &String| all.binary_search(one).unwrap_or_default();
        for (Key { device, network, setting }, row) in &rows {
            logs[(at(&devices, device), at(&networks, network), at(&settings, setting))] = row.log;
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

/// What a row of a table is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    device: String,
    network: String,
    setting: String,
}

/// A row, counted from 0, with the logarithm of its milliseconds.
struct Row {
    at: usize,
    log: Option<f64>,
}

/// The rows of a table by what they are of.
fn rows(table: &KernelTable) -> Result<BTreeMap<Key, Row>, DatasetError> {
    let (network, device) = (table.required(NETWORK)?, table.required(DEVICE)?);
    let ms = table.required(LATENCY)?;
    let named = |row: usize, columns: &[&str]| -> String {
        let cells = columns.iter().filter_map(|name| Some(table.row(row)[table.position(name)?].trim()));
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("@")
    };
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    for at in 0..table.len() {
        let cells = table.row(at);
        let key = Key {
            device: names::device(cells[device].trim()),
            network: named(at, &[NETWORK, "resolution"]),
            setting: named(at, &["runtime", "precision", "threads"]),
        };
        let log =
            latency(&cells[ms]).map_err(|reason| DatasetError::cell(table.path(), at, LATENCY, reason))?;
        if let Some(first) = rows.insert(key, Row { at, log }) {
            let reason = format!("the same network, device and setting as in row {}", first.at + 1);
            return Err(DatasetError::cell(table.path(), at, table.columns()[network].as_str(), reason));
        }
    }
    Ok(rows)
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
