//! Finding a profile by name: the user's files first, then the shipped ones.

use super::{FORMAT, Profile, ProfileError};
use crate::files;
use crate::files::home::{is_there, listed, own_folders};
use crate::files::location::{Location, Shipped};
use crate::spelling;
use edgezen_core::files::FileError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A profile that was found; it may be unusable.
#[derive(Debug)]
pub struct ProfileEntry {
    /// Name of the file without `.toml`.
    pub name: String,
    pub location: Location,
    pub profile: Result<Profile, ProfileError>,
}

/// All profiles: those in the user's folders, which take precedence, and the shipped ones.
#[derive(Clone, Debug)]
pub struct Profiles {
    shipped: Shipped,
    /// The first one counts.
    folders: Vec<PathBuf>,
}

impl Profiles {
    /// `folder` holds the user's profiles; it need not exist.
    pub fn new(shipped: Shipped, folder: impl Into<PathBuf>) -> Profiles {
        Profiles::in_folders(shipped, vec![folder.into()])
    }

    /// The same with several folders, of which the first one that has a name counts.
    pub fn in_folders(shipped: Shipped, folders: Vec<PathBuf>) -> Profiles {
        Profiles { shipped, folders }
    }

    /// The shipped profiles, and the user's: those in the current folder, and those for all projects.
    pub fn of_user(shipped: Shipped) -> Profiles {
        Profiles::in_folders(shipped, own_folders("device-profiles"))
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
    /// No such device (with the names that look like it), or its file is not usable; a folder that cannot be read.
    pub fn by_name(&self, name: &str) -> Result<Profile, ProfileError> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            return read(Path::new(name));
        }
        let is_plain = !name.is_empty() && !name.contains(['/', '\\']);
        for folder in &self.folders {
            let own = folder.join(format!("{name}.toml"));
            if is_plain && is_there(&own)? {
                return read(&own);
            }
            listed(folder)?;
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

    /// All profiles by name: the user's, and the shipped ones that they do not replace. A folder that cannot be read stands
    /// among them as one that cannot be used.
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
        let mut own: BTreeMap<String, PathBuf> = BTreeMap::new();
        for folder in &self.folders {
            match in_folder(folder) {
                Ok(files) => files.into_iter().for_each(|(name, path)| {
                    own.entry(name).or_insert(path);
                }),
                Err(error) => entries.push(ProfileEntry {
                    name: folder.display().to_string(),
                    location: Location::File(folder.clone()),
                    profile: Err(error.into()),
                }),
            }
        }
        for (name, path) in own {
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

/// Names and paths of the `.toml` files in `folder`; empty if it does not exist.
fn in_folder(folder: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let paths = listed(folder)?.into_iter();
    let profiles = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    Ok(profiles.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_first_folder_counts_and_an_unreadable_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles");
        let text = std::fs::read_to_string(root.join("pixel2.toml")).unwrap();
        let folders = ["here", "data"].map(|name| dir.path().join(name));
        for (folder, alias) in folders.iter().zip(["near", "far"]) {
            std::fs::create_dir(folder).unwrap();
            let text = text.replace("id = \"pixel2\"", "id = \"mine\"").replace("walleye", alias);
            std::fs::write(folder.join("mine.toml"), text).unwrap();
        }
        let profiles = Profiles::in_folders(&[], folders.to_vec());
        assert_eq!(profiles.entries().len(), 1);
        assert!(profiles.by_name("near").is_ok() && profiles.by_name("far").is_err());
        let broken = dir.path().join("broken");
        std::os::unix::fs::symlink(&broken, &broken).unwrap();
        let profiles = Profiles::in_folders(&[], vec![folders[0].clone(), broken]);
        // What comes before the folder is found; whatever could be in it is not known.
        assert!(profiles.by_name("mine").is_ok());
        assert!(matches!(profiles.by_name("near"), Err(ProfileError::File(_))));
        assert!(profiles.entries().iter().any(|entry| entry.profile.is_err()));
    }
}
