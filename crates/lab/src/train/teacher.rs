//! A trained network of any origin whose answers another one learns as well: a TorchScript file runs in libtorch, an ONNX file
//! in tract.

use super::TrainError;
use edgezen_core::plainnet::Model;
use edgezen_engine::{Loaded, onnx};
use std::path::{Path, PathBuf};
use tch::{CModule, Device, Kind, Tensor};

/// Shares of classes sum to one, up to this.
const ROUNDING: f32 = 1e-3;

/// A teacher, ready for images of the size that its pupil sees.
pub struct Teacher {
    path: PathBuf,
    network: Network,
    classes: usize,
    /// Whether its answers are shares of the classes already, and no logits.
    gives_shares: bool,
}

enum Network {
    Script(CModule),
    /// With the images of one run, which some files fix at one.
    Onnx(Box<dyn Loaded>, usize),
}

impl Teacher {
    /// The teacher in a TorchScript or ONNX file, for `batch` images at once of those that `pupil` sees. It is tried once.
    ///
    /// # Errors
    /// A file that is neither, images of another size, another number of classes.
    pub fn load(path: &Path, pupil: &Model, batch: u32, device: Device) -> Result<Teacher, TrainError> {
        let network = if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
            let whole = onnx::load(path, batch, 0).map(|network| Network::Onnx(network, batch as usize));
            // The reason of the first attempt says less where the file is for single images.
            whole
                .or_else(|_| onnx::load(path, 1, 0).map(|network| Network::Onnx(network, 1)))
                .map_err(|error| TrainError::Teacher { path: path.to_owned(), reason: error.to_string() })?
        } else {
            let mut module = CModule::load_on_device(path, device).map_err(|error| TrainError::Teacher {
                path: path.to_owned(),
                reason: format!("not a TorchScript file: {}", edgezen_engine::torch::reason(&error)),
            })?;
            module.set_eval();
            Network::Script(module)
        };
        let classes = pupil.classes as usize;
        let mut teacher = Teacher { path: path.to_owned(), network, classes, gives_shares: false };
        let side = i64::from(pupil.resolution);
        let noise = Tensor::f_randn([i64::from(batch), 3, side, side], (Kind::Float, device))?;
        let answers = teacher.answers(&noise)?;
        let values = Vec::<f32>::try_from(answers.f_reshape([-1])?.f_to_device(Device::Cpu)?)?;
        teacher.gives_shares = values.iter().all(|value| *value >= 0.0)
            && values.chunks(classes).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < ROUNDING);
        Ok(teacher)
    }

    /// The share that the teacher gives each class, for each of these images.
    ///
    /// # Errors
    /// libtorch's, tract's.
    pub fn shares(&mut self, images: &Tensor) -> Result<Tensor, TrainError> {
        let answers = self.answers(images)?;
        Ok(if self.gives_shares { answers } else { answers.f_softmax(-1, Kind::Float)? })
    }

    fn answers(&mut self, images: &Tensor) -> Result<Tensor, TrainError> {
        let _guard = tch::no_grad_guard();
        let classes = self.classes;
        let failed = |reason: String| TrainError::Teacher { path: self.path.clone(), reason };
        let answers = match &mut self.network {
            Network::Script(module) => {
                let answers = module.forward_ts(&[images]);
                answers.map_err(|error| failed(edgezen_engine::torch::reason(&error)))?
            }
            Network::Onnx(network, at_once) => {
                let answers = of_onnx(network.as_mut(), *at_once, images).map_err(&failed)?;
                answers.f_to_device(images.device())?
            }
        };
        let shape = [images.size()[0], classes as i64];
        if answers.size() != shape {
            let there = answers.size();
            return Err(failed(format!(
                "it answers {there:?} where the data have {shape:?}: images, classes"
            )));
        }
        Ok(answers.f_to_kind(Kind::Float)?)
    }
}

/// The first output of an ONNX file for these images, of which it takes so many at once.
fn of_onnx(network: &mut dyn Loaded, at_once: usize, images: &Tensor) -> Result<Tensor, String> {
    let torch = |error: tch::TchError| edgezen_engine::torch::reason(&error);
    let shape: Vec<usize> = images.size().iter().map(|&n| n.unsigned_abs() as usize).collect();
    let flat = images.f_reshape([-1]).and_then(|flat| flat.f_to_device(Device::Cpu)).map_err(torch)?;
    let values = Vec::<f32>::try_from(flat).map_err(torch)?;
    let of_one: usize = shape[1..].iter().product();
    let mut answers = Vec::new();
    for values in values.chunks(of_one * at_once) {
        let shape = [&[at_once], &shape[1..]].concat();
        let input = edgezen_engine::Tensor { shape, data: values.to_vec() };
        let outputs = network.run(std::slice::from_ref(&input)).map_err(|error| error.to_string())?;
        answers.extend(outputs.into_iter().next().map(|output| output.data).unwrap_or_default());
    }
    let count = shape[0].max(1);
    let rows = [count as i64, (answers.len() / count) as i64];
    Tensor::f_from_slice(&answers).and_then(|flat| flat.f_reshape(rows)).map_err(torch)
}
