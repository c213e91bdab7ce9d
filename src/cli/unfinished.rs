//! What to do about the folder of a profile that is not finished, where a dataset is asked for.

use edgezen_lab::campaign::folder::{JOURNAL, PLAN};
use edgezen_lab::campaign::journal::{self, Header};
use std::path::Path;

/// The command that finishes the profile in `dir`; `None` where there is no profile.
pub fn remedy(dir: &Path) -> Option<String> {
    let journal = dir.join(JOURNAL);
    if !journal.is_file() {
        return None;
    }
    let again = "the command that began it, with --resume";
    Some(match journal::header(&journal) {
        Ok(Some(header)) => format!("{again}, finishes it: {}", command(dir, &header)),
        _ => format!("{again}, finishes it or says what is wrong with it"),
    })
}

/// The command that goes on with the plan in `dir` on the device of its journal.
fn command(dir: &Path, header: &Header) -> String {
    let dir = dir.display();
    let rounds = header.enough_within.is_none().then(|| format!(" --rounds {}", header.rounds));
    let seed = (header.seed != 0).then(|| format!(" --seed {}", header.seed));
    format!(
        "edgezen profile --resume --device {} --plan {dir}/{PLAN}{}{} -o {dir}",
        header.identity,
        rounds.unwrap_or_default(),
        seed.unwrap_or_default()
    )
}
