//! A folder of images by class: which files there are, and which of them are learnt from.
//!
//! * `DIR/train/CLASS/…` and `DIR/val/CLASS/…` (or `valid`, `validation`, `test`), or
//! * `DIR/CLASS/…`, of which a part of each class is held back.

use super::ImagesError;
use super::decode::ENDINGS;
use edgezen_core::files::FileError;
use edgezen_core::random::shuffle;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the folder with the images to judge by, the usual one first.
const HELD_BACK: [&str; 4] = ["val", "valid", "validation", "test"];
/// The folder with the images to learn from.
const TRAIN: &str = "train";
/// The share of the images that is held back where no folder says which.
const SHARE: f64 = 0.2;
/// Folders below that of a class are read to this depth.
const DEEPEST: usize = 16;

/// An image of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub path: PathBuf,
    /// Its number among the names of the classes.
    pub class: u32,
}

/// The images of a folder, none of them read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFolder {
    pub root: PathBuf,
    /// The names of the folders, in their order.
    pub classes: Vec<String>,
    /// To learn from, class by class.
    pub training: Vec<Item>,
    /// To judge by, and nothing else.
    pub test: Vec<Item>,
    /// The folder that the images to judge by are from. `None`: they are a part of those of each class, drawn by the seed.
    pub test_folder: Option<PathBuf>,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

impl ImageFolder {
    /// Lists the images in `root`. Where no folder says which images to judge by, `seed` draws a fifth of each class.
    ///
    /// # Errors
    /// Folders that cannot be read; no classes, or a single one; a class without images, or one that only images to judge
    /// by have.
    pub fn list(root: &Path, seed: u64) -> Result<ImageFolder, ImagesError> {
        let train = root.join(TRAIN);
        let divided = train.is_dir();
        let source = if divided { train } else { root.to_owned() };
        let mut others = Vec::new();
        let (classes, training) = classes(&source, &mut others)?;
        let test_folder = HELD_BACK.iter().map(|name| root.join(name)).find(|path| divided && path.is_dir());
        let mut notes = Vec::new();
        let (training, test) = match &test_folder {
            Some(folder) => {
                let (names, items) = classes_in(folder, &mut others)?;
                let known = names.iter().map(|name| classes.binary_search(name).map_err(|_| name));
                let known =
                    known.collect::<Result<Vec<usize>, _>>().map_err(|name| ImagesError::OnlyThere {
                        class: name.clone(),
                        folder: folder.clone(),
                        training: source.clone(),
                    })?;
                let test: Vec<Item> = items
                    .into_iter()
                    .map(|item| Item { class: known[item.class as usize] as u32, ..item })
                    .collect();
                if test.is_empty() {
                    return Err(ImagesError::None { path: folder.clone() });
                }
                let there: BTreeSet<u32> = test.iter().map(|item| item.class).collect();
                let absent = (0..classes.len() as u32).filter(|class| !there.contains(class));
                if let Some(first) = absent.clone().next() {
                    notes.push(format!(
                        "{} holds no image of {} of {} classes; the first is {}",
                        folder.display(),
                        absent.count(),
                        classes.len(),
                        classes[first as usize]
                    ));
                }
                (training, test)
            }
            None => divide(training, classes.len(), SHARE, seed),
        };
        if test.is_empty() {
            return Err(ImagesError::TooFew { path: source });
        }
        if let Some([one, other]) = alike(&classes) {
            notes.push(format!("{one} and {other} differ in capitals alone, and are two classes"));
        }
        if let Some(first) = others.first() {
            notes.push(format!(
                "{} files are no images by their names, and are left out; the first is {}",
                others.len(),
                first.display()
            ));
        }
        Ok(ImageFolder { root: root.to_owned(), classes, training, test, test_folder, notes })
    }
}

/// Two names that are the same but for capitals.
fn alike(classes: &[String]) -> Option<[&String; 2]> {
    let mut seen = BTreeMap::new();
    classes.iter().find_map(|class| seen.insert(class.to_lowercase(), class).map(|other| [other, class]))
}

/// The images of a folder in parts, none of them read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub training: Vec<Item>,
    /// They choose the epoch.
    pub validation: Vec<Item>,
    /// They are looked at once, at the end.
    pub test: Vec<Item>,
}

/// The share of the images to learn from that choose the epoch.
const VALIDATION: f64 = 0.1;

