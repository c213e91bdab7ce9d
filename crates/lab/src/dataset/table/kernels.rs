//! Tables of kernels as people have them: CSV, gzipped CSV or Parquet. Columns that are not known here are kept as they
//! are.

use super::bounded::Bounded;
use crate::dataset::{self, DatasetError};
use crate::files;
use crate::files::Destination;
use crate::tables::parquet::{self, Compression, ParquetError};
use crate::tables::{Column, Table, Values};
use edgezen_core::files::FileError;
use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use flate2::read::MultiGzDecoder;
use rustc_hash::FxHashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A table whose cells are text; an empty cell is a missing value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelTable {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Most cells of a table. A cell takes some fifty bytes of memory.
const MOST_CELLS: usize = 8_000_000;

/// Columns that may hold the measured latency of the whole batch, with nanoseconds per unit.
const LATENCIES: [(&str, f64); 4] =
    [("latency_ms", 1e6), ("median_ms", 1e6), ("latency_ns", 1.0), ("median_ns", 1.0)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Csv,
    CsvGz,
    Parquet,
}

fn layout(path: &Path) -> Result<Layout, DatasetError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match name {
        n if n.ends_with(".csv") => Ok(Layout::Csv),
        n if n.ends_with(".csv.gz") => Ok(Layout::CsvGz),
        n if n.ends_with(".parquet") => Ok(Layout::Parquet),
        _ => Err(DatasetError::TableKind { path: path.to_owned() }),
    }
}

impl KernelTable {
    /// Reads `path`; its name tells the layout.
    ///
    /// # Errors
    /// A file that is missing, of another kind, damaged or empty.
    pub fn read(path: &Path) -> Result<KernelTable, DatasetError> {
        let table = match layout(path)? {
            Layout::Csv => from_csv(files::open(path)?, path)?,
            Layout::CsvGz => from_csv(MultiGzDecoder::new(files::open(path)?), path)?,
            Layout::Parquet => from_parquet(path)?,
        };
        if table.rows.is_empty() {
            return Err(DatasetError::Empty { path: path.to_owned() });
        }
        Ok(table)
    }

    /// Reads `path` as CSV, whatever its name; it is unzipped where the name ends in `.gz`. It may hold no rows.
    ///
    /// # Errors
    /// A file that is missing or no CSV.
    pub fn read_csv(path: &Path) -> Result<KernelTable, DatasetError> {
        match path.extension().is_some_and(|extension| extension == "gz") {
            true => from_csv(MultiGzDecoder::new(files::open(path)?), path),
            false => from_csv(files::open(path)?, path),
        }
    }

    /// Reads a gzipped CSV file that is in memory; `path` is for the messages.
    ///
    /// # Errors
    /// Bytes that are no such file.
    pub fn of_csv_gz(bytes: &[u8], path: &Path) -> Result<KernelTable, DatasetError> {
        from_csv(MultiGzDecoder::new(bytes), path)
    }

    /// The table with these columns alone, in this order; columns that it lacks are left out.
    pub fn with_columns(&self, names: &[String]) -> KernelTable {
        let kept: Vec<usize> = names.iter().filter_map(|name| self.position(name)).collect();
        let of = |cells: &Vec<String>| kept.iter().map(|&at| cells[at].clone()).collect();
        KernelTable {
            path: self.path.clone(),
            header: of(&self.header),
            rows: self.rows.iter().map(of).collect(),
        }
    }

