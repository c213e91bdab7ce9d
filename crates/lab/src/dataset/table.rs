//! Samples as a table, and back: the only place that knows the columns of `samples.parquet`.

use super::folder::{Dataset, DatasetError, RawRun};
use edgezen_core::measurement::{Code, Identity, Quality, Sample, Subject, Summary};
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use edgezen_core::zoo::Encoded;
use polars::prelude::{
    Column, DataFrame, DataType, Float64Chunked, Int64Chunked, PolarsResult, StringChunked,
};
use rustc_hash::FxHashMap;
use std::path::Path;

/// All samples, one row each. Columns that do not apply to a row are null.
pub fn frame(dataset: &Dataset) -> PolarsResult<DataFrame> {
    let samples = &dataset.samples;
    let identity = &dataset.identity;
    let kernel = |s: &Sample| match s.subject {
        Subject::Kernel(kernel) => Some(kernel),
        _ => None,
    };
    let from_kernel = |name: &str, of: fn(&Kernel) -> u32| {
        integers(name, samples.iter().map(|s| kernel(s).as_ref().map(|k| i64::from(of(k)))))
    };
    let statistic = |name: &str, of: fn(&Summary) -> Latency| {
        floats(name, samples.iter().map(|s| s.summary.as_ref().map(|summary| of(summary).ns())))
    };
    let network =
        |name: &str, of: fn(&Subject) -> Option<i64>| integers(name, samples.iter().map(|s| of(&s.subject)));
    let always = |name: &str, value: Option<&str>| texts(name, samples.iter().map(|_| value));
    let text_of = |name: &str, of: fn(&Sample) -> Option<String>| {
        Column::new(name.into(), samples.iter().map(of).collect::<Vec<Option<String>>>())
    };
    DataFrame::new(
        samples.len(),
        vec![
            texts("type", samples.iter().map(|s| Some(s.subject.type_name()))),
            texts("kind", samples.iter().map(|s| kernel(s).map(|k| k.kind.name()))),
            integers("batch", samples.iter().map(|s| s.subject.batch().map(i64::from))),
            from_kernel("in_c", |k| k.in_c),
            from_kernel("out_c", |k| k.out_c),
            from_kernel("in_h", |k| k.in_h),
            from_kernel("in_w", |k| k.in_w),
            from_kernel("kernel", |k| k.kernel),
            from_kernel("stride", |k| k.stride),
            from_kernel("groups", |k| k.groups),
            texts("act", samples.iter().map(|s| kernel(s).map(|k| k.act.name()))),
            Column::new(
                "residual".into(),
                samples.iter().map(|s| kernel(s).map(|k| k.residual)).collect::<Vec<_>>(),
            ),
            text_of("name", |s| match &s.subject {
                Subject::Network { name, .. } => name.clone(),
                _ => None,
            }),
            text_of("structure", |s| match &s.subject {
                Subject::Block { structure, .. } | Subject::Network { structure, .. } => {
                    Some(structure.clone())
                }
                Subject::Encoded { code, .. } => Some(code.0.to_string()),
                Subject::Kernel(_) => None,
            }),
            network("resolution", |s| match s {
                Subject::Block { resolution, .. } | Subject::Network { resolution, .. } => {
                    Some(i64::from(*resolution))
                }
                Subject::Kernel(_) | Subject::Encoded { .. } => None,
            }),
            network("classes", |s| match s {
                Subject::Network { classes, .. } => Some(i64::from(*classes)),
                _ => None,
            }),
            Column::new(
                "se".into(),
                samples
                    .iter()
                    .map(|s| match s.subject {
                        Subject::Network { se, .. } => Some(se),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
            floats("median_ns", samples.iter().map(|s| Some(s.median.ns()))),
            statistic("mean_ns", |s| s.mean),
            statistic("min_ns", |s| s.min),
            statistic("p10_ns", |s| s.p10),
            statistic("p90_ns", |s| s.p90),
            statistic("ci95_lo_ns", |s| s.ci95.0),
            statistic("ci95_hi_ns", |s| s.ci95.1),
            integers("runs", samples.iter().map(|s| s.summary.map(|s| i64::from(s.runs)))),
            integers("k", samples.iter().map(|s| s.summary.map(|s| i64::from(s.k)))),
            texts("quality", samples.iter().map(|s| Some(s.quality.name()))),
            always("device", Some(&identity.device)),
            always("runtime", Some(&identity.runtime)),
            always("runtime_version", identity.runtime_version.as_deref()),
            always("precision", Some(&identity.precision)),
            integers("identity_batch", samples.iter().map(|_| Some(i64::from(identity.batch)))),
            integers("threads", samples.iter().map(|_| Some(i64::from(identity.threads)))),
            always("cores", identity.cores.as_deref()),
            always("thermal_state", identity.thermal_state.as_deref()),
        ],
    )
}

/// Every timed run.
pub fn raw_frame(runs: &[RawRun]) -> PolarsResult<DataFrame> {
    DataFrame::new(
        runs.len(),
        vec![
            Column::new("sample".into(), runs.iter().map(|r| r.sample).collect::<Vec<u32>>()),
            Column::new("round".into(), runs.iter().map(|r| r.round).collect::<Vec<u32>>()),
            Column::new("run".into(), runs.iter().map(|r| r.run).collect::<Vec<i32>>()),
            Column::new("ns".into(), runs.iter().map(|r| r.ns).collect::<Vec<u64>>()),
            Column::new("k".into(), runs.iter().map(|r| r.k).collect::<Vec<u32>>()),
            Column::new(
                "undisturbed".into(),
                runs.iter().map(|r| r.undisturbed).collect::<Vec<Option<bool>>>(),
            ),
        ],
    )
}

fn integers(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<Option<i64>>>())
}

fn floats(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<Option<f64>>>())
}

fn texts<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<Option<&str>>>())
}

