//! A dataset's folder: reading with validation, writing each file atomically.

use super::environment::{self, EnvironmentFile};
use super::{DatasetError, Environment, Provenance, parquet, samples};
use crate::files::holding::names::dataset as names;
use crate::files::{renewal, write_atomically};
use edgezen_core::foreign::escaped;
use edgezen_core::measurement::{Identity, Sample};
use std::path::Path;

pub const SAMPLES: &str = names::SAMPLES;
pub const README: &str = names::README;

/// Measured latencies of one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub identity: Identity,
    pub samples: Vec<Sample>,
    pub provenance: Provenance,
    pub environment: Environment,
}

impl Dataset {
    /// Reads and checks the dataset in `dir`.
    ///
    /// # Errors
    /// A missing or damaged file; a missing column; a row whose latency is not a positive number, whose
    /// kernel makes no sense, or whose identity differs from the others', by row and column.
    pub fn read(dir: &Path) -> Result<Dataset, DatasetError> {
        renewal::settle(dir)?;
        let EnvironmentFile { identity, provenance, environment, .. } = EnvironmentFile::read(dir)?;
        let path = dir.join(SAMPLES);
        let samples = samples::of_table(&parquet::read(&path)?, &identity, &path)?;
        Ok(Dataset { identity, samples, provenance, environment })
    }
}

/// Writes `dataset` into `dir`, which is created if need be: samples, environment and README, each file
/// replaced atomically; other files of the folder are left alone.
///
/// # Errors
/// Whatever the disk says.
pub fn write(dir: &Path, dataset: &Dataset) -> Result<(), DatasetError> {
    std::fs::create_dir_all(dir).map_err(DatasetError::io(dir))?;
    parquet::write(&dir.join(SAMPLES), &samples::table(&dataset.samples, &dataset.identity))?;
    write_atomically(&dir.join(README), readme(dataset).as_bytes())?;
    let environment = EnvironmentFile {
        schema_version: environment::FORMAT.newest,
        identity: dataset.identity.clone(),
        provenance: dataset.provenance.clone(),
        environment: dataset.environment.clone(),
    };
    // Last: its presence says that the folder is complete.
    Ok(environment.write(dir)?)
}

fn readme(dataset: &Dataset) -> String {
    let Dataset { identity, samples, provenance, .. } = dataset;
    let count = |name: &str| samples.iter().filter(|s| s.subject.type_name() == name).count();
    let mut out = format!("# {identity}\n\n");
    out += &format!(
        "{} kernels, {} blocks and {} networks, with {} thread{} and batch {}.\n\n",
        count("kernel"),
        count("block"),
        count("network"),
        identity.threads,
        if identity.threads == 1 { "" } else { "s" },
        identity.batch
    );
    out += &format!(
        "Source: {}  \nLicence: {}  \nCreated: {} by edgezen {}\n",
        escaped(&provenance.source),
        escaped(&provenance.licence),
        escaped(&provenance.created),
        escaped(&provenance.tool_version)
    );
    for note in &provenance.notes {
        out += &format!("\n* {}", escaped(note));
    }
    out.trim_end().to_owned()
        + "\n\n`samples.parquet`: one row per configuration; latencies are those of the whole batch, in nanoseconds.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{ColumnError, Table, Values};
    use edgezen_core::files::FileError;
    use edgezen_core::measurement::{Quality, Subject, Summary};
    use edgezen_core::plainnet::graph::Act;
    use edgezen_core::plainnet::{Kernel, KernelKind};
    use edgezen_core::units::Latency;

    fn dataset() -> Dataset {
        let kernel = Kernel {
            kind: KernelKind::Conv,
            batch: 1,
            in_c: 16,
            out_c: 32,
            in_h: 56,
            in_w: 56,
            kernel: 3,
            stride: 2,
            groups: 1,
            act: Act::Relu,
            residual: true,
            window: None,
        };
        let summary = Summary::of(&[10.0, 12.0, 11.0], 4);
        let structure = "SuperResK3K3(16,32,2,16,1)".to_owned();
        Dataset {
            identity: Identity {
                runtime_version: Some("1".into()),
                cores: Some("0".into()),
                ..Identity::new("test", "tract", "fp32")
            },
            samples: vec![
                Sample {
                    subject: Subject::Kernel(kernel),
                    median: Latency::from_ns(11.0),
                    summary,
                    quality: Quality::Good,
                },
                Sample::imported(
                    Subject::Block { structure: structure.clone(), resolution: 56 },
                    Latency::from_ns(500.5),
                ),
                Sample::imported(
                    Subject::Network {
                        name: Some("n".into()),
                        structure,
                        resolution: 224,
                        classes: 10,
                        se: true,
                        batch: 1,
                    },
                    Latency::from_ms(3.0),
                ),
            ],
            provenance: Provenance {
                source: "a test".into(),
                licence: "MIT".into(),
                created: crate::files::rfc3339(0),
                tool_version: "0".into(),
                notes: vec![],
            },
            environment: Environment::default(),
        }
    }

    fn table_of(dataset: &Dataset) -> Table {
        samples::table(&dataset.samples, &dataset.identity)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = dataset();
        write(dir.path(), &written).unwrap();
        assert_eq!(Dataset::read(dir.path()).unwrap(), written);
        // Again over the old files.
        write(dir.path(), &written).unwrap();
        assert_eq!(Dataset::read(dir.path()).unwrap(), written);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "temporary files were left");
    }

    #[test]
    fn bad_rows_are_refused_by_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        for bad in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            let mut damaged = dataset();
            damaged.samples[1].median = Latency::from_ns(bad);
            write(dir.path(), &damaged).unwrap();
            let error = Dataset::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains("median_ns"), "{error}");
        }
        let mut damaged = dataset();
        let Subject::Kernel(kernel) = &mut damaged.samples[0].subject else { unreachable!() };
        kernel.stride = 0;
        write(dir.path(), &damaged).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("stride"), "{error}");
    }

    #[test]
    fn mixed_identities_and_missing_columns_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = table_of(&dataset());
        write(dir.path(), &dataset()).unwrap();
        let device = table.columns.iter_mut().find(|column| column.name == "device").unwrap();
        device.values = Values::texts([Some("test"), Some("test"), Some("other")]);
        parquet::write(&dir.path().join(SAMPLES), &table).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("row 3") && error.contains("device"), "{error}");
        let mut table = table_of(&dataset());
        table.columns.retain(|column| column.name != "median_ns");
        parquet::write(&dir.path().join(SAMPLES), &table).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err();
        let DatasetError::Column { error, .. } = error else { panic!("{error}") };
        assert_eq!(error, ColumnError::Missing { column: "median_ns".into() });
    }

    #[test]
    fn damaged_files_give_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Dataset::read(dir.path()).unwrap_err().is_missing());
        write(dir.path(), &dataset()).unwrap();
        let path = dir.path().join(SAMPLES);
        let good = std::fs::read(&path).unwrap();
        for cut in [0, 1, 4, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..cut]).unwrap();
            assert!(Dataset::read(dir.path()).is_err(), "cut at {cut}");
        }
        std::fs::write(&path, &good).unwrap();
        let json = dir.path().join(environment::ENVIRONMENT);
        let text = std::fs::read_to_string(&json).unwrap();
        std::fs::write(&json, text.replace("\"schema_version\": 1", "\"schema_version\": 99")).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err();
        assert!(matches!(error, DatasetError::File(FileError::Newer { found: 99, .. })), "{error}");
    }
}