    /// A table with other columns, of the same file: what an importer makes of a source's own words. Each column has one value
    /// for each row.
    pub fn translated<'a>(&self, columns: impl IntoIterator<Item = (&'a str, Vec<String>)>) -> KernelTable {
        let mut columns = columns.into_iter().peekable();
        let rows = columns.peek().map_or(0, |(_, values)| values.len());
        let mut translated = KernelTable { path: self.path.clone(), ..KernelTable::empty(rows) };
        for (name, values) in columns {
            translated.set_column(name, values);
        }
        translated
    }

    /// Whether a table can be written to `to`, whose name tells the layout: to be asked before one is computed.
    ///
    /// # Errors
    /// A name of unknown layout.
    pub fn check_name(to: &Destination) -> Result<(), DatasetError> {
        // The name of a pipe says nothing of what should go through it.
        if to.is_stream() { Ok(()) } else { layout(to.path()).map(|_| ()) }
    }

    /// Writes the table to `path` in one step.
    ///
    /// # Errors
    /// A name of unknown layout; whatever the disk says.
    pub fn write(&self, to: &Destination) -> Result<(), DatasetError> {
        let path = to.path();
        // The name of a pipe says nothing of what should go through it.
        let layout = if to.is_stream() { Layout::Csv } else { layout(path)? };
        let bytes = match layout {
            Layout::Csv => self.csv(path)?,
            Layout::CsvGz => {
                let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                zip.write_all(&self.csv(path)?).map_err(DatasetError::io(path))?;
                zip.finish().map_err(DatasetError::io(path))?
            }
            Layout::Parquet => {
                parquet::write(&self.table(), Compression::None).map_err(DatasetError::parquet(path))?
            }
        };
        Ok(to.write(&bytes)?)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// A table of so many rows and no columns yet.
    pub fn empty(rows: usize) -> KernelTable {
        KernelTable { path: PathBuf::new(), header: Vec::new(), rows: vec![Vec::new(); rows] }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.header
    }

    /// The cells of a row, counted from 0, in the order of the columns.
    pub fn row(&self, row: usize) -> &[String] {
        &self.rows[row]
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sets a column, which is added unless there is one of that name.
    pub fn set_column(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let at = self.position(name).unwrap_or_else(|| {
            self.header.push(name.to_owned());
            self.rows.iter_mut().for_each(|row| row.push(String::new()));
            self.header.len() - 1
        });
        self.rows.iter_mut().zip(values).for_each(|(row, value)| row[at] = value);
    }

    /// The kernels, one for each row. A missing `in_w` is `in_h`; missing or empty `batch`, `kernel`,
    /// `stride`, `groups` are 1 (all channels for a depthwise convolution), `act` is none, `residual` is
    /// false.
    ///
    /// # Errors
    /// A missing column, or a cell that makes no sense, by row and column; another precision than
    /// `precision`.
    pub fn kernels(&self, precision: &str) -> Result<Vec<Kernel>, DatasetError> {
        for required in ["kind", "in_c", "out_c", "in_h"] {
            self.required(required)?;
        }
        (0..self.len()).map(|row| self.kernel(row, precision)).collect()
    }

    /// The kernels, as far as the rows are of `identity`: what they say of precision and threads must be its own.
    ///
    /// # Errors
    /// See [`KernelTable::kernels`]; a row of other threads.
    pub fn kernels_of(&self, identity: &Identity) -> Result<Vec<Kernel>, DatasetError> {
        for row in 0..self.len() {
            let cell = self.text(row, "threads");
            if !cell.is_empty() && threads(cell) != identity.threads.to_string() {
                let reason = format!("{cell}, while the predictor is for {}", identity.threads);
                return Err(self.cell(row, "threads", reason));
            }
        }
        self.kernels(&identity.precision)
    }

    /// Measured latencies, for the whole batch.
    ///
    /// # Errors
    /// No column of latencies; one that is not a positive number.
    pub fn latencies(&self) -> Result<Vec<Latency>, DatasetError> {
        let known = LATENCIES.iter().find_map(|(name, ns)| Some((self.position(name)?, *name, *ns)));
        let missing = || DatasetError::missing_column(&self.path, LATENCIES[0].0);
        let (at, name, ns) = known.ok_or_else(missing)?;
        let latency = |(row, cells): (usize, &Vec<String>)| match cells[at].trim().parse::<f64>() {
            Ok(value) => Latency::measured_ns(value * ns).map_err(|e| self.cell(row, name, e.to_string())),
            Err(_) => Err(self.cell(row, name, format!("{:?} is not a latency", cells[at]))),
        };
        self.rows.iter().enumerate().map(latency).collect()
    }

    /// Kernels with their latencies; each kernel once.
    ///
    /// # Errors
    /// See [`KernelTable::kernels_of`] and [`KernelTable::latencies`]; a kernel that comes back, by its rows.
    pub fn measured(&self, identity: &Identity) -> Result<Vec<(Kernel, Latency)>, DatasetError> {
        let measured: Vec<_> = self.kernels_of(identity)?.into_iter().zip(self.latencies()?).collect();
        let mut seen: FxHashMap<Kernel, usize> = FxHashMap::default();
        for (row, (kernel, _)) in measured.iter().enumerate() {
            if let Some(first) = seen.insert(*kernel, row) {
                let reason = format!("{kernel} stands in row {} already", first + 1);
                return Err(self.cell(row, "kind", reason));
            }
        }
        Ok(measured)
    }

    fn kernel(&self, row: usize, precision: &str) -> Result<Kernel, DatasetError> {
        let kind: KernelKind =
            self.text(row, "kind").parse().map_err(|reason: String| self.cell(row, "kind", reason))?;
        let in_c = self.count(row, "in_c", None)?;
        let out_c = self.count(row, "out_c", None)?;
        let in_h = self.count(row, "in_h", None)?;
        let depthwise = kind == KernelKind::Dwconv;
        let kernel = Kernel {
            kind,
            batch: self.count(row, "batch", Some(1))?,
            in_c,
            out_c,
            in_h,
            in_w: self.count(row, "in_w", Some(in_h))?,
            kernel: self.count(row, "kernel", Some(1))?,
            stride: self.count(row, "stride", Some(1))?,
            groups: self.count(row, "groups", Some(if depthwise { in_c } else { 1 }))?,
            act: match self.text(row, "act") {
                "" => Act::None,
                text => text.parse().map_err(|reason: String| self.cell(row, "act", reason))?,
            },
            residual: self.flag(row, "residual")?.unwrap_or(false),
            window: None,
        };
        if depthwise && (in_c != out_c || kernel.groups != in_c) {
            return Err(self.cell(
                row,
                "groups",
                "a depthwise convolution has as many groups as channels".into(),
            ));
        }
        if !in_c.is_multiple_of(kernel.groups) || !out_c.is_multiple_of(kernel.groups) {
            return Err(self.cell(row, "groups", format!("{} does not divide the channels", kernel.groups)));
        }
        kernel.check().map_err(|e| self.cell(row, "kind", e.to_string()))?;
        match self.text(row, "precision") {
            "" => {}
            found if found == precision => {}
            found => {
                let reason = format!("{found:?}, while the predictor is for {precision:?}");
                return Err(self.cell(row, "precision", reason));
            }
        }
        Ok(kernel)
    }

    /// Where the column called `name` stands in a row.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Where the column called `name` stands in a row.
    ///
    /// # Errors
    /// There is none.
    pub fn required(&self, name: &str) -> Result<usize, DatasetError> {
        let missing = || DatasetError::missing_column(&self.path, name);
        self.position(name).ok_or_else(missing)
    }

    /// Whether a cell says yes; nothing where it is empty, or the column is missing.
    pub(super) fn flag(&self, row: usize, name: &str) -> Result<Option<bool>, DatasetError> {
        match self.text(row, name).to_lowercase().as_str() {
            "" => Ok(None),
            "0" | "false" => Ok(Some(false)),
            "1" | "true" => Ok(Some(true)),
            other => Err(self.cell(row, name, format!("{other:?} is neither true nor false"))),
        }
    }

    fn text(&self, row: usize, name: &str) -> &str {
        self.position(name).map_or("", |at| self.rows[row][at].trim())
    }

    /// A positive integer; `default` where the cell is empty or the column missing.
    fn count(&self, row: usize, name: &str, default: Option<u32>) -> Result<u32, DatasetError> {
        /// Larger values are mistakes, and products of them would not mean anything.
        const LARGEST: u32 = 1 << 20;
        let text = self.text(row, name);
        match (text.parse::<u32>(), default) {
            (Ok(value), _) if (1..=LARGEST).contains(&value) => Ok(value),
            (Err(_), Some(default)) if text.is_empty() => Ok(default),
            _ => Err(self.cell(row, name, format!("{text:?} is not an integer from 1 to {LARGEST}"))),
        }
    }

    fn cell(&self, row: usize, column: &str, reason: String) -> DatasetError {
        DatasetError::cell(&self.path, row, column, reason)
    }

    fn csv(&self, path: &Path) -> Result<Vec<u8>, DatasetError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).map_err(DatasetError::csv(path))?;
        for row in &self.rows {
            writer.write_record(row).map_err(DatasetError::csv(path))?;
        }
        writer.into_inner().map_err(|e| DatasetError::io(path)(e.into_error()))
    }

    /// Columns of integers, numbers or truth values become such; all others stay text.
    fn table(&self) -> Table {
        let columns = self.header.iter().enumerate().map(|(at, name)| {
            let cells = || self.rows.iter().map(move |row| row[at].as_str());
            let all = |fits: &dyn Fn(&str) -> bool| cells().all(|cell| cell.is_empty() || fits(cell));
            let values = if all(&|cell| cell.parse::<i64>().is_ok()) {
                Values::integers(cells().map(|cell| cell.parse().ok()))
            } else if all(&|cell| cell.parse::<f64>().is_ok()) {
                Values::floats(cells().map(|cell| cell.parse().ok()))
            } else if all(&|cell| cell.parse::<bool>().is_ok()) {
                Values::flags(cells().map(|cell| cell.parse().ok()))
            } else {
                Values::texts(cells().map(|cell| (!cell.is_empty()).then_some(cell)))
            };
            Column::new(name, values)
        });
        Table { columns: columns.collect() }
    }
}