/// The samples of a table, checked; `path` is for the messages.
///
/// # Errors
/// See [`Dataset::read`].
pub fn samples(frame: &DataFrame, identity: &Identity, path: &Path) -> Result<Vec<Sample>, DatasetError> {
    if frame.height() == 0 {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    check_identity(frame, identity, path)?;
    let text = |name| Texts::required(frame, name, path);
    let int = |name| Integers::required(frame, name, path);
    let float = |name| Floats::required(frame, name, path);
    let columns = Columns {
        kind: text("type")?,
        kernel: KernelColumns {
            kind: text("kind")?,
            batch: int("batch")?,
            in_c: int("in_c")?,
            out_c: int("out_c")?,
            in_h: int("in_h")?,
            in_w: int("in_w")?,
            kernel: int("kernel")?,
            stride: int("stride")?,
            groups: int("groups")?,
            act: text("act")?,
            residual: int("residual")?,
        },
        name: text("name")?,
        structure: text("structure")?,
        resolution: int("resolution")?,
        classes: int("classes")?,
        se: int("se")?,
        median: float("median_ns")?,
        mean: float("mean_ns")?,
        min: float("min_ns")?,
        p10: float("p10_ns")?,
        p90: float("p90_ns")?,
        ci95: (float("ci95_lo_ns")?, float("ci95_hi_ns")?),
        runs: int("runs")?,
        k: int("k")?,
        quality: text("quality")?,
    };
    let samples: Vec<Sample> =
        (0..frame.height()).map(|row| columns.sample(row)).collect::<Result<_, _>>()?;
    let mut seen: FxHashMap<String, usize> = FxHashMap::default();
    for (row, sample) in samples.iter().enumerate() {
        if let Some(first) = seen.insert(format!("{:?}", sample.subject), row) {
            let reason = format!("{} stands in row {} already", sample.subject, first + 1);
            return Err(columns.kind.at.cell(row, reason));
        }
    }
    Ok(samples)
}

fn check_identity(frame: &DataFrame, identity: &Identity, path: &Path) -> Result<(), DatasetError> {
    let texts = [
        ("device", Some(identity.device.as_str())),
        ("runtime", Some(identity.runtime.as_str())),
        ("runtime_version", identity.runtime_version.as_deref()),
        ("precision", Some(identity.precision.as_str())),
        ("cores", identity.cores.as_deref()),
        ("thermal_state", identity.thermal_state.as_deref()),
    ];
    let differs = |row: usize, column: &str, found: &str, want: &str| DatasetError::Cell {
        path: path.to_owned(),
        row: row + 1,
        column: column.to_owned(),
        reason: format!(
            "{found:?}, while the dataset is of {want:?}; measurements of different identity never mix"
        ),
    };
    for (name, want) in texts {
        let column = Texts::required(frame, name, path)?;
        for row in 0..frame.height() {
            let found = column.cells.get(row);
            if found != want {
                return Err(differs(row, name, found.unwrap_or("nothing"), want.unwrap_or("nothing")));
            }
        }
    }
    for (name, want) in [("identity_batch", identity.batch), ("threads", identity.threads)] {
        let column = Integers::required(frame, name, path)?;
        for row in 0..frame.height() {
            let found = column.cells.get(row);
            if found != Some(i64::from(want)) {
                let found = found.map_or("nothing".to_owned(), |n| n.to_string());
                return Err(differs(row, name, &found, &want.to_string()));
            }
        }
    }
    Ok(())
}

struct KernelColumns<'a> {
    kind: Texts<'a>,
    batch: Integers<'a>,
    in_c: Integers<'a>,
    out_c: Integers<'a>,
    in_h: Integers<'a>,
    in_w: Integers<'a>,
    kernel: Integers<'a>,
    stride: Integers<'a>,
    groups: Integers<'a>,
    act: Texts<'a>,
    residual: Integers<'a>,
}

