//! `edgezen report RUN`: one page with the plots of a run, and the plots as files.

use super::{Exit, Failure, Global, predictors, score};
use edgezen_core::plainnet::{Model, Network, Variant, notation, published};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::proxy::exact;
use edgezen_core::proxy::exact::Settings;
use edgezen_core::proxy::{Proxy, Setup};
use edgezen_core::search::{Quantity, preset};
use edgezen_core::space;
use edgezen_lab::files::write_atomically;
use edgezen_lab::report::{Comparison, Report};
use edgezen_lab::runs;
use edgezen_lab::runs::Manifest;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of a finished run
    run: PathBuf,
    /// The page; the plots go into a folder beside it [default: report.html in the run's folder]
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written {
    run_dir: String,
    report: String,
    plots: Vec<String>,
    seconds: f64,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let started = Instant::now();
    let dir = &args.run;
    let manifest = runs::read_manifest(dir)
        .map_err(Failure::from)
        .map_err(|failure| failure.remedy("give the folder of a run, as runs/pixel2-80ms-seed0"))?;
    if !dir.join("result.json").exists() {
        let remedy = format!("edgezen search --resume --out {}", dir.display());
        return Err(
            Failure::new(Exit::Usage, format!("the run in {} is not finished", dir.display())).remedy(remedy)
        );
    }
    let manifest_text = std::fs::read_to_string(dir.join("run.toml"))
        .map_err(|error| Failure::io(&dir.join("run.toml"), &error))?;
    let report = Report {
        comparisons: comparisons(&manifest, global)?,
        command: command(&manifest),
        result: runs::read_result(dir)?,
        history: runs::read_history(dir)?,
        manifest_text,
        manifest,
    };
    let page = args.output.clone().unwrap_or_else(|| dir.join("report.html"));
    let stem = page.file_stem().map_or_else(|| "report".into(), |stem| stem.to_string_lossy().into_owned());
    let folder = page.with_file_name(format!("{stem}_plots"));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::io(&folder, &error))?;
    let mut plots = Vec::new();
    for plot in report.plots() {
        let path = folder.join(format!("{}.svg", plot.name));
        write_atomically(&path, plot.drawing.standalone().as_bytes())?;
        plots.push(path.display().to_string());
    }
    write_atomically(&page, report.page().as_bytes())?;
    let written = Written {
        run_dir: dir.display().to_string(),
        report: page.display().to_string(),
        plots,
        seconds: started.elapsed().as_secs_f64(),
    };
    global.output().result(&written, || format!("{}\n{}", written.report, written.plots.join("\n")))
}

/// Known networks with their scores and predicted latencies, under the conditions of the run.
fn comparisons(manifest: &Manifest, global: Global) -> Result<Vec<Comparison>, Failure> {
    let proxy =
        (score::find(&manifest.proxy)?.make)(Setup { mode: manifest.mode, resolution: manifest.resolution });
    let mut predictors: Vec<(&str, Arc<FittedPredictor>)> = Vec::new();
    for device in &manifest.device {
        match predictors::by_device(&device.name, global.output()) {
            Ok(predictor) => predictors.push((&device.name, predictor)),
            // The run has its own predictions; only the comparison lacks a column.
            Err(failure) => {
                global.output().note(format!("no comparison on {}: {}", device.name, failure.message))
            }
        }
    }
    let mut all = Vec::new();
    for name in published::names().filter(|name| comparable(name, manifest)) {
        let Some(known) = published::by_name(name) else { continue };
        let model = Model { resolution: manifest.resolution, classes: manifest.classes, se: false, ..known };
        let Ok(kernels) = model.kernels() else { continue };
        let (params, flops) = model.official(Variant::BUILT)?;
        let (score, sampled) = score_of(&*proxy, &model, manifest);
        let latency = |(device, predictor): &(&str, Arc<FittedPredictor>)| {
            ((*device).to_owned(), predictor.predict(&kernels).latency.ms())
        };
        all.push(Comparison {
            name: short_name(name),
            score,
            sampled,
            params: params.0,
            flops: flops.0,
            latency_ms: predictors.iter().map(latency).collect(),
        });
    }
    Ok(all)
}

/// Whether a known network is meant for images and classes like those of the run.
fn comparable(name: &str, manifest: &Manifest) -> bool {
    let small = manifest.resolution < 96;
    if name.contains("cifar") {
        let many = manifest.classes >= 50;
        return small && name.contains("cifar100") == many;
    }
    !small
}

