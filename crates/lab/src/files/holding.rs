//! What a folder of results holds. Results of one kind do not go into a folder of another kind: the folder in which results
//! grow before they take the place of others is the same for all kinds, and a person would not know whose files are whose.

use edgezen_core::files::FileError;
use std::fmt;
use std::path::Path;

/// The description of a search, which is written first.
pub const RUN: &str = "run.toml";
/// The facts of a dataset, which are written last.
pub const ENVIRONMENT: &str = "environment.json";
/// The measurements that a dataset is made of, which are written as they come.
pub const JOURNAL: &str = "journal.jsonl";
/// The list of what is measured, or of jobs.
pub const PLAN: &str = "plan.json";
/// The first job of a plan.
pub const FIRST_JOB: &str = "job-00000.json";

/// A kind of results that have a folder of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    Run,
    Dataset,
    Jobs,
}

impl Holding {
    const ALL: [Holding; 3] = [Holding::Run, Holding::Dataset, Holding::Jobs];

    /// Whether the folder `dir` holds results of this kind, finished or not.
    fn is_in(self, dir: &Path) -> bool {
        let has = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
        match self {
            Holding::Run => has(RUN),
            Holding::Dataset => has(ENVIRONMENT) || (has(JOURNAL) && has(PLAN)),
            Holding::Jobs => has(PLAN) && has(FIRST_JOB),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Holding::Run => "the run of a search",
            Holding::Dataset => "a dataset",
            Holding::Jobs => "a plan of jobs",
        })
    }
}

/// Refuses a folder for results of the kind `own` that holds results of another kind, and none of this one.
///
/// # Errors
/// Results of another kind.
pub fn refuse_others(dir: &Path, own: Holding) -> Result<(), FileError> {
    if own.is_in(dir) {
        return Ok(());
    }
    match Holding::ALL.into_iter().find(|kind| kind.is_in(dir)) {
        None => Ok(()),
        Some(other) => Err(FileError::NotWritable {
            path: dir.to_owned(),
            reason: format!("holds {other}, whose folder is not for {own}, also not with --force"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_kind() {
        let marks: [(Holding, &[&str]); 4] = [
            (Holding::Run, &[RUN]),
            (Holding::Dataset, &[ENVIRONMENT]),
            (Holding::Dataset, &[JOURNAL, PLAN]),
            (Holding::Jobs, &[PLAN, FIRST_JOB]),
        ];
        for (kind, names) in marks {
            let dir = tempfile::tempdir().unwrap();
            for own in Holding::ALL {
                refuse_others(dir.path(), own).unwrap();
                refuse_others(&dir.path().join("absent"), own).unwrap();
            }
            names.iter().for_each(|name| std::fs::write(dir.path().join(name), "").unwrap());
            for own in Holding::ALL {
                let refused = refuse_others(dir.path(), own);
                assert_eq!(refused.is_ok(), own == kind, "{own} into {kind}: {refused:?}");
            }
        }
        // A file of that name alone is somebody's, and each kind has its own word for that.
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(JOURNAL), "").unwrap();
        refuse_others(dir.path(), Holding::Run).unwrap();
    }
}
