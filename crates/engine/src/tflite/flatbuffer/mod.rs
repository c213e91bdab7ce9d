//! FlatBuffers: the container format of TensorFlow Lite's files.
//!
//! A file is a tree of tables. A table has numbered fields (*slots*); a list of positions, the *vtable*, says where each
//! field of it stands, and leaves out those that have their default. Numbers stand in the table itself, everything
//! else at a distance that the table gives. All numbers are little-endian.

pub mod decode;
pub mod encode;

#[cfg(test)]
mod tests {
    use super::decode::Reader;
    use super::encode::{Table, Value, encode};

    #[test]
    fn what_is_written_is_read() {
        let inner = || Table::default().with(1, Value::I32s(vec![7, -8])).with(3, Value::U8(200));
        let table = Table::default()
            .with(0, Value::I8(-3))
            .with(1, Value::Text("näme".into()))
            .with(2, Value::I32(-70_000))
            .with(4, Value::Bytes(vec![1, 2, 3]))
            .with(5, Value::F32s(vec![0.5, -2.0]))
            .with(6, Value::I64s(vec![-1, 1 << 40]))
            .with(7, Value::Tables(vec![inner(), Table::default(), inner()]))
            .with(8, Value::Table(inner()))
            .with(9, Value::Bool(true))
            .with(11, Value::U32(4_000_000_000));
        let bytes = encode(&table, *b"TEST");
        assert_eq!(&bytes[4..8], b"TEST");
        let root = Reader::new(&bytes, *b"TEST").unwrap();
        let root = root.root().unwrap();
        assert_eq!(root.i8(0, 0).unwrap(), -3);
        assert_eq!(root.text(1).unwrap(), Some("näme"));
        assert_eq!((root.i32(2, 0).unwrap(), root.i32(3, 9).unwrap()), (-70_000, 9));
        assert_eq!(root.bytes(4).unwrap(), Some(&[1, 2, 3][..]));
        assert_eq!(root.f32s(5).unwrap(), [0.5, -2.0]);
        assert_eq!(root.i64s(6).unwrap(), [-1, 1 << 40]);
        let tables = root.tables(7).unwrap();
        assert_eq!(tables.len(), 3);
        assert_eq!(tables[2].i32s(1).unwrap(), [7, -8]);
        assert_eq!(tables[1].i32s(1).unwrap(), Vec::<i32>::new());
        assert_eq!(root.table(8).unwrap().unwrap().u8(3, 0).unwrap(), 200);
        assert!(root.table(10).unwrap().is_none());
        assert!(root.flag(9, false).unwrap());
        assert_eq!(root.u32(11, 0).unwrap(), 4_000_000_000);
        // Absent fields behind the end of the vtable.
        assert_eq!(root.i32(60, 5).unwrap(), 5);
        // What runtimes read in place is aligned.
        let at = bytes.windows(3).position(|window| window == [1, 2, 3]).unwrap();
        assert_eq!(at % 16, 0);
        assert!(Reader::new(&bytes, *b"TFL3").is_err());
    }
}
