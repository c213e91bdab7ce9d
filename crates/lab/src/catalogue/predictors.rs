//! Finding predictors: in folders, and among the shipped ones.

use crate::device::profile::{ProfileError, Profiles};
use crate::files;
use crate::files::location::{Location, Packed};
use edgezen_core::files::FileError;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::layout::FORMAT;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A predictor that was found by its name and not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictorEntry {
    /// `v100@tensorrt@fp16`.
    pub id: String,
    pub location: Location,
}

impl PredictorEntry {
    /// The name of the device: the part of the id before the first `@`.
    pub fn device(&self) -> &str {
        self.id.split('@').next().unwrap_or_default()
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// See [`read`].
    pub fn load(&self) -> Result<AnyPredictor, FileError> {
        match &self.location {
            Location::File(path) => read(path),
            Location::Shipped { content } => {
                let path = PathBuf::from(format!("predictors/{}.json", self.id));
                AnyPredictor::parse(&unpacked(content, &path)?, &path)
            }
        }
    }
}

/// The text of a gzipped file.
fn unpacked(content: &[u8], path: &Path) -> Result<Vec<u8>, FileError> {
    let mut text = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(content).take(FORMAT.most_bytes);
    reader.read_to_end(&mut text).map_err(FileError::io(path))?;
    Ok(text)
}

/// All predictors: those in folders, in the order of the folders, then the shipped ones.
#[derive(Clone, Debug)]
pub struct Predictors {
    shipped: Packed,
    folders: Vec<PathBuf>,
}

impl Predictors {
    /// Folders that do not exist are skipped.
    pub fn new(shipped: Packed, folders: Vec<PathBuf>) -> Predictors {
        Predictors { shipped, folders }
    }

    /// The predictor that `name` means: a device by its short name (its default identity), a full identity, or the
    /// beginning of one (`pixel3@tflite`). `None`: there is no predictor for that.
    ///
    /// # Errors
    /// A device without predictors whose profile is unknown or unusable.
    pub fn find(&self, profiles: &Profiles, name: &str) -> Result<Option<PredictorEntry>, ProfileError> {
        let entries = self.entries();
        let first =
            |fits: &dyn Fn(&PredictorEntry) -> bool| entries.iter().find(|entry| fits(entry)).cloned();
        let begins =
            |entry: &PredictorEntry| entry.id.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
        if name.contains('@') {
            // Where the name has no precision, fp32 comes before the others.
            return Ok(first(&|entry| entry.id == name)
                .or_else(|| first(&|entry| begins(entry) && entry.id.ends_with("@fp32")))
                .or_else(|| first(&begins)));
        }
        let identity = match profiles.by_name(name) {
            Ok(profile) => profile.identity(),
            // A device without a profile may still have a predictor.
            Err(error) => return first(&begins).map(Some).ok_or(error),
        };
        let id = identity.to_string();
        let of_device = |entry: &PredictorEntry| entry.device() == identity.device.as_str();
        // A predictor of another identity serves too, one of kernels before one of whole networks.
        let of_kernels = |entry: &PredictorEntry| {
            of_device(entry) && matches!(entry.load(), Ok(AnyPredictor::Kernels(_)) | Err(_))
        };
        Ok(first(&|entry| entry.id == id).or_else(|| first(&of_kernels)).or_else(|| first(&of_device)))
    }

    /// All predictors. An identity may occur several times; the first one counts.
    pub fn entries(&self) -> Vec<PredictorEntry> {
        let mut entries: Vec<PredictorEntry> =
            self.folders.iter().flat_map(|folder| in_folder(folder)).collect();
        let shipped = |&(name, content): &(&str, &'static [u8])| PredictorEntry {
            id: name.to_owned(),
            location: Location::Shipped { content },
        };
        entries.extend(self.shipped.iter().map(shipped));
        entries
    }
}

/// Folders with the user's own predictors: the one in the current folder, then the one for all projects.
pub fn user_folders() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let user = data.map(|data| data.join("edgezen/predictors"));
    std::iter::once(PathBuf::from("predictors")).chain(user).collect()
}

/// Reads and checks a predictor file.
///
/// # Errors
/// A missing, damaged, too new or nonsensical file.
pub fn read(path: &Path) -> Result<AnyPredictor, FileError> {
    AnyPredictor::parse(&files::read(&FORMAT, path)?, path)
}

/// Writes the text of a predictor file in one step.
///
/// # Errors
/// A predictor that has no text, because JSON cannot represent one of its numbers; a file that cannot be written.
pub fn write(path: &Path, text: serde_json::Result<String>) -> Result<(), FileError> {
    files::write_atomically(path, text.map_err(|e| FileError::damaged(path, e))?.as_bytes())
}

/// The predictor files of a folder, by name; none where the folder cannot be read.
fn in_folder(folder: &Path) -> Vec<PredictorEntry> {
    let mut entries: Vec<PredictorEntry> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            // The name is device@runtime@precision; other files in the folder are ignored.
            (id.split('@').count() == 3).then_some(PredictorEntry { id, location: Location::File(path) })
        })
        .collect();
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_foreign_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["host@tract@fp32.json", "notes.json", "a@b.json", "x@y@z.txt"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let shipped: Packed = &[("a@b@c", b"")];
        let folders = vec![dir.path().to_owned(), dir.path().join("absent")];
        let entries = Predictors::new(shipped, folders).entries();
        assert_eq!(entries[0].id, "host@tract@fp32");
        assert_eq!(entries.len(), 2);
        assert!(entries[0].load().is_err());
    }

    #[test]
    fn names_may_be_short_or_incomplete() {
        let catalogue = crate::catalogue::of_repository();
        let found = |name: &str| catalogue.predictors.find(&catalogue.profiles, name).unwrap().unwrap().id;
        assert_eq!(found("pixel2"), "pixel2@tflite@fp32");
        assert_eq!(found("walleye"), "pixel2@tflite@fp32");
        assert_eq!(found("pixel3@tflite"), "pixel3@tflite@fp32");
        assert_eq!(found("v100@tensorrt@int8"), "v100@tensorrt@int8");
        // The default identity of this device has no predictor.
        assert_eq!(found("raspberrypi4"), "raspberrypi4@ncnn@fp32");
        let none = |name: &str| catalogue.predictors.find(&catalogue.profiles, name);
        assert_eq!(none("v100@onnx").unwrap(), None);
        assert_eq!(none("pixel4").unwrap(), None);
        assert!(matches!(none("toaster"), Err(ProfileError::Unknown { .. })));
    }
}
