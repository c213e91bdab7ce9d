//! Files that NVIDIA's `trtexec` writes: `--exportTimes` (the time of each run of a network) and `--exportProfile` (the
//! mean time of each layer). Both are JSON lists.
//!
//! A layer is matched with a kernel by name: our ONNX files name each node after its number in the graph, so that the
//! layer `Conv_n12 + Relu_n14` begins with node 12.

use super::{ImportError, Importer, Input, Request};
use crate::dataset::{Dataset, Environment, Provenance};
use crate::files::read_text;
use edgezen_core::files::FileError;
use edgezen_core::foreign::Name;
use edgezen_core::measurement::{Identity, Quality, Sample, Subject, Summary};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::{Kernel, Model, ShapeError};
use edgezen_core::units::Latency;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub struct Trtexec;

impl Importer for Trtexec {
    fn name(&self) -> &'static str {
        "trtexec"
    }

    fn about(&self) -> &'static str {
        "trtexec --exportTimes or --exportProfile of networks that were exported here, each as NET=FILE; \
         --device, --precision, --batch"
    }

    fn files_name_networks(&self) -> bool {
        true
    }

    fn import(&self, request: &Request<'_>) -> Result<Dataset, ImportError> {
        let profile = request.profile.as_ref().ok_or(ImportError::NoDevice)?;
        let select = request.select.clone();
        let identity = Identity {
            batch: select.batch.unwrap_or(profile.batch),
            ..Identity::new(
                profile.device.clone(),
                select.runtime.as_deref().map_or(Ok("tensorrt".into()), Name::parse)?,
                select.precision.as_deref().map_or_else(|| Ok(profile.precision.clone()), Name::parse)?,
            )
        };
        Ok(import(&request.files, identity, request.created)?)
    }
}

/// A network is noisy if half the 95 % interval of its median, relative to the median, is wider than this, as in own
/// measurements.
const NOISY: f64 = 0.05;

/// Larger files are none of trtexec's.
const MOST_BYTES: u64 = 1 << 30;

/// Why a file is none of trtexec's.
#[derive(Debug, thiserror::Error)]
pub enum TrtexecError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: which network is it of?")]
    NoNetwork { path: PathBuf },
    #[error("{path}: {error}")]
    Shape { path: PathBuf, error: ShapeError },
    #[error("{path}: no layer has the name of a node of that network's ONNX file as edgezen writes it")]
    Foreign { path: PathBuf },
    #[error("{subject} is in {path}, and in a file before it")]
    Twice { path: PathBuf, subject: String },
}

/// Makes a dataset of `files`, measured as `identity`.
fn import(files: &[Input], identity: Identity, created: &str) -> Result<Dataset, TrtexecError> {
    let (mut samples, mut notes) = (Vec::new(), Vec::new());
    let mut kernels: FxHashMap<Kernel, Vec<f64>> = FxHashMap::default();
    let mut order = Vec::new();
    for Input { path, network: model } in files {
        let model = model.as_ref().ok_or_else(|| TrtexecError::NoNetwork { path: path.clone() })?;
        let entries = entries(&read_text(path, MOST_BYTES)?, path)?;
        let name = model.name.clone().unwrap_or_else(|| model.network.to_string());
        if entries.iter().any(|entry| entry.get("computeMs").is_some()) {
            let sample = network(model, &entries, path, identity.batch)?;
            if samples.iter().any(|known: &Sample| known.subject == sample.subject) {
                return Err(TrtexecError::Twice { path: path.clone(), subject: name });
            }
            samples.push(sample);
            continue;
        }
        let graph = model.graph().map_err(|error| TrtexecError::Shape { path: path.clone(), error })?;
        let located = Lowering::Fused.located(&graph);
        let last = graph.nodes.len() - 1;
        let (mut found, mut others) = (0, 0);
        for layer in layers(&entries, path)? {
            let nodes = nodes(&layer.name, last);
            let of_layer: Vec<&(usize, Kernel)> =
                located.iter().filter(|(node, _)| nodes.contains(node)).collect();
            let [(_, kernel)] = of_layer[..] else {
                others += 1;
                continue;
            };
            let kernel = kernel.with_batch(identity.batch);
            let times = kernels.entry(kernel).or_insert_with(|| {
                order.push(kernel);
                Vec::new()
            });
            times.push(layer.ms);
            found += 1;
        }
        if found == 0 {
            return Err(TrtexecError::Foreign { path: path.clone() });
        }
        notes.push(format!(
            "{name}: {found} layers are kernels; {others} (copies between layouts, several kernels at once) are left out."
        ));
    }
    // The same kernel at several places of a network, or in several networks: its mean.
    samples.extend(order.into_iter().map(|kernel| {
        let times = &kernels[&kernel];
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        Sample::imported(Subject::Kernel(kernel), Latency::from_ms(mean))
    }));
    let provenance = Provenance {
        source: "own measurements with NVIDIA's trtexec".into(),
        licence: "own".into(),
        created: created.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        notes,
    };
    Ok(Dataset { identity, samples, provenance, environment: Environment::default() })
}

fn format(path: &Path, reason: impl ToString) -> TrtexecError {
    FileError::damaged(path, reason).into()
}

