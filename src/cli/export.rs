//! `edgezen export`: a network as a file for other programs.

use super::force::{Force, NO_INPUTS};
use super::net::{self, NetOptions};
use super::{Failure, Global, module};
use edgezen_core::plainnet::{Graph, Kernel, Model, lowering};
use edgezen_engine::quantisation::{Images, Maps, QuantisationError, Ranges};
use edgezen_engine::safetensors::{SafetensorsError, Tensors};
use edgezen_engine::weights::Weights;
use edgezen_engine::{onnx, tflite};
use edgezen_lab::catalogue::networks::{AnyNetwork, Kind};
use edgezen_lab::files::Destination;
use edgezen_lab::images;
use serde::Serialize;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name (edgezen networks lists them), a structure string, a file that begins with one, or a run folder; as JSON also
    /// an .onnx file or a code of another search space
    net: String,
    #[command(flatten)]
    options: NetOptions,
    /// What to write [default: as the ending of the file says: .onnx, .tflite, .py or .json]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file; of `--format pytorch`, without .py, a folder
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: PathBuf,
    /// Images per run that the file is made for
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Write 8-bit integers, as .onnx or .tflite. Without --calibration-images the ranges of the maps are those of random
    /// images, which is for measuring latencies only
    #[arg(long)]
    int8: bool,
    /// A folder of images (.png, .jpg), or of one folder for each class, that look like those that the network will see: the
    /// ranges of the maps of --int8 are observed on up to 200 of them
    #[arg(long, value_name = "DIR", requires = "int8")]
    calibration_images: Option<PathBuf>,
    /// Weights of a trained network (safetensors, as `train` writes them), for ONNX, TensorFlow Lite, and folders of PyTorch
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
    /// TensorFlow Lite, for LiteRT, with weights as for ONNX
    Tflite,
    /// A torch.nn.Module, for reading and training: one Python file; or a folder with what the training scripts of timm and
    /// torchvision need to take it by name
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
    int8: bool,
    /// What a person must know of the file: where the ranges of its integers are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Random images whose ranges are taken where no others are given.
const RANDOM_IMAGES: usize = 8;
/// Most images that are looked at: more of them hardly change the ranges.
const MOST_IMAGES: usize = 200;

