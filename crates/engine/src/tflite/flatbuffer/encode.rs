//! Writes tables. A table stands before what it refers to, so that all distances point forward and each is filled in when
//! what it refers to is written.

/// A field of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    I8(i8),
    U8(u8),
    I32(i32),
    U32(u32),
    Text(String),
    /// Bytes that begin at a multiple of 16 in the file, as runtimes want of weights.
    Bytes(Vec<u8>),
    I32s(Vec<i32>),
    I64s(Vec<i64>),
    F32s(Vec<f32>),
    Table(Table),
    Tables(Vec<Table>),
}

/// Fields by their slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(u16, Value)>);

impl Table {
    /// The table with one more field; each slot is given once.
    #[must_use]
    pub fn with(mut self, slot: u16, value: Value) -> Table {
        self.0.push((slot, value));
        self
    }
}

impl Value {
    /// The bytes that stand in the table, but for a distance.
    fn inline(&self) -> Option<Vec<u8>> {
        match *self {
            Value::Bool(value) => Some(vec![u8::from(value)]),
            Value::I8(value) => Some(value.to_le_bytes().to_vec()),
            Value::U8(value) => Some(vec![value]),
            Value::I32(value) => Some(value.to_le_bytes().to_vec()),
            Value::U32(value) => Some(value.to_le_bytes().to_vec()),
            _ => None,
        }
    }
}

/// The file with this root and this identifier. What it holds must be less than 2 GiB.
pub fn encode(root: &Table, identifier: [u8; 4]) -> Vec<u8> {
    let mut file = File { bytes: vec![0; 4] };
    file.bytes.extend(identifier);
    let at = file.table(root);
    file.refer(0, at);
    file.bytes
}

/// Bytes of a distance, of a table's reference to its vtable, and of the length of a vector.
const WORD: usize = 4;

struct File {
    bytes: Vec<u8>,
}

impl File {
    /// Fills up until `size` more bytes end at a multiple of `unit`.
    fn align(&mut self, size: usize, unit: usize) {
        while !(self.bytes.len() + size).is_multiple_of(unit) {
            self.bytes.push(0);
        }
    }

    /// Writes the distance from `from` to `to` at `from`.
    fn refer(&mut self, from: usize, to: usize) {
        let distance = ((to - from) as u32).to_le_bytes();
        self.bytes[from..from + WORD].copy_from_slice(&distance);
    }

    /// Appends a table with all that it refers to; gives its position.
    fn table(&mut self, Table(fields): &Table) -> usize {
        // Fields of four bytes first, so that all are aligned.
        let mut order: Vec<&(u16, Value)> = fields.iter().collect();
        order.sort_by_key(|(slot, value)| (value.inline().is_some_and(|bytes| bytes.len() < WORD), *slot));
        let slots = fields.iter().map(|(slot, _)| usize::from(*slot) + 1).max().unwrap_or(0);
        let mut places = vec![0_u16; slots];
        let mut size = WORD;
        for (slot, value) in &order {
            places[usize::from(*slot)] = size as u16;
            size += value.inline().map_or(WORD, |bytes| bytes.len());
        }
        let vtable_size = 2 * (2 + slots);
        self.align(vtable_size, WORD);
        let vtable = self.bytes.len();
        let numbers = [vtable_size as u16, size as u16];
        self.bytes.extend(numbers.iter().chain(&places).flat_map(|number| number.to_le_bytes()));
        let table = self.bytes.len();
        self.bytes.extend(((table - vtable) as i32).to_le_bytes());
        let mut references = Vec::new();
        for (_, value) in order {
            match value.inline() {
                Some(bytes) => self.bytes.extend(bytes),
                None => {
                    references.push((self.bytes.len(), value));
                    self.bytes.extend([0; WORD]);
                }
            }
        }
        for (from, value) in references {
            let to = self.outside(value);
            self.refer(from, to);
        }
        table
    }

    /// Appends what stands outside its table; gives its position.
    fn outside(&mut self, value: &Value) -> usize {
        match value {
            Value::Table(table) => self.table(table),
            Value::Tables(tables) => {
                let at = self.vector(tables.len(), WORD);
                let first = self.bytes.len();
                self.bytes.resize(first + WORD * tables.len(), 0);
                for (index, table) in tables.iter().enumerate() {
                    let to = self.table(table);
                    self.refer(first + WORD * index, to);
                }
                at
            }
            Value::Text(text) => {
                let at = self.vector(text.len(), WORD);
                self.bytes.extend(text.as_bytes());
                self.bytes.push(0);
                at
            }
            Value::Bytes(bytes) => {
                let at = self.vector(bytes.len(), 16);
                self.bytes.extend(bytes);
                at
            }
            Value::I32s(numbers) => {
                let at = self.vector(numbers.len(), WORD);
                self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                at
            }
            Value::I64s(numbers) => {
                let at = self.vector(numbers.len(), 8);
                self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                at
            }
            Value::F32s(numbers) => {
                let at = self.vector(numbers.len(), WORD);
                self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                at
            }
            // These stand in the table.
            Value::Bool(_) | Value::I8(_) | Value::U8(_) | Value::I32(_) | Value::U32(_) => self.bytes.len(),
        }
    }

    /// Begins a vector whose elements are aligned to `unit` bytes; gives the position of its length.
    fn vector(&mut self, length: usize, unit: usize) -> usize {
        self.align(WORD, unit);
        let at = self.bytes.len();
        self.bytes.extend((length as u32).to_le_bytes());
        at
    }
}
