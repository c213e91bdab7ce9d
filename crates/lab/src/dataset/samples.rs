//! Samples as a table, and back: the only place that knows the columns of `samples.parquet`.

use super::DatasetError;
use crate::tables::{Column, ColumnError, FloatColumn, IntegerColumn, Table, TextColumn, Values};
use edgezen_core::files::FileError;
use edgezen_core::measurement::{Code, Identity, Quality, Sample, Subject, Summary};
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use edgezen_core::zoo::Encoded;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};
use std::path::Path;

/// Most samples of a dataset; each takes about a kilobyte of memory. The largest public tables have half as many.
const MOST_SAMPLES: usize = 1_000_000;

/// All samples, one row each. Columns that do not apply to a row are null.
pub fn table(samples: &[Sample], identity: &Identity) -> Table {
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
        Column::new(name, Values::texts(samples.iter().map(of)))
    };
    Table {
        columns: vec![
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
            Column::new("residual", Values::flags(samples.iter().map(|s| kernel(s).map(|k| k.residual)))),
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
                "se",
                Values::flags(samples.iter().map(|s| match s.subject {
                    Subject::Network { se, .. } => Some(se),
                    _ => None,
                })),
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
            always("device", Some(identity.device.as_str())),
            always("runtime", Some(identity.runtime.as_str())),
            always("runtime_version", identity.runtime_version.as_deref()),
            always("precision", Some(identity.precision.as_str())),
            integers("identity_batch", samples.iter().map(|_| Some(i64::from(identity.batch)))),
            integers("threads", samples.iter().map(|_| Some(i64::from(identity.threads)))),
            always("cores", identity.cores.as_deref()),
            always("thermal_state", identity.thermal_state.as_deref()),
        ],
    }
}

fn integers(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Column::new(name, Values::integers(values))
}

fn floats(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Column::new(name, Values::floats(values))
}

fn texts<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    Column::new(name, Values::texts(values))
}

/// The samples of a table, checked; `path` is for the messages.
///
/// # Errors
/// See [`super::Dataset::read`].
pub fn of_table(table: &Table, identity: &Identity, path: &Path) -> Result<Vec<Sample>, DatasetError> {
    if table.rows() == 0 {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    if table.rows() > MOST_SAMPLES {
        let reason = format!("{} samples; a dataset has up to {MOST_SAMPLES}", table.rows());
        return Err(FileError::damaged(path, reason).into());
    }
    check_identity(table, identity).map_err(DatasetError::column(path))?;
    checked(table).map_err(DatasetError::column(path))
}

fn checked(table: &Table) -> Result<Vec<Sample>, ColumnError> {
    let text = |name| table.texts(name);
    let int = |name| table.integers(name);
    let float = |name| table.floats(name);
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
    let samples: Vec<Sample> = (0..table.rows()).map(|row| columns.sample(row)).collect::<Result<_, _>>()?;
    // By a hash of the subject: the texts of a million subjects would take more memory than the table.
    let mut seen: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for (row, sample) in samples.iter().enumerate() {
        let mut hasher = FxHasher::default();
        format!("{:?}", sample.subject).hash(&mut hasher);
        let alike = seen.entry(hasher.finish()).or_default();
        if let Some(first) = alike.iter().find(|&&first| samples[first].subject == sample.subject) {
            let reason = format!("{} stands in row {} already", sample.subject, first + 1);
            return Err(columns.kind.error(row, reason));
        }
        alike.push(row);
    }
    Ok(samples)
}

fn check_identity(table: &Table, identity: &Identity) -> Result<(), ColumnError> {
    let texts = [
        ("device", Some(identity.device.as_str())),
        ("runtime", Some(identity.runtime.as_str())),
        ("runtime_version", identity.runtime_version.as_deref()),
        ("precision", Some(identity.precision.as_str())),
        ("cores", identity.cores.as_deref()),
        ("thermal_state", identity.thermal_state.as_deref()),
    ];
    let differs = |row: usize, column: &str, found: &str, want: &str| {
        let reason = format!(
            "{found:?}, while the dataset is of {want:?}; measurements of different identity never mix"
        );
        ColumnError::cell(column, row, reason)
    };
    for (name, want) in texts {
        let column = table.texts(name)?;
        for row in 0..table.rows() {
            let found = column.get(row);
            if found != want {
                return Err(differs(row, name, found.unwrap_or("nothing"), want.unwrap_or("nothing")));
            }
        }
    }
    for (name, want) in [("identity_batch", identity.batch), ("threads", identity.threads)] {
        let column = table.integers(name)?;
        for row in 0..table.rows() {
            let found = column.get(row);
            if found != Some(i64::from(want)) {
                let found = found.map_or("nothing".to_owned(), |n| n.to_string());
                return Err(differs(row, name, &found, &want.to_string()));
            }
        }
    }
    Ok(())
}

struct KernelColumns<'a> {
    kind: TextColumn<'a>,
    batch: IntegerColumn<'a>,
    in_c: IntegerColumn<'a>,
    out_c: IntegerColumn<'a>,
    in_h: IntegerColumn<'a>,
    in_w: IntegerColumn<'a>,
    kernel: IntegerColumn<'a>,
    stride: IntegerColumn<'a>,
    groups: IntegerColumn<'a>,
    act: TextColumn<'a>,
    residual: IntegerColumn<'a>,
}

