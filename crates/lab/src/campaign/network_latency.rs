//! Latencies per image of networks, measured on a device.

use super::networks::{self, Reading};
use crate::device::{Device, DeviceError, Workload};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::Model;
use std::path::PathBuf;

/// A network to measure.
#[derive(Clone, Debug)]
pub enum MeasuredNetwork {
    PlainNet(Box<Model>),
    /// A network in an ONNX file, executed as it is.
    Onnx(PathBuf),
}

/// Measures each network in several launches; latencies are per image. `progress` hears the index of the network that
/// is measured next. The device is one that was opened with [`networks::options`]. An entry without samples is `None`.
///
/// # Errors
/// Whatever the device says of the first network that it cannot measure.
pub fn measure(
    device: &mut dyn Device,
    networks: &[MeasuredNetwork],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<Reading>>, DeviceError> {
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
    Ok(of_batch.into_iter().map(|reading| reading.map(|reading| reading.per_image(batch))).collect())
}
