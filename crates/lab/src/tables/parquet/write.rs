//! A Parquet file, written.

use super::ParquetError;
use crate::tables::{Table, Values};
use polars_arrow::array::{Array, BooleanArray, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, FileWriter, StatisticsOptions, Version, WriteOptions, get_dtype_encoding,
    row_group_iter,
};
use std::sync::Arc;

/// How the pages of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Zstandard at its usual level.
    Zstd,
}

/// Rows of a row group, at least, where a file has more than one of them.
const GROUP: usize = 512 * 512;

/// The bytes of a Parquet file. Every column may hold missing values; texts are UTF-8, integers and numbers keep their
/// width. The file also carries the Arrow schema.
///
/// # Errors
/// Columns of unequal length or of the same name; a column that was not read.
pub fn write(table: &Table, compression: Compression) -> Result<Vec<u8>, ParquetError> {
    let rows = table.rows();
    let mut schema = ArrowSchema::default();
    let mut arrays = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let name = column.name.as_str();
        if column.values.len() != rows {
            return Err(ParquetError::column(name, format!("has {} cells, not {rows}", column.values.len())));
        }
        let array = array(&column.values).ok_or_else(|| ParquetError::column(name, "was not read"))?;
        let field = Field::new(name.into(), array.dtype().clone(), true);
        if schema.insert(field.name.clone(), field).is_some() {
            return Err(ParquetError::column(name, "stands there twice"));
        }
        arrays.push(array);
    }
    let options = WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: match compression {
            Compression::None => CompressionOptions::Uncompressed,
            Compression::Zstd => CompressionOptions::Zstd(None),
        },
        data_page_size: None,
    };
    let schema = Arc::new(schema);
    let mut bytes = Vec::new();
    let mut writer =
        FileWriter::try_new(&mut bytes, (*schema).clone(), options).map_err(ParquetError::format)?;
    let encodings: Vec<_> = schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
    let groups = (rows / GROUP).max(1);
    for group in (0..groups).filter(|_| rows > 0) {
        let start = group * (rows / groups);
        let len = if group + 1 == groups { rows - start } else { rows / groups };
        let slices: Vec<Box<dyn Array>> = arrays.iter().map(|array| array.sliced(start, len)).collect();
        let batch = RecordBatchT::try_new(len, schema.clone(), slices).map_err(ParquetError::format)?;
        let fields = writer.parquet_schema().fields().to_vec();
        let pages = row_group_iter(batch, encodings.clone().into(), fields, options);
        writer.write(len as u64, pages).map_err(ParquetError::format)?;
    }
    writer.end(None).map_err(ParquetError::format)?;
    Ok(bytes)
}

/// The cells as Arrow has them; none for a column that was not read.
fn array(values: &Values) -> Option<Box<dyn Array>> {
    Some(match values {
        Values::I32(cells) => Box::new(PrimitiveArray::from_iter(cells)),
        Values::I64(cells) => Box::new(PrimitiveArray::from_iter(cells)),
        Values::U32(cells) => Box::new(PrimitiveArray::from_iter(cells)),
        Values::U64(cells) => Box::new(PrimitiveArray::from_iter(cells)),
        Values::F64(cells) => Box::new(PrimitiveArray::from_iter(cells)),
        Values::Bool(cells) => Box::new(BooleanArray::from_iter(cells)),
        Values::Text(cells) => {
            let texts: Utf8ViewArray = MutableBinaryViewArray::<str>::from_iter(cells.iter()).into();
            debug_assert_eq!(*texts.dtype(), ArrowDataType::Utf8View);
            Box::new(texts)
        }
        Values::Other { .. } => return None,
    })
}
