//! The recipes that have names, as files.

use super::recipe::Recipe;
use crate::files;
use edgezen_core::files::FileError;
use std::path::Path;

/// Their names and files.
const FILES: [(&str, &str); 3] = [
    ("paper", include_str!("paper.toml")),
    ("short", include_str!("short.toml")),
    ("fine-tune", include_str!("fine-tune.toml")),
];

/// A recipe that was asked for and is none.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{name:?} is no recipe: there are {}, or give a .toml file", names().join(", "))]
    Unknown { name: String },
}

/// The names of all recipes.
pub fn names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// The recipe called `name`, or that of the `.toml` file with this path.
///
/// # Errors
/// There is none; a file that cannot be read, or makes no sense.
pub fn named(name: &str) -> Result<Recipe, RecipeError> {
    let path = Path::new(name);
    let known = FILES.iter().find(|(known, _)| *known == name);
    let text = match known {
        Some((_, text)) => (*text).to_owned(),
        None if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml")) => {
            files::read_text(path, MOST_BYTES)?
        }
        None => return Err(RecipeError::Unknown { name: name.to_owned() }),
    };
    let recipe: Recipe = toml::from_str(&text).map_err(|error| FileError::damaged(path, error.message()))?;
    recipe.check().map_err(|reason| FileError::damaged(path, reason))?;
    Ok(recipe)
}

/// A recipe is no larger than this.
const MOST_BYTES: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_recipes_are_sound_and_that_of_the_paper_is_the_usual_one() {
        for name in names() {
            assert!(named(name).is_ok(), "{name}: {:?}", named(name));
        }
        assert_eq!(named("paper").unwrap(), Recipe::default());
        let said = named("papr").unwrap_err().to_string();
        assert!(said.contains("paper, short, fine-tune"), "{said}");
    }

    #[test]
    fn files_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            named(path.to_str().unwrap()).unwrap_err().to_string()
        };
        let whole = FILES[1].1;
        assert!(said(&whole.replace("rate_per_256 = 0.8", "rate_per_256 = -1.0")).contains("rate_per_256"));
        assert!(said(&whole.replace("epochs = 30", "epoch = 30")).contains("epoch"));
        assert!(said(&format!("{whole}ema = 1.5\n")).contains("ema"));
        std::fs::write(&path, format!("{whole}ema = 0.9\nmirror = false\n")).unwrap();
        let mine = named(path.to_str().unwrap()).unwrap();
        assert_eq!((mine.ema, mine.mirror, mine.epochs), (Some(0.9), false, 30));
    }
}
