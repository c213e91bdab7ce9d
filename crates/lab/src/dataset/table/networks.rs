//! Tables of networks as public sources have them: one row for each network, by the choices of its
//! search space or by its name, with latencies in a column for each device (wide) or in one column
//! beside device, precision and batch (long).
//!
//! | networks of | columns |
//! |---|---|
//! | FBNet | `op00` … `op21`, integers 0 to 8 |
//! | NAS-Bench-201 | `e01 e02 e12 e03 e13 e23`, names of operations |
//! | Once-for-all | `resolution d0` … `d4`, `ks00` … `ks19`, `e00` … `e19` |
//! | any | `network`, `net` or `model`: a name, a code or a structure string; and `resolution`, `classes`, `se` (as usual where they are missing) |
//!
//! Where a table has `arch_id` instead, those columns come from `archs.csv.gz` beside it, or from the file
//! that is named. `arch_id` only joins the two; nothing is ever predicted from it.

use super::KernelTable;
use super::kernels::threads;
use super::listed::{Beside, Listed};
use crate::dataset::{DatasetError, names};
use crate::spelling;
use edgezen_core::foreign::NameError;
use edgezen_core::measurement::Identity;
use edgezen_core::units::Latency;
use edgezen_core::zoo::{Encoded, FbNet, NasBench201, Ofa, Space, fbnet, known, nasbench201, ofa};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A table with the network of each row.
#[derive(Clone, Debug)]
pub struct NetworkTable {
    pub table: KernelTable,
    /// `None` where a row's name is not known.
    pub networks: Vec<Option<Listed>>,
    /// Names that are not known, each once.
    pub unknown: Vec<String>,
}

/// Which of a table's rows and columns are meant; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    pub device: Option<String>,
    pub runtime: Option<String>,
    pub precision: Option<String>,
    pub batch: Option<u32>,
    pub threads: Option<u32>,
}

/// A network with its latency.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkRow {
    /// Counted from 0.
    pub row: usize,
    pub network: Listed,
    pub batch: u32,
    /// For the whole batch.
    pub latency: Latency,
}

