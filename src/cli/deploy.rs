//! `edgezen deploy`: a trained network as the file of a runtime, with its accuracy and its latency there, on one card.

use super::export::{as_trained, weights};
use super::force::Force;
use super::net::{self, NetOptions};
use super::pictures::{self, PictureOptions};
use super::target::{self, How, Target};
use super::{Exit, Failure, Global, output};
use edgezen_core::digest::sha256;
use edgezen_core::plainnet::{Model, graph_cost};
use edgezen_core::units::Latency;
use edgezen_engine::agreement::Tolerance;
use edgezen_engine::model_file::{ModelFile, ModelFormat};
use edgezen_engine::quantisation::Method;
use edgezen_engine::runtimes::{Opening, by_name, registry};
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::{Engine, EngineError, Tensor};
use edgezen_lab::campaign::network_latency::{self, MeasuredNetwork};
use edgezen_lab::campaign::networks::{LAUNCHES, Reading, Step};
use edgezen_lab::deploy::card::{
    self, Accuracy, DataFacts, FileFacts, Kept, LatencyFacts, NetworkFacts, Quantisation, RuntimeFacts,
};
use edgezen_lab::deploy::layers::{deviation, with_weights, worst};
use edgezen_lab::deploy::{Card, DeployError, Writing, accuracy};
use edgezen_lab::device::{DeviceError, DeviceName, runtimes};
use edgezen_lab::files::Destination;
use edgezen_lab::files::holding::refuse_any;
use edgezen_lab::images::folder::{CLASS_NAMES, Parts, SPLIT_SEED};
use edgezen_lab::images::pictures::Read;
use edgezen_lab::images::{self, Answers, ImageFolder, Pictures, View};
use edgezen_lab::runs;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, a structure string, a file that begins with one, or a run folder
    net: String,
    #[command(flatten)]
    options: NetOptions,
    /// Its trained weights (safetensors, as `train` writes them)
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The folder of images that it was trained on: DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE, or DIR/CLASS/IMAGE
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Folder of the file and its card: card.md, card.json
    #[arg(short, long, alias = "out", value_name = "DIR")]
    output: PathBuf,
    /// How the ranges of the integers are chosen from images to learn from: minmax, entropy, or the percentage of the values that
    /// they hold [default: 99.99]
    #[arg(long, value_name = "METHOD")]
    ranges: Option<Method>,
    /// Keep so many layers in floats, those first that lose most by their integers [default: 0]
    #[arg(long, value_name = "N")]
    keep_float: Option<usize>,
    /// Latency budget for one image, which the card compares with what is measured [default: that of the run on this device]
    #[arg(long, value_name = "TIME")]
    latency: Option<Latency>,
    /// What others may do with the file: a name or a sentence for the card
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "not stated; that of the images and of the weights applies"
    )]
    licence: String,
    #[command(flatten)]
    force: Force,
}

/// The name of this computer as a device.
const HOST: &str = "host";
/// How ranges are chosen where nobody says it.
const RANGES: Method = Method::Percentile(99.99);
/// Images to learn from that the ranges of integers are observed on.
const CALIBRATION: usize = 200;
/// Images whose outputs are compared.
const COMPARED: usize = 16;
/// Layers that the card names.
const WORST: usize = 5;

/// A runtime of this computer, and what is asked of it.
struct Runtime {
    engine: Box<dyn Engine>,
    format: ModelFormat,
    precision: String,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let name = args.target.name()?;
    let runtime = runtime(&name)?;
    let trained = weights(&args.weights)?;
    let mut model = net::model(&args.net, args.options, "deploying needs")?;
    as_trained(&mut model, &trained, args.options);
    model.validate()?;
    let integers = runtime.precision == "int8";
    args.heeded(integers, &name)?;
    let (folder, split_seed) = folder(&args, &trained, &model)?;
    let file_name = format!("network.{}", runtime.format.ending());
    let places = places(&args, &file_name)?;

    let graph = model.graph()?;
    let view = View::of(graph.input());
    let images = Images::read(&folder, split_seed, args.pictures, view, out)?;
    let writing =
        Writing { engine: runtime.engine.as_ref(), format: runtime.format, graph: &graph, trained: &trained };
    let floats_file = writing.floats().map_err(|error| of_weights(error, &args.weights))?;
    let mut floats = writing.load(&floats_file)?;
    let engine = runtime.engine.name();
    let outputs = accuracy::logits(floats.as_mut(), engine, &images.compared)?;
    let (reference, deviation) = compared(&writing, &images.compared, &outputs)?;

