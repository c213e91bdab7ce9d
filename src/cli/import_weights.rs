//! `edgezen import-weights NET FILE`: the weights of a training in PyTorch, as those of a training here.

use super::force::{Force, has_ending};
use super::module::state_failure;
use super::net::{self, NetOptions};
use super::{Failure, Global, export};
use edgezen_engine::pytorch::{archive, pickle, state};
use edgezen_engine::safetensors::Tensors;
use edgezen_lab::files;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure string, file, published name, or run folder: the network that was exported as a PyTorch module
    net: String,
    /// What its training wrote: a state dict as .safetensors, or a file of torch.save (.pth, .pth.tar, .pt) with a state dict or the
    /// checkpoint of timm or torchvision
    weights: PathBuf,
    #[command(flatten)]
    options: NetOptions,
    /// The file of weights (safetensors), for evaluate, deploy, export and train
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: PathBuf,
    /// Take the means of the weights over the steps that the checkpoint holds
    #[arg(long)]
    ema: bool,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Imported {
    net: String,
    resolution: u32,
    classes: u32,
    tensors: usize,
    file: PathBuf,
}

/// Larger files are none of a network that is described here.
const MOST_BYTES: u64 = 16 << 30;

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let path = args.weights.as_path();
    has_ending(&args.output, &["safetensors"], "a file of safetensors")?;
    let to = args.force.place(&args.output, &[path, Path::new(&args.net)])?;
    let mut model = net::model(&args.net, args.options, "weights of a training need")?;
    let state = read(path, args.ema)?;
    let classes = state::classes(&model, &state).map_err(|error| state_failure(error, path))?;
    if let (None, Some(classes)) = (args.options.classes, classes) {
        model.classes = classes;
    }
    let weights = state::from_state_dict(&model, &state).map_err(|error| state_failure(error, path))?;
    to.write(&weights.encode())?;
    let imported = Imported {
        net: model.network.to_string(),
        resolution: model.resolution,
        classes: model.classes,
        tensors: weights.tensors.len(),
        file: args.output,
    };
    global
        .output()
        .written(&to, &imported, || format!("{} ({} tensors)", imported.file.display(), imported.tensors))
}

/// The state dict in a file of either kind.
fn read(path: &Path, means: bool) -> Result<Tensors, Failure> {
    let bytes = files::read_at_most(path, MOST_BYTES)?;
    if archive::is_archive(&bytes) {
        return pickle::state_dict(&bytes, means).map_err(|error| Failure::bad_file(path, error));
    }
    if means {
        return Err(Failure::usage(format!(
            "--ema: {} is no checkpoint of a training script",
            path.display()
        ))
        .remedy("leave it out, or give the file that the script wrote"));
    }
    // What torch.save wrote before 2020 begins with the number that pickle begins with.
    if bytes.starts_with(&[0x80, 2]) || bytes.starts_with(&[0x80, 4]) {
        return Err(Failure::bad_file(path, "it is of a version of torch.save before 1.6")
            .remedy("read it in PyTorch, and save its state dict again"));
    }
    drop(bytes);
    export::weights(path)
}