fn from_csv(input: impl Read, path: &Path) -> Result<KernelTable, DatasetError> {
    let mut reader = csv::Reader::from_reader(std::io::BufReader::new(Bounded::new(input)));
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<String>>();
    let header = cells(reader.headers().map_err(DatasetError::csv(path))?);
    let mut rows = Vec::new();
    let mut count = header.len();
    for record in reader.records() {
        let record = record.map_err(DatasetError::csv(path))?;
        count += record.len().max(1);
        if count > MOST_CELLS {
            let reason = format!("it has more than {MOST_CELLS} cells, the most of any table");
            return Err(FileError::damaged(path, reason).into());
        }
        rows.push(cells(&record));
    }
    Ok(KernelTable { path: path.to_owned(), header, rows })
}

fn from_parquet(path: &Path) -> Result<KernelTable, DatasetError> {
    let table = dataset::parquet::read(path)?;
    let cells = table.rows().saturating_mul(table.columns.len().max(1));
    if cells > MOST_CELLS {
        let reason = format!("it has {cells} cells; a table has up to {MOST_CELLS}");
        return Err(FileError::damaged(path, reason).into());
    }
    let mut header = Vec::new();
    let mut rows = vec![Vec::new(); table.rows()];
    for column in &table.columns {
        header.push(column.name.clone());
        let cells = texts(column).map_err(DatasetError::parquet(path))?;
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
    }
    Ok(KernelTable { path: path.to_owned(), header, rows })
}

