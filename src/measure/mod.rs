//! Measuring a whole plan: what to measure, the journal that survives a kill, the campaign.

pub mod campaign;
pub mod journal;
pub mod plan;

pub use campaign::{Campaign, CampaignError, Event, Outcome, Start};
pub use plan::{Plan, PlanError};
