//! Images in three parts: to learn from, to choose the epoch by, and to judge the network by.

use super::TrainError;
use super::cifar::{self, Cifar, Images};
use super::digits;
use edgezen_core::random::shuffle;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::{Path, PathBuf};

/// Images of one size with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Channel by channel, [`Split::image_bytes`] for each image.
    pub pixels: Vec<u8>,
    pub labels: Vec<u8>,
}

impl Part {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images `rows` of `images`, each of `bytes` bytes.
    fn of(pixels: &[u8], labels: &[u8], bytes: usize, rows: &[usize]) -> Part {
        let mut part = Part::default();
        for &row in rows {
            part.pixels.extend(&pixels[row * bytes..][..bytes]);
            part.labels.push(labels[row]);
        }
        part
    }
}

/// A data set in three parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `digits`, `cifar10`, `cifar100`.
    pub name: &'static str,
    pub classes: u32,
    /// Side of the images, in pixels; they have three channels.
    pub side: usize,
    pub training: Part,
    pub validation: Part,
    pub test: Part,
    /// Of the channels, for values from 0 to 1.
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
    /// Whether a mirror image shows the same thing, and one that is moved by a few pixels.
    pub can_be_mirrored: bool,
    /// SHA-256 of the files.
    pub sha256: String,
}

/// Images of the digits that choose the epoch.
const VALIDATION: usize = 300;
/// Of the digits that the network learns from, where nobody says how many.
const TRAINING: usize = 500;
/// The share of the training images of CIFAR that choose the epoch: one of so many.
const CIFAR_SHARE: usize = 10;

impl Split {
    pub fn image_bytes(&self) -> usize {
        3 * self.side * self.side
    }

    /// The digits in the gzipped table `bytes`, which was read from `path`; `training` of them are learnt from. The order
    /// follows from `seed`.
    ///
    /// # Errors
    /// A table that is damaged, or too many images asked for.
    pub fn of_digits(
        bytes: &[u8],
        path: &Path,
        training: Option<usize>,
        seed: u64,
    ) -> Result<Split, TrainError> {
        let digits = digits::read(bytes, path)?;
        let training = training.unwrap_or(TRAINING);
        let all = digits.labels.len();
        let used = training + VALIDATION;
        if training == 0 || used >= all {
            return Err(TrainError::Data {
                path: path.to_owned(),
                reason: format!(
                    "{training} images to learn from, of {all}: {VALIDATION} choose the epoch and the rest judges"
                ),
            });
        }
        let order = shuffled(all, seed);
        let bytes = 3 * digits::SIDE * digits::SIDE;
        let part = |rows: &[usize]| Part::of(&digits.pixels, &digits.labels, bytes, rows);
        let training_part = part(&order[..training]);
        let (mean, deviation) = moments(&training_part.pixels);
        Ok(Split {
            name: "digits",
            classes: 10,
            side: digits::SIDE,
            validation: part(&order[training..used]),
            test: part(&order[used..]),
            training: training_part,
            mean: [mean; 3],
            deviation: [deviation; 3],
            can_be_mirrored: false,
            sha256: digits.sha256,
        })
    }

    /// The files of CIFAR in `dir`: the test images judge, a tenth of the others chooses the epoch, and `training` of the
    /// rest (or all) are learnt from. The order follows from `seed`. The notes are what a person should know of the files.
    ///
    /// # Errors
    /// As [`Cifar::read`]; too many images asked for.
    pub fn of_cifar(
        dir: &Path,
        training: Option<usize>,
        seed: u64,
    ) -> Result<(Split, Vec<String>), TrainError> {
        let data = Cifar::read(dir)?;
        let all = data.training.len();
        let validation = (all / CIFAR_SHARE).max(1);
        let training = training.unwrap_or(all - validation);
        if training == 0 || training + validation > all {
            let reason = format!("{training} images to learn from, of {all}: {validation} choose the epoch");
            return Err(TrainError::Data { path: PathBuf::from(dir), reason });
        }
        let order = shuffled(all, seed);
        let part =
            |images: &Images, rows: &[usize]| Part::of(&images.pixels, &images.labels, cifar::IMAGE, rows);
        let split = Split {
            name: if data.classes == 10 { "cifar10" } else { "cifar100" },
            classes: data.classes,
            side: cifar::SIDE,
            validation: part(&data.training, &order[..validation]),
            training: part(&data.training, &order[validation..validation + training]),
            test: Part { pixels: data.test.pixels, labels: data.test.labels },
            mean: cifar::MEAN,
            deviation: cifar::DEVIATION,
            can_be_mirrored: true,
            sha256: data.sha256,
        };
        Ok((split, data.notes))
    }

    /// Writes the values of an image as networks take them.
    pub fn normalised(&self, image: &[u8], out: &mut [f32]) {
        let plane = self.side * self.side;
        let planes = image.chunks(plane).zip(out.chunks_mut(plane));
        for (channel, (from, to)) in planes.enumerate() {
            for (value, to) in from.iter().zip(to) {
                *to = (f32::from(*value) / 255.0 - self.mean[channel]) / self.deviation[channel];
            }
        }
    }
}

fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order
}

/// Mean and deviation of bytes, for values from 0 to 1.
fn moments(bytes: &[u8]) -> (f32, f32) {
    let values = || bytes.iter().map(|&byte| f64::from(byte) / 255.0);
    let count = bytes.len().max(1) as f64;
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean as f32, variance.sqrt().max(1e-6) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// A table of 400 images; the first value of each is its number, as far as it goes.
    fn table() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for image in 0..400 {
            let values: Vec<String> = (0..64).map(|i| (image / 17_i32.pow(i % 3) % 17).to_string()).collect();
            writeln!(encoder, "{},{}", values.join(","), image % 10).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn no_image_is_in_two_parts_and_the_seed_fixes_which() {
        let split = |seed| Split::of_digits(&table(), Path::new("t"), Some(60), seed).unwrap();
        let parts = split(0);
        assert_eq!([&parts.training, &parts.validation, &parts.test].map(Part::len), [60, 300, 40]);
        let mut images: Vec<&[u8]> = [&parts.training, &parts.validation, &parts.test]
            .into_iter()
            .flat_map(|part| part.pixels.chunks(parts.image_bytes()))
            .collect();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), 400);
        assert_eq!(parts, split(0));
        assert_ne!(parts.training, split(1).training);
        let mut values = vec![0.0; 60 * parts.image_bytes()];
        for (image, out) in
            parts.training.pixels.chunks(parts.image_bytes()).zip(values.chunks_mut(parts.image_bytes()))
        {
            parts.normalised(image, out);
        }
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-2, "{mean} {variance}");
    }

    #[test]
    fn too_many_images_to_learn_from_are_refused() {
        for training in [0, 100, 400] {
            let split = Split::of_digits(&table(), Path::new("t"), Some(training), 0);
            assert!(split.unwrap_err().to_string().contains("of 400"), "{training}");
        }
    }
}
