//! The table itself.

use super::Texts;

/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<Column>,
}

/// The cells of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// The cells of a column, of one type; `None` is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    I32(Vec<Option<i32>>),
    I64(Vec<Option<i64>>),
    U32(Vec<Option<u32>>),
    U64(Vec<Option<u64>>),
    F64(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(Texts),
    /// A column of a file that holds something else (dates, lists, …). Its cells are not read.
    Other {
        /// The type as the file calls it.
        kind: String,
        rows: usize,
    },
}

impl Table {
    /// Number of rows; 0 without columns.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}

impl Column {
    pub fn new(name: impl Into<String>, values: Values) -> Column {
        Column { name: name.into(), values }
    }
}

impl Values {
    /// Integers, every one of which is present or missing.
    pub fn integers(cells: impl IntoIterator<Item = Option<i64>>) -> Values {
        Values::I64(cells.into_iter().collect())
    }

    /// Numbers.
    pub fn floats(cells: impl IntoIterator<Item = Option<f64>>) -> Values {
        Values::F64(cells.into_iter().collect())
    }

    /// Truth values.
    pub fn flags(cells: impl IntoIterator<Item = Option<bool>>) -> Values {
        Values::Bool(cells.into_iter().collect())
    }

    /// Texts.
    pub fn texts<T: AsRef<str>>(cells: impl IntoIterator<Item = Option<T>>) -> Values {
        Values::Text(cells.into_iter().collect())
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Values::I32(cells) => cells.len(),
            Values::I64(cells) => cells.len(),
            Values::U32(cells) => cells.len(),
            Values::U64(cells) => cells.len(),
            Values::F64(cells) => cells.len(),
            Values::Bool(cells) => cells.len(),
            Values::Text(cells) => cells.len(),
            Values::Other { rows, .. } => *rows,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every cell is missing. Such a column has no type worth the name.
    pub fn all_missing(&self) -> bool {
        match self {
            Values::I32(cells) => cells.iter().all(Option::is_none),
            Values::I64(cells) => cells.iter().all(Option::is_none),
            Values::U32(cells) => cells.iter().all(Option::is_none),
            Values::U64(cells) => cells.iter().all(Option::is_none),
            Values::F64(cells) => cells.iter().all(Option::is_none),
            Values::Bool(cells) => cells.iter().all(Option::is_none),
            Values::Text(cells) => cells.iter().all(|cell| cell.is_none()),
            Values::Other { .. } => false,
        }
    }

    /// What the cells are, in words.
    pub fn kind(&self) -> &str {
        match self {
            Values::I32(_) | Values::I64(_) | Values::U32(_) | Values::U64(_) => "integers",
            Values::F64(_) => "numbers",
            Values::Bool(_) => "truth values",
            Values::Text(_) => "text",
            Values::Other { kind, .. } => kind,
        }
    }
}
