//! Latencies per image of networks, measured on a device.

use super::networks::{self, Answer, Reading, Step};
use crate::device::{Device, DeviceError, Workload};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Graph, Model};
use edgezen_engine::onnx::{self, OnnxError};
use edgezen_engine::weights::Weights;
use std::io::BufWriter;
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// A network to measure.
#[derive(Clone, Debug)]
pub enum MeasuredNetwork {
    PlainNet(Box<Model>),
    /// A network in a file of the device's runtime, executed as it is.
    File(PathBuf),
    /// A network that has no structure string, by its graph. It is executed as an ONNX file with random weights;
    /// [`MeasuredNetwork::of_graph`] makes it.
    Graph {
        name: String,
        graph: Box<Graph>,
    },
}

impl MeasuredNetwork {
    /// A network by its graph.
    ///
    /// # Errors
    /// A graph that cannot be written as one ONNX file: such a network would end the measurement of all others.
    pub fn of_graph(name: String, graph: Graph) -> Result<MeasuredNetwork, OnnxError> {
        laid_out(&graph, 1)?;
        Ok(MeasuredNetwork::Graph { name, graph: Box::new(graph) })
    }
}

/// Measures each network in several launches; latencies are per image. The device is one that was opened with
/// [`networks::options`]. An entry without samples is `None`.
///
/// # Errors
/// Whatever the device says of the first network that it cannot measure.
pub fn measure(
    device: &mut dyn Device,
    networks: &[MeasuredNetwork],
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Option<Reading>>, DeviceError> {
    let all = |device: &mut dyn Device, workloads: &[Workload<'_>]| -> Result<Vec<Answer>, DeviceError> {
        Ok(networks::measure(device, workloads, progress)?.into_iter().map(Ok).collect())
    };
    measured(device, networks, all)?.into_iter().collect()
}

/// The same; where one network cannot be measured, the others are.
///
/// # Errors
/// What the device says that concerns all networks.
pub fn measure_each(
    device: &mut dyn Device,
    networks: &[MeasuredNetwork],
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Answer>, DeviceError> {
    measured(device, networks, |device, workloads| networks::measure_each(device, workloads, progress))
}

/// Has `measure` measure the networks as workloads; its latencies are those of the whole batch.
fn measured(
    device: &mut dyn Device,
    networks: &[MeasuredNetwork],
    measure: impl FnOnce(&mut dyn Device, &[Workload<'_>]) -> Result<Vec<Answer>, DeviceError>,
) -> Result<Vec<Answer>, DeviceError> {
    let batch = device.identity().batch;
    let subjects: Vec<Option<Subject>> = networks
        .iter()
        .map(|network| match network {
            MeasuredNetwork::PlainNet(model) => Some(Subject::network(model, batch)),
            MeasuredNetwork::File(_) | MeasuredNetwork::Graph { .. } => None,
        })
        .collect();
    let files = networks
        .iter()
        .map(|network| match network {
            MeasuredNetwork::Graph { name, graph } => written(name, graph, batch).map(Some),
            MeasuredNetwork::PlainNet(_) | MeasuredNetwork::File(_) => Ok(None),
        })
        .collect::<Result<Vec<Option<NamedTempFile>>, DeviceError>>()?;
    let workloads: Vec<Workload<'_>> = networks
        .iter()
        .zip(&subjects)
        .zip(&files)
        .filter_map(|((network, subject), file)| match network {
            MeasuredNetwork::PlainNet(_) => subject.as_ref().map(Workload::Subject),
            MeasuredNetwork::File(path) => Some(Workload::File(path)),
            MeasuredNetwork::Graph { .. } => file.as_ref().map(|file| Workload::Written(file.path())),
        })
        .collect();
    let of_batch = measure(device, &workloads)?;
    device.finished();
    let of_image = |answer: Answer| answer.map(|reading| reading.map(|reading| reading.per_image(batch)));
    Ok(of_batch.into_iter().map(of_image).collect())
}

/// The ONNX file of the graph, which is not written yet.
fn laid_out(graph: &Graph, batch: u32) -> Result<onnx::Export<'_>, OnnxError> {
    let export = onnx::Export::network(graph, batch, Weights::new(graph, 0))?;
    if export.fits_one_file() {
        Ok(export)
    } else {
        Err(OnnxError::Unsupported("more than 2 GB of weights in one file".into()))
    }
}

/// The graph as an ONNX file of this batch, which exists as long as the result.
fn written(name: &str, graph: &Graph, batch: u32) -> Result<NamedTempFile, DeviceError> {
    let failed =
        |error: OnnxError| DeviceError::Workload { workload: name.to_owned(), reason: error.to_string() };
    let export = laid_out(graph, batch).map_err(failed)?;
    let file = tempfile::Builder::new().suffix(".onnx").tempfile().map_err(|error| failed(error.into()))?;
    export.write(&mut BufWriter::new(file.as_file())).map_err(|error| failed(error.into()))?;
    Ok(file)
}
