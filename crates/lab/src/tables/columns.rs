//! Columns read as what they should hold.
//!
//! Integers may stand in a file in any width, as truth values or as whole numbers; numbers may stand as integers. A
//! column in which every cell is missing passes for any type.

use super::{Column, Table, Texts, Values};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Why a column, or one of its cells, is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    #[error("column {column:?} is missing")]
    Missing { column: String },
    #[error("column {column:?} holds {found}, expected {expected}")]
    Type { column: String, found: String, expected: &'static str },
    /// Rows count from 1.
    #[error("row {row}, column {column:?}: {reason}")]
    Cell { row: usize, column: String, reason: String },
}

impl ColumnError {
    /// The cell of a row, counted from 0, that makes no sense.
    pub fn cell(column: &str, row: usize, reason: impl Into<String>) -> ColumnError {
        ColumnError::Cell { row: row + 1, column: column.to_owned(), reason: reason.into() }
    }
}

impl Table {
    /// The column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn column(&self, name: &str) -> Result<&Column, ColumnError> {
        let missing = || ColumnError::Missing { column: name.to_owned() };
        self.columns.iter().find(|column| column.name == name).ok_or_else(missing)
    }

    /// The column of this name, which holds text.
    ///
    /// # Errors
    /// There is none, or it holds something else.
    pub fn texts<'a>(&'a self, name: &'a str) -> Result<TextColumn<'a>, ColumnError> {
        let column = self.column(name)?;
        let cells = match &column.values {
            Values::Text(cells) => Cow::Borrowed(cells),
            values if values.all_missing() => {
                Cow::Owned(vec![None::<&str>; values.len()].into_iter().collect())
            }
            _ => return Err(column.mistyped("text")),
        };
        Ok(TextColumn { name, cells })
    }

    /// The column of this name, which holds integers.
    ///
    /// # Errors
    /// There is none, it holds something else, or a number in it is not whole.
    pub fn integers<'a>(&'a self, name: &'a str) -> Result<IntegerColumn<'a>, ColumnError> {
        let column = self.column(name)?;
        let cells = match &column.values {
            Values::I64(cells) => Cow::Borrowed(cells.as_slice()),
            Values::I32(cells) => Cow::Owned(cells.iter().map(|cell| cell.map(i64::from)).collect()),
            Values::U32(cells) => Cow::Owned(cells.iter().map(|cell| cell.map(i64::from)).collect()),
            Values::Bool(cells) => Cow::Owned(cells.iter().map(|cell| cell.map(i64::from)).collect()),
            Values::U64(cells) => Cow::Owned(convert(name, cells, |&value| i64::try_from(value).ok())?),
            Values::F64(cells) => Cow::Owned(convert(name, cells, |&value| whole(value))?),
            values if values.all_missing() => Cow::Owned(vec![None; values.len()]),
            _ => return Err(column.mistyped("integers")),
        };
        Ok(IntegerColumn { name, cells })
    }

    /// The column of this name, which holds numbers.
    ///
    /// # Errors
    /// There is none, or it holds something else.
    pub fn floats<'a>(&'a self, name: &'a str) -> Result<FloatColumn<'a>, ColumnError> {
        let column = self.column(name)?;
        let cells = match &column.values {
            Values::F64(cells) => Cow::Borrowed(cells.as_slice()),
            Values::I32(cells) => Cow::Owned(cells.iter().map(|cell| cell.map(f64::from)).collect()),
            Values::U32(cells) => Cow::Owned(cells.iter().map(|cell| cell.map(f64::from)).collect()),
            Values::I64(cells) => {
                Cow::Owned(cells.iter().map(|cell| cell.map(|value| value as f64)).collect())
            }
            Values::U64(cells) => {
                Cow::Owned(cells.iter().map(|cell| cell.map(|value| value as f64)).collect())
            }
            Values::Bool(cells) => {
                Cow::Owned(cells.iter().map(|cell| cell.map(|value| f64::from(u8::from(value)))).collect())
            }
            values if values.all_missing() => Cow::Owned(vec![None; values.len()]),
            _ => return Err(column.mistyped("numbers")),
        };
        Ok(FloatColumn { name, cells })
    }
}

impl Column {
    fn mistyped(&self, expected: &'static str) -> ColumnError {
        ColumnError::Type { column: self.name.clone(), found: self.values.kind().to_owned(), expected }
    }
}

/// Cells as integers; `integer` gives none for a value that is not one.
fn convert<T: Display>(
    name: &str,
    cells: &[Option<T>],
    integer: impl Fn(&T) -> Option<i64>,
) -> Result<Vec<Option<i64>>, ColumnError> {
    let convert = |(row, cell): (usize, &Option<T>)| match cell {
        None => Ok(None),
        Some(value) => match integer(value) {
            Some(value) => Ok(Some(value)),
            None => Err(ColumnError::cell(name, row, format!("{value} is not an integer of 64 bits"))),
        },
    };
    cells.iter().enumerate().map(convert).collect()
}

/// A whole number as an integer. Numbers of 2⁵³ and more do not tell neighbouring integers apart.
fn whole(value: f64) -> Option<i64> {
    let exact = value.trunc() == value && value.abs() < (1_u64 << 53) as f64;
    exact.then_some(value as i64)
}

