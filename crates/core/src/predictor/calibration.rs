//! Intervals around predictions: the margins that a predictor file holds, and how they are applied.
//!
//! A margin is an interval of the logarithm of measured / predicted. Kernels have margins by kind and by
//! predicted size, because short kernels are noisier. Networks have one margin, or
//! one for each family.

use crate::predictor::Terms;
use crate::predictor::domain::Membership;
use crate::predictor::ranges::{NS, within};
use crate::units::Latency;
use serde::{Deserialize, Serialize};

/// Share of the truth that an interval is meant to hold.
pub const LEVEL: f64 = 0.9;
/// Whether intervals of the level that a file states are those that this program takes them for.
///
/// # Errors
/// They are of another level, or of none.
pub fn check_level(level: f64) -> Result<(), String> {
    if level == LEVEL {
        return Ok(());
    }
    Err(format!("the level of the intervals is {level}, and this program knows those of {LEVEL} alone"))
}

/// By what factor kernels outside the domain may be off.
pub const OUTSIDE_FACTOR: f64 = 2.0;
/// Margins of kernels between the lines of a grid are not stretched further.
pub const MAX_STRETCH: f64 = 10.0;

/// measured / predicted lies within e^−lower … e^upper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    pub lower_log: f64,
    pub upper_log: f64,
}

impl Margin {
    fn check(&self) -> Result<(), String> {
        let fine = |value: f64| (0.0..10.0).contains(&value);
        (fine(self.lower_log) && fine(self.upper_log))
            .then_some(())
            .ok_or_else(|| "an interval's margin is out of range".into())
    }
}

/// Margins of kernels of one kind, by predicted latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCalibration {
    /// Ascending; margin i holds for predictions below edge i, the last one beyond all.
    pub edges_ns: Vec<f64>,
    pub margins: Vec<Margin>,
    /// Held-out rows behind it.
    pub rows: u32,
    /// How many times as wide (in the logarithm) margins are between the lines of a grid: where the side
    /// of the map was never seen, and where a number of channels was not.
    pub new_side: f64,
    pub new_channels: f64,
    /// Where both are; absent where nothing tells, then the product of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_both: Option<f64>,
}

impl KernelCalibration {
    /// The margin of a kernel that lies so in the domain.
    pub fn margin_at(&self, predicted_ns: f64, membership: Membership) -> Margin {
        let Margin { lower_log, upper_log } = self.margin(predicted_ns);
        let Membership::Inside { new_side, new_channels } = membership else {
            return Margin { lower_log, upper_log };
        };
        let stretch = match (new_side, new_channels) {
            (false, false) => 1.0,
            (true, false) => self.new_side,
            (false, true) => self.new_channels,
            (true, true) => self.new_both.unwrap_or(self.new_side * self.new_channels),
        };
        Margin { lower_log: lower_log * stretch, upper_log: upper_log * stretch }
    }

    /// One margin for all sizes, that no rows stand behind.
    pub fn flat(margin: Margin) -> KernelCalibration {
        KernelCalibration {
            edges_ns: Vec::new(),
            margins: vec![margin],
            rows: 0,
            new_side: 1.0,
            new_channels: 1.0,
            new_both: None,
        }
    }

    pub fn margin(&self, predicted_ns: f64) -> Margin {
        let bin = self.edges_ns.partition_point(|&edge| edge <= predicted_ns);
        self.margins[bin.min(self.margins.len() - 1)]
    }

    pub fn check(&self) -> Result<(), String> {
        let ascending = self.edges_ns.windows(2).all(|pair| pair[0] <= pair[1]);
        self.edges_ns.iter().try_for_each(|&edge| within("edges_ns", edge, &NS))?;
        if self.margins.len() != self.edges_ns.len() + 1 || !ascending {
            return Err("calibration bins do not fit together".into());
        }
        let stretch = 1.0..=MAX_STRETCH;
        if ![self.new_side, self.new_channels, self.new_both.unwrap_or(1.0)]
            .iter()
            .all(|s| stretch.contains(s))
        {
            return Err("the stretch of margins between the lines of a grid is out of range".into());
        }
        self.margins.iter().try_for_each(Margin::check)
    }
}

/// What the interval of networks rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Held-out networks.
    Networks,
    /// Held-out kernels, put together to networks that nobody measured.
    Propagated,
}

/// Margins of the families of networks that are off by more than others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Families {
    /// Networks with depthwise convolutions and without gates.
    pub depthwise: Margin,
    /// Networks whose maps are multiplied by a gate, as by squeeze-excite.
    pub gated: Margin,
}

/// Margins of networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkCalibration {
    pub basis: Basis,
    /// Networks behind it.
    pub networks: u32,
    pub margin: Margin,
    /// Where families differ; `margin` is then that of all other networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub families: Option<Families>,
    /// The share of a network outside the domain may be off by this factor.
    pub outside_factor: f64,
}

impl NetworkCalibration {
    /// Factors on the prediction, below and above, where `coverage` of it is inside the domain.
    pub fn factors(&self, coverage: f64) -> (f64, f64) {
        let outside = 1.0 + (1.0 - coverage.clamp(0.0, 1.0)) * (self.outside_factor - 1.0);
        ((-self.margin.lower_log).exp() / outside, self.margin.upper_log.exp() * outside)
    }

    /// Factors on the prediction for networks wholly inside the domain: those of the family that the terms show.
    pub fn factors_of(&self, terms: &Terms) -> (f64, f64) {
        let margin = match self.families {
            Some(families) if terms.gated > Latency::ZERO => families.gated,
            Some(families) if terms.depthwise > Latency::ZERO => families.depthwise,
            _ => self.margin,
        };
        ((-margin.lower_log).exp(), margin.upper_log.exp())
    }

    pub fn check(&self) -> Result<(), String> {
        if !(1.0..100.0).contains(&self.outside_factor) {
            return Err("the factor for kernels outside the domain is out of range".into());
        }
        let families = self.families.map(|Families { depthwise, gated }| [depthwise, gated]);
        families.into_iter().flatten().try_for_each(|margin| margin.check())?;
        self.margin.check()
    }
}

/// The widest of `margins` on each side.
pub fn widest(margins: &[Margin]) -> Margin {
    let widest = |a: Margin, b: &Margin| Margin {
        lower_log: a.lower_log.max(b.lower_log),
        upper_log: a.upper_log.max(b.upper_log),
    };
    margins.iter().fold(Margin { lower_log: 0.0, upper_log: 0.0 }, widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_margin_of_its_family() {
        let margin = |log: f64| Margin { lower_log: log, upper_log: 2.0 * log };
        let one = NetworkCalibration {
            basis: Basis::Propagated,
            networks: 0,
            margin: margin(0.1),
            families: None,
            outside_factor: 2.0,
        };
        let families = Some(Families { depthwise: margin(0.2), gated: margin(0.3) });
        let by_family = NetworkCalibration { families, ..one };
        let ms = Latency::from_ms(1.0);
        let plain = Terms { latency: ms, ..Terms::default() };
        let depthwise = Terms { depthwise: ms, ..plain };
        let gated = Terms { gated: ms, ..depthwise };
        for (terms, log) in [(plain, 0.1), (depthwise, 0.2), (gated, 0.3)] {
            assert_eq!(by_family.factors_of(&terms), (f64::exp(-log), f64::exp(2.0 * log)));
            assert_eq!(one.factors_of(&terms), one.factors(1.0));
        }
        let wide = NetworkCalibration {
            families: Some(Families { depthwise: margin(99.0), gated: margin(0.1) }),
            ..one
        };
        assert!(wide.check().is_err() && by_family.check().is_ok());
    }
}
