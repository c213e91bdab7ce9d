//! Datasets by name: in the folder `datasets` of the current one, then in that of the user's data folder.

use crate::files::home::own_folders;
use std::path::{Component, Path, PathBuf};

/// The folder of the dataset that `name` means: the path itself if there is something, else the first folder of that name
/// among the user's datasets. A name that means nothing is given back, for the message of whoever reads it.
pub fn find(name: &Path) -> PathBuf {
    find_in(name, &own_folders("datasets"))
}

fn find_in(name: &Path, folders: &[PathBuf]) -> PathBuf {
    let is_name = matches!(name.components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    if !is_name || name.exists() {
        return name.to_owned();
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_dir());
    found.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_first_folder_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["here", "data"].map(|name| dir.path().join(name));
        for path in ["here/both", "data/both", "data/one"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let found = |name: &str| find_in(Path::new(name), &folders);
        assert_eq!(found("both"), folders[0].join("both"));
        assert_eq!(found("one"), folders[1].join("one"));
        for name in ["no-such-dataset", "x/one", "../one", "./one"] {
            assert_eq!(found(name), Path::new(name));
        }
    }
}
