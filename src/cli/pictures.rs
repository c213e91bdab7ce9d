//! Options of the commands that read a folder of images by class, and what is said of such a folder.

use super::output::Output;
use super::{Exit, Failure};
use edgezen_lab::images::{Broken, ImagesError, OnBroken};

#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct PictureOptions {
    /// Leave out files that are no images that can be read, in place of refusing the folder
    #[arg(long)]
    pub skip_broken: bool,
    /// Seed that divides the images into those to learn from and those to judge by, where no folders do [default: 0]
    #[arg(long, value_name = "N")]
    pub split_seed: Option<u64>,
}

impl PictureOptions {
    pub fn on_broken(self) -> OnBroken {
        if self.skip_broken { OnBroken::Skip } else { OnBroken::Refuse }
    }
}

/// The most files that are named where they are left out.
const NAMED: usize = 10;

/// Says what of a folder is not used, and what is odd about it.
pub fn tell(broken: &[Broken], notes: &[String], out: Output) {
    notes.iter().for_each(|note| out.note(format!("note: {note}")));
    for Broken { path, reason } in broken.iter().take(NAMED) {
        out.note(format!("left out: {} ({reason})", path.display()));
    }
    if broken.len() > NAMED {
        out.note(format!("left out: {} more files", broken.len() - NAMED));
    }
}

impl From<ImagesError> for Failure {
    fn from(error: ImagesError) -> Failure {
        let message = error.to_string();
        match error {
            ImagesError::File(error) => error.into(),
            ImagesError::Damaged { path, reason } => Failure::bad_file(&path, reason),
            ImagesError::Broken { .. } => Failure::new(Exit::BadFile, message)
                .remedy("--skip-broken leaves them out; or fetch them again"),
            ImagesError::NoClass { .. } | ImagesError::OneClass { .. } => Failure::usage(message)
                .remedy("DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE, or DIR/CLASS/IMAGE"),
            ImagesError::EmptyClass { .. } => Failure::usage(message)
                .remedy("remove the folder, or put images (.png, .jpg, .webp, .bmp) into it"),
            ImagesError::OnlyThere { .. } => {
                Failure::usage(message).remedy("the same names of classes in both folders")
            }
            ImagesError::TooFew { .. } => Failure::usage(message).remedy("more images of each class"),
            ImagesError::Name { .. } => Failure::usage(message).remedy("rename the folder"),
            ImagesError::None { .. } | ImagesError::Channels(_) => Failure::usage(message),
        }
    }
}