#[derive(Serialize)]
struct Description<'a> {
    net: String,
    name: Option<&'a str>,
    /// Channels, height and width of the image.
    input: [u32; 3],
    /// Absent for networks without a structure string, as the two below.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    se: Option<bool>,
    blocks: Vec<String>,
    kernels: Vec<Kernel>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let format = format(&args)?;
    if format == Format::Pytorch && !args.int8 && is_folder(&args.output) {
        return folder(args, global);
    }
    // Where a run is named, all of its files are.
    let files = std::fs::read_dir(&args.net).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = [PathBuf::from(&args.net)].into_iter().chain(args.weights.clone());
    let inputs: Vec<PathBuf> = named.chain(files).collect();
    let to = args.force.place(&args.output, &inputs)?;
    let network = net::any(&args.net, args.options)?;
    if args.weights.is_some() && !format.holds_weights() {
        let failure =
            Failure::usage("--weights go into ONNX and TensorFlow Lite files, and folders of PyTorch");
        return Err(failure.remedy("--format onnx, --format tflite, or --format pytorch -o FOLDER"));
    }
    if args.int8 && !format.holds_weights() {
        return Err(Failure::usage("--int8 is for ONNX and TensorFlow Lite files only")
            .remedy("--format onnx, or --format tflite"));
    }
    if format.holds_weights() && network.imported().is_some() {
        let already =
            if network.kind() == format.kind() { " already" } else { ", whose weights are not read" };
        return Err(Failure::usage(format!("{} is {}{already}", args.net, network.kind()))
            .remedy("copy it, or convert it with the tools of its format; --format json describes it"));
    }
    let trained = args.weights.as_deref().map(weights).transpose()?;
    let network = match (network, &trained) {
        (AnyNetwork::PlainNet(mut model), Some(trained)) => {
            as_trained(&mut model, trained, args.options);
            AnyNetwork::PlainNet(model)
        }
        (other, Some(_)) => AnyNetwork::PlainNet(other.into_model("weights of a training need")?),
        (network, None) => network,
    };
    let net = match &network {
        AnyNetwork::PlainNet(model) => model.network.to_string(),
        other => other.name(),
    };
    let mut note = None;
    match format {
        Format::Onnx | Format::Tflite => {
            let graph = whole_graph(&network)?;
            let weights = match (&trained, &args.weights) {
                (Some(trained), Some(path)) => {
                    Weights::trained(&graph, trained).map_err(|error| Failure::bad_file(path, error))?
                }
                _ => Weights::new(&graph, global.seed),
            };
            let images = args.calibration_images.as_deref();
            let maps = args.int8.then(|| integers(&graph, &weights, images, global.seed)).transpose()?;
            if format == Format::Onnx {
                let export = onnx::Export::network_with_integers(&graph, args.batch, weights, maps.as_ref())
                    .map_err(|e| onnx_failure(&args.output, e))?;
                write_onnx(&export, &to, args.force)?;
            } else {
                tflite::check_whole(&graph).map_err(tflite_failure)?;
                let bytes = match &maps {
                    Some(maps) => tflite::write_int8(&graph, args.batch, &weights, maps),
                    None => tflite::write(&graph, args.batch, &weights),
                };
                to.write(&bytes.map_err(tflite_failure)?)?;
            }
            note = maps.map(|maps| maps.note);
        }
        Format::Pytorch => {
            let model = network.into_model("a PyTorch module is written of")?;
            module::write(&model, &to)?;
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(&describe(&network, args.batch)?)
                .map_err(|e| Failure::runtime(format!("cannot write the network as JSON: {e}")))?;
            to.write((json + "\n").as_bytes())?;
        }
    }
    // Nothing can be read back of a pipe.
    let bytes = if to.is_stream() { 0 } else { size(&args.output)? };
    let (int8, seed) = (args.int8, global.seed);
    let exported = Exported { net, format, file: args.output, bytes, seed, int8, note };
    global.output().written(&to, &exported, || {
        let note = exported.note.as_ref().map(|note| format!("\n{note}")).unwrap_or_default();
        if to.is_stream() {
            return format!("{}{note}", exported.file.display());
        }
        let bytes = edgezen_core::units::Bytes(exported.bytes as f64);
        format!("{} ({bytes}){note}", exported.file.display())
    })
}

/// Whether a module goes into a folder of its own: it is no Python file, and no pipe.
fn is_folder(path: &Path) -> bool {
    let is_source = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("py"));
    let is_stream = Destination::new(path, true, NO_INPUTS).is_ok_and(|to| to.is_stream());
    !is_source && !is_stream
}

/// Writes a folder of PyTorch.
fn folder(args: Args, global: Global) -> Result<(), Failure> {
    let trained = args.weights.as_deref().map(weights).transpose()?;
    let mut model = net::any(&args.net, args.options)?.into_model("a PyTorch module is written of")?;
    if let Some(trained) = &trained {
        as_trained(&mut model, trained, args.options);
    }
    let given = args.weights.as_deref().zip(trained.as_ref());
    let bytes = module::write_folder(&model, given, &args.output, args.force)?;
    let (net, format) = (model.network.to_string(), Format::Pytorch);
    let exported =
        Exported { net, format, file: args.output, bytes, seed: global.seed, int8: false, note: None };
    global
        .output()
        .result(&exported, || format!("{} (README.md says how it is trained)", exported.file.display()))
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
    // The network is small without its weights, and shows whether it may be written before these are.
    let mut network = Vec::new();
    export.write_referring(&data, &mut network).map_err(|error| Failure::io(to.path(), &error))?;
    to.check(&network)?;
    values.write_with(|file| export.write_values(&mut BufWriter::new(file)))?;
    Ok(to.write(&network)?)
}

/// The integers of the maps of a network.
fn integers(graph: &Graph, weights: &Weights<'_>, folder: Option<&Path>, seed: u64) -> Result<Maps, Failure> {
    let images = match folder {
        Some(folder) => Images::Given(images::inputs(folder, graph.input(), MOST_IMAGES)?),
        None => Images::Random { count: RANDOM_IMAGES, seed },
    };
    let ranges = Ranges::observe(graph, weights, &images).map_err(quantisation_failure)?;
    Ok(Maps::of(graph, &ranges))
}