/// What files of weights say of the images: the seed by which they were divided, and the names of the classes, as JSON.
pub const SPLIT_SEED: &str = "split_seed";
pub const CLASS_NAMES: &str = "class_names";

impl Parts {
    /// The parts of a folder: of its images to learn from, a tenth of each class chooses the epoch.
    ///
    /// # Errors
    /// Too few images.
    pub fn of(folder: &ImageFolder, split_seed: u64) -> Result<Parts, ImagesError> {
        let (training, validation) =
            divide(folder.training.clone(), folder.classes.len(), VALIDATION, split_seed);
        if validation.is_empty() {
            return Err(ImagesError::TooFew { path: folder.root.clone() });
        }
        Ok(Parts { training, validation, test: folder.test.clone() })
    }
}

/// The names of the classes of a folder that images are learnt from, and its images.
fn classes(folder: &Path, others: &mut Vec<PathBuf>) -> Result<(Vec<String>, Vec<Item>), ImagesError> {
    let (classes, items) = classes_in(folder, others)?;
    if classes.is_empty() {
        return Err(ImagesError::NoClass { path: folder.to_owned() });
    }
    let mut counts = vec![0_usize; classes.len()];
    items.iter().for_each(|item| counts[item.class as usize] += 1);
    let empty: Vec<&String> =
        classes.iter().zip(&counts).filter(|(_, count)| **count == 0).map(|(name, _)| name).collect();
    if let Some(&first) = empty.first() {
        return Err(ImagesError::EmptyClass { path: folder.join(first), classes: empty.len() });
    }
    if classes.len() == 1 {
        return Err(ImagesError::OneClass { path: folder.to_owned(), class: classes[0].clone() });
    }
    Ok((classes, items))
}

/// The folders in a folder, by name, and the images in each of them, by path. Names that begin with a dot are left out.
fn classes_in(folder: &Path, others: &mut Vec<PathBuf>) -> Result<(Vec<String>, Vec<Item>), ImagesError> {
    let mut folders: Vec<(String, PathBuf)> = Vec::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            others.push(path);
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        folders.push((name.ok_or_else(|| ImagesError::Name { path: path.clone() })?, path));
    }
    folders.sort();
    let mut items = Vec::new();
    for (class, (_, path)) in folders.iter().enumerate() {
        let mut found = Vec::new();
        collect(path, 0, &mut found, others)?;
        found.sort();
        items.extend(found.into_iter().map(|path| Item { path, class: class as u32 }));
    }
    Ok((folders.into_iter().map(|(name, _)| name).collect(), items))
}

/// The images in a folder and in those below it. Links to folders are not followed there, because they may lead back.
fn collect(
    folder: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
    others: &mut Vec<PathBuf>,
) -> Result<(), ImagesError> {
    for path in entries(folder)? {
        if path.is_dir() {
            if depth < DEEPEST && !path.is_symlink() {
                collect(&path, depth + 1, found, others)?;
            }
        } else if is_image(&path) {
            found.push(path);
        } else {
            others.push(path);
        }
    }
    Ok(())
}

