//! Measuring: what to measure (the plan), the journal that survives a kill, the campaign; and a few
//! networks on their own.

mod assemble;
mod counted;
pub mod drift;
mod enough;
mod error;
mod event;
pub mod folder;
pub mod heating;
pub mod journal;
pub mod network_latency;
pub mod networks;
mod outcome;
pub mod plan;
pub mod repeat;
mod running;
mod sentinel;
pub mod state;

pub(crate) use assemble::finish as assembled;
pub use error::CampaignError;
pub use event::Event;
pub use outcome::CampaignOutcome;
pub use plan::{Plan, PlanError};
pub use running::{Campaign, Start};