/// A column of texts.
pub struct TextColumn<'a> {
    name: &'a str,
    cells: Cow<'a, Texts>,
}

impl TextColumn<'_> {
    /// The cell of a row, counted from 0.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.cells.get(row)
    }

    /// A cell that must be there.
    ///
    /// # Errors
    /// It is missing.
    pub fn required(&self, row: usize) -> Result<&str, ColumnError> {
        self.get(row).ok_or_else(|| self.error(row, "is empty"))
    }

    /// A cell that must be there, as a value of its type.
    ///
    /// # Errors
    /// It is missing, or says nothing of that type.
    pub fn parse<T: FromStr<Err: Display>>(&self, row: usize) -> Result<T, ColumnError> {
        self.required(row)?.parse().map_err(|reason: T::Err| self.error(row, reason.to_string()))
    }

    /// What is wrong with a cell.
    pub fn error(&self, row: usize, reason: impl Into<String>) -> ColumnError {
        ColumnError::cell(self.name, row, reason)
    }
}

/// A column of integers.
pub struct IntegerColumn<'a> {
    name: &'a str,
    cells: Cow<'a, [Option<i64>]>,
}

impl IntegerColumn<'_> {
    /// The cell of a row, counted from 0.
    pub fn get(&self, row: usize) -> Option<i64> {
        self.cells.get(row).copied().flatten()
    }

    /// A cell that must be an integer of 1 or more.
    ///
    /// # Errors
    /// It is missing or something else.
    pub fn positive(&self, row: usize) -> Result<u32, ColumnError> {
        let value = self.get(row).ok_or_else(|| self.error(row, "is empty"))?;
        let positive = u32::try_from(value).ok().filter(|&value| value >= 1);
        positive.ok_or_else(|| self.error(row, format!("{value} is not a positive integer")))
    }

    /// A cell that must be a truth value, or 0 or 1.
    ///
    /// # Errors
    /// It is missing or something else.
    pub fn flag(&self, row: usize) -> Result<bool, ColumnError> {
        match self.get(row) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(self.error(row, "is neither true nor false")),
        }
    }

    /// What is wrong with a cell.
    pub fn error(&self, row: usize, reason: impl Into<String>) -> ColumnError {
        ColumnError::cell(self.name, row, reason)
    }
}

/// A column of numbers.
pub struct FloatColumn<'a> {
    name: &'a str,
    cells: Cow<'a, [Option<f64>]>,
}

impl FloatColumn<'_> {
    /// The cell of a row, counted from 0.
    pub fn get(&self, row: usize) -> Option<f64> {
        self.cells.get(row).copied().flatten()
    }

    /// A cell that must be there.
    ///
    /// # Errors
    /// It is missing.
    pub fn required(&self, row: usize) -> Result<f64, ColumnError> {
        self.get(row).ok_or_else(|| self.error(row, "is empty"))
    }

    /// What is wrong with a cell.
    pub fn error(&self, row: usize, reason: impl Into<String>) -> ColumnError {
        ColumnError::cell(self.name, row, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            columns: vec![
                Column::new("word", Values::texts([Some("7"), None])),
                Column::new("short", Values::I32(vec![Some(-3), Some(4)])),
                Column::new("long", Values::U64(vec![Some(1), Some(u64::MAX)])),
                Column::new("number", Values::floats([Some(2.0), Some(2.5)])),
                Column::new("flag", Values::flags([Some(true), None])),
                Column::new("nothing", Values::texts::<&str>([None, None])),
                Column::new("day", Values::Other { kind: "Date32".into(), rows: 2 }),
            ],
        }
    }

    #[test]
    fn values_are_read_as_what_is_asked_for() {
        let table = table();
        assert_eq!(table.texts("word").unwrap().parse::<u8>(0), Ok(7));
        assert_eq!(table.integers("short").unwrap().positive(1), Ok(4));
        assert_eq!(table.integers("flag").unwrap().flag(0), Ok(true));
        assert_eq!(table.floats("short").unwrap().required(0), Ok(-3.0));
        assert_eq!(table.floats("number").unwrap().get(1), Some(2.5));
        assert_eq!(table.integers("nothing").unwrap().get(1), None);
        assert_eq!(table.floats("nothing").unwrap().get(1), None);
        assert_eq!(table.rows(), 2);
    }

    #[test]
    fn mistakes_are_told_by_column_and_row() {
        let table = table();
        let says = |error: ColumnError, words: &[&str]| {
            let text = error.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        says(table.texts("absent").err().unwrap(), &["absent", "is missing"]);
        says(table.texts("short").err().unwrap(), &["short", "holds integers", "expected text"]);
        says(table.integers("word").err().unwrap(), &["word", "holds text", "expected integers"]);
        says(table.floats("day").err().unwrap(), &["day", "Date32"]);
        says(table.integers("number").err().unwrap(), &["row 2", "number", "2.5"]);
        says(table.integers("long").err().unwrap(), &["row 2", "long"]);
        says(table.texts("word").unwrap().required(1).unwrap_err(), &["row 2", "word", "is empty"]);
        says(table.integers("short").unwrap().positive(0).unwrap_err(), &["row 1", "-3"]);
        says(table.integers("flag").unwrap().flag(1).unwrap_err(), &["row 2", "neither true nor false"]);
    }
}
