//! The command line that repeats a run.

use crate::runs::Manifest;
use edgezen_core::plainnet::{Network, notation, relink};
use edgezen_core::search::Quantity;
use edgezen_core::search::preset::{self, Preset};
use edgezen_core::space;

/// The command that repeats a run, one option a line.
pub fn command(manifest: &Manifest) -> String {
    let mut words: Vec<String> = vec!["edgezen search".into()];
    let mut option = |name: &str, value: String| words.push(format!("--{name} {value}"));
    let preset = manifest.preset.as_deref().and_then(preset::by_name);
    if let Some(preset) = preset {
        option("preset", preset.name.to_owned());
    }
    option("space", manifest.space.clone());
    if let Some(kernels) = &manifest.kernels {
        let sizes: Vec<String> = kernels.iter().map(u32::to_string).collect();
        option("kernels", sizes.join(","));
    }
    if usual_start(manifest, preset).as_deref() != Some(manifest.initial.as_str()) {
        option("init", format!("'{}'", manifest.initial));
    }
    for device in &manifest.device {
        match (device.limit_ms, device.limit_images_per_s) {
            (Some(limit), _) => option("latency", format!("{}={limit}ms", device.name)),
            (None, Some(limit)) => option("throughput", format!("{}={limit}/s", device.name)),
            (None, None) => option("device", device.name.clone()),
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
    match &manifest.objective {
        Some(objective) => option("objective", objective.file.clone()),
        None => {
            option("proxy", manifest.proxy.clone());
            option("winner", manifest.winner.clone().unwrap_or_else(|| "score".to_owned()));
            option("mode", manifest.mode.to_string());
        }
    }
    option("optimiser", manifest.rules.optimiser.name().to_owned());
    option("iterations", manifest.rules.iterations.to_string());
    option("population", manifest.rules.population.to_string());
    option("seed", manifest.seed.to_string());
    if manifest.se {
        words.push("--se".into());
    }
    if manifest.shape.is_none() && manifest.preset.is_none() {
        words.push("--any-shape".into());
    }
    words.join(" \\\n  ")
}

/// The structure from which a search starts without `--init`: that of the preset, else of the space.
fn usual_start(manifest: &Manifest, preset: Option<&Preset>) -> Option<String> {
    let text = match preset {
        Some(preset) => preset.initial,
        None => space::by_name(&manifest.space)?.default_structure(),
    };
    let mut blocks = notation::parse(text).ok()?.super_blocks("").ok()?;
    relink(&mut blocks);
    Some(Network::from(&blocks[..]).to_string())
}
