//! What a folder of results holds. Results of one kind do not go into a folder of another kind, nor into a folder that belongs to
//! it: the folder in which results grow before they take the place of others is the same for all kinds, and a person would not know
//! whose files are whose. The files of a result are replaced by nothing but a result of its kind. A folder of any other name
//! inside a result is somebody's own: results let it be.

pub mod names;

use edgezen_core::files::FileError;
use names::{dataset, jobs, run, training};
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A kind of results that have a folder of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    Run,
    Dataset,
    Jobs,
    Training,
}

impl Holding {
    const ALL: [Holding; 4] = [Holding::Run, Holding::Dataset, Holding::Jobs, Holding::Training];

    /// Whether the folder `dir` holds results of this kind, finished or not.
    fn is_in(self, dir: &Path) -> bool {
        match self {
            Holding::Run => has(dir, run::RUN),
            Holding::Dataset => has(dir, dataset::ENVIRONMENT) || self.is_surely_in(dir),
            Holding::Jobs | Holding::Training => self.is_surely_in(dir),
        }
    }

    /// The same by more than one name, because what lies above a folder may be anybody's: many programs have an
    /// `environment.json`.
    fn is_surely_in(self, dir: &Path) -> bool {
        let all = |names: &[&str]| names.iter().all(|name| has(dir, name));
        match self {
            Holding::Run => {
                has(dir, run::RUN) && run::FILES.iter().any(|&name| name != run::RUN && has(dir, name))
            }
            Holding::Dataset => {
                all(&[dataset::ENVIRONMENT, dataset::SAMPLES]) || all(&[dataset::JOURNAL, dataset::PLAN])
            }
            Holding::Jobs => all(&[jobs::PLAN, jobs::FIRST_JOB]),
            Holding::Training => {
                has(dir, training::CHECKPOINT)
                    || all(&[training::METRICS, training::BEST])
                    || all(&[training::TABLE, training::WINNER])
            }
        }
    }

    /// Whether results of the kind `own` have their place at `inside`, a path from the folder of these results on.
    fn has_place_for(self, own: Option<Holding>, inside: &Path) -> bool {
        let Some(Component::Normal(first)) = inside.components().next() else { return false };
        let first = first.to_string_lossy();
        match (self, own) {
            (Holding::Run, Some(Holding::Training)) => first == run::FINALISTS,
            (Holding::Dataset, Some(Holding::Dataset)) => first == dataset::UNITS,
            (Holding::Jobs, Some(Holding::Run)) => first == jobs::RUNS,
            (Holding::Jobs, Some(Holding::Training)) => first == jobs::TRAININGS,
            (Holding::Training, Some(Holding::Training)) => is_numbered(&first, "network-", ""),
            _ => false,
        }
    }

    /// Whether the folder at `inside`, a path from the folder of these results on, is one of theirs, or lies in one.
    fn has_folder(self, inside: &Path) -> bool {
        let Some(Component::Normal(first)) = inside.components().next() else { return false };
        let first = first.to_string_lossy();
        let folders: &[&str] = match self {
            Holding::Run => &[run::FINALISTS],
            Holding::Dataset => &[dataset::RAW_FOLDER, dataset::UNITS],
            Holding::Jobs => &[jobs::RESULTS, jobs::RUNS, jobs::TRAININGS],
            Holding::Training => &[],
        };
        let numbered = self == Holding::Training && is_numbered(&first, "network-", "");
        numbered || folders.contains(&&*first) || self.owns(Path::new(&*first))
    }

    /// Whether the file at `inside`, a path from the folder of these results on, is one of theirs.
    fn owns(self, inside: &Path) -> bool {
        let mut parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
        let Some(first) = parts.next() else { return false };
        let first = &*first;
        if parts.next().is_some() {
            return match self {
                Holding::Dataset => first == dataset::RAW_FOLDER,
                Holding::Jobs => first == jobs::RESULTS,
                Holding::Run | Holding::Training => false,
            };
        }
        match self {
            Holding::Run => run::FILES.contains(&first) || is_numbered(first, "verified-", ".json"),
            Holding::Dataset => {
                use dataset::{ENVIRONMENT, JOURNAL, LOOKUP_TABLE, PLAN, README, SAMPLES};
                [ENVIRONMENT, JOURNAL, LOOKUP_TABLE, PLAN, README, SAMPLES].contains(&first)
                    || is_numbered(first, "journal-", ".jsonl")
                    || is_numbered(first, "plan-", ".json")
            }
            Holding::Jobs => first == jobs::PLAN || is_numbered(first, "job-", ".json"),
            Holding::Training => training::FILES.contains(&first),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Holding::Run => "the run of a search",
            Holding::Dataset => "a dataset",
            Holding::Jobs => "a plan of jobs",
            Holding::Training => "a training",
        })
    }
}

/// Refuses a folder for results of the kind `own` that holds results of another kind, and none of this one; that belongs to other
/// results, as the timed runs of a dataset do; or that holds so much else that results would be lost in it: the root of all files, a home
/// folder.
///
/// # Errors
/// Such a folder.
pub fn refuse_others(dir: &Path, own: Holding) -> Result<(), FileError> {
    if own.is_in(dir) { Ok(()) } else { refuse(dir, Some(own)) }
}

