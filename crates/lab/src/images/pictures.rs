//! Images with their classes, decoded in parallel: kept in memory where they fit, else decoded whenever they are looked at.

use super::ImagesError;
use super::decode::Pixels;
use super::folder::Item;
use super::view::{Picture, View};
use edgezen_core::digest::{Hasher, sha256};
use edgezen_core::units::Bytes;
use edgezen_engine::memory;
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A file that is no image that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub path: PathBuf,
    pub reason: String,
}

/// What is done with files that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBroken {
    /// Nothing is read, and all of them are named.
    Refuse,
    Skip,
}

/// Images with their classes.
#[derive(Clone, Debug)]
pub struct Pictures {
    labels: Vec<u32>,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Memory(Vec<Picture>),
    /// To be decoded for a network that sees this.
    Files(Vec<PathBuf>, View),
}

/// Images that were read.
#[derive(Clone, Debug)]
pub struct Read {
    pub pictures: Pictures,
    /// The files that were left out.
    pub broken: Vec<Broken>,
    /// SHA-256 of the names, the classes and the contents of the others.
    pub sha256: String,
}

/// The share of the free memory that images may take.
const SHARE: f64 = 0.5;
/// What they may take where the system does not say how much is free.
const USUAL: Bytes = Bytes(2e9);

impl Pictures {
    /// Pictures that are in memory, one for each label.
    pub fn in_memory(pictures: Vec<Picture>, labels: Vec<u32>) -> Pictures {
        Pictures { labels, kept: Kept::Memory(pictures) }
    }

    /// Reads the files `items` of the folder `root` for a network that sees `view`. `progress` is called after each.
    ///
    /// # Errors
    /// Files that are no images, all of them named, unless they are skipped.
    pub fn read(
        items: &[Item],
        root: &Path,
        view: View,
        on_broken: OnBroken,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Read, ImagesError> {
        let most = memory::free().map_or(USUAL, |free| Bytes(free.0 * SHARE));
        let fits = items.len() as f64 * (view.picture_bytes() as f64) < most.0;
        let read: Vec<Result<(String, Option<Picture>), Broken>> = items
            .par_iter()
            .map(|item| {
                let bytes = bytes(&item.path)?;
                let picture = decoded(&bytes, &item.path, view)?;
                progress();
                Ok((sha256(&bytes), fits.then_some(picture)))
            })
            .collect();
        let (mut labels, mut pictures, mut paths, mut broken) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut hasher = Hasher::default();
        for (item, read) in items.iter().zip(read) {
            match read {
                Ok((digest, picture)) => {
                    let name = item.path.strip_prefix(root).unwrap_or(&item.path);
                    hasher.update(name.as_os_str().as_encoded_bytes());
                    hasher.update([0]);
                    hasher.update(item.class.to_le_bytes());
                    hasher.update(digest);
                    labels.push(item.class);
                    paths.push(item.path.clone());
                    pictures.extend(picture);
                }
                Err(file) => broken.push(file),
            }
        }
        if on_broken == OnBroken::Refuse && !broken.is_empty() {
            return Err(ImagesError::Broken { files: broken });
        }
        let kept = if fits { Kept::Memory(pictures) } else { Kept::Files(paths, view) };
        Ok(Read { pictures: Pictures { labels, kept }, broken, sha256: hasher.hex() })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of the class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Image `index`.
    ///
    /// # Errors
    /// A file that was changed since it was read first.
    pub fn picture(&self, index: usize) -> Result<Cow<'_, Picture>, ImagesError> {
        match &self.kept {
            Kept::Memory(pictures) => Ok(Cow::Borrowed(&pictures[index])),
            Kept::Files(paths, view) => {
                let path = &paths[index];
                let picture = bytes(path).and_then(|bytes| decoded(&bytes, path, *view));
                picture
                    .map(Cow::Owned)
                    .map_err(|Broken { path, reason }| ImagesError::Damaged { path, reason })
            }
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Broken> {
    let broken = |reason: String| Broken { path: path.to_owned(), reason };
    super::bytes(path).map_err(|error| {
        let text = error.to_string();
        // The path stands beside the reason.
        broken(text.strip_prefix(&format!("{}: ", path.display())).map_or(text.clone(), str::to_owned))
    })
}

fn decoded(bytes: &[u8], path: &Path, view: View) -> Result<Picture, Broken> {
    let pixels = Pixels::decode(bytes).map_err(|reason| Broken { path: path.to_owned(), reason })?;
    Ok(view.picture(&pixels))
}
