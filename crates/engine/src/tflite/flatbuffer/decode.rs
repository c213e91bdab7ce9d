//! Reads tables of files of any origin: every position is checked before it is read, and the work is bounded by the size
//! of the file.

use std::cell::Cell;

/// Why a file is no FlatBuffer, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it ends within a table or a list")]
    Short,
    #[error("a reference leads outside the file")]
    Outside,
    #[error("a list of fields has an impossible size")]
    Fields,
    #[error("a name is not UTF-8")]
    Text,
    #[error("it has another identifier than {0:?}")]
    Identifier(&'static str),
    #[error("its tables refer to one another without end")]
    Endless,
}

/// A file and how much of it may still be read.
pub struct Reader<'f> {
    bytes: &'f [u8],
    /// Bytes of lists that may still be read: four times those of the file. Writers may let several tables share a list;
    /// in a damaged file all tables could share one that fills it.
    left: Cell<usize>,
}

/// A table of a file.
#[derive(Clone, Copy)]
pub struct Table<'r, 'f> {
    reader: &'r Reader<'f>,
    at: usize,
    vtable: usize,
    /// Bytes of the vtable and of the table.
    vtable_size: usize,
    size: usize,
}

impl<'f> Reader<'f> {
    /// Begins to read a file that must have this identifier.
    ///
    /// # Errors
    /// Another identifier.
    pub fn new(bytes: &'f [u8], identifier: [u8; 4]) -> Result<Reader<'f>, Fault> {
        if bytes.get(4..8) != Some(&identifier[..]) {
            return Err(Fault::Identifier("TFL3"));
        }
        Ok(Reader { bytes, left: Cell::new(bytes.len().saturating_mul(4)) })
    }

    /// The root.
    ///
    /// # Errors
    /// Damage.
    pub fn root(&self) -> Result<Table<'_, 'f>, Fault> {
        self.table_at(self.target(0)?)
    }

    /// Bytes at a place that the file gives as a number.
    ///
    /// # Errors
    /// A place outside the file.
    pub fn raw(&self, offset: u64, size: u64) -> Result<&'f [u8], Fault> {
        let (start, end) = (usize::try_from(offset), usize::try_from(offset.saturating_add(size)));
        let (Ok(start), Ok(end)) = (start, end) else { return Err(Fault::Outside) };
        self.bytes.get(start..end).ok_or(Fault::Outside)
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Fault> {
        let end = at.checked_add(N).ok_or(Fault::Outside)?;
        self.bytes.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(Fault::Short)
    }

    fn u16(&self, at: usize) -> Result<usize, Fault> {
        Ok(usize::from(u16::from_le_bytes(self.array(at)?)))
    }

    fn word(&self, at: usize) -> Result<usize, Fault> {
        usize::try_from(u32::from_le_bytes(self.array(at)?)).map_err(|_| Fault::Outside)
    }

    /// Where the distance at `at` leads.
    fn target(&self, at: usize) -> Result<usize, Fault> {
        let to = at.checked_add(self.word(at)?).ok_or(Fault::Outside)?;
        if to < self.bytes.len() { Ok(to) } else { Err(Fault::Outside) }
    }

    fn table_at(&self, at: usize) -> Result<Table<'_, 'f>, Fault> {
        let back = i64::from(i32::from_le_bytes(self.array(at)?));
        let vtable = i64::try_from(at).ok().and_then(|at| at.checked_sub(back)).ok_or(Fault::Outside)?;
        let vtable = usize::try_from(vtable).map_err(|_| Fault::Outside)?;
        let (vtable_size, size) = (self.u16(vtable)?, self.u16(vtable + 2)?);
        if vtable_size < 4 || vtable_size % 2 != 0 || size < 4 {
            return Err(Fault::Fields);
        }
        let fits = |at: usize, size: usize| at.checked_add(size).is_some_and(|end| end <= self.bytes.len());
        if !fits(vtable, vtable_size) || !fits(at, size) {
            return Err(Fault::Short);
        }
        Ok(Table { reader: self, at, vtable, vtable_size, size })
    }

    /// Start and bytes of the list at `at`, whose elements have `size` bytes.
    fn list(&self, at: usize, size: usize) -> Result<(usize, &'f [u8]), Fault> {
        let bytes = self.word(at)?.checked_mul(size).ok_or(Fault::Short)?;
        let start = at + 4;
        let end = start.checked_add(bytes).ok_or(Fault::Short)?;
        let content = self.bytes.get(start..end).ok_or(Fault::Short)?;
        let left = self.left.get().checked_sub(bytes).ok_or(Fault::Endless)?;
        self.left.set(left);
        Ok((start, content))
    }
}

impl<'r, 'f> Table<'r, 'f> {
    /// Position of a field of `size` bytes; nothing for one that has its default.
    fn field(&self, slot: u16, size: usize) -> Result<Option<usize>, Fault> {
        let entry = 4 + 2 * usize::from(slot);
        if entry + 2 > self.vtable_size {
            return Ok(None);
        }
        match self.reader.u16(self.vtable + entry)? {
            0 => Ok(None),
            place if place + size > self.size => Err(Fault::Fields),
            place => Ok(Some(self.at + place)),
        }
    }

