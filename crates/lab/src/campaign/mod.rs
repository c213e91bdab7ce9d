//! Measuring: what to measure (the plan), the journal that survives a kill, the campaign; and a few
//! networks on their own.

mod assemble;
pub mod drift;
pub mod journal;
pub mod network_latency;
pub mod networks;
pub mod plan;
pub mod repeat;
pub mod running;

pub use plan::{Plan, PlanError};
pub use running::{Campaign, CampaignError, Event, Outcome, Start, difference};