/// Why a table of networks could not be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkTableError {
    #[error("{0}")]
    Table(#[from] DatasetError),
    #[error("{path}: no columns that say what the networks are: {} for names, codes and structures", NAMING.join(", "))]
    NotNetworks { path: PathBuf },
    #[error("{path}: arch_id needs the table of architectures: {reason}")]
    Archs { path: PathBuf, reason: String },
    #[error("{path}: column {column:?} holds several identities ({}); measurements of different identity never mix", values.join(", "))]
    Mixed { path: PathBuf, column: &'static str, values: Vec<String> },
    /// No row that is meant has a network whose structure is known; `near` are known names that are like the first.
    #[error("{path}: none of its networks is known by its name: {}", listed(names))]
    UnknownNetworks { path: PathBuf, names: Vec<String>, near: Vec<String> },
    #[error("{path}: there are no latencies of {wanted}; there are those of {}", known.join(", "))]
    NoLatencies { path: PathBuf, wanted: String, known: Vec<String> },
    /// A device, runtime or precision that cannot be part of an identity.
    #[error("{path}: {error}")]
    Name { path: PathBuf, error: NameError },
}

/// The first of some names, for a message.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// Columns that hold the latency of a long table in milliseconds.
const LATENCIES: [&str; 3] = ["latency_ms", "median_ms", "min_ms"];

impl NetworkTable {
    /// Whether a table with such columns is one of networks.
    pub fn is_one(columns: &[String]) -> bool {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let space = encoding(columns).is_some();
        (space || has("arch_id")) && !has("kind")
    }

    /// Reads a table (`.csv`, `.csv.gz`, `.parquet`); `archs` is the table of architectures where the rows
    /// have only `arch_id`.
    ///
    /// # Errors
    /// A file that cannot be read, columns that are missing, cells that make no sense, by row and column.
    pub fn read(path: &Path, archs: Option<&Path>) -> Result<NetworkTable, NetworkTableError> {
        NetworkTable::of(KernelTable::read(path)?, archs)
    }

    /// As [`NetworkTable::read`], of a table that was read.
    ///
    /// # Errors
    /// See [`NetworkTable::read`].
    pub fn of(table: KernelTable, archs: Option<&Path>) -> Result<NetworkTable, NetworkTableError> {
        let mut unknown = BTreeSet::new();
        let networks = match encoding(table.columns()) {
            Some(Space::Named) => {
                let (networks, names) = Cells(&table).named()?;
                unknown = names;
                networks
            }
            Some(space) => {
                Cells(&table).coded(space)?.into_iter().map(|code| Some(Listed::Encoded(code))).collect()
            }
            None if table.columns().iter().any(|column| column == "arch_id") => {
                joined(&table, archs)?.into_iter().map(|code| code.map(Listed::Encoded)).collect()
            }
            None => return Err(NetworkTableError::NotNetworks { path: table.path().to_owned() }),
        };
        Ok(NetworkTable { table, networks, unknown: unknown.into_iter().collect() })
    }

    /// The rows that `select` means, with their latencies.
    ///
    /// # Errors
    /// Several identities among them; no such latencies; latencies that nothing takes; a network
    /// that occurs twice.
    pub fn rows(&self, select: &Select) -> Result<Vec<NetworkRow>, NetworkTableError> {
        let cells = Cells(&self.table);
        let long = LATENCIES.into_iter().find_map(|name| Some((cells.0.position(name)?, name.to_owned())));
        let (at, name) = match long {
            Some(found) => found,
            None => self.wide(select)?,
        };
        let kept = self.kept(select)?;
        if !kept.is_empty() && kept.iter().all(|&row| self.networks[row].is_none()) {
            return Err(self.unknown_networks());
        }
        let mut rows = Vec::new();
        let mut seen: BTreeMap<(String, u32), usize> = BTreeMap::new();
        for row in kept {
            let Some(network) = &self.networks[row] else { continue };
            let cell = &self.table.row(row)[at];
            let latency = match cell.trim().parse::<f64>() {
                Ok(ms) => Latency::measured_ns(ms * 1e6).map_err(|e| e.to_string()),
                Err(_) => Err(format!("{cell:?} is not a latency")),
            };
            let latency = latency.map_err(|reason| cells.error(row, &name, reason))?;
            let batch = match cells.0.position("batch") {
                Some(_) => cells.count(row, "batch")?,
                None => select.batch.unwrap_or(1),
            };
            if let Some(first) = seen.insert((network.key(), batch), row) {
                let reason = format!("the same network as in row {}", first + 1);
                return Err(cells.error(row, &name, reason).into());
            }
            rows.push(NetworkRow { row, network: network.clone(), batch, latency });
        }
        if rows.is_empty() {
            return Err(self.none(select));
        }
        Ok(rows)
    }

    /// The column of a wide table.
    fn wide(&self, select: &Select) -> Result<(usize, String), NetworkTableError> {
        let device = select.device.as_deref().unwrap_or_default();
        let with_batch = select.batch.map(|batch| format!("{device}_{batch}"));
        let names = with_batch.into_iter().chain([device.to_owned()]);
        let cells = Cells(&self.table);
        let found = names.filter_map(|name| Some((cells.0.position(&name)?, name))).next();
        found.ok_or_else(|| self.none(select))
    }

    /// The error of rows that have names of networks, and none that is known.
    pub fn unknown_networks(&self) -> NetworkTableError {
        let names = self.unknown.clone();
        let known = known::KNOWN.iter();
        let known = known.flat_map(|known| std::iter::once(known.name).chain(known.also.iter().copied()));
        let near = names.first().map(|name| spelling::similar(name, known)).unwrap_or_default();
        NetworkTableError::UnknownNetworks { path: self.table.path().to_owned(), names, near }
    }

    /// What a row says of its precision or threads that is otherwise in `identity`: `precision int8`.
    pub fn other_than(&self, identity: &Identity, row: usize) -> Option<String> {
        let ours = [("precision", identity.precision.to_string()), ("threads", identity.threads.to_string())];
        ours.into_iter().find_map(|(column, ours)| {
            let cell = self.table.row(row)[self.table.position(column)?].trim();
            let differs =
                !cell.is_empty() && !canonical(column, cell).eq_ignore_ascii_case(&canonical(column, &ours));
            differs.then(|| format!("{column} {cell}"))
        })
    }

    fn none(&self, select: &Select) -> NetworkTableError {
        let Select { device, runtime, precision, batch, threads } = select;
        let texts = [device.clone(), runtime.clone(), precision.clone()].into_iter().flatten();
        let counts = [("batch", batch), ("threads", threads)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name} {value}")));
        let wanted: Vec<String> = texts.chain(counts).collect();
        let cells = Cells(&self.table);
        let known = match cells.0.position("device") {
            Some(_) => cells.distinct("device", 0..self.table.len()),
            None => {
                let encoding = |name: &str| name == "arch_id" || is_encoding(name);
                self.table.columns().iter().filter(|name| !encoding(name)).cloned().collect()
            }
        };
        let wanted = if wanted.is_empty() { "anything".into() } else { wanted.join(", ") };
        NetworkTableError::NoLatencies { path: self.table.path().to_owned(), wanted, known }
    }

    /// Rows of a long table that fit `select`, all of one identity.
    fn kept(&self, select: &Select) -> Result<Vec<usize>, NetworkTableError> {
        let cells = Cells(&self.table);
        let mut kept: Vec<usize> = (0..self.table.len()).collect();
        let wanted: [(&'static str, Option<String>); 4] = [
            ("device", select.device.clone()),
            ("runtime", select.runtime.clone()),
            ("precision", select.precision.clone()),
            ("threads", select.threads.map(|threads| threads.to_string())),
        ];
        for (column, wanted) in wanted {
            let Some(at) = cells.0.position(column) else { continue };
            let value = |row: usize| canonical(column, &self.table.row(row)[at]);
            if let Some(wanted) = wanted {
                kept.retain(|&row| value(row) == canonical(column, &wanted));
            }
            let values = cells.distinct(column, kept.iter().copied());
            if values.len() > 1 {
                return Err(NetworkTableError::Mixed { path: self.table.path().to_owned(), column, values });
            }
        }
        if let (Some(batch), Some(at)) = (select.batch, cells.0.position("batch")) {
            kept.retain(|&row| self.table.row(row)[at].trim() == batch.to_string());
        }
        if let Some(at) = cells.0.position("gpu_device") {
            // Processors, unless the runtime says otherwise.
            let gpu = select.runtime.as_deref().is_some_and(|runtime| runtime.contains("vulkan"));
            kept.retain(|&row| self.table.row(row)[at].trim().starts_with('-') != gpu);
        }
        if let Some(at) = cells.0.position("powersave") {
            // Big cores where they were measured apart, else all.
            let of = |row: &usize| self.table.row(*row)[at].trim().to_owned();
            let best = if kept.iter().any(|row| of(row) == "2") { "2" } else { "0" };
            kept.retain(|row| of(row) == best);
        }
        Ok(kept)
    }

    /// The values of a column among the rows that fit `select`, each once.
    pub fn values(&self, column: &str, rows: &[NetworkRow]) -> Vec<String> {
        Cells(&self.table).distinct(column, rows.iter().map(|row| row.row))
    }
}

/// What different sources mean by the same.
fn canonical(column: &str, value: &str) -> String {
    let value = value.trim();
    match (column, value) {
        ("runtime", value) => names::runtime(value).0,
        ("device", value) => names::device(value),
        ("precision", "fp32_or_fp16_storage") => "fp32".to_owned(),
        ("threads", value) => threads(value).to_owned(),
        (_, value) => value.to_owned(),
    }
}

/// Columns that name the networks.
const NAMING: [&str; 3] = ["network", "net", "model"];

/// The networks of the rows, `None` where a name is not known, and the names that are not.
type ByName = (Vec<Option<Listed>>, BTreeSet<String>);

/// Which networks the columns describe; `None` where only `arch_id` may tell.
fn encoding(columns: &[String]) -> Option<Space> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    if has("op00") {
        Some(Space::FbNet)
    } else if has("e01") && has("e12") && !has("ks00") {
        Some(Space::NasBench201)
    } else if has("ks00") {
        Some(Space::Ofa)
    } else if has("arch") && has("l0") {
        Some(Space::AccelNasBench)
    } else if has("code") && has("canonical") {
        Some(Space::NasBenchMacro)
    } else if NAMING.into_iter().any(has) {
        Some(Space::Named)
    } else {
        None
    }
}

/// Whether a column belongs to an encoding rather than to a device.
fn is_encoding(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    };
    ["op", "ks", "e", "d"].into_iter().any(numbered) || name.starts_with("n_") || name == "resolution"
}

