//! Tables as people have them (`.csv`, `.csv.gz`, `.parquet`): of kernels, and of whole networks.

mod bounded;
mod kernels;
mod listed;
mod networks;

pub use kernels::KernelTable;
pub use listed::Listed;
pub use networks::{NetworkRow, NetworkTable, NetworkTableError, Select};