/// Reads a file of weights.
pub fn weights(path: &Path) -> Result<Tensors, Failure> {
    Tensors::read(path).map_err(|error| match error {
        SafetensorsError::File(error) => error.into(),
        error @ SafetensorsError::Format(_) => Failure::bad_file(path, error),
    })
}

/// What a network was trained with holds where the command line says nothing.
pub fn as_trained(model: &mut Model, file: &Tensors, options: NetOptions) {
    let number = |name: &str| file.metadata.get(name).and_then(|text| text.parse::<u32>().ok());
    if let (None, Some(resolution)) = (options.resolution, number("resolution")) {
        model.resolution = resolution;
    }
    if let (None, Some(classes)) = (options.classes, number("classes")) {
        model.classes = classes;
    }
    model.se |= file.metadata.get("se").is_some_and(|se| se == "true");
}

fn describe(network: &AnyNetwork, batch: u32) -> Result<Description<'_>, Failure> {
    let input = network.input()?;
    let kernels =
        network.graphs()?.iter().flat_map(lowering::fused).map(|kernel| kernel.with_batch(batch)).collect();
    let input_shape = [input.c, input.h, input.w];
    Ok(match network {
        AnyNetwork::PlainNet(model) => Description {
            net: model.network.to_string(),
            name: model.name.as_deref(),
            input: input_shape,
            resolution: Some(model.resolution),
            classes: Some(model.classes),
            se: Some(model.se),
            blocks: model.network.blocks.iter().map(ToString::to_string).collect(),
            kernels,
        },
        other => Description {
            net: other.name(),
            name: None,
            input: input_shape,
            resolution: None,
            classes: None,
            se: None,
            blocks: Vec::new(),
            kernels,
        },
    })
}

/// What to write: what was asked for, which the ending of the file must not contradict, else what the ending says.
fn format(args: &Args) -> Result<Format, Failure> {
    let ending = args.output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let by_ending = match ending.as_deref() {
        Some("onnx") => Some(Format::Onnx),
        Some("py") => Some(Format::Pytorch),
        Some("json") => Some(Format::Json),
        Some("tflite") => Some(Format::Tflite),
        _ => None,
    };
    match (args.format, by_ending) {
        (Some(asked), Some(by_ending)) if asked != by_ending => Err(Failure::usage(format!(
            "--format {} and the ending of {} contradict each other",
            asked.name(),
            args.output.display()
        ))
        .remedy(format!("leave out --format, or write to FILE.{}", asked.ending()))),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => {
            Err(Failure::usage(format!("the ending of {} names no format", args.output.display())).remedy(
                "-o FILE.onnx, FILE.tflite, FILE.py or FILE.json; or --format onnx, tflite, pytorch or json",
            ))
        }
    }
}

impl Format {
    /// Whether a file of it is run as it is.
    fn holds_weights(self) -> bool {
        matches!(self, Format::Onnx | Format::Tflite)
    }

    /// The kind of network that a file of it is.
    fn kind(self) -> Kind {
        if self == Format::Tflite { Kind::Tflite } else { Kind::Onnx }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Tflite => "tflite",
            Format::Pytorch => "pytorch",
            Format::Json => "json",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Tflite => "tflite",
            Format::Pytorch => "py",
            Format::Json => "json",
        }
    }
}

/// The graph of a network that is one: the blocks of codes are graphs of their own.
fn whole_graph(network: &AnyNetwork) -> Result<Graph, Failure> {
    let mut graphs = network.graphs()?;
    match (graphs.pop(), graphs.is_empty()) {
        (Some(graph), true) => Ok(graph),
        _ => {
            let failure = Failure::usage(format!(
                "{} is {}: its blocks are separate graphs, of which no file can be made",
                network.name(),
                network.kind()
            ));
            Err(failure.remedy("--format json writes its kernels"))
        }
    }
}

fn tflite_failure(error: tflite::TfliteError) -> Failure {
    Failure::usage(error.to_string()).remedy("--format onnx")
}

fn quantisation_failure(error: QuantisationError) -> Failure {
    Failure::runtime(format!("no ranges of the network's values could be found: {error}"))
}

fn onnx_failure(path: &std::path::Path, error: onnx::OnnxError) -> Failure {
    match error {
        onnx::OnnxError::Io(error) => Failure::io(path, &error),
        other => Failure::runtime(format!("{}: {other}", path.display())),
    }
}
