//! Tables as people have them (`.csv`, `.csv.gz`, `.parquet`): of kernels, and of whole networks.

mod bounded;
mod kernels;
mod networks;

pub use kernels::KernelTable;
pub use networks::{NetworkRow, NetworkTable, NetworkTableError, Select};
