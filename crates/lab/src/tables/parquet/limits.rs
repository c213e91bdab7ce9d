//! What a file may claim of itself. Run lengths and compression let a few bytes stand for any number of cells, so a
//! small damaged file could ask for all memory.

use super::ParquetError;
use polars_parquet_format::PageHeader;
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;

/// Cells that any file may hold, and how many more for each of its bytes. The densest dataset that is shipped has nine
/// cells to a byte.
const CELLS: usize = 1 << 23;
const CELLS_PER_BYTE: usize = 64;
/// Cells that no file may exceed; they take half a gigabyte of memory.
const MOST_CELLS: usize = 1 << 25;

/// Bytes of text that any file may hold in all, and how many more for each of its bytes.
const TEXT: usize = 1 << 28;
const TEXT_PER_BYTE: usize = 1024;
/// Bytes of text that no file may exceed.
const MOST_TEXT: usize = 1 << 29;

/// Bytes that any page may hold, and how many more for each of its compressed bytes.
const PAGE: usize = 1 << 26;
const PAGE_PER_BYTE: usize = 1024;

/// What a file of so many bytes may hold.
pub struct Limits {
    bytes: usize,
    text_left: usize,
}

impl Limits {
    pub fn new(bytes: usize) -> Limits {
        Limits { bytes, text_left: bytes.saturating_mul(TEXT_PER_BYTE).saturating_add(TEXT).min(MOST_TEXT) }
    }

    /// Checks the number of rows and columns.
    pub fn cells(&self, rows: usize, columns: usize) -> Result<(), ParquetError> {
        let most = self.bytes.saturating_mul(CELLS_PER_BYTE).saturating_add(CELLS).min(MOST_CELLS);
        match rows.saturating_mul(columns.max(1)) <= most {
            true => Ok(()),
            false => Err(self.implausible(format!("{rows} rows of {columns} columns"))),
        }
    }

    /// Counts a text that is read.
    pub fn text(&mut self, bytes: usize) -> Result<(), ParquetError> {
        match self.text_left.checked_sub(bytes) {
            Some(left) => {
                self.text_left = left;
                Ok(())
            }
            None => Err(self.implausible("texts without end".into())),
        }
    }

    /// Walks over the headers of the pages of a column chunk, which holds `values` cells, and checks their sizes.
    pub fn pages(&self, chunk: &[u8], values: usize) -> Result<(), ParquetError> {
        let size = |size: i32| usize::try_from(size).map_err(|_| ParquetError::Damaged);
        let mut rest = chunk;
        let mut left = values;
        while left > 0 {
            let header =
                PageHeader::read_from_in_protocol(&mut TCompactInputProtocol::new(&mut rest, chunk.len()))
                    .map_err(ParquetError::format)?;
            let (packed, unpacked) =
                (size(header.compressed_page_size)?, size(header.uncompressed_page_size)?);
            rest = rest.get(packed..).ok_or(ParquetError::Damaged)?;
            if unpacked > packed.saturating_mul(PAGE_PER_BYTE).saturating_add(PAGE) {
                return Err(self.implausible(format!("a page of {unpacked} bytes in {packed}")));
            }
            let cells = match (&header.data_page_header, &header.data_page_header_v2) {
                (Some(page), _) => size(page.num_values)?,
                (None, Some(page)) => size(page.num_values)?,
                (None, None) => 0,
            };
            left = left.checked_sub(cells).ok_or(ParquetError::Damaged)?;
            // Every entry of a dictionary takes at least a byte.
            if let Some(dictionary) = &header.dictionary_page_header
                && size(dictionary.num_values)? > unpacked
            {
                return Err(ParquetError::Damaged);
            }
        }
        Ok(())
    }

    fn implausible(&self, claim: String) -> ParquetError {
        ParquetError::Implausible { bytes: self.bytes, claim }
    }
}
