use super::*;
use crate::tables::{Column, Table, Values};
use std::path::{Path, PathBuf};

const FOREIGN: [&str; 9] = [
    "duckdb-snappy",
    "duckdb-zstd",
    "polars-categories",
    "polars-zstd",
    "pyarrow-delta",
    "pyarrow-gzip-v2",
    "pyarrow-lz4-dictionary",
    "pyarrow-snappy",
    "pyarrow-zstd-plain",
];

fn foreign(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet");
    std::fs::read(folder.join(format!("{name}.parquet"))).unwrap()
}

/// The samples that are shipped.
fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let folders =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("samples.parquet"));
    folders.filter(|path| path.exists()).collect()
}

fn every_type() -> Table {
    Table {
        columns: vec![
            Column::new("i32", Values::I32(vec![Some(i32::MIN), None, Some(3)])),
            Column::new("i64", Values::integers([Some(i64::MIN), None, Some(3)])),
            Column::new("u32", Values::U32(vec![Some(u32::MAX), None, Some(3)])),
            Column::new("u64", Values::U64(vec![Some(u64::MAX), None, Some(3)])),
            Column::new("f64", Values::floats([Some(f64::INFINITY), None, Some(-0.1)])),
            Column::new("bool", Values::flags([Some(true), None, Some(false)])),
            Column::new("text", Values::texts([Some("ä, of more than twelve bytes"), None, Some("")])),
            Column::new("none", Values::integers([None, None, None])),
        ],
    }
}

#[test]
fn what_is_written_is_read_back() {
    for compression in [Compression::None, Compression::Zstd] {
        let bytes = write(&every_type(), compression).unwrap();
        assert_eq!(read(&bytes).unwrap(), every_type());
    }
    let empty = Table { columns: vec![Column::new("x", Values::I32(Vec::new()))] };
    assert_eq!(read(&write(&empty, Compression::Zstd).unwrap()).unwrap(), empty);
    assert_eq!(read(&write(&Table::default(), Compression::Zstd).unwrap()).unwrap(), Table::default());
}

#[test]
fn long_tables_are_written_in_groups_of_rows() {
    let rows = 600_000;
    let long = Table {
        columns: vec![
            Column::new("i", Values::U32((0..rows).map(Some).collect())),
            Column::new("t", Values::texts((0..rows).map(|i| Some(if i % 3 == 0 { "a" } else { "b" })))),
        ],
    };
    let bytes = write(&long, Compression::Zstd).unwrap();
    assert_eq!(read(&bytes).unwrap(), long);
}

/// The files of today are those of the data frame before: the same bytes.
#[test]
fn shipped_samples_are_written_again_byte_by_byte() {
    let paths = shipped();
    assert!(!paths.is_empty());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        let table = read(&bytes).unwrap();
        assert!(write(&table, Compression::Zstd).unwrap() == bytes, "{}", path.display());
    }
}

#[test]
fn tables_that_are_none_are_not_written() {
    let column = |name: &str, rows| Column::new(name, Values::integers(vec![Some(1); rows]));
    let write = |columns| write(&Table { columns }, Compression::None).unwrap_err().to_string();
    assert!(write(vec![column("a", 2), column("b", 3)]).contains("\"b\""));
    assert!(write(vec![column("a", 2), column("a", 2)]).contains("twice"));
}

#[test]
fn files_of_other_writers_are_read() {
    for name in FOREIGN {
        let table = read(&foreign(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let texts = |name| {
            let column = table.texts(name).unwrap();
            (0..5).map(|row| column.get(row).map(str::to_owned)).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        let long = "a kind with a name of more than twelve letters";
        assert_eq!(texts("kind"), [some("conv"), some("dwconv"), some("conv"), some(long), None], "{name}");
        assert_eq!(texts("note"), [None, some(""), some("ä"), some("x"), some("x")], "{name}");
        let integers = table.integers("in_c").unwrap();
        let integers: Vec<_> = (0..5).map(|row| integers.get(row)).collect();
        assert_eq!(integers, [Some(3), Some(8), None, Some(64), Some(96)], "{name}");
        let floats = table.floats("latency_ms").unwrap();
        let floats: Vec<_> = (0..5).map(|row| floats.get(row)).collect();
        assert_eq!(floats, [Some(0.25), None, Some(1.5), Some(0.125), Some(2.0)], "{name}");
        let flags = table.integers("residual").unwrap();
        let flags: Vec<_> = (0..5).map(|row| flags.get(row)).collect();
        assert_eq!(flags, [Some(1), Some(0), None, Some(0), Some(1)], "{name}");
    }
}

#[test]
fn columns_of_other_types_do_not_disturb() {
    let table = read(&foreign("pyarrow-others")).unwrap();
    assert_eq!(table.texts("kind").unwrap().get(0), Some("conv"));
    assert!(
        matches!(&table.column("day").unwrap().values, Values::Other { kind, rows: 5 } if kind == "Date32")
    );
    assert!(matches!(&table.column("list").unwrap().values, Values::Other { .. }));
    assert!(table.column("nothing").unwrap().values.all_missing());
    let error = read(&foreign("pyarrow-brotli")).unwrap_err().to_string();
    assert!(error.contains("Brotli"), "{error}");
}

/// Whatever is done to a file, reading it ends without a panic that leaves the function, and soon.
#[test]
fn damaged_files_give_errors() {
    for cut in [0, 1, 4, 11, 12, 200] {
        assert!(read(&foreign("pyarrow-snappy")[..cut]).is_err(), "cut at {cut}");
    }
    for name in FOREIGN {
        let good = foreign(name);
        assert!(read(&good[..good.len() - 1]).is_err());
        for at in 0..good.len() {
            for flip in [1_u8, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = read(&bad);
            }
        }
    }
}

#[test]
fn small_files_cannot_claim_much() {
    let rows = 50_000_000;
    let limits = limits::Limits::new(1000);
    assert!(limits.cells(rows, 1).is_err() && limits.cells(1000, 35).is_ok());
    let error = limits.cells(rows, 2).unwrap_err().to_string();
    assert!(error.contains("1000 bytes") && error.contains("50000000 rows"), "{error}");
}
