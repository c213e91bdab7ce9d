//! Feeding measured networks back into the dataset that their predictor was fitted to.

use crate::runs::Verified;
use edgezen_core::measurement::{Quality, Sample, Subject};
use edgezen_core::plainnet::Model;
use edgezen_core::units::Latency;

/// The measurements of `networks` as samples of a dataset whose runs hold `batch` images. Measurements that are not good
/// are left out.
pub fn samples(networks: &[Model], rows: &[Verified], batch: u32) -> Vec<Sample> {
    let good = networks.iter().zip(rows).filter(|(_, row)| row.quality == Quality::Good);
    let sample = |(model, row): (&Model, &Verified)| {
        let median = Latency::from_ms(row.measured_ms) * f64::from(batch);
        Sample { subject: Subject::network(model, batch), median, summary: None, quality: row.quality }
    };
    good.map(sample).collect()
}