impl KernelColumns<'_> {
    fn kernel(&self, row: usize) -> Result<Kernel, ColumnError> {
        let kernel = Kernel {
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
        };
        kernel.check().map_err(|e| self.kind.error(row, e.to_string()))?;
        Ok(kernel)
    }
}

struct Columns<'a> {
    kind: TextColumn<'a>,
    kernel: KernelColumns<'a>,
    name: TextColumn<'a>,
    structure: TextColumn<'a>,
    resolution: IntegerColumn<'a>,
    classes: IntegerColumn<'a>,
    se: IntegerColumn<'a>,
    median: FloatColumn<'a>,
    mean: FloatColumn<'a>,
    min: FloatColumn<'a>,
    p10: FloatColumn<'a>,
    p90: FloatColumn<'a>,
    ci95: (FloatColumn<'a>, FloatColumn<'a>),
    runs: IntegerColumn<'a>,
    k: IntegerColumn<'a>,
    quality: TextColumn<'a>,
}

impl Columns<'_> {
    fn sample(&self, row: usize) -> Result<Sample, ColumnError> {
        let subject = match self.kind.required(row)? {
            "kernel" => Subject::Kernel(self.kernel.kernel(row)?),
            "block" => Subject::Block {
                structure: self.structure.required(row)?.to_owned(),
                resolution: self.resolution.positive(row)?,
            },
            "network" if Encoded::is_code(self.structure.required(row)?) => Subject::Encoded {
                code: Code(self.structure.parse::<Encoded>(row)?),
                batch: self.kernel.batch.positive(row)?,
            },
            "network" => Subject::Network {
                name: self.name.get(row).map(str::to_owned),
                structure: self.structure.required(row)?.to_owned(),
                resolution: self.resolution.positive(row)?,
                classes: self.classes.positive(row)?,
                se: self.se.flag(row)?,
                batch: self.kernel.batch.positive(row)?,
            },
            other => {
                let reason = format!("unknown type {other:?}; known: kernel, block, network");
                return Err(self.kind.error(row, reason));
            }
        };
        let median = latency(&self.median, row)?;
        let summary = match self.runs.get(row) {
            None => None,
            Some(_) => Some(Summary {
                median,
                mean: latency(&self.mean, row)?,
                min: latency(&self.min, row)?,
                p10: latency(&self.p10, row)?,
                p90: latency(&self.p90, row)?,
                ci95: (latency(&self.ci95.0, row)?, latency(&self.ci95.1, row)?),
                runs: self.runs.positive(row)?,
                k: self.k.positive(row)?,
            }),
        };
        Ok(Sample { subject, median, summary, quality: self.quality.parse::<Quality>(row)? })
    }
}

fn latency(column: &FloatColumn, row: usize) -> Result<Latency, ColumnError> {
    Latency::measured_ns(column.required(row)?).map_err(|e| column.error(row, e.to_string()))
}