    let classes = folder.classes.len();
    let judge = |network: &mut dyn edgezen_engine::Loaded, what: &str| -> Result<Answers, Failure> {
        let bar = out.progress(images.test.len() as u64, "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
        bar.set_message(what.to_owned());
        let answers = accuracy::answers(network, engine, &images.test, &view, classes, &|| bar.inc(1));
        bar.finish_and_clear();
        Ok(answers?)
    };
    let in_floats = judge(floats.as_mut(), "test images, in floats")?;
    let (file, quantisation, answers) = if integers {
        let (file, quantisation) = quantised(&writing, &args, &images, &outputs, out)?;
        let answers = judge(writing.load(&file)?.as_mut(), "test images, in integers")?;
        (file, Some(quantisation), answers)
    } else {
        (floats_file, None, in_floats.clone())
    };
    std::fs::create_dir_all(&args.output).map_err(|e| Failure::io(&args.output, &e))?;
    places.file.write(&file.bytes)?;
    let latency = latency(&args, &name, places.file.path(), global)?;
    let cost = graph_cost::of(&graph);
    let gain = answers.gain_over(&in_floats, global.seed);
    let card = Card {
        version: card::VERSION,
        network: NetworkFacts {
            structure: model.network.to_string(),
            name: model.name.clone(),
            resolution: model.resolution,
            se: model.se,
            classes: folder.classes.clone(),
            params: cost.params as f64,
            macs: cost.macs as f64,
        },
        file: FileFacts {
            name: file_name,
            bytes: file.bytes.len() as u64,
            sha256: sha256(&file.bytes),
            weights_sha256: digest(&args.weights)?,
        },
        runtime: RuntimeFacts {
            name: engine.to_owned(),
            version: runtime.engine.version(),
            precision: runtime.precision.clone(),
            threads: DeviceName::parse(&name).threads.unwrap_or(1),
            deviation_from_reference: deviation,
            reference,
            compared: images.compared.len(),
        },
        data: DataFacts {
            folder: args.data.display().to_string(),
            sha256: images.sha256.clone(),
            test_images: images.test.len(),
            test_from: match &folder.test_folder {
                Some(folder) => folder.display().to_string(),
                None => "a fifth of each class, which were held back from the training".into(),
            },
            left_out: images.left_out,
        },
        accuracy: Accuracy {
            top1: answers.top1_interval(global.seed),
            top1_in_floats: in_floats.top1_interval(global.seed),
            gain_over_floats: gain.ok_or_else(|| Failure::runtime("answers for other images"))?,
        },
        quantisation,
        budgets: budgets(&args, &name, &latency),
        latency,
        licence: args.licence.clone(),
        repeat: repeat(&args, integers, &model, &name, global.seed),
    };
    let json = serde_json::to_vec_pretty(&card)
        .map_err(|e| Failure::runtime(format!("cannot write the card as JSON: {e}")))?;
    places.json.write(&json)?;
    places.page.write(card.page().as_bytes())?;
    out.result(&card, || text(&card, &args.output))
}

impl Args {
    fn ranges(&self) -> Method {
        self.ranges.unwrap_or(RANGES)
    }

    fn keep_float(&self) -> usize {
        self.keep_float.unwrap_or(0)
    }

