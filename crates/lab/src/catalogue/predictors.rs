//! Finding predictors: in folders, and among the shipped ones.

use super::aliases;
use crate::device::DeviceName;
use crate::device::profile::{ProfileError, Profiles};
use crate::device::tool::with_id;
use crate::files::home::{data_folder, listed, own_folders};
use crate::files::location::{Location, Packed};
use crate::files::{self, Destination};
use edgezen_core::files::FileError;
use edgezen_core::measurement::SUSTAINED;
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
        AnyPredictor::parse(&self.bytes()?, &self.path())
    }

    /// The text of its file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>, FileError> {
        match &self.location {
            Location::File(path) => files::read(&FORMAT, path),
            Location::Shipped { content } => unpacked(content, &self.path()),
        }
    }

    /// The file, or the name that it has in the source of this program.
    fn path(&self) -> PathBuf {
        match &self.location {
            Location::File(path) => path.clone(),
            Location::Shipped { .. } => PathBuf::from(format!("predictors/{}.json", self.id)),
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
    /// A device without predictors whose profile is unknown or unusable; a folder that cannot be read.
    pub fn find(&self, profiles: &Profiles, name: &str) -> Result<Option<PredictorEntry>, ProfileError> {
        // The path of a tool's description may stand for its name.
        let resolved = aliases::resolved(&with_id(name));
        let name = resolved.as_str();
        let entries = self.entries()?;
        let first =
            |fits: &dyn Fn(&PredictorEntry) -> bool| entries.iter().find(|entry| fits(entry)).cloned();
        let begins =
            |entry: &PredictorEntry| entry.id.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
        if name.contains('@') {
            let parts = DeviceName::parse(name);
            let same_state = |entry: &PredictorEntry| {
                let of_entry = DeviceName::parse(&entry.id);
                of_entry.threads == parts.threads && of_entry.sustained == parts.sustained
            };
            let without = match parts.threads {
                Some(threads) => name.replace(&format!("@{threads}t"), ""),
                None => name.to_owned(),
            };
            let without =
                if parts.sustained { without.replace(&format!("@{SUSTAINED}"), "") } else { without };
            let begins = |entry: &PredictorEntry| {
                entry.id.strip_prefix(without.as_str()).is_some_and(|rest| rest.starts_with('@'))
                    && same_state(entry)
            };
            let is_fp32 = |entry: &PredictorEntry| DeviceName::parse(&entry.id).precision == Some("fp32");
            // Where the name has no precision, fp32 comes before the others.
            return Ok(first(&|entry| entry.id == name)
                .or_else(|| first(&|entry| begins(entry) && is_fp32(entry)))
                .or_else(|| first(&begins)));
        }
        let identity = match profiles.by_name(name) {
            Ok(profile) => profile.identity(),
            // A device without a profile may still have a predictor.
            Err(error @ ProfileError::Unknown { .. }) => return first(&begins).map(Some).ok_or(error),
            Err(error) => return Err(error),
        };
        let id = identity.to_string();
        // The sustained state is another one than what a short name means.
        let of_device = |entry: &PredictorEntry| {
            entry.device() == identity.device.as_str() && !DeviceName::parse(&entry.id).sustained
        };
        // A predictor of another identity serves too, one of kernels before one of whole networks.
        let of_kernels = |entry: &PredictorEntry| {
            of_device(entry) && matches!(entry.load(), Ok(AnyPredictor::Kernels(_)) | Err(_))
        };
        Ok(first(&|entry| entry.id == id).or_else(|| first(&of_kernels)).or_else(|| first(&of_device)))
    }

    /// All predictors. An identity may occur several times; the first one counts.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn entries(&self) -> Result<Vec<PredictorEntry>, FileError> {
        let mut entries = Vec::new();
        for folder in &self.folders {
            entries.extend(in_folder(folder)?);
        }
        let shipped = |&(name, content): &(&str, &'static [u8])| PredictorEntry {
            id: name.to_owned(),
            location: Location::Shipped { content },
        };
        entries.extend(self.shipped.iter().map(shipped));
        Ok(entries)
    }

    /// The folders that are looked through, in this order, before the shipped ones.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

/// Folders with the user's own predictors: the one in the current folder, then the one for all projects.
pub fn user_folders() -> Vec<PathBuf> {
    own_folders(FOLDER)
}

/// Copies the predictor in the file `from` into the user's data folder, after it was checked. Gives the new file.
///
/// # Errors
/// A file that is no predictor, or whose identity is no name for a file; no data folder; a predictor of that name that is
/// there and may not be replaced.
pub fn add(from: &Path, force: bool) -> Result<PathBuf, FileError> {
    let folder = data_folder().map(|data| data.join(FOLDER)).ok_or_else(|| FileError::NotWritable {
        path: PathBuf::from(FOLDER),
        reason: "has no place: neither XDG_DATA_HOME nor HOME names a folder".into(),
    })?;
    add_to(&folder, from, force)
}

fn add_to(folder: &Path, from: &Path, force: bool) -> Result<PathBuf, FileError> {
    let bytes = files::read(&FORMAT, from)?;
    let id = AnyPredictor::parse(&bytes, from)?.identity().to_string();
    if !is_id(&id) {
        return Err(FileError::damaged(from, format!("its identity {id:?} cannot be the name of a file")));
    }
    std::fs::create_dir_all(folder).map_err(FileError::io(folder))?;
    let path = folder.join(format!("{id}.json"));
    Destination::new(&path, force, &[from])?.write(&bytes)?;
    Ok(path)
}

/// Where own predictors lie, in the current folder and in the user's data folder.
const FOLDER: &str = "predictors";

/// Whether a name is that of a predictor: device, runtime and precision, perhaps a number of threads, and the sustained state.
fn is_id(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    let is_count = |part: &str| part.strip_suffix('t').is_some_and(|digits| digits.parse::<u32>().is_ok());
    let name = name.strip_suffix(&format!("@{SUSTAINED}")).unwrap_or(name);
    let parts: Vec<&str> = name.split('@').collect();
    match parts.as_slice() {
        [_, _, _] => parts.iter().all(|part| is_part(part)),
        [_, _, _, threads] => is_count(threads) && parts.iter().all(|part| is_part(part)),
        _ => false,
    }
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
/// A predictor that has no text, because JSON cannot represent one of its numbers; a file that cannot be written, or that
/// is there and may not be replaced.
pub fn write(to: &Destination, text: serde_json::Result<String>) -> Result<(), FileError> {
    to.write(text.map_err(|e| FileError::damaged(to.path(), e))?.as_bytes())
}

/// The predictor files of a folder, by name.
fn in_folder(folder: &Path) -> Result<Vec<PredictorEntry>, FileError> {
    let entry = |path: PathBuf| {
        // Other files in the folder are ignored.
        let id = path.file_name()?.to_str()?.strip_suffix(".json").filter(|id| is_id(id))?.to_owned();
        Some(PredictorEntry { id, location: Location::File(path) })
    };
    Ok(listed(folder)?.into_iter().filter_map(entry).collect())
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
        let entries = Predictors::new(shipped, folders).entries().unwrap();
        assert_eq!(entries[0].id, "host@tract@fp32");
        assert_eq!(entries.len(), 2);
        assert!(entries[0].load().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("predictors");
        std::os::unix::fs::symlink(&folder, &folder).unwrap();
        let catalogue = crate::catalogue::of_repository();
        let predictors = Predictors::new(&[], vec![folder]);
        assert!(predictors.entries().is_err());
        let found = predictors.find(&catalogue.profiles, "pixel2");
        assert!(matches!(found, Err(ProfileError::File(_))), "{found:?}");
    }

    #[test]
    fn added_predictors_are_checked_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors");
        let from = root.join("pixel2@tflite@fp32.json");
        let added = add_to(dir.path(), &from, false).unwrap();
        assert_eq!(added, dir.path().join("pixel2@tflite@fp32.json"));
        add_to(dir.path(), &from, false).unwrap();
        std::fs::write(&added, "mine").unwrap();
        assert!(matches!(add_to(dir.path(), &from, false), Err(FileError::InTheWay { .. })));
        add_to(dir.path(), &from, true).unwrap();
        assert!(read(&added).is_ok());
        let bad = dir.path().join("bad.json");
        std::fs::write(&bad, "{}").unwrap();
        assert!(add_to(dir.path(), &bad, false).is_err());
        for id in ["../x@y@z", "a@b", "a@@c", "a@b@c/d", ".a@b@c"] {
            assert!(!is_id(id), "{id}");
        }
        assert!(is_id("a@b@c@2t") && !is_id("a@b@c@warm") && !is_id("a@b@c@2t@x"));
        assert!(is_id("a@b@c@sustained") && is_id("a@b@c@2t@sustained") && !is_id("a@b@sustained"));
    }

    #[test]
    fn the_number_of_threads_tells_predictors_apart() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["host@x@fp32@2t", "host@x@fp32", "host@x@int8", "host@x@int8@2t"] {
            std::fs::write(dir.path().join(format!("{name}.json")), "{}").unwrap();
        }
        let predictors = Predictors::new(&[], vec![dir.path().to_owned()]);
        let catalogue = crate::catalogue::of_repository();
        let found = |name: &str| predictors.find(&catalogue.profiles, name).unwrap().map(|entry| entry.id);
        assert_eq!(found("host@x").as_deref(), Some("host@x@fp32"));
        assert_eq!(found("host@x@2t").as_deref(), Some("host@x@fp32@2t"));
        assert_eq!(found("host@x@int8").as_deref(), Some("host@x@int8"));
        assert_eq!(found("host@x@int8@2t").as_deref(), Some("host@x@int8@2t"));
        assert_eq!(found("host@x@4t"), None);
    }

    #[test]
    fn the_sustained_state_is_never_meant_by_a_name_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(dir.path().join(format!("{name}.json")), "{}").unwrap();
        write("raspberrypi4@tract@fp32@sustained");
        let predictors = Predictors::new(&[], vec![dir.path().to_owned()]);
        let catalogue = crate::catalogue::of_repository();
        let found = |name: &str| predictors.find(&catalogue.profiles, name).unwrap().map(|entry| entry.id);
        assert_eq!(found("raspberrypi4"), None);
        assert_eq!(found("raspberrypi4@tract"), None);
        for name in
            ["raspberrypi4@sustained", "raspberrypi4@tract@sustained", "raspberrypi4@tract@fp32@sustained"]
        {
            assert_eq!(found(name).as_deref(), Some("raspberrypi4@tract@fp32@sustained"), "{name}");
        }
        write("raspberrypi4@tract@fp32");
        assert_eq!(found("raspberrypi4@tract").as_deref(), Some("raspberrypi4@tract@fp32"));
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
        assert_eq!(none("pixel4@tract").unwrap(), None);
        assert!(matches!(none("toaster"), Err(ProfileError::Unknown { .. })));
    }
}