fn entries(text: &str, path: &Path) -> Result<Vec<Value>, TrtexecError> {
    let entries: Vec<Value> = serde_json::from_str(text)
        .map_err(|e| format(path, format!("not a JSON list as trtexec exports: {e}")))?;
    if entries.is_empty() { Err(format(path, "the list is empty")) } else { Ok(entries) }
}

/// A time of the file; none where it is absent, or nothing that can be measured.
fn milliseconds(entry: &Value, key: &str) -> Option<f64> {
    entry[key].as_f64().filter(|ms| Latency::measured_ns(ms * 1e6).is_ok())
}

/// The runs of a whole network: time on the GPU, without copies from and to it.
fn network(model: &Model, entries: &[Value], path: &Path, batch: u32) -> Result<Sample, TrtexecError> {
    let mut runs = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let ms = milliseconds(entry, "computeMs").ok_or_else(|| {
            format(path, format!("run {}: computeMs is no measured time: {}", number + 1, entry["computeMs"]))
        })?;
        runs.push(ms * 1e6);
    }
    let summary = Summary::of(&runs, 1).ok_or_else(|| format(path, "no runs"))?;
    let quality = if summary.relative_half_width() > NOISY { Quality::Noisy } else { Quality::Good };
    Ok(Sample {
        subject: Subject::network(model, batch),
        median: summary.median,
        summary: Some(summary),
        quality,
    })
}

struct Layer {
    name: String,
    ms: f64,
}

fn layers(entries: &[Value], path: &Path) -> Result<Vec<Layer>, TrtexecError> {
    let mut layers = Vec::new();
    // The first entry counts the runs.
    for entry in entries.iter().filter(|entry| entry.get("name").is_some()) {
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        let ms = milliseconds(entry, "medianMs").or_else(|| milliseconds(entry, "averageMs"));
        match ms {
            Some(ms) => layers.push(Layer { name, ms }),
            // Too short for the profiler's clock.
            None if entry["averageMs"].as_f64() == Some(0.0) => {}
            None => {
                return Err(format(
                    path,
                    format!("layer {name:?}: averageMs is no measured time: {}", entry["averageMs"]),
                ));
            }
        }
    }
    if layers.is_empty() {
        return Err(format(path, "neither runs (computeMs) nor layers (name, averageMs)"));
    }
    Ok(layers)
}

/// Nodes of the graph that a layer's name speaks of; a copy for a node is not the node.
fn nodes(name: &str, last: usize) -> Vec<usize> {
    if name.to_lowercase().contains("reformat") {
        return Vec::new();
    }
    let words = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter_map(|word| match word.rsplit_once('_')?.1 {
            "logits" => Some(last),
            node => node.strip_prefix('n')?.parse().ok(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::published;

    #[test]
    fn runs_and_layers_become_samples() {
        let dir = tempfile::tempdir().unwrap();
        let model = published::by_name("resnet18").unwrap();
        let identity = Identity { batch: 64, .."v100@tensorrt@fp16".parse().unwrap() };
        let of = |text: &str| {
            let path = dir.path().join("times.json");
            std::fs::write(&path, text).unwrap();
            import(&[Input { path, network: Some(model.clone()) }], identity.clone(), "2026")
        };
        let runs: Vec<String> = (0..40)
            .map(|i| {
                format!(
                    "{{\"startComputeMs\": 1, \"computeMs\": {}, \"latencyMs\": 9.0}}",
                    5.0 + 0.001 * f64::from(i)
                )
            })
            .collect();
        let dataset = of(&format!("[{}]", runs.join(","))).unwrap();
        assert_eq!((dataset.samples.len(), dataset.samples[0].quality), (1, Quality::Good));
        assert!((dataset.samples[0].median.ms() - 5.0195).abs() < 1e-6);

        let graph = model.graph().unwrap();
        let (first, kernel) = Lowering::Fused.located(&graph)[0];
        let head = Lowering::Fused.located(&graph).last().unwrap().1;
        let layers = format!(
            "[{{\"count\": 100}}, {{\"name\": \"Reformatting CopyNode for Input Tensor 0 to Conv_n{first}\", \"averageMs\": 0.2}},
              {{\"name\": \"Conv_n{first} + Relu_n{}\", \"averageMs\": 0.4, \"medianMs\": 0.3}},
              {{\"name\": \"Gemm_logits\", \"averageMs\": 0.1}}]",
            first + 2
        );
        let dataset = of(&layers).unwrap();
        let found: Vec<(Subject, f64)> =
            dataset.samples.iter().map(|s| (s.subject.clone(), s.median.ms())).collect();
        let want = |k: Kernel| Subject::Kernel(k.with_batch(64));
        assert_eq!(found, [(want(kernel), 0.3), (want(head), 0.1)]);

        for bad in [
            "",
            "{}",
            "[]",
            "[{\"count\": 3}]",
            "[{\"computeMs\": -1}]",
            "[{\"computeMs\": 1e300}]",
            "[{\"computeMs\": 1e-9}]",
            "[{\"name\": \"x\", \"averageMs\": 1}]",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