    /// Refuses what says how a network becomes one of integers where the device called `name` computes in floats.
    fn heeded(&self, integers: bool, name: &str) -> Result<(), Failure> {
        let given = [(self.ranges.is_some(), "--ranges"), (self.keep_float.is_some(), "--keep-float")];
        match given.iter().find(|(given, _)| *given && !integers) {
            Some((_, option)) => {
                Err(Failure::usage(format!("{option} is about integers, and {name} computes in floats"))
                    .remedy(format!("--device {HOST}@litert@int8 for integers, or leave out {option}")))
            }
            None => Ok(()),
        }
    }
}

/// The runtime that the name of the device means, opened.
fn runtime(name: &str) -> Result<Runtime, Failure> {
    let parsed = DeviceName::parse(name);
    if parsed.device != HOST {
        return Err(Failure::usage(format!(
            "{name}: deploy measures the accuracy on this computer; images are not brought to other devices yet"
        ))
        .remedy(
            "--device host@litert@int8 for the accuracy; then edgezen measure --device DEVICE with the file that it writes",
        ));
    }
    let wanted = parsed.runtime.unwrap_or("tract");
    let known = || registry().iter().map(|runtime| runtime.name()).collect::<Vec<_>>().join(", ");
    let runtime = by_name(wanted).ok_or_else(|| {
        Failure::usage(format!("{name}: deploy writes files for {}, and {wanted:?} is none of them", known()))
    })?;
    let precision = parsed.precision.unwrap_or("fp32");
    if parsed.has_more || parsed.sustained || !runtime.precisions().contains(&precision) {
        let known = runtime.precisions().join(", ");
        return Err(Failure::usage(format!("{name}: {wanted} has these precisions: {known}")));
    }
    let folders = runtimes::folders();
    let how = Opening { folders: &folders, precision, threads: parsed.threads.unwrap_or(1) };
    let engine = runtime.open(&how).map_err(|error| match error {
        EngineError::Unsupported { .. } => Failure::usage(format!("{name}: {error}")),
        error => DeviceError::Runtime { device: HOST.into(), error }.into(),
    })?;
    let ending = engine.file_ending();
    let format = ModelFormat::ALL.iter().copied().find(|format| Some(format.ending()) == ending);
    let format = format.ok_or_else(|| Failure::usage(format!("{name}: {wanted} reads no files")))?;
    Ok(Runtime { engine, format, precision: precision.to_owned() })
}

/// Lists the images, divided as they were for the training, and gives the seed that divides them.
fn folder(args: &Args, trained: &Tensors, model: &Model) -> Result<(ImageFolder, u64), Failure> {
    let seed = trained.metadata.get(SPLIT_SEED).and_then(|text| text.parse().ok());
    if let (Some(given), Some(seed)) = (args.pictures.split_seed, seed)
        && given != seed
    {
        return Err(Failure::usage(format!(
            "--split-seed {given}: the network was trained on images that were divided by seed {seed}, and would be judged by \
             images that it learnt from"
        ))
        .remedy("leave out --split-seed"));
    }
    let seed = args.pictures.split_seed.or(seed).unwrap_or(0);
    let folder = ImageFolder::list(&args.data, seed)?;
    let names =
        trained.metadata.get(CLASS_NAMES).and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
    if let Some(names) = names.filter(|names| *names != folder.classes) {
        let first = names.iter().zip(&folder.classes).find(|(a, b)| a != b);
        let first = first
            .map_or(String::new(), |(a, b)| format!("; the first that differs is {b}, where it was {a}"));
        return Err(Failure::usage(format!(
            "{}: the network was trained on {} classes, and there are {} others here{first}",
            args.data.display(),
            names.len(),
            folder.classes.len()
        ))
        .remedy("the folder that it was trained on, or one with the same classes"));
    }
    if (model.classes as usize) < folder.classes.len() {
        return Err(Failure::usage(format!(
            "the network knows {} classes, and {} has {}",
            model.classes,
            args.data.display(),
            folder.classes.len()
        )));
    }
    Ok((folder, seed))
}

/// Where the results go.
struct Places {
    file: Destination,
    json: Destination,
    page: Destination,
}

/// All of them are free before anything is computed.
fn places(args: &Args, file_name: &str) -> Result<Places, Failure> {
    let place = |name: &str| args.force.free_place(args.output.join(name), &[&args.weights]);
    if args.output.exists() && !args.output.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", args.output.display())).remedy("-o DIR"));
    }
    refuse_any(&args.output)?;
    Ok(Places { file: place(file_name)?, json: place("card.json")?, page: place("card.md")? })
}

/// Images, as the network reads them.
struct Images {
    /// Of the images to learn from: for the ranges of integers.
    calibration: Vec<Tensor>,
    /// Of those that chose the epoch: for comparing outputs.
    compared: Vec<Tensor>,
    test: Pictures,
    sha256: String,
    left_out: usize,
}