/// The cells of a column as text; a missing one is empty.
fn texts(column: &Column) -> Result<Vec<String>, ParquetError> {
    fn display<T: ToString>(cells: &[Option<T>]) -> Vec<String> {
        cells.iter().map(|cell| cell.as_ref().map(T::to_string).unwrap_or_default()).collect()
    }
    Ok(match &column.values {
        Values::I32(cells) => display(cells),
        Values::I64(cells) => display(cells),
        Values::U32(cells) => display(cells),
        Values::U64(cells) => display(cells),
        Values::F64(cells) => display(cells),
        Values::Bool(cells) => display(cells),
        Values::Text(cells) => cells.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect(),
        Values::Other { kind, .. } => {
            let reason = format!("holds {kind}, which a table of kernels cannot");
            return Err(ParquetError::Column { column: column.name.clone(), reason });
        }
    })
}

/// A number of threads as tables write it, in our words: one big core is one thread, and TensorRT and accelerators have none to
/// count.
pub(super) fn threads(cell: &str) -> &str {
    match cell {
        "1_big" | "-" | "0" => "1",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::ColumnError;

    const HEADER: &str = "kind,batch,in_c,out_c,in_h,kernel,stride,groups,note,latency_ms";

    fn place(path: &Path) -> Destination {
        Destination::new(path, true, &[] as &[&Path]).unwrap()
    }

    fn table(dir: &Path, rows: &str) -> Result<KernelTable, DatasetError> {
        let path = dir.join("t.csv");
        std::fs::write(&path, format!("{HEADER}\n{rows}")).unwrap();
        KernelTable::read(&path)
    }

    #[test]
    fn every_layout_keeps_every_cell() {
        let dir = tempfile::tempdir().unwrap();
        let mut table =
            table(dir.path(), "conv,64,8,16,5,3,2,1,\"a, b\",0.25\ndwconv,1,8,8,5,3,,,,1.5\n").unwrap();
        let kernels = table.kernels("fp16").unwrap();
        assert_eq!((kernels[0].in_w, kernels[0].stride, kernels[1].groups, kernels[1].stride), (5, 2, 8, 1));
        assert_eq!(table.latencies().unwrap()[1], Latency::from_ms(1.5));
        table.set_column("predicted_ms", ["0.5".to_owned(), "0.125".to_owned()]);
        for name in ["u.csv", "u.csv.gz", "u.parquet"] {
            let path = dir.path().join(name);
            table.write(&place(&path)).unwrap();
            let back = KernelTable::read(&path).unwrap();
            assert_eq!((&back.header, &back.rows), (&table.header, &table.rows), "{name}");
        }
        let other = place(&dir.path().join("u.txt"));
        assert!(table.write(&other).is_err() && KernelTable::check_name(&other).is_err());
        KernelTable::check_name(&place(&dir.path().join("u.csv.gz"))).unwrap();
        KernelTable::check_name(&place(Path::new("/dev/null"))).unwrap();
    }

    #[test]
    fn rows_of_other_threads_are_no_kernels_of_an_identity() {
        let dir = tempfile::tempdir().unwrap();
        let read = |threads: &str| {
            let path = dir.path().join("t.csv");
            let text = format!("kind,in_c,out_c,in_h,threads,latency_ms\nconv,8,16,5,{threads},0.2\n");
            std::fs::write(&path, text).unwrap();
            KernelTable::read(&path).unwrap()
        };
        let (one, four) =
            (Identity::new("d", "r", "fp32"), Identity { threads: 4, ..Identity::new("d", "r", "fp32") });
        for (cell, of_one, of_four) in [
            ("1", true, false),
            ("1_big", true, false),
            ("-", true, false),
            ("", true, true),
            ("4", false, true),
        ] {
            let table = read(cell);
            assert_eq!(table.kernels_of(&one).is_ok(), of_one, "{cell:?}");
            assert_eq!(table.measured(&four).is_ok(), of_four, "{cell:?}");
        }
        let refused = read("4").kernels_of(&one).unwrap_err().to_string();
        assert!(refused.contains("row 1") && refused.contains("threads"), "{refused}");
    }

    #[test]
    fn bad_cells_are_refused_by_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let good = "conv,1,8,16,5,3,1,1,x,0.2\n";
        for (bad, column) in [
            ("conv,0,8,16,5,3,1,1,x,0.2\n", "batch"),
            ("cnov,1,8,16,5,3,1,1,x,0.2\n", "kind"),
            ("conv,1,,16,5,3,1,1,x,0.2\n", "in_c"),
            ("conv,1,8,16,5,3,1,3,x,0.2\n", "groups"),
            ("dwconv,1,8,16,5,3,1,8,x,0.2\n", "groups"),
        ] {
            let error = table(dir.path(), &format!("{good}{bad}")).unwrap().kernels("fp32").unwrap_err();
            let error = error.to_string();
            assert!(error.contains("row 2") && error.contains(column), "{error}");
        }
        for bad in ["-1", "NaN", "0", "", "inf"] {
            let row = good.replace("0.2", bad);
            let error =
                table(dir.path(), &format!("{good}{row}")).unwrap().latencies().unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains("latency_ms"), "{error}");
        }
        let error = table(dir.path(), &format!("{good}{}", good.replace("0.2", "0.3"))).unwrap();
        let error = error.measured(&Identity::new("d", "r", "fp32")).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("row 1"), "{error}");
        assert!(table(dir.path(), "").is_err());
        let path = dir.path().join("t.csv");
        std::fs::write(&path, "kind,in_c\nconv,1\n").unwrap();
        let error = KernelTable::read(&path).unwrap().kernels("fp32").unwrap_err();
        assert!(matches!(error, DatasetError::Column { error: ColumnError::Missing { .. }, .. }), "{error}");
    }
}
