//! Which runtime the name of a device means: one that this program opens, or a tool.

use super::NAME;
use crate::device::DeviceError;
use crate::device::running::Abilities;
use crate::device::tool::{Tool, Tools};
use edgezen_engine::runtimes::{Runtime, by_name, registry};
use std::path::PathBuf;

/// What runs and times networks: a runtime that this program opens, or a tool that somebody described.
pub enum Chosen {
    Engine(&'static dyn Runtime),
    Tool(Box<Tool>),
}

impl Chosen {
    /// What is called `name`, or described by the file with this path.
    ///
    /// # Errors
    /// There is none of that name, or its description cannot be used.
    pub fn called(name: &str) -> Result<Chosen, DeviceError> {
        match by_name(name) {
            Some(runtime) => Ok(Chosen::Engine(runtime)),
            None => Ok(Chosen::Tool(Box::new(tool(name)?.ok_or_else(|| unknown(name))?))),
        }
    }

    pub fn abilities(&self) -> Abilities<'_> {
        match self {
            Chosen::Engine(runtime) => Abilities::of(*runtime),
            Chosen::Tool(tool) => Abilities {
                name: &tool.description.id,
                precisions: tool.description.precisions.iter().map(String::as_str).collect(),
                most_threads: tool.description.most_threads,
            },
        }
    }
}

/// The tool called `name`, or the one whose description has this path; `None` for a runtime that this program opens, and where
/// there is none.
///
/// # Errors
/// A description that cannot be used.
pub fn tool(name: &str) -> Result<Option<Tool>, DeviceError> {
    if by_name(name).is_some() {
        return Ok(None);
    }
    Tools::of_user().by_name(name).map_err(|error| DeviceError::Tool {
        tool: name.to_owned(),
        workload: None,
        description: PathBuf::from(name),
        error: Box::new(error),
    })
}

/// The refusal of a runtime that there is not, with those that there are.
pub fn unknown(name: &str) -> DeviceError {
    let runtimes = registry().iter().map(|runtime| runtime.name().to_owned());
    let tools = Tools::of_user().entries().into_iter().map(|entry| entry.name);
    DeviceError::NoSuchRuntime {
        device: NAME.into(),
        runtime: name.into(),
        known: runtimes.chain(tools).collect(),
    }
}
