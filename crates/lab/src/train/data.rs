//! Images to learn from, to choose the epoch by, and to judge the network by: a folder of images, or a set of CIFAR.

use super::TrainError;
use super::cifar::{self, Cifar, Images};
use crate::images::folder::{CLASS_NAMES, Parts, SPLIT_SEED};
use crate::images::{Broken, ImageFolder, ImagesError, OnBroken, Picture, Pictures, View};
use edgezen_core::digest::Hasher;
use edgezen_core::plainnet::Shape;
use std::collections::BTreeMap;
use std::path::Path;

/// Images in parts.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// Names of the classes, in the order of their numbers.
    pub classes: Vec<String>,
    pub view: View,
    pub training: Pictures,
    /// How much an image of each class counts where all classes count alike; one, on average over the images.
    pub balance: Vec<f32>,
    /// They choose the epoch.
    pub judged: Pictures,
    /// They are looked at once, at the end; `None`: the images that choose the epoch are the test images, as in the
    /// released code.
    pub test: Option<Pictures>,
    /// SHA-256 of all files.
    pub sha256: String,
    /// What a file of weights says of the images.
    pub about: BTreeMap<String, String>,
    /// Files that were left out because they cannot be read.
    pub broken: Vec<Broken>,
    /// What a person should know of the files.
    pub notes: Vec<String>,
}

/// How a folder is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Side of the images that the network reads.
    pub side: u32,
    /// By which images are divided.
    pub split_seed: u64,
    pub on_broken: OnBroken,
}

impl TrainingData {
    /// The images of a folder. `progress` is called after each.
    ///
    /// # Errors
    /// Files that are no images, unless they are skipped; a class that has no image left then.
    pub fn of_folder(
        folder: &ImageFolder,
        reading: Reading,
        progress: &(dyn Fn() + Sync),
    ) -> Result<TrainingData, TrainError> {
        let Reading { side, split_seed, on_broken } = reading;
        let view = View::of(Shape::square(3, side));
        let parts = Parts::of(folder, split_seed)?;
        // All of them are read before one is refused, so that all are named.
        let read = [parts.training, parts.validation, parts.test]
            .map(|items| Pictures::read(&items, &folder.root, view, on_broken, progress));
        let (mut files, mut parts) = (Vec::new(), Vec::with_capacity(3));
        for part in read {
            match part {
                Ok(part) => parts.push(part),
                Err(ImagesError::Broken { files: more }) => files.extend(more),
                Err(error) => return Err(error.into()),
            }
        }
        if !files.is_empty() {
            return Err(ImagesError::Broken { files }.into());
        }
        let mut hasher = Hasher::default();
        let mut broken = Vec::new();
        let mut pictures = Vec::new();
        for part in parts {
            hasher.update(part.sha256);
            broken.extend(part.broken);
            pictures.push(part.pictures);
        }
        let [training, judged, test]: [Pictures; 3] =
            pictures.try_into().map_err(|_| ImagesError::TooFew { path: folder.root.clone() })?;
        let mut left = vec![0_usize; folder.classes.len()];
        training.labels().iter().for_each(|&class| left[class as usize] += 1);
        if let Some(class) = left.iter().position(|&count| count == 0) {
            let classes = left.iter().filter(|&&count| count == 0).count();
            let path = folder.root.join(&folder.classes[class]);
            return Err(ImagesError::EmptyClass { path, classes }.into());
        }
        if judged.is_empty() || test.is_empty() {
            return Err(ImagesError::TooFew { path: folder.root.clone() }.into());
        }
        let names = serde_json::to_string(&folder.classes).map_err(|e| TrainError::Torch(e.to_string()))?;
        let about = [(SPLIT_SEED.to_owned(), split_seed.to_string()), (CLASS_NAMES.to_owned(), names)].into();
        Ok(TrainingData {
            classes: folder.classes.clone(),
            view,
            balance: balance(training.labels(), folder.classes.len()),
            training,
            judged,
            test: Some(test),
            sha256: hasher.hex(),
            about,
            broken,
            notes: folder.notes.clone(),
        })
    }

    /// A set of CIFAR: its test images choose the epoch.
    pub fn of_cifar(data: Cifar) -> TrainingData {
        let pictures = |images: Images| {
            let side = cifar::SIDE;
            let planes = images.pixels.chunks(cifar::IMAGE);
            let pictures =
                planes.map(|planes| Picture { height: side, width: side, planes: planes.to_vec() }).collect();
            Pictures::in_memory(pictures, images.labels.into_iter().map(u32::from).collect())
        };
        let training = pictures(data.training);
        TrainingData {
            classes: (0..data.classes).map(|class| class.to_string()).collect(),
            view: View::of(Shape::square(3, cifar::SIDE as u32)),
            balance: balance(training.labels(), data.classes as usize),
            training,
            judged: pictures(data.test),
            test: None,
            sha256: data.sha256,
            about: BTreeMap::new(),
            broken: Vec::new(),
            notes: data.notes,
        }
    }

    /// Whether a folder holds the files of CIFAR, and no images in files of their own.
    pub fn is_cifar(dir: &Path) -> bool {
        cifar::is_there(dir)
    }
}

/// How much an image of each class counts, so that the images of all classes count alike.
fn balance(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut counts = vec![0_u32; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let there = counts.iter().filter(|&&count| count > 0).count();
    let share = labels.len() as f32 / there.max(1) as f32;
    counts.into_iter().map(|count| if count > 0 { share / count as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_rare_classes_count_more_and_all_together_as_before() {
        let labels = [0, 0, 0, 2];
        let weights = balance(&labels, 3);
        assert_eq!(weights, [2.0 / 3.0, 0.0, 2.0]);
        let sum: f32 = labels.iter().map(|&label| weights[label as usize]).sum();
        assert!((sum - 4.0).abs() < 1e-6);
    }
}
