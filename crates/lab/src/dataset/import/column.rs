//! The cells of a published table, each of the type that its column has.

use crate::dataset::{DatasetError, KernelTable};
use edgezen_core::units::Latency;

/// A column of a table; rows count from 0 here, and from 1 in messages.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    table: &'a KernelTable,
    name: &'static str,
    at: usize,
}

impl<'a> Column<'a> {
    /// # Errors
    /// The table has no such column.
    pub fn of(table: &'a KernelTable, name: &'static str) -> Result<Column<'a>, DatasetError> {
        Ok(Column { table, name, at: table.required(name)? })
    }

    pub fn text(&self, row: usize) -> &'a str {
        self.table.row(row).get(self.at).map_or("", String::as_str)
    }

    pub fn error(&self, row: usize, reason: impl Into<String>) -> DatasetError {
        DatasetError::cell(self.table.path(), row, self.name, reason)
    }

    /// # Errors
    /// A cell that is no positive integer.
    pub fn count(&self, row: usize) -> Result<u32, DatasetError> {
        match self.text(row).parse() {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(self.error(row, format!("{:?} is not a positive integer", self.text(row)))),
        }
    }

    /// The milliseconds that one of so many images per second takes.
    ///
    /// # Errors
    /// A cell that is no positive number, or one that no device reaches.
    pub fn time_of_one(&self, row: usize) -> Result<f64, DatasetError> {
        let rate = self.text(row).trim().parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
        let bad = || self.error(row, format!("{:?} is no number of images per second", self.text(row)));
        let ms = 1000.0 / rate.ok_or_else(bad)?;
        Latency::measured_ns(ms * 1e6).map_err(|e| self.error(row, e.to_string()))?;
        Ok(ms)
    }

    /// # Errors
    /// A cell that is no positive number of milliseconds.
    pub fn latency(&self, row: usize) -> Result<Latency, DatasetError> {
        match self.text(row).parse::<f64>() {
            Ok(ms) => Latency::measured_ns(ms * 1e6).map_err(|e| self.error(row, e.to_string())),
            Err(_) => Err(self.error(row, format!("{:?} is not a latency", self.text(row)))),
        }
    }
}
