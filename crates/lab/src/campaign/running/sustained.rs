//! A campaign in the sustained state: the device is heated up to its plateau before anything is measured, and again where it has
//! left it.

use super::under_way::UnderWay;
use crate::campaign::heating::{Heated, heat};
use crate::campaign::journal::Line;
use crate::campaign::{CampaignError, Event};
use edgezen_core::measurement::Quality;

impl UnderWay<'_> {
    /// Heats the device up to its plateau, if it is to be measured there.
    pub(super) fn heat(&mut self) -> Result<(), CampaignError> {
        let Some(plateau) = self.device.plateau() else { return Ok(()) };
        let zones = self.vigilance.as_ref().map_or(&[][..], |vigilance| &vigilance.zones);
        let (finished, total) = (self.finished, self.header.total());
        let progress = &mut *self.progress;
        let mut tell = |so_far, sentinel| match progress(Event::Heating { so_far, sentinel }).is_break() {
            true => Err(CampaignError::Interrupted { finished, total }),
            false => Ok(()),
        };
        let heated: Heated = heat(&mut *self.device, plateau, zones, &mut tell)?;
        self.plateau_ns = Some(heated.plateau_ns);
        self.add(Line::Heated { heated })?;
        self.tell(Event::Note(&heated.text()))
    }

    /// Checks whether the device is still on its plateau. If not, it is heated again, and what was measured since the last check
    /// is measured again. A device that has cooled down is as wrong as one that has become hotter.
    pub(super) fn check_plateau(&mut self, plateau_ns: f64) -> Result<(), CampaignError> {
        let off = |ns: f64| ns / plateau_ns - 1.0;
        let first = self.look_ns()?;
        let window = std::mem::take(&mut self.window);
        self.unchecked = 0;
        let (Some(first), Some(vigilance)) = (first, self.vigilance.clone()) else { return Ok(()) };
        if off(first).abs() <= vigilance.drift {
            return Ok(());
        }
        // A disturbance of one moment says nothing about the measurements before it: the sentinel is measured twice.
        let Some(again) = self.look_ns()? else { return Ok(()) };
        if off(again).abs() <= vigilance.drift {
            return Ok(());
        }
        let (share, word) = (100.0 * off(again).abs(), if again > plateau_ns { "slower" } else { "quicker" });
        let reason = format!("the sentinel is {share:.0} % {word} than on the plateau");
        self.heat()?;
        self.repeat(&window, Quality::Drifted, &reason)
    }
}
