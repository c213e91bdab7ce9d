//! Known networks under the conditions of a run: their scores and predicted latencies, for comparison.

use super::Comparison;
use crate::runs::Manifest;
use edgezen_core::plainnet::{Model, ShapeError, Variant, published};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::proxy::exact::{self, Settings};
use edgezen_core::proxy::{self, Proxy, Setup};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;

/// Images of the forward passes that score what has no closed form: enough for a place in a plot.
const BATCH: u32 = 2;

/// The published networks that are meant for images and classes like those of the run. `entry` is the run's proxy, absent where
/// it is an ensemble, whose ranks are among networks of the run; `predictors` have the names of their devices.
///
/// # Errors
/// A published network that does not fit the run's resolution.
pub fn comparisons<P: LatencyPredictor>(
    manifest: &Manifest,
    entry: Option<&proxy::Entry>,
    predictors: &[(String, Arc<P>)],
) -> Result<Vec<Comparison>, ShapeError> {
    let setup = Setup { mode: manifest.mode, resolution: manifest.resolution };
    // What a calibration foretells of networks of other search spaces is no comparison.
    let proxy = entry.filter(|_| manifest.objective.is_none()).map(|entry| (entry.make)(setup));
    let mut all = Vec::new();
    for name in published::names().filter(|name| comparable(name, manifest)) {
        let Some(known) = published::by_name(name) else { continue };
        let model = Model { resolution: manifest.resolution, classes: manifest.classes, se: false, ..known };
        let Ok(kernels) = model.kernels() else { continue };
        let (params, flops) = model.official(Variant::BUILT)?;
        let (score, sampled) =
            proxy.as_ref().map_or((None, false), |proxy| score_of(&**proxy, &model, manifest));
        let latency = |(device, predictor): &(String, Arc<P>)| {
            (device.clone(), predictor.predict(&kernels).charged.ms())
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

/// The score by the run's proxy, and whether it is one draw of random weights: so the Zen-Score is computed where it has
/// no closed form.
fn score_of(proxy: &dyn Proxy, model: &Model, manifest: &Manifest) -> (Option<f64>, bool) {
    // Proxies that pass images through networks are too slow for a report.
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

/// The name of a published network as the paper writes it: ZenNet-400M, ZenNet-0.8ms.
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
    // In the names of files 05ms means 0.5 ms, and 05M means 0.5 million.
    let size = size.map(|size| match size.strip_prefix('0') {
        Some(rest) => format!("0.{rest}"),
        None if size.ends_with("ms") => format!("{}.{}", &size[..1], &size[1..]),
        None => size.to_owned(),
    });
    size.map_or_else(|| name.to_owned(), |size| format!("ZenNet-{size}"))
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
