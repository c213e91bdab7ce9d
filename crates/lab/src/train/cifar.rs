//! The binary files of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3 × 32 × 32 bytes.

use super::TrainError;
use edgezen_core::digest::Hasher;
use edgezen_core::files::FileError;
use std::path::Path;

/// Side of the images.
pub const SIDE: usize = 32;
/// Bytes of one image, channel by channel.
pub const IMAGE: usize = 3 * SIDE * SIDE;

/// Means and deviations of the channels, for both sets, of values from 0 to 1.
pub const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
pub const DEVIATION: [f32; 3] = [0.2023, 0.1994, 0.2010];

/// Images of the whole sets.
const TRAINING: usize = 50_000;
const TEST: usize = 10_000;

/// Images with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// [`IMAGE`] bytes each.
    pub pixels: Vec<u8>,
    pub labels: Vec<u8>,
}

impl Images {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * IMAGE..][..IMAGE]
    }
}

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Cifar {
    pub classes: u32,
    pub training: Images,
    pub test: Images,
    /// SHA-256 over all files, in the order in which they are read.
    pub sha256: String,
    /// What a person should know of the files.
    pub notes: Vec<String>,
}

/// Where the parts of a set are.
struct Layout {
    classes: u32,
    /// Bytes before the class.
    skip: usize,
    training: &'static [&'static str],
    test: &'static str,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        classes: 10,
        skip: 0,
        training: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
    },
    Layout { classes: 100, skip: 1, training: &["train.bin"], test: "test.bin" },
];

/// Whether `dir` holds files of one of the sets.
pub fn is_there(dir: &Path) -> bool {
    LAYOUTS.iter().any(|layout| {
        let mut names = layout.training.iter().chain([&layout.test]);
        names.any(|name| dir.join(name).is_file())
    })
}

impl Cifar {
    /// Reads the set in `dir`, whichever of the two it is.
    ///
    /// # Errors
    /// Files that are missing, cut off, or hold classes that the set does not have.
    pub fn read(dir: &Path) -> Result<Cifar, TrainError> {
        let bad = |path: &Path, reason: String| TrainError::Data { path: path.to_owned(), reason };
        let layout = LAYOUTS.iter().find(|layout| dir.join(layout.test).is_file()).ok_or_else(|| {
            let files = "data_batch_1.bin … test_batch.bin (CIFAR-10) or train.bin, test.bin (CIFAR-100)";
            bad(dir, format!("there is no data set here: the files of the binary version are {files}"))
        })?;
        let mut hash = Hasher::default();
        let mut part = |name: &str| -> Result<Images, TrainError> {
            let path = dir.join(name);
            let bytes = std::fs::read(&path).map_err(FileError::io(&path))?;
            hash.update(&bytes);
            records(&bytes, layout).map_err(|reason| bad(&path, reason))
        };
        let mut training = Images::default();
        let mut sizes = Vec::new();
        // Fewer than five files are fine, as long as none is missing in between.
        for (number, name) in layout.training.iter().enumerate() {
            if number > 0 && layout.training[number..].iter().all(|name| !dir.join(name).exists()) {
                break;
            }
            let images = part(name)?;
            sizes.push(images.len());
            training.pixels.extend(images.pixels);
            training.labels.extend(images.labels);
        }
        if sizes.iter().any(|&size| size != sizes[0]) {
            return Err(bad(
                dir,
                format!("training files of different length ({sizes:?} images): one is cut off"),
            ));
        }
        let test = part(layout.test)?;
        let mut notes = Vec::new();
        if (training.len(), test.len()) != (TRAINING, TEST) {
            notes.push(format!(
                "not the whole CIFAR-{}: {} images to train on, {} to test with",
                layout.classes,
                training.len(),
                test.len()
            ));
        }
        let sha256 = hash.hex();
        Ok(Cifar { classes: layout.classes, training, test, sha256, notes })
    }
}

fn records(bytes: &[u8], layout: &Layout) -> Result<Images, String> {
    let head = layout.skip + 1;
    let record = head + IMAGE;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let whole = bytes.len() / record;
        return Err(format!(
            "{} bytes are {whole} images of {record} bytes and a part of one: cut off, or another format",
            bytes.len()
        ));
    }
    let mut images = Images::default();
    for (number, record) in bytes.chunks(record).enumerate() {
        let label = record[layout.skip];
        if u32::from(label) >= layout.classes {
            return Err(format!(
                "image {number} is of class {label}, and there are {}: damaged, or another set",
                layout.classes
            ));
        }
        images.labels.push(label);
        images.pixels.extend(&record[head..]);
    }
    Ok(images)
}

/// Writes the values of `image` as networks take them.
pub fn normalised(image: &[u8], out: &mut [f32]) {
    let planes = image.chunks(SIDE * SIDE).zip(out.chunks_mut(SIDE * SIDE));
    for (channel, (from, to)) in planes.enumerate() {
        for (value, to) in from.iter().zip(to) {
            *to = (f32::from(*value) / 255.0 - MEAN[channel]) / DEVIATION[channel];
        }
    }
}