/// Images of the forward passes that score what has no closed form: enough for a place in a plot.
const BATCH: u32 = 2;

/// The score by the run's proxy, or for the Zen-Score of irregular networks by a forward pass.
fn score_of(proxy: &dyn Proxy, model: &Model, manifest: &Manifest) -> (Option<f64>, bool) {
    // Proxies with forward passes of their own are too slow for a report.
    if proxy.batch().is_some() {
        return (None, false);
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(manifest.seed);
    if let Ok(score) = proxy.score_model(model, &mut rng) {
        return (Some(score), false);
    }
    if proxy.name() != "zen" {
        return (None, false);
    }
    let settings = Settings { batch: BATCH, ..Settings::new(manifest.mode, manifest.seed) };
    let exact = exact::score::<f32>(&model.network, manifest.resolution, &settings);
    (exact.ok().map(|exact| exact.score), true)
}

/// The name as the paper writes it: ZenNet-400M, ZenNet-0.8ms.
fn short_name(name: &str) -> String {
    match name {
        "resnet18" => return "ResNet-18".into(),
        "resnet50" => return "ResNet-50".into(),
        "mobilenet_v2" => return "MobileNetV2".into(),
        _ => {}
    }
    let size = name.split('_').find_map(|part| {
        part.strip_prefix("latency").or(part.strip_prefix("flops")).or(part.strip_prefix("size"))
    });
    // 05ms and 05M are 0.5.
    let size = size.map(|size| match size.strip_prefix('0') {
        Some(rest) => format!("0.{rest}"),
        None if size.ends_with("ms") => format!("{}.{}", &size[..1], &size[1..]),
        None => size.to_owned(),
    });
    size.map_or_else(|| name.to_owned(), |size| format!("ZenNet-{size}"))
}

/// The command that repeats a run.
fn command(manifest: &Manifest) -> String {
    let mut words: Vec<String> = vec!["edgezen search".into()];
    let mut option = |name: &str, value: String| words.push(format!("--{name} {value}"));
    let preset = manifest.preset.as_deref().and_then(preset::by_name);
    if let Some(preset) = preset {
        option("preset", preset.name.to_owned());
    }
    option("space", manifest.space.clone());
    let usual = preset
        .map(|preset| preset.initial)
        .or_else(|| space::by_name(&manifest.space).map(|space| space.default_structure()));
    let linked = |text: &str| {
        let mut blocks = notation::parse(text).ok()?.super_blocks("").ok()?;
        edgezen_core::plainnet::relink(&mut blocks);
        Some(Network::from(&blocks[..]).to_string())
    };
    if usual.and_then(linked).as_deref() != Some(manifest.initial.as_str()) {
        option("init", format!("'{}'", manifest.initial));
    }
    for device in &manifest.device {
        match device.limit_ms {
            Some(limit) => option("latency", format!("{}={limit}ms", device.name)),
            None => option("device", device.name.clone()),
        }
    }
    let budget = &manifest.budget;
    for quantity in Quantity::starting_with(&[Quantity::Flops, Quantity::Params, Quantity::Memory]) {
        if let Some(limit) = budget.limits[quantity] {
            option(quantity.name(), limit.to_string());
        }
    }
    if let Some(confidence) = budget.confidence {
        option("confidence", confidence.to_string());
    }
    option("resolution", manifest.resolution.to_string());
    option("classes", manifest.classes.to_string());
    option("proxy", manifest.proxy.clone());
    option("mode", manifest.mode.to_string());
    option("optimiser", manifest.rules.optimiser.name().to_owned());
    option("iterations", manifest.rules.iterations.to_string());
    option("population", manifest.rules.population.to_string());
    option("seed", manifest.seed.to_string());
    words.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_paper() {
        for (name, want) in [
            ("zennet_imagenet1k_flops400M_SE_res224", "ZenNet-400M"),
            ("zennet_imagenet1k_latency08ms_res224", "ZenNet-0.8ms"),
            ("zennet_imagenet1k_latency12ms_res224", "ZenNet-1.2ms"),
            ("zennet_cifar10_model_size05M_res32", "ZenNet-0.5M"),
            ("zennet_cifar100_model_size1M_res32", "ZenNet-1M"),
            ("mobilenet_v2", "MobileNetV2"),
        ] {
            assert_eq!(short_name(name), want);
        }
    }
}
