//! The half of `edgezen evaluate` that judges a trained network (feature `torch`). Without libtorch its options are known
//! but hidden, so that a user hears what is missing.

use crate::cli::Global;
use crate::cli::failure::Failure;
use std::path::{Path, PathBuf};

/// Whether options that need libtorch are kept out of the help.
const HIDDEN: bool = cfg!(not(feature = "torch"));

#[derive(Debug, clap::Args)]
#[group(id = "judging a trained network", multiple = true)]
pub struct Args {
    /// A trained network, with --weights: how many images of the folder, or the set of CIFAR, in --data it names right
    #[arg(value_name = "NET", requires = "weights", hide = HIDDEN)]
    net: Option<String>,
    /// Its weights, as `train` writes them
    #[arg(long, value_name = "FILE", requires = "net", hide = HIDDEN)]
    weights: Option<PathBuf>,
    /// Side of the square input image [default: the network's own; 32 of CIFAR]
    #[arg(long, value_name = "R", requires = "net", hide = HIDDEN)]
    resolution: Option<u32>,
    /// Classes of the classifier [default: those of the data set]
    #[arg(long, value_name = "K", requires = "net", hide = HIDDEN)]
    classes: Option<u32>,
    /// Squeeze-excite in the residual super blocks [default: as published]
    #[arg(long, requires = "net", hide = HIDDEN)]
    se: bool,
    /// cpu or cuda:0 [default: the first GPU, else the CPU]
    #[arg(long, value_name = "NAME", requires = "net", hide = HIDDEN)]
    device: Option<String>,
    /// Threads on the CPU [default: one per core]
    #[arg(long, value_name = "N", requires = "net", hide = HIDDEN, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
    /// Leave out images that cannot be read, in place of refusing the folder
    #[arg(long, requires = "net", hide = HIDDEN)]
    skip_broken: bool,
    /// Seed that divides the images, where no folders do [default: 0]
    #[arg(long, value_name = "N", requires = "net", hide = HIDDEN)]
    split_seed: Option<u64>,
}

impl Args {
    /// The network and its weights, where they are given.
    pub fn network(&self) -> Option<(String, PathBuf)> {
        self.net.clone().zip(self.weights.clone())
    }
}

#[cfg(not(feature = "torch"))]
pub fn run(_: &str, _: &Path, _: &Args, _: &Path, _: Global) -> Result<(), Failure> {
    Err(Failure::needs_torch("evaluate --weights"))
}

/// Counts the images of the data set in `data` that `net` names right.
#[cfg(feature = "torch")]
pub fn run(net: &str, weights: &Path, args: &Args, data: &Path, global: Global) -> Result<(), Failure> {
    use crate::cli::train::Place;

    let place = Place { device: args.device.clone(), threads: args.threads };
    place.in_threads(|| counted(net, weights, args, &place, data, global))
}

/// The same, in the threads that were asked for.
#[cfg(feature = "torch")]
fn counted(
    net: &str,
    weights: &Path,
    args: &Args,
    place: &crate::cli::train::Place,
    data: &Path,
    global: Global,
) -> Result<(), Failure> {
    use crate::cli::net::NetOptions;
    use crate::cli::pictures::{self, PictureOptions};
    use crate::cli::train;
    use edgezen_engine::onnx::Size;
    use edgezen_lab::images::ImageFolder;
    use edgezen_lab::train::cifar::Cifar;
    use edgezen_lab::train::course::judge;
    use edgezen_lab::train::data::TrainingData;
    use edgezen_lab::train::network::Network;

    let out = global.output();
    let options = NetOptions {
        resolution: args.resolution.map(|side| Size { h: side as usize, w: side as usize }),
        classes: args.classes,
        se: args.se,
    };
    let (model, data) = if TrainingData::is_cifar(data) {
        let data = TrainingData::of_cifar(Cifar::read(data)?);
        (train::model_of_cifar(net, options, data.classes.len() as u32)?, data)
    } else {
        let pictures = PictureOptions { skip_broken: args.skip_broken, split_seed: args.split_seed };
        let folder = ImageFolder::list(data, args.split_seed.unwrap_or(0))?;
        let model = train::model_of_classes(net, options, folder.classes.len() as u32)?;
        let data = train::read(&folder, &model, pictures, out)?;
        (model, data)
    };
    pictures::tell(&data.broken, &data.notes, out);
    let device = place.device()?;
    let mut network = Network::new(&model, device, 0)?;
    let file = crate::cli::export::weights(weights)?;
    network
        .load(&file, false)
        .map_err(|reason| Failure::bad_file(weights, format!("of another network: {reason}")))?;
    let (loss, answers) = judge(&network, data.test.as_ref().unwrap_or(&data.judged), &data.view, device)?;
    let top1 = answers.top1();
    let report = Evaluated { net: model.network.to_string(), images: answers.len(), top1, loss };
    out.result(&report, || {
        format!("top-1 {:.2} % of {} images, cross entropy {:.4}", 100.0 * top1, report.images, loss)
    })
}

/// What `--json` prints.
#[cfg(feature = "torch")]
#[derive(serde::Serialize)]
struct Evaluated {
    net: String,
    images: usize,
    top1: f64,
    loss: f64,
}
