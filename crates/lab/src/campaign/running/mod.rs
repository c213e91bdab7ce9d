//! A campaign: it measures a plan on a device and makes a dataset of it. A journal keeps every finished measurement, so
//! that a kill loses at most the one that was under way.

mod opening;
mod sustained;
mod under_way;
mod watching;

use super::plan::Plan;
use super::{CampaignError, CampaignOutcome, Event, assemble};
use crate::dataset::DatasetFolder;
use crate::device::{Device, Passes};
use std::ops::ControlFlow;
use std::path::Path;
use under_way::UnderWay;

/// How to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A folder that holds measurements, or files of others, is refused.
    Fresh,
    /// Measures anew. What the folder holds stays until the new dataset is whole, and the old journal after that.
    Force,
    /// Goes on where the journal ends; begins if there is none.
    Resume,
}

/// What to measure, and where the results go.
#[derive(Debug)]
pub struct Campaign<'a> {
    pub plan: &'a Plan,
    pub dir: &'a Path,
    pub start: Start,
    /// Passes over the plan, each in another order. The runs of one configuration then lie minutes apart, so that one slow
    /// moment does not decide its median.
    pub passes: Passes,
    /// The seed of the order of measurements.
    pub seed: u64,
    /// Seconds since 1970, for the provenance.
    pub now: u64,
    /// Whether the device stays taken afterwards, for another campaign.
    pub keep: bool,
}

impl Campaign<'_> {
    /// Measures what is not measured yet, then writes the dataset. `progress` hears every event, and may break off.
    ///
    /// # Errors
    /// See [`CampaignError`]; in all cases the journal keeps every finished measurement.
    pub fn run(
        &self,
        device: &mut dyn Device,
        progress: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<CampaignOutcome, CampaignError> {
        // Held until the dataset is written.
        let mut folder = DatasetFolder::lock(self.dir)?;
        let begun = opening::open(self, &mut folder, device)?;
        device.begin(&begun.header.session);
        let mut campaign = UnderWay::new(self, device, progress, begun);
        campaign.run()?;
        let outcome = assemble::finish(self.plan, folder.home(), &campaign.header, &campaign.lines)?;
        folder.finish()?;
        match self.keep {
            true => campaign.device.stored(),
            false => campaign.device.finished(),
        }
        // Nobody can break off any more.
        let _ = campaign.pass_on_notes();
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
