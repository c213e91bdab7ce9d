//! Foreign tables: public measurements turned into datasets.
//!
//! An importer knows one published format. A new one is one entry in [`FORMATS`].

mod neusight;

use super::{Dataset, Provenance};
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use rustc_hash::FxHashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A published format.
pub struct Format {
    pub name: &'static str,
    pub about: &'static str,
    read: fn(&Source) -> Result<Dataset, ImportError>,
}

/// What is imported.
struct Source<'a> {
    tables: Vec<Table>,
    /// Which device, where a table holds several.
    device: Option<&'a str>,
    /// Date of the import.
    created: &'a str,
}

impl Source<'_> {
    /// The table of a format that has one.
    fn single(&self) -> Result<&Table, ImportError> {
        match self.tables.as_slice() {
            [table] => Ok(table),
            tables => Err(ImportError::Tables { found: tables.len() }),
        }
    }
}

/// All formats, by name.
pub const FORMATS: &[Format] = &[
    Format {
        name: "v100-trt",
        about: "TinyNAS: convolutions on an NVIDIA V100 with TensorRT, one precision a table",
        read: v100_trt,
    },
    Format {
        name: "neusight",
        about: "NeuSight: operators on NVIDIA GPUs with PyTorch 2.1, fp32; tables conv2d, linear, elementwise; --device",
        read: neusight::read,
    },
];

/// Why a table could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("unknown format {0:?}; known: {known}", known = FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(", "))]
    UnknownFormat(String),
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path}: not a readable CSV table: {reason}")]
    Csv { path: PathBuf, reason: String },
    #[error("{path}: column {column:?} is missing")]
    MissingColumn { path: PathBuf, column: String },
    #[error("{path}: row {row}, column {column:?}: {reason}")]
    Cell { path: PathBuf, row: usize, column: String, reason: String },
    #[error("{path}: no row of the table could be used")]
    Empty { path: PathBuf },
    #[error("{found} tables, while this format has one")]
    Tables { found: usize },
    #[error("this format holds several devices: choose one of {}", known.join(", "))]
    Device { known: Vec<String> },
}

/// Reads `paths` (CSV, or gzipped CSV) as tables of `format`; `device` is the one to take where they hold
/// several, `created` the date.
///
/// # Errors
/// An unknown format, or a table that is not of that format, by row and column.
pub fn import(
    format: &str,
    paths: &[PathBuf],
    device: Option<&str>,
    created: &str,
) -> Result<Dataset, ImportError> {
    let known = FORMATS.iter().find(|known| known.name == format);
    let known = known.ok_or_else(|| ImportError::UnknownFormat(format.to_owned()))?;
    let tables = paths.iter().map(|path| Table::read(path)).collect::<Result<_, _>>()?;
    (known.read)(&Source { tables, device, created })
}

/// A CSV table with its header.
struct Table {
    path: PathBuf,
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(path: &Path) -> Result<Table, ImportError> {
        let io = |error| ImportError::Io { path: path.to_owned(), error };
        let bad = |e: csv::Error| ImportError::Csv { path: path.to_owned(), reason: e.to_string() };
        let file = std::fs::File::open(path).map_err(io)?;
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let input: Box<dyn Read> =
            if zipped { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut reader = csv::Reader::from_reader(std::io::BufReader::new(input));
        let header = reader.headers().map_err(bad)?.clone();
        let rows = reader.records().collect::<Result<_, _>>().map_err(bad)?;
        Ok(Table { path: path.to_owned(), header, rows })
    }

    fn column(&self, name: &'static str) -> Result<Column<'_>, ImportError> {
        let at = self.header.iter().position(|column| column == name);
        let missing = || ImportError::MissingColumn { path: self.path.clone(), column: name.into() };
        Ok(Column { table: self, name, at: at.ok_or_else(missing)? })
    }

    fn dataset(
        &self,
        identity: Identity,
        provenance: Provenance,
        roofline: serde_json::Value,
        samples: Vec<Sample>,
    ) -> Result<Dataset, ImportError> {
        if samples.is_empty() {
            return Err(ImportError::Empty { path: self.path.clone() });
        }
        let environment = [("roofline".to_owned(), roofline)].into_iter().collect();
        Ok(Dataset { identity, samples, provenance, environment })
    }
}

#[derive(Clone, Copy)]
struct Column<'a> {
    table: &'a Table,
    name: &'static str,
    at: usize,
}

impl<'a> Column<'a> {
    fn text(&self, row: usize) -> &'a str {
        self.table.rows[row].get(self.at).unwrap_or("")
    }

    fn error(&self, row: usize, reason: impl Into<String>) -> ImportError {
        let (path, column) = (self.table.path.clone(), self.name.to_owned());
        ImportError::Cell { path, row: row + 1, column, reason: reason.into() }
    }

    fn count(&self, row: usize) -> Result<u32, ImportError> {
        match self.text(row).parse() {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(self.error(row, format!("{:?} is not a positive integer", self.text(row)))),
        }
    }

    /// Milliseconds.
    fn latency(&self, row: usize) -> Result<Latency, ImportError> {
        match self.text(row).parse::<f64>() {
            Ok(ms) if ms.is_finite() && ms > 0.0 => Ok(Latency::from_ms(ms)),
            _ => Err(self.error(row, format!("{:?} is not a positive latency", self.text(row)))),
        }
    }
}