/// The networks of the rows by their `arch_id`.
fn joined(table: &KernelTable, archs: Option<&Path>) -> Result<Vec<Option<Encoded>>, NetworkTableError> {
    let bad = |reason: String| NetworkTableError::Archs { path: table.path().to_owned(), reason };
    let beside = || {
        let folder = table.path().parent().unwrap_or(Path::new("."));
        ["archs.csv.gz", "archs.csv"].map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
    };
    let path = archs.map(Path::to_owned).or_else(beside);
    let path = path.ok_or_else(|| bad("there is no archs.csv.gz beside it; name it with --archs".into()))?;
    let archs = KernelTable::read(&path)?;
    let space = match encoding(archs.columns()) {
        Some(Space::Named) | None => {
            return Err(bad(format!("{} does not say what the networks are", path.display())));
        }
        Some(space) => space,
    };
    let codes = Cells(&archs).coded(space)?;
    let mut by_id: BTreeMap<u32, Encoded> = BTreeMap::new();
    for (row, code) in codes.into_iter().enumerate() {
        by_id.insert(Cells(&archs).integer(row, "arch_id")?, code);
    }
    let cells = Cells(table);
    let network = |row: usize| {
        let id = cells.integer(row, "arch_id")?;
        let code = by_id.get(&id).cloned();
        let missing = || cells.error(row, "arch_id", format!("{id} is not in {}", path.display()));
        Ok(Some(code.ok_or_else(missing)?))
    };
    (0..table.len()).map(network).collect()
}

