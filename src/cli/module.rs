//! A network as a PyTorch module: one file, or a folder with what training scripts of others need.

use super::Failure;
use super::force::Force;
use edgezen_core::plainnet::{Model, Shape};
use edgezen_engine::pytorch::state::{self, StateError};
use edgezen_engine::pytorch::{self, Facts, PytorchError};
use edgezen_engine::safetensors::Tensors;
use edgezen_lab::files::Destination;
use edgezen_lab::files::holding::refuse_any;
use edgezen_lab::images::View;
use std::path::Path;

/// The weights beside a module.
const WEIGHTS: &str = "weights.safetensors";

/// What the module called `name` says of itself.
fn facts(model: &Model, name: &Path) -> Facts {
    let view = View::of(Shape::square(3, model.resolution));
    let stem = name.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Facts {
        name: pytorch::identifier(&stem.unwrap_or_else(|| "network".into())),
        mean: view.normalisation.mean,
        deviation: view.normalisation.deviation,
        kept: view.kept(),
    }
}

/// Writes the module alone.
pub fn write(model: &Model, to: &Destination) -> Result<(), Failure> {
    let source = pytorch::module(model, &facts(model, to.path())).map_err(pytorch_failure)?;
    Ok(to.write(source.as_bytes())?)
}

/// Writes a folder of the module, the packages that training scripts need, the command lines that train it, and, where they are
/// given, its weights. Gives the bytes of all.
pub fn write_folder(
    model: &Model,
    weights: Option<(&Path, &Tensors)>,
    dir: &Path,
    force: Force,
) -> Result<u64, Failure> {
    refuse_any(dir)?;
    let facts = facts(model, dir);
    let mut files = vec![
        (
            dir.join(format!("{}.py", facts.name)),
            pytorch::module(model, &facts).map_err(pytorch_failure)?.into_bytes(),
        ),
        (dir.join("README.md"), pytorch::guide(model, &facts).map_err(pytorch_failure)?.into_bytes()),
        (dir.join("requirements.txt"), pytorch::requirements(&facts).into_bytes()),
    ];
    if let Some((path, weights)) = weights {
        let state = state::to_state_dict(model, weights).map_err(|error| state_failure(error, path))?;
        files.push((dir.join(WEIGHTS), state.encode()));
    }
    std::fs::create_dir_all(dir).map_err(|e| Failure::io(dir, &e))?;
    force.write_all(&files)?;
    Ok(files.iter().map(|(_, content)| content.len() as u64).sum())
}

pub fn state_failure(error: StateError, path: &Path) -> Failure {
    match error {
        StateError::Pytorch(error) => pytorch_failure(error),
        error => Failure::bad_file(path, error),
    }
}

pub fn pytorch_failure(error: PytorchError) -> Failure {
    match error {
        PytorchError::Shape(error) => error.into(),
        other => Failure::usage(format!("cannot write {other}")),
    }
}