/// The same for results that are of none of the kinds, as a module of PyTorch is.
///
/// # Errors
/// As [`refuse_others`].
pub fn refuse_any(dir: &Path) -> Result<(), FileError> {
    refuse(dir, None)
}

fn refuse(dir: &Path, own: Option<Holding>) -> Result<(), FileError> {
    let whose = own.map_or_else(|| "other results".to_owned(), |own| own.to_string());
    let refused = |reason: String| Err(FileError::NotWritable { path: dir.to_owned(), reason });
    if let Some(other) = Holding::ALL.into_iter().find(|kind| kind.is_in(dir)) {
        return refused(format!("holds {other}, whose folder is not for {whose}, also not with --force"));
    }
    let real = real(dir);
    for above in real.ancestors().skip(1) {
        let Some(kind) = Holding::ALL.into_iter().find(|kind| kind.is_surely_in(above)) else { continue };
        let inside = real.strip_prefix(above).unwrap_or(&real);
        if kind.has_place_for(own, inside) {
            break;
        }
        if kind.has_folder(inside) {
            let above = above.display();
            return refused(format!("belongs to {kind} in {above} and is for that alone, also with --force"));
        }
    }
    if let Some(what) = crowded(&real, std::env::var_os("HOME").as_deref().map(Path::new)) {
        return refused(format!("{what}: {whose} would be lost in it, so that a folder inside is needed"));
    }
    Ok(())
}

/// What the folder at `real` is, where it is no place for results because it is for much else. `home` is the home folder.
fn crowded(real: &Path, home: Option<&Path>) -> Option<&'static str> {
    if real.parent().is_none() {
        return Some("is the root of all files");
    }
    fs::read_dir(real).ok()?.next()?.ok()?;
    let is_home = home.and_then(|home| fs::canonicalize(home).ok()).is_some_and(|home| home == real);
    is_home.then_some("is your home folder")
}

/// Refuses a file as the place of a result where that is a file of a run, a dataset, a plan of jobs or a training.
///
/// # Errors
/// Such a file.
pub fn refuse_owned(path: &Path) -> Result<(), FileError> {
    let Some(name) = path.file_name() else { return Ok(()) };
    // A link would be replaced itself.
    let real = real(path.parent().unwrap_or(Path::new(""))).join(name);
    for above in real.ancestors().skip(1) {
        let inside = real.strip_prefix(above).unwrap_or(&real);
        let kinds = Holding::ALL.into_iter();
        if let Some(kind) = kinds.into_iter().find(|kind| kind.is_surely_in(above) && kind.owns(inside)) {
            return Err(FileError::NotWritable {
                path: path.to_owned(),
                reason: format!(
                    "is the name of a file of {kind}, which nothing else replaces, also not with --force"
                ),
            });
        }
    }
    Ok(())
}

/// Whether there is anything called `name` in `dir`.
fn has(dir: &Path, name: &str) -> bool {
    fs::symlink_metadata(dir.join(name)).is_ok()
}