/// Typed access to the cells of a table.
struct Cells<'a>(&'a KernelTable);

impl Cells<'_> {
    fn error(&self, row: usize, column: &str, reason: String) -> DatasetError {
        DatasetError::cell(self.0.path(), row, column, reason)
    }

    fn integer(&self, row: usize, name: &str) -> Result<u32, DatasetError> {
        let text = self.0.row(row)[self.0.required(name)?].trim();
        text.parse().map_err(|_| self.error(row, name, format!("{text:?} is not a non-negative integer")))
    }

    fn count(&self, row: usize, name: &str) -> Result<u32, DatasetError> {
        match self.integer(row, name)? {
            value @ 1..=65_536 => Ok(value),
            value => Err(self.error(row, name, format!("{value} is not from 1 to 65536"))),
        }
    }

    fn distinct(&self, column: &str, rows: impl IntoIterator<Item = usize>) -> Vec<String> {
        let Some(at) = self.0.position(column) else { return Vec::new() };
        let values: BTreeSet<&str> = rows.into_iter().map(|row| self.0.row(row)[at].trim()).collect();
        values.into_iter().map(str::to_owned).collect()
    }

    /// The integers of columns `prefix00`, `prefix01`, …
    fn numbered(&self, row: usize, names: &[String]) -> Result<Vec<u32>, DatasetError> {
        names.iter().map(|name| self.integer(row, name)).collect()
    }

    fn coded(&self, space: Space) -> Result<Vec<Encoded>, DatasetError> {
        let series = |prefix: &str, count: usize| -> Vec<String> {
            (0..count).map(|i| format!("{prefix}{i:02}")).collect()
        };
        let (ops, kernels, expansions) =
            (series("op", fbnet::LAYERS), series("ks", ofa::SLOTS), series("e", ofa::SLOTS));
        let depths: Vec<String> = (0..ofa::STAGES).map(|i| format!("d{i}")).collect();
        let edges: Vec<String> = nasbench201::EDGES.iter().map(|(from, to)| format!("e{from}{to}")).collect();
        let one = |row: usize, column: &str| -> Result<String, DatasetError> {
            Ok(format!("{}:{}", space, self.0.row(row)[self.0.required(column)?].trim()))
        };
        let code = |row: usize| {
            let (code, column) = match space {
                Space::AccelNasBench => (one(row, "arch")?.parse(), "arch"),
                Space::NasBenchMacro => (one(row, "code")?.parse(), "code"),
                Space::FbNet => (FbNet::new(&self.numbered(row, &ops)?).map(Encoded::FbNet), &*ops[0]),
                Space::NasBench201 => {
                    let mut names = [""; 6];
                    for (name, edge) in names.iter_mut().zip(&edges) {
                        *name = self.0.row(row)[self.0.required(edge)?].trim();
                    }
                    (NasBench201::new(names).map(Encoded::NasBench201), &*edges[0])
                }
                Space::Ofa | Space::Named => {
                    let resolution = self.integer(row, "resolution")?;
                    let code = Ofa::new(
                        resolution,
                        &self.numbered(row, &depths)?,
                        &self.numbered(row, &kernels)?,
                        &self.numbered(row, &expansions)?,
                    );
                    (code.map(Encoded::Ofa), &*kernels[0])
                }
            };
            code.map_err(|e| self.error(row, column, e.to_string()))
        };
        (0..self.0.len()).map(code).collect()
    }

    /// The networks by the column that names most of those that are known.
    fn named(&self) -> Result<ByName, DatasetError> {
        let columns = NAMING.into_iter().filter(|name| self.0.position(name).is_some());
        let read: Vec<Result<ByName, DatasetError>> = columns.map(|name| self.named_by(name)).collect();
        let known = |read: &Result<ByName, DatasetError>| {
            read.as_ref().map_or(0, |(networks, _)| networks.iter().flatten().count())
        };
        let most = read.iter().map(known).max().unwrap_or(0);
        let chosen = read.into_iter().find(|read| known(read) == most);
        chosen.unwrap_or_else(|| Err(DatasetError::missing_column(self.0.path(), NAMING[0])))
    }

    /// The networks by the names in a column.
    fn named_by(&self, name: &str) -> Result<ByName, DatasetError> {
        let mut unknown = BTreeSet::new();
        let mut networks = Vec::with_capacity(self.0.len());
        let at = self.0.required(name)?;
        for row in 0..self.0.len() {
            let text = self.0.row(row)[at].trim();
            let network = match Encoded::is_code(text) {
                true => Listed::named(text, Beside::default()),
                false => Listed::named(text, self.beside(row)?),
            };
            let network = network.map_err(|error| self.error(row, name, error.to_string()))?;
            if network.is_none() {
                unknown.insert(text.to_owned());
            }
            networks.push(network);
        }
        Ok((networks, unknown))
    }

    /// What a row says of its network beside the name.
    fn beside(&self, row: usize) -> Result<Beside, DatasetError> {
        let is_said =
            |name: &str| self.0.position(name).is_some_and(|at| !self.0.row(row)[at].trim().is_empty());
        let count = |name: &str| is_said(name).then(|| self.count(row, name)).transpose();
        Ok(Beside {
            resolution: count("resolution")?,
            classes: count("classes")?,
            se: self.0.flag(row, "se")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_a_name_is_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("networks.csv");
        let read = |se: &str| {
            std::fs::write(&path, format!("network,se,latency_ms\n\"SuperConvK3BNRELU(3,8,2,1)\",{se},2\n"))
                .unwrap();
            NetworkTable::read(&path, None).map(|table| match &table.networks[..] {
                [Some(Listed::PlainNet(model))] => model.se,
                other => panic!("{other:?}"),
            })
        };
        for (cell, se) in
            [("", false), ("true", true), ("True", true), ("1", true), ("0", false), ("FALSE", false)]
        {
            assert_eq!(read(cell).unwrap(), se, "{cell}");
        }
        let refused = read("maybe").unwrap_err().to_string();
        assert!(
            refused.contains("row 1") && refused.contains("\"se\"") && refused.contains("neither"),
            "{refused}"
        );
    }
}
