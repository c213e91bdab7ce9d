//! A Parquet file, read.

use super::ParquetError;
use super::guard::shielded;
use super::limits::Limits;
use crate::tables::{Column, Table, Texts, Values};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::types::NativeType;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, PageReader, column_iter_to_arrays, infer_schema, read_metadata,
};
use std::io::Cursor;

/// The table in the bytes of a Parquet file, whoever wrote it. Columns of other types than [`Values`] knows are listed
/// but not read.
///
/// # Errors
/// Bytes that are no Parquet file, a damaged one, or one that claims more than its size can hold.
pub fn read(bytes: &[u8]) -> Result<Table, ParquetError> {
    shielded(|| decode(bytes))
}

fn decode(bytes: &[u8]) -> Result<Table, ParquetError> {
    let metadata = read_metadata(&mut Cursor::new(bytes)).map_err(ParquetError::format)?;
    let schema = infer_schema(&metadata).map_err(ParquetError::format)?;
    let rows = metadata.row_groups.iter().try_fold(0_usize, |rows, group| rows.checked_add(group.num_rows()));
    let rows = rows.filter(|&rows| rows == metadata.num_rows).ok_or(ParquetError::Damaged)?;
    let mut limits = Limits::new(bytes.len());
    limits.cells(rows, schema.len())?;
    let mut columns = Vec::with_capacity(schema.len());
    for field in schema.iter_values() {
        let name = field.name.as_str();
        let mut values = empty(&field.dtype, rows);
        if values.len() < rows {
            let field = Field::new(field.name.clone(), decoded_type(&field.dtype), field.is_nullable);
            for group in &metadata.row_groups {
                let chunk = group.columns_under_root_iter(name).and_then(|mut chunks| chunks.next());
                let chunk = chunk.ok_or_else(|| ParquetError::column(name, "holds no data"))?;
                append_chunk(&mut values, bytes, chunk, group.num_rows(), &field, &mut limits)?;
            }
        }
        columns.push(Column::new(name, values));
    }
    Ok(Table { columns })
}

/// What a column of this type is read into: no cells yet, or all of them where there are none to read.
fn empty(kind: &ArrowDataType, rows: usize) -> Values {
    use ArrowDataType as A;
    match kind {
        A::Int8 | A::Int16 | A::Int32 => Values::I32(Vec::new()),
        A::UInt8 | A::UInt16 | A::UInt32 => Values::U32(Vec::new()),
        A::Int64 => Values::I64(Vec::new()),
        A::UInt64 => Values::U64(Vec::new()),
        A::Float32 | A::Float64 => Values::F64(Vec::new()),
        A::Boolean => Values::Bool(Vec::new()),
        A::Null => Values::texts(vec![None::<&str>; rows]),
        _ if decoded_type(kind) == A::Utf8View => Values::Text(Texts::default()),
        other => Values::Other { kind: format!("{other:?}"), rows },
    }
}

/// The type that a column is decoded to. Texts that the writer held as entries of a dictionary are plain texts here.
fn decoded_type(kind: &ArrowDataType) -> ArrowDataType {
    match kind {
        ArrowDataType::Dictionary(_, values, _) if **values == ArrowDataType::Utf8View => {
            ArrowDataType::Utf8View
        }
        other => other.clone(),
    }
}

/// Reads the cells that one row group holds of a column.
fn append_chunk(
    values: &mut Values,
    bytes: &[u8],
    chunk: &ColumnChunkMetadata,
    rows: usize,
    field: &Field,
    limits: &mut Limits,
) -> Result<(), ParquetError> {
    let name = field.name.as_str();
    if usize::try_from(chunk.num_values()) != Ok(rows) {
        return Err(ParquetError::column(name, "has another number of cells than rows"));
    }
    let range = chunk.byte_range();
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    let data = range.and_then(|(start, end)| bytes.get(start..end));
    let data = data.ok_or_else(|| ParquetError::column(name, "lies outside of the file"))?;
    limits.pages(data, rows)?;
    let pages = PageReader::new(Cursor::new(data.to_vec().into()), chunk, Vec::new(), data.len());
    let arrays = column_iter_to_arrays(
        vec![BasicDecompressor::new(pages, Vec::new())],
        vec![&chunk.descriptor().descriptor.primitive_type],
        field.clone(),
        None,
    );
    let (arrays, _) = arrays.map_err(|error| ParquetError::column(name, error.to_string()))?;
    if arrays.iter().map(|array| array.len()).sum::<usize>() != rows {
        return Err(ParquetError::column(name, "has another number of cells than rows"));
    }
    for array in &arrays {
        append(values, array.as_ref(), limits)?
            .ok_or_else(|| ParquetError::column(name, "holds another type than it says"))?;
    }
    Ok(())
}

/// Appends the cells of an array; none where it is of another type than the column.
fn append(values: &mut Values, array: &dyn Array, limits: &mut Limits) -> Result<Option<()>, ParquetError> {
    use ArrowDataType as A;
    Ok(match (values, array.dtype()) {
        (Values::I32(cells), A::Int8) => extend::<i8, i32>(cells, array),
        (Values::I32(cells), A::Int16) => extend::<i16, i32>(cells, array),
        (Values::I32(cells), A::Int32) => extend::<i32, i32>(cells, array),
        (Values::U32(cells), A::UInt8) => extend::<u8, u32>(cells, array),
        (Values::U32(cells), A::UInt16) => extend::<u16, u32>(cells, array),
        (Values::U32(cells), A::UInt32) => extend::<u32, u32>(cells, array),
        (Values::I64(cells), A::Int64) => extend::<i64, i64>(cells, array),
        (Values::U64(cells), A::UInt64) => extend::<u64, u64>(cells, array),
        (Values::F64(cells), A::Float32) => extend::<f32, f64>(cells, array),
        (Values::F64(cells), A::Float64) => extend::<f64, f64>(cells, array),
        (Values::Bool(cells), A::Boolean) => {
            array.as_any().downcast_ref::<BooleanArray>().map(|array| cells.extend(array.iter()))
        }
        (Values::Text(cells), A::Utf8View) => {
            let Some(array) = array.as_any().downcast_ref::<Utf8ViewArray>() else { return Ok(None) };
            for text in array.iter() {
                limits.text(text.map_or(0, str::len))?;
                cells.push(text);
            }
            Some(())
        }
        _ => None,
    })
}

fn extend<T: NativeType, U: From<T>>(cells: &mut Vec<Option<U>>, array: &dyn Array) -> Option<()> {
    let array = array.as_any().downcast_ref::<PrimitiveArray<T>>()?;
    cells.extend(array.iter().map(|cell| cell.map(|&value| U::from(value))));
    Some(())
}
