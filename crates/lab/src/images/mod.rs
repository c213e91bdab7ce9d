//! Folders of images: their files, decoded and resized as networks see them.
//!
//! * [`inputs`]: images of any folder as inputs of a network;
//! * [`folder`]: a folder of images by class, and which of them are learnt from;
//! * [`pictures`]: its images, decoded in parallel;
//! * [`view`]: what a network sees of an image;
//! * [`answers`]: what a network answered for images whose classes are known.

pub mod answers;
mod decode;
pub mod folder;
mod orientation;
pub mod pictures;
mod resize;
pub mod view;

pub use answers::Answers;
pub use folder::{ImageFolder, Item};
pub use pictures::{Broken, OnBroken, Pictures};
pub use view::{Normalisation, Picture, View};

use decode::Pixels;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::Shape;
use edgezen_engine::{Tensor, input};
use std::path::{Path, PathBuf};

/// Larger files are no images that a network was trained on.
const MOST_BYTES: u64 = 64 << 20;
/// Most files that a message names.
const NAMED: usize = 10;

/// Why a folder gives no inputs.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: there is no image (.png, .jpg, .webp, .bmp) in it, nor in the folders in it", path.display())]
    None { path: PathBuf },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} files are no images that can be read: {}", files.len(), named(files))]
    Broken { files: Vec<Broken> },
    #[error("{}: there is no folder in it; images lie in one folder for each class", path.display())]
    NoClass { path: PathBuf },
    #[error("{}: there is a single class ({class}) in it, and nothing to tell it from", path.display())]
    OneClass { path: PathBuf, class: String },
    #[error("{}: this class has no image; {classes} classes have none", path.display())]
    EmptyClass { path: PathBuf, classes: usize },
    #[error("{}: class {class} has images there, and none in {}", folder.display(), training.display())]
    OnlyThere { class: String, folder: PathBuf, training: PathBuf },
    #[error("{}: there are too few images to hold some of them back for judging", path.display())]
    TooFew { path: PathBuf },
    #[error("{}: the name of this class is not in UTF-8", path.display())]
    Name { path: PathBuf },
    #[error("the network reads maps of {0} channels, and images have 3")]
    Channels(u32),
}

/// The first of the files, with what is wrong with each.
fn named(files: &[Broken]) -> String {
    let one = |file: &Broken| format!("{} ({})", file.path.display(), file.reason);
    let mut text = files.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
    if files.len() > NAMED {
        text.push_str(", …");
    }
    text
}

/// Up to `most` images of the folder, evenly spaced in the order of their names, as inputs `[1, 3, height, width]` of a network that
/// reads maps of `shape`, as [`View`] says.
///
/// # Errors
/// A folder without images; files that cannot be read or are damaged; a network that reads other maps.
pub fn inputs(folder: &Path, shape: Shape, most: usize) -> Result<Vec<Tensor>, ImagesError> {
    if shape.c != 3 {
        return Err(ImagesError::Channels(shape.c));
    }
    let view = View::of(shape);
    let paths = paths(folder)?;
    let count = paths.len().min(most);
    let chosen = (0..count).map(|index| &paths[index * paths.len() / count]);
    let mut tensors = Vec::with_capacity(count);
    for path in chosen {
        let bytes = bytes(path)?;
        let pixels =
            Pixels::decode(&bytes).map_err(|reason| ImagesError::Damaged { path: path.clone(), reason })?;
        tensors.push(tensor(&view, &view.picture(&pixels)));
    }
    Ok(tensors)
}

/// The content of a file of an image. A pipe with the name of one would keep the program waiting for ever.
fn bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    if !std::fs::metadata(path).map_err(FileError::io(path))?.is_file() {
        return Err(FileError::damaged(path, "it is no file, but a pipe, a socket, a device or a folder"));
    }
    input::read_at_most(path, MOST_BYTES)
}

/// A picture as the input of a network that is judged.
pub fn tensor(view: &View, picture: &Picture) -> Tensor {
    let mut data = vec![0.0; view.elements()];
    view.numbers(&view.middle(picture), &mut data);
    Tensor { shape: vec![1, 3, view.height, view.width], data }
}

/// The images of a folder, and of the folders in it, which may be one for each class; in the order of their names.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, ImagesError> {
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FileError::io(folder))? {
        let path = entry.map_err(FileError::io(folder))?.path();
        if path.is_dir() { folders.push(path) } else { found.push(path) }
    }
    for folder in folders {
        for entry in std::fs::read_dir(&folder).map_err(FileError::io(&folder))? {
            found.push(entry.map_err(FileError::io(&folder))?.path());
        }
    }
    found.retain(|path| folder::is_image(path));
    found.sort();
    if found.is_empty() { Err(ImagesError::None { path: folder.to_owned() }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG of `width` × `height` with these bytes of red, green and blue.
    fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(rgb).unwrap();
        bytes
    }

    #[test]
    fn folders_of_images_become_inputs() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("cats")).unwrap();
        // Black on the left, white on the right; then red all over.
        let halves: Vec<u8> = (0..8 * 8).flat_map(|i| [if i % 8 < 4 { 0 } else { 255 }; 3]).collect();
        std::fs::write(dir.path().join("cats/b.PNG"), png(8, 8, &halves)).unwrap();
        std::fs::write(dir.path().join("a.png"), png(3, 5, &[255, 0, 0].repeat(15))).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "nothing").unwrap();
        let found = inputs(dir.path(), Shape::square(3, 4), 10).unwrap();
        assert_eq!(found.iter().map(|t| t.shape.clone()).collect::<Vec<_>>(), [[1, 3, 4, 4]; 2]);
        let number = |value: f32, channel: usize| {
            let Normalisation { mean, deviation } = Normalisation::CIFAR;
            (value - mean[channel]) / deviation[channel]
        };
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} {b}");
        near(found[0].data[5], number(1.0, 0));
        near(found[0].data[16 + 5], number(0.0, 1));
        near(found[1].data[0], number(0.0, 0));
        near(found[1].data[3], number(1.0, 0));
        near(found[1].data[32 + 3], number(1.0, 2));
        assert_eq!(inputs(dir.path(), Shape::square(3, 4), 1).unwrap(), found[..1]);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let inputs = |shape: Shape| inputs(dir.path(), shape, 9);
        assert!(matches!(inputs(Shape::square(3, 4)), Err(ImagesError::None { .. })));
        assert!(matches!(inputs(Shape::square(1, 4)), Err(ImagesError::Channels(1))));
        for (name, bytes) in [("a.png", &b"not a png"[..]), ("b.jpg", b"\xff\xd8\xff\xe0 nor a jpeg")] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = inputs(Shape::square(3, 4)).unwrap_err();
            assert!(matches!(&error, ImagesError::Damaged { path, .. } if path.ends_with(name)), "{error}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
