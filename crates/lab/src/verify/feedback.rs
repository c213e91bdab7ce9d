//! Feeding measured networks back into the dataset that their predictor was fitted to.

use super::Predicted;
use crate::campaign::network_latency::MeasuredNetwork;
use crate::runs::Verified;
use edgezen_core::measurement::{Quality, Sample, Subject};
use edgezen_core::units::Latency;

/// The measurements of `networks` as samples of a dataset whose runs hold `batch` images. Measurements that are not good
/// are left out, and so are networks without a structure, which a dataset of kernels does not hold.
pub fn samples(networks: &[Predicted], rows: &[Verified], batch: u32) -> Vec<Sample> {
    let good = networks.iter().zip(rows).filter(|(_, row)| row.quality == Quality::Good);
    let sample = |(predicted, row): (&Predicted, &Verified)| {
        let MeasuredNetwork::PlainNet(model) = &predicted.network else { return None };
        let median = Latency::from_ms(row.measured_ms) * f64::from(batch);
        Some(Sample { subject: Subject::network(model, batch), median, summary: None, quality: row.quality })
    };
    good.filter_map(sample).collect()
}
