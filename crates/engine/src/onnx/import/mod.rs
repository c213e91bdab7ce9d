//! An ONNX file as a graph of our operations.
//!
//! 1. [`unroll`] writes the file out as a list of operators with true shapes: functions are written out,
//!    constant branches taken, constants folded ([`fold`], [`shapes`]), dead branches dropped.
//! 2. [`count`] counts the multiply-accumulates of each.
//! 3. [`translate`] makes operations of a graph of them.
//!
//! What has no counterpart is listed in [`Imported::unknown`], with the multiply-accumulates that are
//! therefore missing from the graph. A file whose shapes cannot be known is refused.

mod count;
mod fold;
mod operation;
mod products;
mod shapes;
mod translate;
mod unroll;
mod value;
mod windows;

use super::{OnnxError, check};
use crate::imported::{ATTENTION, Imported, Size, Unknown};
use count::Work;
use operation::Operation;
use std::collections::BTreeMap;
use std::path::Path;
use unroll::{Network, full_name};

/// Largest share of the multiply-accumulates in three-dimensional convolutions that a network over images has.
const VOLUMES: f64 = 0.05;

/// Reads `path`.
///
/// # Errors
/// Unreadable and damaged files, and networks whose shapes cannot be known.
pub fn read(path: &Path) -> Result<Imported, OnnxError> {
    read_at(path, None)
}

/// Reads `path`; inputs that leave height and width open get those of `side`.
///
/// # Errors
/// As [`read`].
pub fn read_at(path: &Path, side: Option<Size>) -> Result<Imported, OnnxError> {
    decode_at(&super::read_bytes(path)?, side)
}

/// As [`read`], from memory.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Imported, OnnxError> {
    decode_at(bytes, None)
}

fn decode_at(bytes: &[u8], side: Option<Size>) -> Result<Imported, OnnxError> {
    let proto = check::model(bytes)?;
    let network = Network::of(&proto, side)?;
    let mut ledger = Ledger { images: network.batch as f64, ..Ledger::default() };
    let mut translation = translate::Translation::new(&network)?;
    for step in &network.steps {
        let operands = network.operands(step);
        let op = Operation { node: &step.node, inputs: &operands };
        let results: Vec<_> =
            step.outputs.iter().map(|place| place.map(|place| &network.values[place])).collect();
        let first = results.first().copied().flatten();
        let unclear =
            operands.iter().copied().flatten().chain(first).find_map(|value| value.dims.as_ref().err());
        if let Some(cause) = unclear {
            ledger.unclear(&op, step.known, cause)?;
            translation.keep(step);
            continue;
        }
        let work = count::of(&op, first);
        let translated = step.known && translation.step(step, &op)?;
        ledger.enter(&op, step.known, work, translated);
        if !translated {
            translation.skip(step)?;
        }
    }
    Ok(Imported {
        graph: translation.graph(),
        macs: ledger.macs,
        no_cnn: ledger.no_cnn(&network),
        unknown: ledger
            .unknown
            .into_iter()
            .map(|(operator, (count, macs))| Unknown { operator, count, macs })
            .collect(),
    })
}

/// What the file's operators add up to, for one image.
#[derive(Default)]
struct Ledger {
    images: f64,
    macs: f64,
    /// By the number of axes: one, two, three and more.
    conv: [f64; 3],
    /// Products with weights over maps and sequences, and of vectors.
    over_maps: f64,
    over_sequences: f64,
    maps: f64,
    unknown: BTreeMap<String, (usize, Option<f64>)>,
}

impl Ledger {
    fn enter(&mut self, op: &Operation, known: bool, work: Option<(Work, f64)>, translated: bool) {
        let macs = work.map_or(0.0, |(_, macs)| macs / self.images);
        self.macs += macs;
        match work {
            Some((Work::Conv { axes }, _)) => self.conv[axes.clamp(1, 3) - 1] += macs,
            Some((Work::Weights, _)) => {
                match op.inputs.iter().flatten().filter_map(|v| v.dims()).map(<[usize]>::len).max() {
                    Some(4..) => self.over_maps += macs,
                    Some(3) => self.over_sequences += macs,
                    _ => {}
                }
            }
            Some((Work::Maps, _)) => self.maps += macs,
            Some((Work::Recurrent, _)) | None => {}
        }
        if !translated {
            let macs = if known { Some(macs) } else { None };
            self.missing(full_name(op.node), macs);
        }
    }

    fn missing(&mut self, name: String, macs: Option<f64>) {
        let (count, sum) = self.unknown.entry(name).or_insert((0, Some(0.0)));
        *count += 1;
        *sum = sum.zip(macs).map(|(sum, macs)| sum + macs);
    }

    /// An operator with an operand or a result of unknown shape.
    fn unclear(&mut self, op: &Operation, known: bool, cause: &str) -> Result<(), OnnxError> {
        let name = full_name(op.node);
        if count::multiplies(op) && op.kind() != "Loop" && op.kind() != "Scan" && op.kind() != "If" {
            let what = format!(
                "{name} {:?} multiplies what {cause} gives, and its shape is not known",
                op.node.name
            );
            return Err(OnnxError::Unknown(what));
        }
        let macs = if known && !count::multiplies(op) { Some(0.0) } else { None };
        self.missing(name, macs);
        Ok(())
    }

    /// Why this is no convolutional network over images.
    fn no_cnn(&self, network: &Network) -> Option<String> {
        let percent = |part: f64| 100.0 * part / self.macs;
        let [line, plane, volume] = self.conv;
        let largest = line.max(plane).max(volume);
        if self.macs == 0.0 {
            return Some("it holds no convolution and no matrix product".into());
        }
        let ranks =
            network.inputs.iter().filter_map(|&place| network.values[place].dims()).map(<[usize]>::len);
        let over_maps = plane + self.over_maps;
        if over_maps == 0.0 || plane == 0.0 && ranks.clone().max() < Some(3) {
            return Some(match largest {
                _ if line > 0.0 && line == largest => {
                    "its convolutions are one-dimensional: its input is no image".into()
                }
                _ if volume > 0.0 && volume == largest => {
                    "its convolutions are three-dimensional: its input is no image".into()
                }
                _ => format!(
                    "it has no convolution: its input of {} axes is no image",
                    ranks.max().unwrap_or(0)
                ),
            });
        }
        if volume > VOLUMES * self.macs {
            return Some(format!(
                "{:.0} % of its multiply-accumulates are in three-dimensional convolutions",
                percent(volume)
            ));
        }
        let attends = self.maps > 0.0 && self.maps + self.over_sequences > ATTENTION * self.macs;
        attends.then(|| {
            format!(
                "attention dominates it: {:.0} % of its multiply-accumulates are in products of two maps, {:.0} % in \
                 convolutions",
                percent(self.maps),
                percent(plane)
            )
        })
    }
}
