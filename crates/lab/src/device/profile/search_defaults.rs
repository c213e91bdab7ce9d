//! What a search for a device assumes: its space, its input, and how many layers fit its budgets.

use edgezen_core::units::Latency;
use serde::{Deserialize, Serialize};

/// What a search for this device assumes where the command line says nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchDefaults {
    /// Name of the search space: `resnet` or `mobilenet`.
    pub space: String,
    /// Side of the square input image.
    pub resolution: u32,
    pub classes: u32,
    /// Greatest number of layers, whatever the budget. Absent: see `layers_by_latency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<u32>,
    /// Greatest number of layers by the latency budget per image, in rising order. Exactly one of `layers` and this is
    /// given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_by_latency: Vec<LayerLimit>,
}

/// One row of `layers_by_latency`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerLimit {
    /// Budget per image in milliseconds.
    pub ms: f64,
    pub layers: u32,
}

impl SearchDefaults {
    /// Greatest number of layers for a latency budget **per image**: linear interpolation between two rows of the table,
    /// rounded; the first or last row beyond its ends, and the last one without a budget.
    pub fn max_layers(&self, budget: Option<Latency>) -> Option<u32> {
        if self.layers.is_some() {
            return self.layers;
        }
        let table = &self.layers_by_latency;
        let last = table.last()?;
        let Some(budget) = budget.map(Latency::ms) else { return Some(last.layers) };
        let Some(above) = table.iter().position(|row| budget <= row.ms) else { return Some(last.layers) };
        let high = table[above];
        let Some(low) = above.checked_sub(1).map(|below| table[below]) else { return Some(high.layers) };
        let share = (budget - low.ms) / (high.ms - low.ms);
        let layers = f64::from(low.layers) + share * (f64::from(high.layers) - f64::from(low.layers));
        Some(layers.round() as u32)
    }
}
