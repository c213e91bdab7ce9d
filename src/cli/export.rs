//! `edgezen export`: a network as a file for other programs.

use super::force::{Force, NO_INPUTS};
use super::net::{self, NetOptions};
use super::{Failure, Global};
use edgezen_core::plainnet::{Kernel, Model};
use edgezen_engine::safetensors::{SafetensorsError, Tensors};
use edgezen_engine::weights::Weights;
use edgezen_engine::{onnx, pytorch};
use edgezen_lab::files::Destination;
use serde::Serialize;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure string, file, or published name
    net: String,
    #[command(flatten)]
    options: NetOptions,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// The file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Images per run that the file is made for
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Weights of a trained network (safetensors, as `train` writes them), for ONNX
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// ONNX, opset 14, with random weights from --seed: for benchmarks and as a starting point
    Onnx,
    /// One Python file that defines the network as a torch.nn.Module, for reading and training
    Pytorch,
    /// Structure, blocks, and kernels as JSON
    Json,
}

#[derive(Serialize)]
struct Exported {
    net: String,
    format: Format,
    file: PathBuf,
    bytes: u64,
    seed: u64,
}

#[derive(Serialize)]
struct Description<'a> {
    net: String,
    name: &'a Option<String>,
    resolution: u32,
    classes: u32,
    se: bool,
    blocks: Vec<String>,
    kernels: Vec<Kernel>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let inputs: Vec<&Path> = [Path::new(&args.net)].into_iter().chain(args.weights.as_deref()).collect();
    let to = args.force.place(&args.output, &inputs)?;
    let mut model = net::model(&args.net, args.options)?;
    if args.weights.is_some() && args.format != Format::Onnx {
        return Err(Failure::usage("--weights go into ONNX files only").remedy("--format onnx"));
    }
    let trained = args.weights.as_deref().map(weights).transpose()?;
    if let Some(trained) = &trained {
        as_trained(&mut model, trained, args.options);
    }
    match args.format {
        Format::Onnx => {
            let graph = model.graph()?;
            let weights = match (&trained, &args.weights) {
                (Some(trained), Some(path)) => {
                    Weights::trained(&graph, trained).map_err(|error| Failure::bad_file(path, error))?
                }
                _ => Weights::new(&graph, global.seed),
            };
            let export =
                onnx::Export::of(&graph, args.batch, weights).map_err(|e| onnx_failure(&args.output, e))?;
            write_onnx(&export, &to, args.force)?;
        }
        Format::Pytorch => {
            let source = pytorch::module(&model).map_err(pytorch_failure)?;
            to.write(source.as_bytes())?;
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(&describe(&model, args.batch)?)
                .map_err(|e| Failure::runtime(format!("cannot write the network as JSON: {e}")))?;
            to.write((json + "\n").as_bytes())?;
        }
    }
    // Nothing can be read back of a pipe.
    let bytes = if to.is_stream() { 0 } else { size(&args.output)? };
    let exported = Exported {
        net: model.network.to_string(),
        format: args.format,
        file: args.output,
        bytes,
        seed: global.seed,
    };
    global.output().written(&to, &exported, || {
        if to.is_stream() {
            return exported.file.display().to_string();
        }
        format!("{} ({})", exported.file.display(), edgezen_core::units::Bytes(exported.bytes as f64))
    })
}

fn size(path: &Path) -> Result<u64, Failure> {
    Ok(std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?.len())
}

/// Writes an ONNX file, and a second one with the weights where one file cannot hold them.
fn write_onnx(export: &onnx::Export<'_>, to: &Destination, force: Force) -> Result<(), Failure> {
    if export.fits_one_file() {
        return Ok(to.write_with(|file| export.write(&mut BufWriter::new(file)))?);
    }
    let name = to.path().file_name().and_then(|name| name.to_str()).filter(|_| !to.is_stream());
    let name = name.ok_or_else(|| {
        let bytes = edgezen_core::units::Bytes(export.value_bytes() as f64);
        Failure::usage(format!("{bytes} of weights go into a file beside the network")).remedy("-o FILE.onnx")
    })?;
    let data = format!("{name}.data");
    let values = force.place(to.path().with_file_name(&data), NO_INPUTS)?;
    values.write_with(|file| export.write_values(&mut BufWriter::new(file)))?;
    Ok(to.write_with(|file| export.write_referring(&data, &mut BufWriter::new(file)))?)
}

/// Reads a file of weights.
pub fn weights(path: &Path) -> Result<Tensors, Failure> {
    Tensors::read(path).map_err(|error| match error {
        SafetensorsError::File(error) => error.into(),
        error @ SafetensorsError::Format(_) => Failure::bad_file(path, error),
    })
}

/// What a network was trained with holds where the command line says nothing.
fn as_trained(model: &mut Model, file: &Tensors, options: NetOptions) {
    let number = |name: &str| file.metadata.get(name).and_then(|text| text.parse::<u32>().ok());
    if let (None, Some(resolution)) = (options.resolution, number("resolution")) {
        model.resolution = resolution;
    }
    if let (None, Some(classes)) = (options.classes, number("classes")) {
        model.classes = classes;
    }
    model.se |= file.metadata.get("se").is_some_and(|se| se == "true");
}

fn describe(model: &Model, batch: u32) -> Result<Description<'_>, Failure> {
    Ok(Description {
        net: model.network.to_string(),
        name: &model.name,
        resolution: model.resolution,
        classes: model.classes,
        se: model.se,
        blocks: model.network.blocks.iter().map(ToString::to_string).collect(),
        kernels: model.kernels()?.into_iter().map(|kernel| kernel.with_batch(batch)).collect(),
    })
}

fn pytorch_failure(error: pytorch::PytorchError) -> Failure {
    match error {
        pytorch::PytorchError::Shape(error) => error.into(),
        other => Failure::usage(format!("cannot write {other}")),
    }
}

fn onnx_failure(path: &std::path::Path, error: onnx::OnnxError) -> Failure {
    match error {
        onnx::OnnxError::Io(error) => Failure::io(path, &error),
        other => Failure::runtime(format!("{}: {other}", path.display())),
    }
}
