//! `--force`, and the files that a command writes its results into.

use super::failure::Failure;
use edgezen_lab::dataset::table::KernelTable;
use edgezen_lab::files::Destination;
use std::path::{Path, PathBuf};

/// Whether a result may take the place of what is there.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Force {
    /// Replace what is there already
    #[arg(long)]
    pub force: bool,
}

impl Force {
    /// The place of a result that is quickly made: a file with the same content may be there. `inputs` are the files
    /// that it is made of.
    pub fn place(self, path: impl AsRef<Path>, inputs: &[impl AsRef<Path>]) -> Result<Destination, Failure> {
        Ok(Destination::new(path.as_ref(), self.force, inputs)?)
    }

    /// Writes several files of one result: none before all of them may be written.
    pub fn write_all(self, files: &[(PathBuf, impl AsRef<[u8]>)]) -> Result<(), Failure> {
        for (place, (_, bytes)) in self.check_all(files)?.iter().zip(files) {
            place.write(bytes.as_ref())?;
        }
        Ok(())
    }

    /// The places of several files of one result, all of which may be written.
    pub fn check_all(self, files: &[(PathBuf, impl AsRef<[u8]>)]) -> Result<Vec<Destination>, Failure> {
        let checked = |(path, bytes): &(PathBuf, _)| -> Result<Destination, Failure> {
            let place = self.place(path, NO_INPUTS)?;
            place.check(AsRef::<[u8]>::as_ref(bytes))?;
            Ok(place)
        };
        files.iter().map(checked).collect()
    }

    /// As [`Force::place`], of a table, whose name tells its layout.
    pub fn table_place(
        self,
        path: impl AsRef<Path>,
        inputs: &[impl AsRef<Path>],
    ) -> Result<Destination, Failure> {
        let place = self.place(path, inputs)?;
        KernelTable::check_name(&place)?;
        Ok(place)
    }

    /// The place of a result that takes long: nothing may be there.
    pub fn free_place(
        self,
        path: impl AsRef<Path>,
        inputs: &[impl AsRef<Path>],
    ) -> Result<Destination, Failure> {
        Ok(Destination::free(path.as_ref(), self.force, inputs)?)
    }
}

/// Refuses a file whose name says that it holds something else than the `what` that is written: its ending must be one of
/// `endings`. A name without an ending, and standard output, say nothing.
pub fn has_ending(path: &Path, endings: &[&str], what: &str) -> Result<(), Failure> {
    let Some(ending) = path.extension().map(|ending| ending.to_string_lossy().into_owned()) else {
        return Ok(());
    };
    if path.starts_with("/dev") || endings.iter().any(|one| one.eq_ignore_ascii_case(&ending)) {
        return Ok(());
    }
    let renamed = path.with_extension(endings.first().copied().unwrap_or_default());
    Err(Failure::usage(format!("{}: {what} is written, which is no .{ending}", path.display()))
        .remedy(format!("-o {}", renamed.display())))
}

/// A result without inputs in files.
pub const NO_INPUTS: &[&str] = &[];