impl KernelColumns<'_> {
    fn kernel(&self, row: usize) -> Result<Kernel, DatasetError> {
        Ok(Kernel {
            kind: self.kind.parse::<KernelKind>(row)?,
            batch: self.batch.positive(row)?,
            in_c: self.in_c.positive(row)?,
            out_c: self.out_c.positive(row)?,
            in_h: self.in_h.positive(row)?,
            in_w: self.in_w.positive(row)?,
            kernel: self.kernel.positive(row)?,
            stride: self.stride.positive(row)?,
            groups: self.groups.positive(row)?,
            act: self.act.parse::<Act>(row)?,
            residual: self.residual.flag(row)?,
            window: None,
        })
    }
}

struct Columns<'a> {
    kind: Texts<'a>,
    kernel: KernelColumns<'a>,
    name: Texts<'a>,
    structure: Texts<'a>,
    resolution: Integers<'a>,
    classes: Integers<'a>,
    se: Integers<'a>,
    median: Floats<'a>,
    mean: Floats<'a>,
    min: Floats<'a>,
    p10: Floats<'a>,
    p90: Floats<'a>,
    ci95: (Floats<'a>, Floats<'a>),
    runs: Integers<'a>,
    k: Integers<'a>,
    quality: Texts<'a>,
}

impl Columns<'_> {
    fn sample(&self, row: usize) -> Result<Sample, DatasetError> {
        let subject = match self.kind.required_text(row)? {
            "kernel" => Subject::Kernel(self.kernel.kernel(row)?),
            "block" => Subject::Block {
                structure: self.structure.required_text(row)?.to_owned(),
                resolution: self.resolution.positive(row)?,
            },
            "network" if Encoded::is_code(self.structure.required_text(row)?) => Subject::Encoded {
                code: Code(self.structure.parse::<Encoded>(row)?),
                batch: self.kernel.batch.positive(row)?,
            },
            "network" => Subject::Network {
                name: self.name.cells.get(row).map(str::to_owned),
                structure: self.structure.required_text(row)?.to_owned(),
                resolution: self.resolution.positive(row)?,
                classes: self.classes.positive(row)?,
                se: self.se.flag(row)?,
                batch: self.kernel.batch.positive(row)?,
            },
            other => {
                let reason = format!("unknown type {other:?}; known: kernel, block, network");
                return Err(self.kind.at.cell(row, reason));
            }
        };
        let median = self.median.latency(row)?;
        let summary = match self.runs.cells.get(row) {
            None => None,
            Some(_) => Some(Summary {
                median,
                mean: self.mean.latency(row)?,
                min: self.min.latency(row)?,
                p10: self.p10.latency(row)?,
                p90: self.p90.latency(row)?,
                ci95: (self.ci95.0.latency(row)?, self.ci95.1.latency(row)?),
                runs: self.runs.positive(row)?,
                k: self.k.positive(row)?,
            }),
        };
        Ok(Sample { subject, median, summary, quality: self.quality.parse::<Quality>(row)? })
    }
}

