//! `edgezen dataset export`: the samples of a dataset as a table.

use super::super::Global;
use super::super::count::counted;
use super::super::failure::Failure;
use super::super::force::Force;
use edgezen_core::measurement::{Sample, Subject};
use edgezen_lab::dataset::{self, Dataset, KernelTable, files_of};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the dataset
    dir: PathBuf,
    /// Table: .csv, .csv.gz or .parquet. One of kernels can be given to evaluate and to predict --kernels, one of networks to
    /// evaluate and to predict --networks
    #[arg(short, long, alias = "out", value_name = "TABLE")]
    output: PathBuf,
    /// What is written, where a dataset holds several
    #[arg(long, value_enum)]
    only: Option<Only>,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Kernels,
    Blocks,
    Networks,
}

impl Only {
    fn type_name(self) -> &'static str {
        match self {
            Only::Kernels => "kernel",
            Only::Blocks => "block",
            Only::Networks => "network",
        }
    }
}

#[derive(Serialize)]
struct Exported {
    id: String,
    rows: usize,
    output: String,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let dir = dataset::find(&args.dir);
    let to = args.force.table_place(&args.output, &files_of(&dir))?;
    let dataset = Dataset::read(&dir)?;
    let mut kinds: Vec<&str> = dataset.samples.iter().map(|s| s.subject.type_name()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = match (args.only, kinds.as_slice()) {
        (Some(only), _) => only.type_name(),
        (None, [one]) => one,
        (None, _) => {
            let message = format!("{} holds {}s", args.dir.display(), kinds.join("s, "));
            return Err(Failure::usage(message).remedy("choose with --only kernels, blocks or networks"));
        }
    };
    let samples: Vec<&Sample> = dataset.samples.iter().filter(|s| s.subject.type_name() == kind).collect();
    if samples.is_empty() {
        return Err(Failure::usage(format!("{} holds no {kind}s", args.dir.display())));
    }
    let identity = &dataset.identity;
    let mut table = KernelTable::empty(samples.len());
    let mut set = |name: &str, of: &dyn Fn(&Sample) -> String| {
        table.set_column(name, samples.iter().map(|sample| of(sample)));
    };
    match kind {
        "kernel" => {
            let kernel = |of: fn(&edgezen_core::plainnet::Kernel) -> String| {
                move |sample: &Sample| match &sample.subject {
                    Subject::Kernel(kernel) => of(kernel),
                    _ => String::new(),
                }
            };
            set("kind", &kernel(|k| k.kind.to_string()));
            set("batch", &kernel(|k| k.batch.to_string()));
            set("in_c", &kernel(|k| k.in_c.to_string()));
            set("out_c", &kernel(|k| k.out_c.to_string()));
            set("in_h", &kernel(|k| k.in_h.to_string()));
            set("in_w", &kernel(|k| k.in_w.to_string()));
            set("kernel", &kernel(|k| k.kernel.to_string()));
            set("stride", &kernel(|k| k.stride.to_string()));
            set("groups", &kernel(|k| k.groups.to_string()));
            set("act", &kernel(|k| k.act.name().to_owned()));
            set("residual", &kernel(|k| k.residual.to_string()));
        }
        _ => {
            // A block is no network of its own, and must not be read as one.
            set(if kind == "block" { "block" } else { "network" }, &|sample| match &sample.subject {
                Subject::Block { structure, .. } | Subject::Network { structure, .. } => structure.clone(),
                other => other.to_string(),
            });
            set("resolution", &|sample| match &sample.subject {
                Subject::Block { resolution, .. } | Subject::Network { resolution, .. } => {
                    resolution.to_string()
                }
                _ => String::new(),
            });
            if kind == "network" {
                set("classes", &|sample| match &sample.subject {
                    Subject::Network { classes, .. } => classes.to_string(),
                    _ => String::new(),
                });
                set("se", &|sample| match &sample.subject {
                    Subject::Network { se, .. } => se.to_string(),
                    _ => String::new(),
                });
            }
            set("batch", &|sample| sample.subject.batch().unwrap_or(identity.batch).to_string());
        }
    }
    set("precision", &|_| identity.precision.to_string());
    set("quality", &|sample| sample.quality.name().to_owned());
    set("latency_ms", &|sample| format!("{:.9}", sample.median.ms()));
    table.write(&to)?;
    let report =
        Exported { id: identity.to_string(), rows: samples.len(), output: args.output.display().to_string() };
    global.output().written(&to, &report, || {
        format!("{} of {}: {}", counted(report.rows, "row"), report.id, report.output)
    })
}