/// Whether the ending of a name is one of images.
pub fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// What is in a folder, by name, apart from what is hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ImagesError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FileError::io(folder))? {
        let entry = entry.map_err(FileError::io(folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Parts of images class by class: those that are kept, and about `share` of each class, drawn by `seed`. What a class is too
/// small for is taken from a later one. Each class keeps one image at least.
pub fn divide(items: Vec<Item>, classes: usize, share: f64, seed: u64) -> (Vec<Item>, Vec<Item>) {
    let mut of_class: Vec<Vec<Item>> = vec![Vec::new(); classes];
    for item in items {
        of_class[item.class as usize].push(item);
    }
    let (mut kept, mut drawn) = (Vec::new(), Vec::new());
    let mut owed = 0.0;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for mut items in of_class {
        owed += share * items.len() as f64;
        let count = (owed + 0.5).floor().clamp(0.0, items.len().saturating_sub(1) as f64) as usize;
        owed -= count as f64;
        shuffle(&mut items, &mut rng);
        let mut rest = items.split_off(count);
        items.sort_by(|a, b| a.path.cmp(&b.path));
        rest.sort_by(|a, b| a.path.cmp(&b.path));
        drawn.append(&mut items);
        kept.append(&mut rest);
    }
    (kept, drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with empty files of these names.
    fn files(names: &[String]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn named(names: &[&str]) -> tempfile::TempDir {
        files(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    fn said(dir: &tempfile::TempDir) -> String {
        ImageFolder::list(dir.path(), 0).unwrap_err().to_string()
    }

    #[test]
    fn folders_say_which_images_are_learnt_from() {
        let dir = named(&[
            "train/dogs/b.png",
            "train/dogs/deep/er/a.JPG",
            "train/cats/1.webp",
            "train/cats/notes.txt",
            "train/birds/x.bmp",
            "val/cats/2.jpeg",
            "val/dogs/.hidden.png",
            "val/dogs/3.png",
            "train/.git/config.png",
        ]);
        let folder = ImageFolder::list(dir.path(), 0).unwrap();
        assert_eq!(folder.classes, ["birds", "cats", "dogs"]);
        let short = |items: &[Item]| -> Vec<(String, u32)> {
            let name = |item: &Item| item.path.file_name().unwrap().to_str().unwrap().to_owned();
            items.iter().map(|item| (name(item), item.class)).collect()
        };
        assert_eq!(
            short(&folder.training),
            [("x.bmp".to_owned(), 0), ("1.webp".into(), 1), ("b.png".into(), 2), ("a.JPG".into(), 2)]
        );
        assert_eq!(short(&folder.test), [("2.jpeg".to_owned(), 1), ("3.png".into(), 2)]);
        assert!(
            folder.notes[0].contains("no image of 1 of 3 classes; the first is birds"),
            "{:?}",
            folder.notes
        );
        assert!(folder.notes[1].contains("notes.txt"), "{:?}", folder.notes);
        let alike = named(&["Cats/1.png", "Cats/2.png", "cats/1.png", "cats/2.png", "dogs/1.png"]);
        let folder = ImageFolder::list(alike.path(), 0).unwrap();
        assert_eq!(folder.classes.len(), 3);
        assert_eq!(folder.notes, ["Cats and cats differ in capitals alone, and are two classes"]);
    }

    #[test]
    fn one_folder_is_divided_by_the_seed_and_nothing_is_lost() {
        let names: Vec<String> =
            (0..40).map(|i| format!("{}/{i}.png", if i < 30 { "many" } else { "few" })).collect();
        let dir = files(&names);
        let folder = ImageFolder::list(dir.path(), 3).unwrap();
        let of = |items: &[Item], class| items.iter().filter(|item| item.class == class).count();
        assert_eq!([of(&folder.test, 0), of(&folder.test, 1)], [2, 6]);
        let mut all: Vec<&PathBuf> =
            folder.training.iter().chain(&folder.test).map(|item| &item.path).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        assert_eq!(folder, ImageFolder::list(dir.path(), 3).unwrap());
        assert_ne!(folder.test, ImageFolder::list(dir.path(), 4).unwrap().test);
    }

    #[test]
    fn ten_thousand_classes_of_two_images_are_divided() {
        let items = (0..20_000_u32).map(|i| Item { path: format!("{i}").into(), class: i / 2 }).collect();
        let (kept, drawn) = divide(items, 10_000, 0.2, 0);
        assert_eq!((kept.len(), drawn.len()), (16_000, 4000));
        let classes: BTreeSet<u32> = kept.iter().map(|item| item.class).collect();
        assert_eq!(classes.len(), 10_000);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_named() {
        let one = named(&["only/a.png", "only/b.png"]);
        assert!(said(&one).contains("a single class (only)"), "{}", said(&one));
        let flat = named(&["a.png", "b.png"]);
        assert!(said(&flat).contains("no folder in it"), "{}", said(&flat));
        let empty = named(&["a/1.png", "b/notes.txt", "c/readme"]);
        assert!(said(&empty).contains("/b: "), "{}", said(&empty));
        assert!(said(&empty).contains("2 classes"), "{}", said(&empty));
        let only_there = named(&["train/a/1.png", "train/b/1.png", "val/c/2.png"]);
        assert!(said(&only_there).contains("class c"), "{}", said(&only_there));
        let few = named(&["a/1.png", "b/1.png"]);
        assert!(said(&few).contains("too few"), "{}", said(&few));
        let nothing = named(&["train/a/1.png", "train/b/1.png", "val/a/notes.txt"]);
        assert!(said(&nothing).contains("val"), "{}", said(&nothing));
        assert!(matches!(ImageFolder::list(Path::new("/nowhere"), 0), Err(ImagesError::File(_))));
    }
}
