//! Feeding measured networks back into the dataset that their predictor was fitted to.

use crate::dataset::Dataset;
use crate::runs::Verified;
use edgezen_core::measurement::{Quality, Sample, Subject};
use edgezen_core::plainnet::Model;
use edgezen_core::units::Latency;

/// Adds the measurements of `networks` to `dataset`. A network that is already there is replaced; measurements that
/// are not good are left out.
pub fn add_to_dataset(dataset: &mut Dataset, networks: &[Model], rows: &[Verified]) {
    let batch = dataset.identity.batch;
    for (model, row) in networks.iter().zip(rows).filter(|(_, row)| row.quality == Quality::Good) {
        let subject = Subject::network(model, batch);
        let median = Latency::from_ms(row.measured_ms) * f64::from(batch);
        let sample = Sample { subject, median, summary: None, quality: row.quality };
        match dataset.samples.iter().position(|known| known.subject == sample.subject) {
            Some(at) => dataset.samples[at] = sample,
            None => dataset.samples.push(sample),
        }
    }
}
