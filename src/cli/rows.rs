//! Which rows of a table are meant, where it holds several identities.

use edgezen_lab::dataset::table::Select;
use std::path::PathBuf;

/// What commands that read tables of networks or kernels take, besides the device.
#[derive(Clone, Debug, clap::Args)]
pub struct WhichRows {
    /// Runtime, where the table has several or does not say it
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// Precision, where the table has several or does not say it
    #[arg(long, value_name = "NAME")]
    pub precision: Option<String>,
    /// Images per run, where the table has several batches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: Option<u32>,
    /// Threads, where the table has several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Architectures of a table of networks that has only arch_id [default: archs.csv.gz beside it]
    #[arg(long, value_name = "TABLE")]
    pub archs: Option<PathBuf>,
}

impl WhichRows {
    /// The rows of `device`.
    pub fn select(&self, device: Option<String>) -> Select {
        let WhichRows { runtime, precision, batch, threads, archs: _ } = self.clone();
        Select { device, runtime, precision, batch, threads }
    }
}
