//! Latencies per image of networks, measured on a device.

use super::networks;
use crate::device::{Device, DeviceError, Workload};
use edgezen_core::measurement::{Quality, Subject, Summary};
use edgezen_core::plainnet::Model;
use std::path::PathBuf;

/// A network to measure.
#[derive(Clone, Debug)]
pub enum MeasuredNetwork {
    PlainNet(Box<Model>),
    /// A network in an ONNX file, executed as it is.
    Onnx(PathBuf),
}

/// Measures each network in several passes; the statistics are per image. `progress` hears the index of the network that
/// is measured next. An entry without samples is `None`.
///
/// # Errors
/// Whatever the device says of the first network that it cannot measure.
pub fn measure(
    device: &mut dyn Device,
    networks: &[MeasuredNetwork],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<(Summary, Quality)>>, DeviceError> {
    let batch = device.identity().batch;
    let subjects: Vec<Option<Subject>> = networks
        .iter()
        .map(|network| match network {
            MeasuredNetwork::PlainNet(model) => Some(Subject::network(model, batch)),
            MeasuredNetwork::Onnx(_) => None,
        })
        .collect();
    let workloads: Vec<Workload<'_>> = networks
        .iter()
        .zip(&subjects)
        .filter_map(|(network, subject)| match network {
            MeasuredNetwork::PlainNet(_) => subject.as_ref().map(Workload::Subject),
            MeasuredNetwork::Onnx(path) => Some(Workload::Onnx(path)),
        })
        .collect();
    let of_batch = networks::measure(device, &workloads, progress)?;
    device.finished();
    Ok(of_batch
        .into_iter()
        .map(|row| row.map(|(summary, quality)| (per_image(&summary, batch), quality)))
        .collect())
}

/// The statistics of a whole batch, divided by its number of images.
fn per_image(summary: &Summary, batch: u32) -> Summary {
    let batch = f64::from(batch);
    Summary {
        median: summary.median / batch,
        mean: summary.mean / batch,
        min: summary.min / batch,
        p10: summary.p10 / batch,
        p90: summary.p90 / batch,
        ci95: (summary.ci95.0 / batch, summary.ci95.1 / batch),
        ..*summary
    }
}