fn v100_trt(source: &Source) -> Result<Dataset, ImportError> {
    let table = source.single()?;
    let column = |name| table.column(name);
    let (precision, kind, residual) = (column("precision")?, column("conv_type")?, column("elmt_fused")?);
    let counts = ["batch", "in_c", "out_c", "in_h", "kernel", "stride", "groups"].map(column);
    let [batch, in_c, out_c, in_h, kernel, stride, groups] = counts;
    let (batch, in_c, out_c, in_h) = (batch?, in_c?, out_c?, in_h?);
    let (kernel, stride, groups, latency) = (kernel?, stride?, groups?, column("latency_ms")?);
    let of_table = if table.rows.is_empty() { "fp16" } else { precision.text(0) };
    let mut samples = Vec::with_capacity(table.rows.len());
    let mut seen: FxHashMap<Kernel, usize> = FxHashMap::default();
    for row in 0..table.rows.len() {
        if precision.text(row) != of_table {
            return Err(precision.error(row, format!("differs from the first row's {of_table:?}")));
        }
        let kind = match kind.text(row) {
            "regular" => KernelKind::Conv,
            "depthwise" => KernelKind::Dwconv,
            other => return Err(kind.error(row, format!("{other:?} is neither regular nor depthwise"))),
        };
        let residual = match residual.text(row) {
            "0" => false,
            "1" => true,
            other => return Err(residual.error(row, format!("{other:?} is neither 0 nor 1"))),
        };
        let side = in_h.count(row)?;
        let kernel = Kernel {
            kind,
            batch: batch.count(row)?,
            in_c: in_c.count(row)?,
            out_c: out_c.count(row)?,
            in_h: side,
            in_w: side,
            kernel: kernel.count(row)?,
            stride: stride.count(row)?,
            groups: groups.count(row)?,
            // The source does not say which activation is fused; it is free on this device.
            act: Act::None,
            residual,
            window: None,
        };
        if let Some(first) = seen.insert(kernel, row) {
            return Err(latency.error(row, format!("{kernel} was measured in row {} already", first + 1)));
        }
        samples.push(Sample::imported(Subject::Kernel(kernel), latency.latency(row)?));
    }
    let identity = Identity {
        device: "v100".into(),
        runtime: "tensorrt".into(),
        runtime_version: None,
        precision: of_table.to_owned(),
        batch: 64,
        threads: 1,
        cores: None,
        thermal_state: None,
    };
    let provenance = Provenance {
        source: "github.com/alibaba/lightweight-neural-architecture-search at 8ccaf889, tinynas/latency/op_profiler/V100"
            .into(),
        licence: "Apache-2.0".into(),
        created: source.created.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        notes: vec![
            "Convolutions only, measured once each with batches 1, 32, 64 and 128; TensorRT version and clocks are not stated.".into(),
            "elmt_fused became residual; rows that failed at the source (latency -1) are left out.".into(),
        ],
    };
    let peak = match of_table {
        "fp32" => 7850.0,
        "int8" => 31350.0,
        _ => 62500.0,
    };
    let roofline = serde_json::json!({
        "peak_gmacs_per_s": peak,
        "gbytes_per_s": 900.0,
        "launch_ns": 6000.0,
        "processors": 80,
        "source": "NVIDIA V100 data sheet (SXM2: 125 TFLOP/s tensor, 15.7 TFLOP/s fp32, 900 GB/s, 80 multiprocessors), int8 four times fp32; launch: shortest kernels of the table",
    });
    table.dataset(identity, provenance, roofline, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_tables_are_refused_by_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let paths = [path.clone()];
        let header =
            "precision,conv_type,batch,in_c,out_c,in_h,kernel,stride,groups,elmt_fused,macs,latency_ms";
        let good = "fp16,regular,1,8,8,5,1,1,1,0,200,0.02";
        std::fs::write(&path, format!("{header}\n{good}\n")).unwrap();
        assert_eq!(import("v100-trt", &paths, None, "2020").unwrap().samples.len(), 1);
        for (bad, column) in [("-1", "latency_ms"), ("nan", "latency_ms"), ("", "latency_ms")] {
            std::fs::write(&path, format!("{header}\n{good}\n{}\n", good.replace("0.02", bad))).unwrap();
            let error = import("v100-trt", &paths, None, "2020").unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains(column), "{error}");
        }
        let other = good.replace(",8,5,", ",16,5,");
        std::fs::write(&path, format!("{header}\n{good}\n{other}\n{}\n", good.replace("0.02", "0.03")))
            .unwrap();
        let error = import("v100-trt", &paths, None, "2020").unwrap_err().to_string();
        assert!(error.contains("row 3") && error.contains("row 1"), "{error}");
        let (first, second) = (good, other.replace("fp16", "int8"));
        std::fs::write(&path, format!("{header}\n{first}\n{second}\n")).unwrap();
        let error = import("v100-trt", &paths, None, "2020").unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("precision"), "{error}");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = import("v100-trt", &paths, None, "2020").unwrap_err();
        assert!(matches!(error, ImportError::MissingColumn { .. }), "{error}");
        assert!(matches!(import("x", &paths, None, "2020"), Err(ImportError::UnknownFormat(_))));
    }
}
