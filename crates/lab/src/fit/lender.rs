//! Networks on other runtimes or devices that a fit leans on, where its own data cannot tell prices apart.
//!
//! A dataset of such networks is a *lender*. Its rows stand beside those of the device itself, each lender at a scale of its
//! own, and all of them together weigh a tenth of the device's own data ([`WEIGHT`]): what the device's data tell, they tell
//! alone; what they do not tell is as the lenders have it.

use crate::fit::observation::Observation;
use edgezen_core::stats;
use std::collections::BTreeMap;

/// What all lenders together weigh beside the device's own data.
pub const WEIGHT: f64 = 0.1;

/// A dataset of networks on another runtime or device.
#[derive(Clone, Debug)]
pub struct Lender {
    /// Its identity.
    pub id: String,
    pub rows: Vec<Observation>,
}

impl Lender {
    /// How many times as long as on the lender its networks take on the device, of which `predicted` gives the latency in
    /// nanoseconds; `None` without networks.
    pub(super) fn scale(&self, predicted: impl Fn(&Observation) -> f64) -> Option<f64> {
        let logs: Vec<f64> = self.rows.iter().map(|row| (predicted(row) / row.latency.ns()).ln()).collect();
        stats::median(&logs).map(f64::exp).filter(|scale| scale.is_finite() && *scale > 0.0)
    }

    /// Without one of its networks.
    pub(super) fn without(&self, network: u64) -> Lender {
        let rows = self.rows.iter().filter(|row| row.group != network).cloned().collect();
        Lender { id: self.id.clone(), rows }
    }
}

/// What the file of a predictor that leant on `lenders` says of it.
pub(super) fn note(lenders: &[Lender]) -> String {
    let mut from: BTreeMap<&str, usize> = BTreeMap::new();
    lenders.iter().for_each(|lender| *from.entry(&lender.id).or_default() += lender.rows.len());
    let named: Vec<String> = from.iter().map(|(id, rows)| format!("{rows} of {id}")).collect();
    format!(
        "Prices that the data cannot tell apart, as those of convolutions by window, lean on networks of other runtimes or \
         devices ({}): together they weigh {:.0} % of the data, each dataset at a scale of its own.",
        named.join(", "),
        100.0 * WEIGHT
    )
}
