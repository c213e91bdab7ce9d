"""Makes the Parquet files of other writers that the tests of `tables::parquet` read.

Each file holds the same five rows: `kind`, `note` (texts), `in_c` (integers), `latency_ms` (numbers), `residual`
(truth values), with missing cells. They differ in the types, encodings, page versions and compressions they use.

    python3 -m venv tables-venv && tables-venv/bin/pip install pyarrow polars duckdb
    tables-venv/bin/python make.py
"""

import datetime
import pathlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
KIND = ["conv", "dwconv", "conv", "a kind with a name of more than twelve letters", None]
NOTE = [None, "", "ä", "x", "x"]
IN_C = [3, 8, None, 64, 96]
LATENCY = [0.25, None, 1.5, 0.125, 2.0]
RESIDUAL = [True, False, None, False, True]


def arrow(text=pa.string(), integer=pa.int64(), number=pa.float64(), extra=()):
    columns = {
        "kind": pa.array(KIND, pa.string()).cast(text),
        "note": pa.array(NOTE, pa.string()).cast(text),
        "in_c": pa.array(IN_C, integer),
        "latency_ms": pa.array(LATENCY, number),
        "residual": pa.array(RESIDUAL, pa.bool_()),
    }
    return pa.table(columns | dict(extra))


dictionary = pa.dictionary(pa.int32(), pa.string())
pq.write_table(arrow(), HERE / "pyarrow-snappy.parquet")
pq.write_table(arrow(pa.large_string(), pa.int32(), pa.float32()), HERE / "pyarrow-gzip-v2.parquet",
               compression="gzip", data_page_version="2.0", version="2.6")
pq.write_table(arrow(pa.string_view(), pa.uint8()), HERE / "pyarrow-zstd-plain.parquet",
               compression="zstd", use_dictionary=False, row_group_size=2)
pq.write_table(arrow(dictionary, pa.int16()), HERE / "pyarrow-lz4-dictionary.parquet",
               compression="lz4", store_schema=True)
pq.write_table(arrow(integer=pa.uint64()), HERE / "pyarrow-delta.parquet", compression="none",
               use_dictionary=False, store_schema=False, row_group_size=3,
               column_encoding={"kind": "DELTA_BYTE_ARRAY", "note": "DELTA_LENGTH_BYTE_ARRAY",
                                "in_c": "DELTA_BINARY_PACKED", "latency_ms": "BYTE_STREAM_SPLIT"})
pq.write_table(arrow(extra={
    "day": pa.array([datetime.date(2024, 1, 1)] * 5),
    "list": pa.array([[1], [], None, [2, 3], [4]]),
    "nothing": pa.array([None] * 5, pa.null()),
}), HERE / "pyarrow-others.parquet")
pq.write_table(arrow(), HERE / "pyarrow-brotli.parquet", compression="brotli")
pl.from_arrow(arrow()).write_parquet(HERE / "polars-zstd.parquet")
pl.from_arrow(arrow()).with_columns(pl.col("kind", "note").cast(pl.Categorical)).write_parquet(
    HERE / "polars-categories.parquet", compression="snappy")
database = duckdb.connect()
database.register("rows", arrow())
for compression in ["snappy", "zstd"]:
    path = HERE / f"duckdb-{compression}.parquet"
    database.execute(f"COPY rows TO '{path}' (FORMAT parquet, COMPRESSION {compression})")
