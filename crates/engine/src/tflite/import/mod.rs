//! A TensorFlow Lite file as a graph of our operations.
//!
//! 1. [`file`] reads the tables and checks that each refers to what is there;
//! 2. [`translate`] makes operations of a graph of the operators, and checks that their shapes fit together;
//! 3. [`Ledger`] counts multiply-accumulates, also of what has no counterpart, which is listed in
//!    [`Imported::unknown`].

mod file;
mod layers;
mod translate;
mod windows;

use super::TfliteError;
use super::flatbuffer::decode::Reader;
use super::schema::IDENTIFIER;
use crate::imported::{ATTENTION, Imported, Size, Unknown};
use crate::input;
use edgezen_core::files::FileError;
use file::{File, Operator};
use std::collections::BTreeMap;
use std::path::Path;
use translate::Translation;

/// Larger files are not read.
const MOST_BYTES: u64 = 1 << 31;

/// Reads `path`.
///
/// # Errors
/// Unreadable and damaged files, and networks whose shapes are left open.
pub fn read(path: &Path) -> Result<Imported, TfliteError> {
    read_at(path, None)
}

/// Reads `path`, whose image must have the sides `size`, if they are given.
///
/// # Errors
/// As [`read`]; an image of other sides.
pub fn read_at(path: &Path, size: Option<Size>) -> Result<Imported, TfliteError> {
    let bytes = input::read_at_most(path, MOST_BYTES).map_err(|error| match error {
        FileError::Io { error, .. } => TfliteError::Io(error),
        FileError::Damaged { reason, .. } => TfliteError::Format(reason),
        other => TfliteError::Format(other.to_string()),
    })?;
    decode_at(&bytes, size)
}

/// As [`read`], from memory.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Imported, TfliteError> {
    decode_at(bytes, None)
}

fn decode_at(bytes: &[u8], size: Option<Size>) -> Result<Imported, TfliteError> {
    let reader = Reader::new(bytes, IDENTIFIER)?;
    let file = File::of(&reader)?;
    check_sides(&file, size)?;
    let mut translation = Translation::new(&file)?;
    let mut ledger = Ledger { images: translation.batch as f64, ..Ledger::default() };
    for step in &file.operators {
        let translated = translation.step(step)?;
        ledger.enter(&file, step, translated);
    }
    let axes = file.inputs.iter().map(|&input| file.tensors[input].dims.len()).max().unwrap_or(0);
    Ok(Imported {
        graph: translation.graph(),
        macs: ledger.macs,
        no_cnn: ledger.no_cnn(axes),
        unknown: ledger
            .unknown
            .into_iter()
            .map(|(operator, (count, macs))| Unknown { operator, count, macs })
            .collect(),
    })
}

/// The sides of the image must be fixed, and those that are asked for.
fn check_sides(file: &File, asked: Option<Size>) -> Result<(), TfliteError> {
    for &input in &file.inputs {
        let tensor = &file.tensors[input];
        if tensor.open {
            let reason =
                format!("sides of its input {:?} are left open; convert it with fixed ones", tensor.name);
            return Err(TfliteError::Resolution(reason));
        }
        if let (Some(asked), &[_, h, w, _]) = (asked, &tensor.dims[..])
            && (asked.h, asked.w) != (h, w)
        {
            let fixed = Size { h, w };
            return Err(TfliteError::Resolution(format!("its images are of {fixed}, not of {asked}")));
        }
    }
    Ok(())
}

/// What the file's operators add up to, for one image.
#[derive(Default)]
struct Ledger {
    images: f64,
    macs: f64,
    /// In convolutions of two and of three axes.
    plane: f64,
    volume: f64,
    /// In products with weights over sequences, and of two maps.
    over_sequences: f64,
    maps: f64,
    unknown: BTreeMap<String, (usize, Option<f64>)>,
}

/// Largest share of three-dimensional convolutions that a network over images has.
const VOLUMES: f64 = 0.05;

impl Ledger {
    fn enter(&mut self, file: &File, step: &Operator, translated: bool) {
        let size = |dims: &[usize]| dims.iter().map(|&dim| dim as f64).product::<f64>();
        let dims = |place: Option<usize>| place.map(|place| &file.tensors[place].dims[..]);
        let operand = |at: usize| dims(step.inputs.get(at).copied().flatten());
        let out = size(dims(step.outputs.first().copied()).unwrap_or_default());
        let constant = step.outputs.first().is_some_and(|&output| file.tensors[output].constant);
        let weight = operand(1).unwrap_or_default();
        let inside = |weight: &[usize]| size(weight.get(1..).unwrap_or_default());
        let macs = match &step.name[..] {
            _ if constant => 0.0,
            "CONV_2D" => out * inside(weight),
            "DEPTHWISE_CONV_2D" => out * size(weight.get(1..3).unwrap_or_default()),
            "TRANSPOSE_CONV" => {
                size(operand(2).unwrap_or_default()) * size(weight.get(..3).unwrap_or_default())
            }
            "CONV_3D" => out * size(weight.get(..4).unwrap_or_default()),
            "FULLY_CONNECTED" => out * weight.last().map_or(0.0, |&depth| depth as f64),
            "BATCH_MATMUL" => {
                let adjoint = step.options.as_ref().and_then(|options| options.flag(0, false).ok());
                let left = operand(0).unwrap_or_default();
                let depth = if adjoint == Some(true) { left.iter().rev().nth(1) } else { left.last() };
                out * depth.map_or(0.0, |&depth| depth as f64)
            }
            _ => 0.0,
        } / self.images;
        self.macs += macs;
        let of_weights =
            step.inputs.get(1).copied().flatten().is_some_and(|place| file.tensors[place].constant);
        match &step.name[..] {
            "CONV_2D" | "DEPTHWISE_CONV_2D" | "TRANSPOSE_CONV" => self.plane += macs,
            "CONV_3D" => self.volume += macs,
            "BATCH_MATMUL" | "FULLY_CONNECTED" if !of_weights => self.maps += macs,
            "BATCH_MATMUL" | "FULLY_CONNECTED" if operand(0).is_some_and(|dims| dims.len() == 3) => {
                self.over_sequences += macs;
            }
            _ => {}
        }
        if !translated {
            let known = matches!(&step.name[..], "CONV_2D" | "CONV_3D" | "FULLY_CONNECTED" | "BATCH_MATMUL");
            let (count, sum) = self.unknown.entry(step.name.clone()).or_insert((0, Some(0.0)));
            *count += 1;
            *sum = sum.filter(|_| known).map(|sum| sum + macs);
        }
    }

    /// Why this is no convolutional network over images.
    fn no_cnn(&self, axes: usize) -> Option<String> {
        let percent = |part: f64| 100.0 * part / self.macs;
        if self.macs == 0.0 {
            return Some("it holds no convolution and no matrix product".into());
        }
        if self.volume > VOLUMES * self.macs {
            return Some(format!(
                "{:.0} % of its multiply-accumulates are in three-dimensional convolutions",
                percent(self.volume)
            ));
        }
        if self.plane == 0.0 && axes < 4 {
            return Some(format!("it has no convolution: its input of {axes} axes is no image"));
        }
        let attends = self.maps > 0.0 && self.maps + self.over_sequences > ATTENTION * self.macs;
        attends.then(|| {
            format!(
                "attention dominates it: {:.0} % of its multiply-accumulates are in products of two maps, {:.0} % in \
                 convolutions",
                percent(self.maps),
                percent(self.plane)
            )
        })
    }
}