impl Images {
    fn read(
        folder: &ImageFolder,
        split_seed: u64,
        options: PictureOptions,
        view: View,
        out: output::Output,
    ) -> Result<Images, Failure> {
        let parts = Parts::of(folder, split_seed)?;
        let some = |items: &[images::Item], most: usize| -> Vec<images::Item> {
            let count = items.len().min(most);
            (0..count).map(|index| items[index * items.len() / count].clone()).collect()
        };
        let calibration = some(&parts.training, CALIBRATION);
        let compared = some(&parts.validation, COMPARED);
        let files = calibration.len() + compared.len() + parts.test.len();
        let bar = out.progress(files as u64, "{bar:30} {pos}/{len} images {elapsed} ETA {eta}");
        let read = |items: &[images::Item]| -> Result<Read, Failure> {
            Ok(Pictures::read(items, &folder.root, view, options.on_broken(), &|| bar.inc(1))?)
        };
        let tensors = |read: &Read| -> Result<Vec<Tensor>, Failure> {
            let tensor = |index: usize| -> Result<Tensor, Failure> {
                Ok(images::tensor(&view, read.pictures.picture(index)?.as_ref()))
            };
            (0..read.pictures.len()).map(tensor).collect()
        };
        let (calibration, compared, test) = (read(&calibration)?, read(&compared)?, read(&parts.test)?);
        bar.finish_and_clear();
        let broken = [calibration.broken.as_slice(), &compared.broken, &test.broken].concat();
        pictures::tell(&broken, &folder.notes, out);
        if test.pictures.is_empty() {
            return Err(Failure::usage(format!("{}: there is no test image left", folder.root.display())));
        }
        Ok(Images {
            calibration: tensors(&calibration)?,
            compared: tensors(&compared)?,
            test: test.pictures,
            sha256: test.sha256,
            left_out: broken.len(),
        })
    }
}

/// Compares outputs in floats with those of tract; gives the name of the reference and the deviation.
fn compared(writing: &Writing<'_>, inputs: &[Tensor], outputs: &[Tensor]) -> Result<(String, f64), Failure> {
    let folders = runtimes::folders();
    let tract = by_name("tract").ok_or_else(|| Failure::runtime("there is no tract"))?;
    let reference = tract.open(&Opening { folders: &folders, precision: "fp32", threads: 1 });
    let reference = reference.map_err(DeployError::from)?;
    let writing = Writing { engine: reference.as_ref(), format: ModelFormat::Onnx, ..*writing };
    let file = writing.floats()?;
    let expected = accuracy::logits(writing.load(&file)?.as_mut(), reference.name(), inputs)?;
    for (output, expected) in outputs.iter().zip(&expected) {
        let (ours, theirs) = (std::slice::from_ref(output), std::slice::from_ref(expected));
        Tolerance::of("fp32").compare(ours, theirs).map_err(|difference| {
            Failure::new(
                Exit::Runtime,
                format!("the runtime computes something else than tract: {difference}"),
            )
        })?;
    }
    Ok((format!("{} {}", reference.name(), reference.version()), deviation(outputs, &expected)))
}