    fn number<const N: usize, T>(
        &self,
        slot: u16,
        default: T,
        of: impl Fn([u8; N]) -> T,
    ) -> Result<T, Fault> {
        match self.field(slot, N)? {
            Some(at) => Ok(of(self.reader.array(at)?)),
            None => Ok(default),
        }
    }

    pub fn i8(&self, slot: u16, default: i8) -> Result<i8, Fault> {
        self.number(slot, default, i8::from_le_bytes)
    }

    pub fn u8(&self, slot: u16, default: u8) -> Result<u8, Fault> {
        self.number(slot, default, u8::from_le_bytes)
    }

    pub fn flag(&self, slot: u16, default: bool) -> Result<bool, Fault> {
        Ok(self.u8(slot, u8::from(default))? != 0)
    }

    pub fn i32(&self, slot: u16, default: i32) -> Result<i32, Fault> {
        self.number(slot, default, i32::from_le_bytes)
    }

    pub fn u32(&self, slot: u16, default: u32) -> Result<u32, Fault> {
        self.number(slot, default, u32::from_le_bytes)
    }

    pub fn u64(&self, slot: u16, default: u64) -> Result<u64, Fault> {
        self.number(slot, default, u64::from_le_bytes)
    }

    /// Where a field that stands outside the table is.
    fn outside(&self, slot: u16) -> Result<Option<usize>, Fault> {
        match self.field(slot, 4)? {
            Some(at) => self.reader.target(at).map(Some),
            None => Ok(None),
        }
    }

    pub fn table(&self, slot: u16) -> Result<Option<Table<'r, 'f>>, Fault> {
        match self.outside(slot)? {
            Some(at) => self.reader.table_at(at).map(Some),
            None => Ok(None),
        }
    }

    /// The tables of a list; none where it is absent.
    pub fn tables(&self, slot: u16) -> Result<Vec<Table<'r, 'f>>, Fault> {
        let Some(at) = self.outside(slot)? else { return Ok(Vec::new()) };
        let (start, content) = self.reader.list(at, 4)?;
        let places = (0..content.len() / 4).map(|index| start + 4 * index);
        places.map(|at| self.reader.table_at(self.reader.target(at)?)).collect()
    }

    pub fn bytes(&self, slot: u16) -> Result<Option<&'f [u8]>, Fault> {
        match self.outside(slot)? {
            Some(at) => Ok(Some(self.reader.list(at, 1)?.1)),
            None => Ok(None),
        }
    }

    pub fn text(&self, slot: u16) -> Result<Option<&'f str>, Fault> {
        self.bytes(slot)?.map(|bytes| std::str::from_utf8(bytes).map_err(|_| Fault::Text)).transpose()
    }

    fn numbers<const N: usize, T>(&self, slot: u16, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Fault> {
        let Some(at) = self.outside(slot)? else { return Ok(Vec::new()) };
        let (_, content) = self.reader.list(at, N)?;
        Ok(content.chunks_exact(N).filter_map(|bytes| bytes.try_into().ok()).map(of).collect())
    }

    /// The numbers of a list; none where it is absent.
    pub fn i32s(&self, slot: u16) -> Result<Vec<i32>, Fault> {
        self.numbers(slot, i32::from_le_bytes)
    }

    #[cfg(test)]
    pub fn i64s(&self, slot: u16) -> Result<Vec<i64>, Fault> {
        self.numbers(slot, i64::from_le_bytes)
    }

    #[cfg(test)]
    pub fn f32s(&self, slot: u16) -> Result<Vec<f32>, Fault> {
        self.numbers(slot, f32::from_le_bytes)
    }
}