/// Where a column is, for the messages.
#[derive(Clone, Copy)]
struct At<'a> {
    name: &'static str,
    path: &'a Path,
}

impl At<'_> {
    /// Rows count from 1.
    fn cell(&self, row: usize, reason: impl Into<String>) -> DatasetError {
        DatasetError::Cell {
            path: self.path.to_owned(),
            row: row + 1,
            column: self.name.to_owned(),
            reason: reason.into(),
        }
    }

    fn column(
        &self,
        frame: &DataFrame,
        to: &DataType,
        expected: &'static str,
    ) -> Result<Column, DatasetError> {
        let column = frame.column(self.name).map_err(|_| DatasetError::MissingColumn {
            path: self.path.to_owned(),
            column: self.name.to_owned(),
        })?;
        let mistyped = || DatasetError::ColumnType {
            path: self.path.to_owned(),
            column: self.name.to_owned(),
            found: column.dtype().to_string(),
            expected,
        };
        let text = matches!(column.dtype(), DataType::String);
        let all_null = matches!(column.dtype(), DataType::Null);
        if !all_null && text != matches!(to, DataType::String) {
            return Err(mistyped());
        }
        column.strict_cast(to).map_err(|_| mistyped())
    }
}

struct Texts<'a> {
    cells: StringChunked,
    at: At<'a>,
}

impl<'a> Texts<'a> {
    fn required(frame: &DataFrame, name: &'static str, path: &'a Path) -> Result<Self, DatasetError> {
        let at = At { name, path };
        let column = at.column(frame, &DataType::String, "text")?;
        let cells = column.str().map_err(DatasetError::parquet(path))?.rechunk().into_owned();
        Ok(Texts { cells, at })
    }

    fn required_text(&self, row: usize) -> Result<&str, DatasetError> {
        self.cells.get(row).ok_or_else(|| self.at.cell(row, "is empty"))
    }

    fn parse<T>(&self, row: usize) -> Result<T, DatasetError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.required_text(row)?.parse().map_err(|reason: T::Err| self.at.cell(row, reason.to_string()))
    }
}

struct Integers<'a> {
    cells: Int64Chunked,
    at: At<'a>,
}

impl<'a> Integers<'a> {
    fn required(frame: &DataFrame, name: &'static str, path: &'a Path) -> Result<Self, DatasetError> {
        let at = At { name, path };
        let column = at.column(frame, &DataType::Int64, "integers")?;
        let cells = column.i64().map_err(DatasetError::parquet(path))?.rechunk().into_owned();
        Ok(Integers { cells, at })
    }

    fn positive(&self, row: usize) -> Result<u32, DatasetError> {
        let value = self.cells.get(row).ok_or_else(|| self.at.cell(row, "is empty"))?;
        u32::try_from(value)
            .ok()
            .filter(|&value| value >= 1)
            .ok_or_else(|| self.at.cell(row, format!("{value} is not a positive integer")))
    }

    fn flag(&self, row: usize) -> Result<bool, DatasetError> {
        match self.cells.get(row) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(self.at.cell(row, "is neither true nor false")),
        }
    }
}

struct Floats<'a> {
    cells: Float64Chunked,
    at: At<'a>,
}

impl<'a> Floats<'a> {
    fn required(frame: &DataFrame, name: &'static str, path: &'a Path) -> Result<Self, DatasetError> {
        let at = At { name, path };
        let column = at.column(frame, &DataType::Float64, "numbers")?;
        let cells = column.f64().map_err(DatasetError::parquet(path))?.rechunk().into_owned();
        Ok(Floats { cells, at })
    }

    fn latency(&self, row: usize) -> Result<Latency, DatasetError> {
        let value = self.cells.get(row).ok_or_else(|| self.at.cell(row, "is empty"))?;
        if !value.is_finite() || value <= 0.0 {
            return Err(self.at.cell(row, format!("{value} is not a latency; it must be greater than zero")));
        }
        Ok(Latency::from_ns(value))
    }
}
