//! Whether the clock of a core is held down, as the conditions of a measurement show it.

use super::Conditions;
use std::collections::BTreeMap;
use std::fmt;

/// A clock counts as capped below this share of the highest one. Vendors round the steps of their clocks.
const CAPPED: f64 = 0.99;

/// A core that has just computed, at less than this share of the highest clock, is held down by something that the system
/// does not show. Governors leave a busy core a step or two below the highest clock.
const SLOW: f64 = 0.75;

/// A core whose clock is held down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldDown {
    pub core: u32,
    /// The clock that it is held at, in kHz.
    pub khz: u64,
    /// The highest one that it should have, in kHz.
    pub of_khz: u64,
    /// Whether the system says that it allows no more; otherwise the clock itself was seen to be low.
    pub by_a_cap: bool,
}

impl fmt::Display for HeldDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldDown { core, khz, of_khz, by_a_cap } = *self;
        let ghz = |khz: u64| khz as f64 / 1e6;
        let how = if by_a_cap { "is held down to" } else { "ran at" };
        write!(f, "core {core} {how} {:.2} of {:.2} GHz", ghz(khz), ghz(of_khz))
    }
}

impl Conditions {
    /// A core whose clock is held below the highest one that it has, and how. The highest clock is that of the hardware, or the
    /// one in `usual_khz`, by core, where that is lower. `None` where there is no sign of it.
    pub fn held_down(&self, usual_khz: &BTreeMap<u32, u64>) -> Option<HeldDown> {
        let highest = |core: u32| {
            let known = [self.hardware_clocks_khz.get(&core), usual_khz.get(&core)];
            known.into_iter().flatten().min().copied()
        };
        let capped = self.max_clocks_khz.iter().find_map(|(&core, &khz)| {
            let of_khz = highest(core)?;
            ((khz as f64) < CAPPED * of_khz as f64).then_some(HeldDown { core, khz, of_khz, by_a_cap: true })
        });
        capped.or_else(|| {
            let core = self.core?;
            let highest = highest(core).into_iter().chain(self.max_clocks_khz.get(&core).copied()).min();
            let (khz, of_khz) = (*self.clocks_khz.get(&core)?, highest?);
            ((khz as f64) < SLOW * of_khz as f64).then_some(HeldDown { core, khz, of_khz, by_a_cap: false })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_and_a_low_clock_are_told_from_the_highest_clock() {
        let at = |allowed: u64, now: u64| Conditions {
            core: Some(7),
            clocks_khz: BTreeMap::from([(4, 300_000), (7, now)]),
            max_clocks_khz: BTreeMap::from([(7, allowed)]),
            hardware_clocks_khz: BTreeMap::from([(7, 2_000_000)]),
            ..Conditions::default()
        };
        let said = |conditions: &Conditions, usual: &[(u32, u64)]| {
            conditions.held_down(&usual.iter().copied().collect()).map(|held| held.to_string())
        };
        assert_eq!(said(&at(2_000_000, 1_900_000), &[]), None);
        assert_eq!(said(&at(1_050_000, 1_050_000), &[]).unwrap(), "core 7 is held down to 1.05 of 2.00 GHz");
        // A Samsung at 1.05 GHz whose cap says nothing.
        assert_eq!(said(&at(2_000_000, 1_050_000), &[]).unwrap(), "core 7 ran at 1.05 of 2.00 GHz");
        // The clock that the profile names is enough.
        assert_eq!(said(&at(1_600_000, 1_600_000), &[(7, 1_600_000)]), None);
        assert!(said(&at(1_050_000, 1_050_000), &[(7, 1_600_000)]).unwrap().contains("of 1.60 GHz"));
        assert_eq!(said(&Conditions::default(), &[(7, 1_600_000)]), None);
    }
}
