//! Finding a profile by name: the user's files first, then the shipped ones.

use super::{FORMAT, Profile, ProfileError};
use crate::files;
use crate::files::location::{Location, Shipped};
use crate::spelling;
use std::fs;
use std::path::{Path, PathBuf};

/// A profile that was found; it may be unusable.
#[derive(Debug)]
pub struct ProfileEntry {
    /// Name of the file without `.toml`.
    pub name: String,
    pub location: Location,
    pub profile: Result<Profile, ProfileError>,
}

/// All profiles: those in the user's folder, which take precedence, and the shipped ones.
#[derive(Clone, Debug)]
pub struct Profiles {
    shipped: Shipped,
    folder: PathBuf,
}

impl Profiles {
    /// `folder` holds the user's profiles; it need not exist.
    pub fn new(shipped: Shipped, folder: impl Into<PathBuf>) -> Profiles {
        Profiles { shipped, folder: folder.into() }
    }

    /// The profiles in this repository.
    #[cfg(test)]
    pub fn of_repository() -> Profiles {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Profiles::new(&[], root.join("device-profiles"))
    }

    /// The profile of the device `name`: a path ending in `.toml`; else `<name>.toml` in the user's folder; else the
    /// shipped profile of this id or alias.
    ///
    /// # Errors
    /// No such device (with the names that look like it), or its file is not usable.
    pub fn by_name(&self, name: &str) -> Result<Profile, ProfileError> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            return read(Path::new(name));
        }
        let is_plain = !name.is_empty() && !name.contains(['/', '\\']);
        let own = self.folder.join(format!("{name}.toml"));
        if is_plain && own.is_file() {
            return read(&own);
        }
        let mut names = Vec::new();
        for entry in self.entries() {
            // A broken file is an error only for those who ask for it by its own name, which is done above.
            let Ok(profile) = entry.profile else { continue };
            if profile.is_called(name) {
                return Ok(profile);
            }
            names.push(profile.id);
            names.extend(profile.aliases);
        }
        Err(ProfileError::Unknown {
            name: name.to_owned(),
            near: spelling::similar(name, names.iter().map(String::as_str)),
        })
    }

    /// All profiles by name: the user's, and the shipped ones that they do not replace.
    pub fn entries(&self) -> Vec<ProfileEntry> {
        let mut entries: Vec<ProfileEntry> = self
            .shipped
            .iter()
            .map(|&(name, text)| ProfileEntry {
                name: name.to_owned(),
                location: Location::Shipped { content: text.as_bytes() },
                profile: Profile::parse(text, &format!("shipped profile {name}")),
            })
            .collect();
        for (name, path) in in_folder(&self.folder) {
            let profile = read(&path);
            // In the source folder of this program the files are the shipped profiles themselves.
            if let Some(shipped) = entries.iter_mut().find(|entry| entry.name == name) {
                let same = matches!((&shipped.profile, &profile), (Ok(ours), Ok(theirs)) if ours == theirs);
                if !same {
                    *shipped = ProfileEntry { name, location: Location::File(path), profile };
                }
            } else {
                entries.push(ProfileEntry { name, location: Location::File(path), profile });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    /// The profiles that can be used.
    pub fn usable(&self) -> impl Iterator<Item = Profile> {
        self.entries().into_iter().filter_map(|entry| entry.profile.ok())
    }
}

/// Reads and checks the profile in a file.
///
/// # Errors
/// The file cannot be read, or is not a usable profile.
pub fn read(path: &Path) -> Result<Profile, ProfileError> {
    let bytes = files::read(&FORMAT, path)?;
    let file = path.display().to_string();
    match std::str::from_utf8(&bytes) {
        Ok(text) => Profile::parse(text, &file),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            Err(ProfileError::Syntax { file, line, field: None, message: "not a text file (UTF-8)".into() })
        }
    }
}

/// Names and paths of the `.toml` files in `folder`; empty if it does not exist or cannot be read.
fn in_folder(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let profiles = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    profiles.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect()
}
