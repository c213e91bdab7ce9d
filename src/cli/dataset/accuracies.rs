//! `edgezen dataset accuracies`: a published table of trained networks as one of ours.

use crate::cli::count::counted;
use crate::cli::force::Force;
use crate::cli::{Failure, Global};
use edgezen_lab::accuracy::AccuracyTable;
use edgezen_lab::dataset::table::KernelTable;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The published table: .csv, .csv.gz or .parquet
    table: PathBuf,
    /// Columns to keep beside net and accuracy; NAME=OURS renames one
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    columns: Vec<String>,
    /// Table of architectures, where the rows have arch_id alone [default: archs.csv.gz beside it]
    #[arg(long, value_name = "FILE")]
    archs: Option<PathBuf>,
    /// Another table with arch_id, from which columns may come
    #[arg(long, value_name = "TABLE")]
    join: Option<PathBuf>,
    /// The table to write
    #[arg(short, long, value_name = "TABLE")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Report {
    table: String,
    rows: usize,
    columns: Vec<String>,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let to = args.force.table_place(&args.output, &[&args.table])?;
    let table = AccuracyTable::read(&args.table, args.archs.as_deref())?;
    let joined = args.join.as_deref().map(KernelTable::read).transpose()?;
    let ours = table.as_ours(&args.columns, joined.as_ref())?;
    ours.write(&to)?;
    let report = Report {
        table: args.output.display().to_string(),
        rows: ours.len(),
        columns: ours.columns().to_vec(),
    };
    global.output().result(&report, || {
        format!("{}: {} of {}", report.table, counted(report.rows, "row"), report.columns.join(", "))
    })
}
