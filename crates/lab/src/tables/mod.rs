//! Plain tables: named columns of equal length, whose cells may be missing.
//!
//! [`Table`] is plain data; [`Table::integers`] and its like read a column as what it should hold, and name the column
//! and the row where it holds something else. [`parquet`] turns a table into the bytes of a Parquet file and back.
//! docs/decisions/080 says why this is no data frame.

mod columns;
pub mod parquet;
mod table;
mod texts;

pub use columns::{ColumnError, FloatColumn, IntegerColumn, TextColumn};
pub use table::{Column, Table, Values};
pub use texts::Texts;