/// Whether `name` is `before`, a number, and `after`.
fn is_numbered(name: &str, before: &str, after: &str) -> bool {
    let number = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The path from the root on, without links. Parts of it may not exist: those are no links.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
    let Some((part, mut real)) = there else { return whole };
    for rest in whole.strip_prefix(part).unwrap_or(Path::new("")).components() {
        match rest {
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => real.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(dir: &Path, names: &[&str]) {
        fs::create_dir_all(dir).unwrap();
        names.iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
    }

    const MARKS: [(Holding, &[&str]); 7] = [
        (Holding::Run, &[run::RUN, run::CHECKPOINT]),
        (Holding::Dataset, &[dataset::ENVIRONMENT, dataset::SAMPLES]),
        (Holding::Dataset, &[dataset::JOURNAL, dataset::PLAN]),
        (Holding::Jobs, &[jobs::PLAN, jobs::FIRST_JOB]),
        (Holding::Training, &[training::CHECKPOINT]),
        (Holding::Training, &[training::METRICS, training::BEST]),
        (Holding::Training, &[training::TABLE, training::WINNER]),
    ];

    #[test]
    fn a_folder_is_for_one_kind() {
        let begun: [(Holding, &[&str]); 2] =
            [(Holding::Run, &[run::RUN]), (Holding::Dataset, &[dataset::ENVIRONMENT])];
        for (kind, names) in MARKS.into_iter().chain(begun) {
            let dir = tempfile::tempdir().unwrap();
            for own in Holding::ALL {
                refuse_others(dir.path(), own).unwrap();
                refuse_others(&dir.path().join("absent"), own).unwrap();
            }
            mark(dir.path(), names);
            for own in Holding::ALL {
                let refused = refuse_others(dir.path(), own);
                assert_eq!(refused.is_ok(), own == kind, "{own} into {kind}: {refused:?}");
            }
            assert!(refuse_any(dir.path()).is_err(), "{kind}");
        }
        // A file of that name alone is somebody's, and each kind has its own word for that.
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(dataset::JOURNAL), "").unwrap();
        refuse_others(dir.path(), Holding::Run).unwrap();
    }

    #[test]
    fn nothing_goes_into_the_folders_of_results_but_what_has_its_place_there() {
        let folders = [
            (Holding::Run, "finalists"),
            (Holding::Run, "front.csv"),
            (Holding::Dataset, "raw"),
            (Holding::Dataset, "units"),
            (Holding::Jobs, "results"),
            (Holding::Jobs, "runs"),
            (Holding::Jobs, "trainings"),
            (Holding::Jobs, "job-00003.json"),
            (Holding::Training, "network-3"),
            (Holding::Training, "metrics.csv"),
        ];
        for (kind, names) in MARKS {
            let dir = tempfile::tempdir().unwrap();
            let results = dir.path().join("results-of-a-person");
            mark(&results, names);
            for (_, folder) in folders.iter().filter(|(of, _)| *of == kind) {
                for inside in [folder.to_string(), format!("absent/../{folder}"), format!("{folder}/a/deep")]
                {
                    let (inside, path) = (results.join(&inside), PathBuf::from(folder));
                    for own in Holding::ALL.into_iter().filter(|&own| !kind.has_place_for(Some(own), &path)) {
                        let refused = refuse_others(&inside, own);
                        let is_refused = matches!(refused, Err(FileError::NotWritable { .. }));
                        assert!(is_refused, "{own} in {kind}, {inside:?}: {refused:?}");
                    }
                    assert!(refuse_any(&inside).is_err(), "{kind}");
                }
                #[cfg(unix)]
                {
                    let link = dir.path().join(format!("link-to-{folder}"));
                    std::os::unix::fs::symlink(&results, &link).unwrap();
                    assert!(refuse_any(&link.join(folder)).is_err());
                }
            }
            // Folders of other names are somebody's own, and so are those around.
            for own in Holding::ALL {
                for beside in [results.join("mine"), results.join("mine/raw"), dir.path().join("beside")] {
                    refuse_others(&beside, own).unwrap();
                }
                refuse_others(dir.path(), own).unwrap();
            }
        }
        for (outer, names, place, own) in [
            (Holding::Run, &[run::RUN, run::RESULT][..], "finalists", Holding::Training),
            (Holding::Run, &[run::RUN, run::RESULT], "finalists/network-1", Holding::Training),
            (Holding::Dataset, &[dataset::JOURNAL, dataset::PLAN], "units/one", Holding::Dataset),
            (Holding::Jobs, &[jobs::PLAN, jobs::FIRST_JOB], "runs/a-seed1", Holding::Run),
            (Holding::Jobs, &[jobs::PLAN, jobs::FIRST_JOB], "trainings/network-2", Holding::Training),
            (Holding::Training, &[training::TABLE, training::WINNER], "network-12", Holding::Training),
        ] {
            let dir = tempfile::tempdir().unwrap();
            mark(dir.path(), names);
            refuse_others(&dir.path().join(place), own).unwrap();
            for other in Holding::ALL.into_iter().filter(|&other| other != own) {
                assert!(refuse_others(&dir.path().join(place), other).is_err(), "{other} in {outer}");
            }
        }
    }

    #[test]
    fn a_folder_for_much_else_is_no_place_for_results() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        assert!(crowded(Path::new("/"), None).unwrap().contains("root"));
        assert!(
            refuse_others(Path::new("/"), Holding::Run).is_err() && refuse_any(Path::new("/..")).is_err()
        );
        assert_eq!(crowded(&dir, Some(&dir)), None, "it is empty");
        mark(&dir, &["letter.txt"]);
        assert!(crowded(&dir, Some(&dir)).unwrap().contains("home"));
        assert_eq!(crowded(&dir, None), None);
        // A run that is kept in the home folder is a run.
        mark(&dir, &[run::RUN]);
        refuse_others(&dir, Holding::Run).unwrap();
    }

    #[test]
    fn files_of_results_are_replaced_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (folder, marks, owned, free) in [
            ("run", &[run::RUN, run::RESULT][..], "best.onnx", "report.html"),
            ("run", &[], "verified-3.json", "verified-x.json"),
            ("run", &[], "../run/run.toml", "deeper/best.txt"),
            ("data", &[dataset::ENVIRONMENT, dataset::SAMPLES], "README.md", "table.csv"),
            ("data", &[], "raw/runs.parquet", "raw.csv"),
            ("data", &[], "journal-1.jsonl", "journal-.jsonl"),
            ("jobs", &[jobs::PLAN, jobs::FIRST_JOB], "job-00001.json", "merged.json"),
            ("jobs", &[], "results/0a.json", "results.json"),
            ("train", &[training::CHECKPOINT], "best.safetensors", "report.html"),
        ] {
            mark(&dir.join(folder), marks);
            let refused = refuse_owned(&dir.join(folder).join(owned));
            assert!(matches!(refused, Err(FileError::NotWritable { .. })), "{folder}/{owned}");
            refuse_owned(&dir.join(folder).join(free)).unwrap();
            refuse_owned(&dir.join(owned)).unwrap_or_else(|error| assert!(owned.contains(folder), "{error}"));
        }
    }
}
