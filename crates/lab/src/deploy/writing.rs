//! A trained network as the file of a runtime.

use super::DeployError;
use edgezen_core::plainnet::Graph;
use edgezen_engine::model_file::{ModelFile, ModelFormat};
use edgezen_engine::quantisation::{Maps, Method, Ranges};
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::weights::Weights;
use edgezen_engine::{Engine, Loaded, Tensor};

/// What is written, and for which runtime.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    pub engine: &'a dyn Engine,
    pub format: ModelFormat,
    pub graph: &'a Graph,
    /// The trained weights.
    pub trained: &'a Tensors,
}

impl Writing<'_> {
    /// The file in floats.
    ///
    /// # Errors
    /// Weights of another network; a graph that the format cannot hold.
    pub fn floats(&self) -> Result<ModelFile, DeployError> {
        self.with(None)
    }

    /// The file in integers that mean `maps`.
    ///
    /// # Errors
    /// As [`Writing::floats`].
    pub fn integers(&self, maps: Maps) -> Result<ModelFile, DeployError> {
        self.with(Some(maps))
    }

    fn with(&self, maps: Option<Maps>) -> Result<ModelFile, DeployError> {
        let weights = Weights::trained(self.graph, self.trained)?;
        Ok(self.format.write_with(self.engine.name(), self.graph, 1, weights, maps)?)
    }

    /// What the integers of the maps stand for, by what the network computes for `images`.
    ///
    /// # Errors
    /// As [`Writing::floats`]; images that the network does not read.
    pub fn maps(&self, images: &[Tensor], method: Method) -> Result<Maps, DeployError> {
        let weights = Weights::trained(self.graph, self.trained)?;
        Ok(Maps::of(self.graph, &Ranges::observe_by(self.graph, &weights, images, method)?))
    }

    /// The network in a file, ready to run for one image at a time.
    ///
    /// # Errors
    /// What the runtime says of it.
    pub fn load(&self, file: &ModelFile) -> Result<Box<dyn Loaded>, DeployError> {
        Ok(self.engine.load_written(self.graph, file, 1)?)
    }
}
