//! Tables of networks with their accuracies after training.
//!
//! Our own have the columns `net` (anything that NET takes) and `accuracy` (percent); others pass through. Public tables are
//! read as they are: their networks as [`NetworkTable`] reads them, their accuracies from `top1` or `mean_acc`.

use crate::dataset::DatasetError;
use crate::dataset::table::{KernelTable, NetworkTable, NetworkTableError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A table with the network and the accuracy of each row.
#[derive(Clone, Debug)]
pub struct AccuracyTable {
    pub table: KernelTable,
    /// What NET takes; `None` where a published name is not known.
    pub nets: Vec<Option<String>>,
    /// In percent.
    pub accuracies: Vec<f64>,
}

/// Why a table of accuracies could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AccuracyTableError {
    #[error(transparent)]
    Table(#[from] DatasetError),
    #[error(transparent)]
    Networks(#[from] NetworkTableError),
    #[error("{path}: no column {}", ACCURACIES.join(", "))]
    NoAccuracies { path: PathBuf },
    #[error("{path}: no accuracy is above 1; they are read as percent, so 0.76 is written 76")]
    NotPercent { path: PathBuf },
    #[error("{path}: column {column:?} is in neither table")]
    NoColumn { path: PathBuf, column: String },
}

/// The columns that may hold the accuracy, the first that there is.
const ACCURACIES: [&str; 3] = ["accuracy", "top1", "mean_acc"];

impl AccuracyTable {
    /// Reads a table (`.csv`, `.csv.gz`, `.parquet`); `archs` is the table of architectures where the rows have only
    /// `arch_id`.
    ///
    /// # Errors
    /// A file that cannot be read, columns that are missing, cells that make no sense, by row and column.
    pub fn read(path: &Path, archs: Option<&Path>) -> Result<AccuracyTable, AccuracyTableError> {
        AccuracyTable::of(KernelTable::read(path)?, archs)
    }

    /// As [`AccuracyTable::read`], of a table that was read.
    ///
    /// # Errors
    /// See [`AccuracyTable::read`].
    pub fn of(table: KernelTable, archs: Option<&Path>) -> Result<AccuracyTable, AccuracyTableError> {
        let position = |name: &str| table.columns().iter().position(|column| column == name);
        let at = ACCURACIES.iter().find_map(|name| Some((position(name)?, *name)));
        let (at, name) =
            at.ok_or_else(|| AccuracyTableError::NoAccuracies { path: table.path().to_owned() })?;
        let accuracy = |row: usize| {
            let cell = table.row(row)[at].trim();
            let value: f64 = cell.parse().unwrap_or(f64::NAN);
            let inside = (0.0..=100.0).contains(&value);
            let reason = || format!("{cell:?} is no accuracy from 0 to 100");
            inside.then_some(value).ok_or_else(|| DatasetError::cell(table.path(), row, name, reason()))
        };
        let accuracies: Vec<f64> = (0..table.len()).map(accuracy).collect::<Result<_, _>>()?;
        if !accuracies.iter().any(|&accuracy| accuracy > 1.0) {
            return Err(AccuracyTableError::NotPercent { path: table.path().to_owned() });
        }
        let nets: Vec<Option<String>> = match position("net") {
            Some(at) => (0..table.len()).map(|row| Some(table.row(row)[at].trim().to_owned())).collect(),
            None => {
                let networks = NetworkTable::of(table.clone(), archs)?.networks;
                networks.into_iter().map(|network| Some(network?.to_string())).collect()
            }
        };
        if let Some(row) = nets.iter().position(|net| net.as_ref().is_some_and(String::is_empty)) {
            return Err(DatasetError::cell(table.path(), row, "net", "there is no network").into());
        }
        Ok(AccuracyTable { table, nets, accuracies })
    }

    pub fn path(&self) -> &Path {
        self.table.path()
    }

    /// The numbers of a column, where there is such a column; what is no number is absent.
    pub fn numbers(&self, column: &str) -> Option<Vec<Option<f64>>> {
        let number = |text: &String| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        Some(self.texts(column)?.iter().map(number).collect())
    }

    /// The cells of a column, where there is such a column.
    pub fn texts(&self, column: &str) -> Option<Vec<String>> {
        let at = self.table.columns().iter().position(|name| name == column)?;
        Some((0..self.table.len()).map(|row| self.table.row(row)[at].clone()).collect())
    }

    /// The table as ours: `net`, `accuracy`, and these of its other columns. Columns of `joined` come by `arch_id`, under
    /// their names there. `NAME=OURS` renames a column. Rows whose network is not known keep the published name.
    ///
    /// # Errors
    /// A column that is in neither table.
    pub fn as_ours(
        &self,
        kept: &[String],
        joined: Option<&KernelTable>,
    ) -> Result<KernelTable, AccuracyTableError> {
        let mut ours = self.table.clone();
        let names = self.texts("network").unwrap_or_default();
        let net = |(row, net): (usize, &Option<String>)| {
            net.clone().or_else(|| names.get(row).cloned()).unwrap_or_default()
        };
        ours.set_column("net", self.nets.iter().enumerate().map(net));
        ours.set_column("accuracy", self.accuracies.iter().map(f64::to_string));
        let named = |text: &String| -> (String, String) {
            let (from, to) = text.split_once('=').unwrap_or((text, text));
            (from.to_owned(), to.to_owned())
        };
        let kept: Vec<(String, String)> = kept.iter().map(named).collect();
        for (column, to) in &kept {
            if let Some(cells) = self.texts(column) {
                ours.set_column(to, cells);
                continue;
            }
            let missing =
                || AccuracyTableError::NoColumn { path: self.path().to_owned(), column: column.clone() };
            let other = joined.ok_or_else(missing)?;
            let position = |name: &str| other.columns().iter().position(|known| known == name);
            let (id, at) = position("arch_id").zip(position(column)).ok_or_else(missing)?;
            let by_id: BTreeMap<&str, &String> =
                (0..other.len()).map(|row| (other.row(row)[id].trim(), &other.row(row)[at])).collect();
            let ids = self.texts("arch_id").ok_or_else(missing)?;
            let cells = ids.iter().map(|id| by_id.get(id.trim()).map_or(String::new(), |&cell| cell.clone()));
            ours.set_column(to, cells);
        }
        let first = ["net", "accuracy"].map(str::to_owned);
        let names: Vec<String> = first.into_iter().chain(kept.into_iter().map(|(_, to)| to)).collect();
        Ok(ours.with_columns(&names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AccuracyTable, AccuracyTableError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        AccuracyTable::read(&path, None)
    }

    #[test]
    fn our_tables_and_public_ones_are_read() {
        let ours = read("net,accuracy,a_ms\nresnet18,69.8,1.5\nresnet50,76,\n").unwrap();
        assert_eq!(ours.nets, [Some("resnet18".into()), Some("resnet50".into())]);
        assert_eq!(ours.numbers("a_ms").unwrap(), [Some(1.5), None]);
        let theirs = read("code,canonical,mean_acc,params\n01200221,01200221,91.5,5\n").unwrap();
        assert_eq!(theirs.nets, [Some("nbm:01200221".into())]);
        let converted = theirs.as_ours(&["params=weights".into()], None).unwrap();
        assert_eq!(converted.columns(), ["net", "accuracy", "weights"]);
        assert_eq!(converted.row(0), ["nbm:01200221", "91.5", "5"]);
        assert!(theirs.as_ours(&["colour".into()], None).is_err());
    }

    #[test]
    fn what_is_no_accuracy_is_refused() {
        for (text, word) in [
            ("net,accuracy\nresnet18,0.698\n", "percent"),
            ("net,accuracy\nresnet18,101\n", "101"),
            ("net,accuracy\nresnet18,\n", "row 1"),
            ("net,accuracy\n,70\n", "no network"),
            ("net,loss\nresnet18,2\n", "accuracy"),
            ("accuracy\n70\n", "networks"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
