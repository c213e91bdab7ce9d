//! The tables of a result as data, in words and numbers as a person reads them. The report's page renders them as HTML,
//! the command line as text.

use super::blocks::short;
use crate::runs::{FoundNetwork, Verified};
use edgezen_core::predictor::extrapolation::Extrapolated;
use edgezen_core::search::Quantity;
use edgezen_core::search::explain::{EditEffect, Edits, Used};
use edgezen_core::units::Latency;

/// A header, and rows with a cell for each column of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// What stands in a cell without a value.
pub const NOTHING: &str = "-";

/// Networks of a front, in the order given: score, the quantities that are known of every network, and the predicted
/// latency or throughput on each of `devices`.
pub fn front<'a>(networks: impl IntoIterator<Item = &'a FoundNetwork>, devices: &[&str]) -> Table {
    let mut header = vec!["score".to_owned()];
    header.extend(Quantity::always_known().map(|quantity| quantity.noun().to_owned()));
    header.extend(devices.iter().map(|&device| device.to_owned()));
    let row = |found: &FoundNetwork| {
        let mut row = vec![format!("{:.2}", found.score)];
        row.extend(Quantity::always_known().map(|q| cell(found.amounts[q].map(|value| q.print(value)))));
        row.extend(devices.iter().map(|&device| cell(found.on(device).map(|p| p.value()))));
        row
    };
    Table { header, rows: networks.into_iter().map(row).collect() }
}

/// A budget and what the best network takes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRow {
    /// `latency on pixel2`, or `params`.
    pub budget: String,
    pub used: String,
    pub limit: String,
    /// Used part of the budget.
    pub share: f64,
}

impl From<&Used> for BudgetRow {
    fn from(used: &Used) -> BudgetRow {
        let quantity = used.quantity;
        let value = |reported: f64| quantity.from_reported(reported);
        let (printed, limit) = quantity.print_apart(value(used.used), value(used.limit));
        let device = used.device.as_ref().map(|device| format!(" on {device}")).unwrap_or_default();
        BudgetRow { budget: format!("{quantity}{device}"), used: printed, limit, share: used.share }
    }
}

/// An edit of the best network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditRow {
    /// Number of the block, from 1.
    pub block: usize,
    /// `K1K5K1 -> K1K3K1`, or `width 64 -> 72`.
    pub change: String,
    pub score: String,
    /// In the unit of [`edit_cost`].
    pub cost: String,
    pub fits: &'static str,
}

impl From<&EditEffect> for EditRow {
    fn from(effect: &EditEffect) -> EditRow {
        EditRow {
            block: effect.block,
            change: effect.change.split(' ').map(short).collect::<Vec<_>>().join(" "),
            score: format!("{:+.2}", effect.score),
            cost: format!("{:+.3}", effect.cost),
            fits: yes(effect.fits),
        }
    }
}

/// What the cost of the edits is: `ms on pixel2`, or `MFLOPs`.
pub fn edit_cost(edits: &Edits) -> String {
    match &edits.device {
        Some(device) => format!("{} on {device}", edits.unit),
        None => edits.unit.clone(),
    }
}

/// Kernels outside a predictor's domain, with their shares of the network.
pub fn extrapolated(rows: &[Extrapolated]) -> Table {
    let header = ["outside the domain", "number", "why", "latency", "MACs"].map(str::to_owned).into();
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let row = |row: &Extrapolated| {
        let count = row.count.to_string();
        let shares = [percent(row.latency_share), percent(row.macs_share)];
        [row.kernel.clone(), count, row.why.phrase().to_owned()].into_iter().chain(shares).collect()
    };
    Table { header, rows: rows.iter().map(row).collect() }
}

/// A network that was predicted and measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRow {
    /// Absent for networks that no search found.
    pub score: Option<String>,
    pub predicted: String,
    pub interval: String,
    pub measured: String,
    /// How far the prediction is from the measurement.
    pub error: String,
    pub in_interval: &'static str,
    pub in_budget: &'static str,
    pub quality: &'static str,
}

impl From<&Verified> for VerifiedRow {
    fn from(row: &Verified) -> VerifiedRow {
        VerifiedRow {
            score: row.score.map(|score| format!("{score:.2}")),
            predicted: ms(row.predicted_ms),
            interval: format!("{} to {}", ms(row.lower_ms), ms(row.upper_ms)),
            measured: measured(row),
            error: format!("{:+.1} %", 100.0 * (row.predicted_ms / row.measured_ms - 1.0)),
            in_interval: yes(row.inside_interval),
            in_budget: row.inside_budget.map_or(NOTHING, yes),
            quality: row.quality.name(),
        }
    }
}

/// The measured median, with half the width of the interval for a later one where it is known: `14.8 ms ±3 %`.
fn measured(row: &Verified) -> String {
    let half = row.measured_ci95_ms.map(|[low, high]| 50.0 * (high - low) / row.measured_ms);
    ms(row.measured_ms) + &half.map(|percent| format!(" ±{percent:.0} %")).unwrap_or_default()
}

/// A latency in milliseconds with its unit, in three digits.
pub fn ms(value: f64) -> String {
    Latency::from_ms(value).to_string()
}

/// A value, or the sign for none.
pub fn cell(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOTHING.to_owned())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::search::budget::Amounts;
    use std::collections::BTreeMap;

    #[test]
    fn a_front_has_a_column_for_each_device() {
        let mut amounts = Amounts::default();
        amounts[Quantity::Layers] = Some(14.0);
        amounts[Quantity::Flops] = Some(3.1e8);
        let found = FoundNetwork {
            net: String::new(),
            score: 81.256,
            amounts,
            latency: BTreeMap::new(),
            throughput: BTreeMap::new(),
            on_front: Vec::new(),
        };
        let table = front([&found], &["pixel2", "v100"]);
        assert_eq!(table.header, ["score", "layers", "parameters", "FLOPs", "pixel2", "v100"]);
        assert_eq!(table.rows[0], ["81.26", "14", "-", "310M", "-", "-"]);
    }
}