/// The file in integers, and how it came about.
fn quantised(
    writing: &Writing<'_>,
    args: &Args,
    images: &Images,
    floats: &[Tensor],
    out: output::Output,
) -> Result<(ModelFile, Quantisation), Failure> {
    let layers = with_weights(writing.graph).len();
    let kept = args.keep_float();
    if kept > layers {
        return Err(Failure::usage(format!("--keep-float {kept}: the network has {layers} layers"))
            .remedy(format!("--keep-float {layers} keeps all of them")));
    }
    let maps = writing.maps(&images.calibration, args.ranges())?;
    let bar = out.progress(layers as u64, "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
    bar.set_message("layers, each in integers alone");
    let worst = worst(writing, &maps, &images.compared, floats, &|| bar.inc(1));
    bar.finish_and_clear();
    let mut worst = worst?;
    let in_floats: Vec<usize> = worst.iter().take(kept).map(|layer| layer.node).collect();
    let file = writing.integers(maps.keeping(in_floats.iter().copied()))?;
    worst.truncate(WORST.max(kept));
    let method = args.ranges().to_string();
    Ok((file, Quantisation { method, images: images.calibration.len(), in_floats, worst }))
}

/// Measures the file.
fn latency(args: &Args, name: &str, file: &Path, global: Global) -> Result<LatencyFacts, Failure> {
    let out = global.output();
    let mut device = args.target.open(How::default(), global)?;
    let bar = out.progress(u64::from(LAUNCHES), "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
    let mut begun = 0;
    let networks = [MeasuredNetwork::File(file.to_owned())];
    let readings = network_latency::measure(device.as_mut(), &networks, &mut |step| match step {
        Step::Launch(_) => {
            bar.set_message("latency");
            output::begin_step(&bar, &mut begun);
        }
        step => target::show_step(&bar, step),
    })?;
    bar.finish_and_clear();
    target::notes(&mut *device, out);
    let reading = readings.into_iter().next().flatten();
    let reading = reading.ok_or_else(|| Failure::runtime(format!("{name}: no samples came back")))?;
    let conditions = serde_json::json!({ "state": reading.state, "machine": device.facts() });
    Ok(latency_facts(&reading, device.identity().to_string(), conditions))
}

fn latency_facts(reading: &Reading, device: String, conditions: serde_json::Value) -> LatencyFacts {
    let summary = &reading.summary;
    LatencyFacts {
        device,
        median_ms: summary.median.ms(),
        ci95_ms: [summary.ci95.0.ms(), summary.ci95.1.ms()],
        p90_ms: summary.p90.ms(),
        p99_ms: reading.p99.ms(),
        first_ms: reading.first.map(Latency::ms),
        load_ms: reading.load.map(Latency::ms),
        peak_memory_bytes: reading.peak.map(|peak| peak.0),
        launches: reading.launches.len(),
        quality: reading.quality().name().to_owned(),
        reason: reading.doubt.as_ref().map(ToString::to_string),
        conditions,
    }
}

/// The budgets on the latency: the one that was asked for, or that of the run on this device.
fn budgets(args: &Args, name: &str, latency: &LatencyFacts) -> Vec<Kept> {
    let of_run = || {
        let manifest = runs::read_manifest(Path::new(&args.net)).ok()?;
        let same = |device: &str| device == name || device == latency.device;
        manifest.device.iter().find(|device| same(&device.name)).and_then(|device| device.limit_ms)
    };
    let limit = args.latency.map(Latency::ms).or_else(of_run);
    let kept = |limit: f64| Kept {
        quantity: "latency, in ms".into(),
        limit,
        value: latency.median_ms,
        kept: latency.median_ms <= limit,
    };
    limit.map(kept).into_iter().collect()
}

/// The command that makes the file again.
fn repeat(args: &Args, integers: bool, model: &Model, name: &str, seed: u64) -> Vec<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let se = if model.se { " --se" } else { "" };
    let skip = if args.pictures.skip_broken { " --skip-broken" } else { "" };
    let ranges = if integers { format!(" --ranges {}", args.ranges()) } else { String::new() };
    let keep = args.keep_float.map(|kept| format!(" --keep-float {kept}")).unwrap_or_default();
    vec![format!(
        "edgezen deploy {} --resolution {} --classes {}{se} --weights {} --device {} --data {}{ranges}{keep}{skip} --seed {seed} \
         -o {}",
        quoted(&model.network.to_string()),
        model.resolution,
        model.classes,
        quoted(&args.weights.display().to_string()),
        quoted(name),
        quoted(&args.data.display().to_string()),
        quoted(&args.output.display().to_string())
    )]
}

fn digest(path: &Path) -> Result<String, Failure> {
    Ok(sha256(std::fs::read(path).map_err(|e| Failure::io(path, &e))?))
}

fn text(card: &Card, dir: &Path) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let Accuracy { top1, top1_in_floats, .. } = &card.accuracy;
    let mut text = format!(
        "top-1 {} ({} to {}) of {} test images in {} {} {}; in floats {}\n{:.3} ms for one image, {}\n",
        percent(top1.share),
        percent(top1.lower),
        percent(top1.upper),
        card.data.test_images,
        card.runtime.name,
        card.runtime.version,
        card.runtime.precision,
        percent(top1_in_floats.share),
        card.latency.median_ms,
        card.latency.quality,
    );
    for Kept { quantity, limit, value, kept } in &card.budgets {
        let verdict = if *kept { "kept" } else { "not kept" };
        text += &format!("budget of {limit} ({quantity}): {value:.3}, {verdict}\n");
    }
    if let Some(quantisation) = &card.quantisation
        && let Some(layer) = quantisation.worst.first()
    {
        text += &format!(
            "the integers of n{} ({}) change the outputs most: by {:.1} %\n",
            layer.node,
            layer.operation,
            100.0 * layer.error
        );
    }
    text + &format!("{}, card.md, card.json", dir.join(&card.file.name).display())
}

fn of_weights(error: DeployError, path: &Path) -> Failure {
    match error {
        DeployError::Weights(error) => Failure::bad_file(path, error),
        other => other.into(),
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Failure {
        let message = error.to_string();
        match error {
            DeployError::Images(error) => error.into(),
            DeployError::Classes { .. } => Failure::usage(message),
            DeployError::Engine(EngineError::Unsupported { .. }) => {
                Failure::usage(message).remedy("another runtime: --device host@onnxruntime or host@litert")
            }
            DeployError::Engine(_)
            | DeployError::Weights(_)
            | DeployError::Ranges(_)
            | DeployError::NoOutput(_) => Failure::runtime(message),
        }
    }
}
