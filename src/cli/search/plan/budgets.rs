//! The budgets that the command line, a preset and the profile of a device ask for.

use crate::cli::caller::Caller;
use crate::cli::output::Output;
use crate::cli::search::{Args, OnDevice};
use crate::cli::{Failure, predictors};
use edgezen_core::predictor::pricing::Pricing;
use edgezen_core::search::depth::{self, DepthLimit};
use edgezen_core::search::preset::Preset;
use edgezen_core::search::{Budget, Budgets, Quantity, TrackedDevice};
use edgezen_core::space::SearchSpace;
use edgezen_core::units::{Latency, Throughput};
use edgezen_lab::device::profile::Profile;

/// Refuses a search that nothing on the command line bounds. The limit of layers in the profile of a device is none: the
/// networks that it leaves may still have any width.
///
/// # Errors
/// No budget, and no preset that has one.
pub fn check(args: &Args, preset: Option<&Preset>) -> Result<(), Failure> {
    let on_device = !args.latency.is_empty() || !args.throughput.is_empty();
    let bounded = preset.is_some() || on_device || args.limits.0.known().next().is_some();
    if bounded {
        return Ok(());
    }
    if args.resume {
        return Err(Failure::usage("these options do not say which run is to go on")
            .remedy("--resume --out RUN alone goes on with a run as it was begun"));
    }
    let device = args.device.as_deref().map(|device| format!(", as --device {device} --latency 30ms"));
    Err(Failure::usage("a search without any budget grows without end").remedy(format!(
        "give at least one of --latency, --throughput, --flops, --params, --layers, --memory, --weights, or a --preset{}",
        device.unwrap_or_default()
    )))
}

/// A budget on a device.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Latency(Latency),
    Throughput(Throughput),
}

impl Limit {
    fn quantity(self) -> Quantity {
        match self {
            Limit::Latency(_) => Quantity::Latency,
            Limit::Throughput(_) => Quantity::Throughput,
        }
    }
}

/// The budgets on devices, each with its device.
fn on_devices(args: &Args) -> Result<Vec<(String, Option<Limit>)>, Failure> {
    let latencies = args.latency.iter().map(|OnDevice { device, limit }| {
        (device, limit.to_string(), "--latency 80ms", Limit::Latency(*limit))
    });
    let throughputs = args.throughput.iter().map(|OnDevice { device, limit }| {
        (device, limit.to_string(), "--throughput 2000/s", Limit::Throughput(*limit))
    });
    let mut limits: Vec<(String, Option<Limit>)> = Vec::new();
    for (device, printed, example, limit) in latencies.chain(throughputs) {
        let quantity = limit.quantity();
        let device = device.clone().or_else(|| args.device.clone()).ok_or_else(|| {
            let named = example.replacen(' ', " pixel2=", 1);
            Failure::usage(format!("--{quantity} {printed} needs a device"))
                .remedy(format!("name it: --device pixel2 {example}, or {named}"))
        })?;
        if let Some((_, Some(known))) = limits.iter().find(|(known, _)| *known == device) {
            let both = if known.quantity() == quantity {
                format!("two {quantity} budgets")
            } else {
                "two budgets".into()
            };
            return Err(Failure::usage(format!("{both} for {device}; give one")));
        }
        limits.push((device, Some(limit)));
    }
    Ok(limits)
}

/// The budgets of the command line, over those of the preset, over those of the device.
pub fn budgets(
    args: &Args,
    preset: Option<&Preset>,
    profile: Option<&Profile>,
    output: Output,
    caller: Option<&dyn Caller>,
) -> Result<(Budgets, Vec<Option<String>>), Failure> {
    if args.confidence.is_some_and(|p| !(0.5..1.0).contains(&p)) {
        return Err(Failure::usage("--confidence is a probability from 0.5 up to, not including, 1")
            .remedy("--confidence 0.9, or leave it out"));
    }
    let mut limits = on_devices(args)?;
    let mut budgets = Budgets::with_confidence(args.confidence);
    if let Some(&Preset { budget: (quantity, limit), layers, .. }) = preset {
        budgets.bound(Quantity::Layers, f64::from(layers));
        let limit = quantity.from_reported(limit);
        if !quantity.is_per_device() {
            budgets.bound(quantity, limit);
        } else if limits.is_empty() {
            let device = args.device.clone().ok_or_else(|| {
                Failure::usage("this preset bounds a latency and needs a device").remedy("add --device v100")
            })?;
            limits.push((device, Some(Limit::Latency(Latency::from_ns(limit)))));
        }
    }
    for (quantity, limit) in args.limits.0.known() {
        budgets.bound(quantity, limit);
    }
    // Without a budget of its own, the latency or throughput of --device is still predicted and reported.
    if let Some(device) = &args.device
        && !limits.iter().any(|(known, _)| known == device)
    {
        limits.push((device.clone(), None));
    }
    let mut checksums = Vec::new();
    for (device, limit) in limits {
        let (device, sha256) = tracked(device, limit.map(Limit::quantity), output, caller)?;
        let index = budgets.track(device);
        match limit {
            Some(Limit::Latency(limit)) => budgets.bound_latency(index, limit),
            Some(Limit::Throughput(limit)) => budgets.bound_throughput(index, limit),
            None => {}
        }
        checksums.push(sha256);
    }
    if budgets.limit(Quantity::Layers).is_none()
        && let Some(profile) = profile
    {
        let limit = (0..budgets.devices().len()).find_map(|index| budgets.time_limit(index));
        if let Some(layers) = profile.search.max_layers(limit) {
            budgets.bound(Quantity::Layers, f64::from(layers));
            output.note(format!(
                "at most {layers} layers, as the profile of {} says (--layers changes it)",
                profile.id
            ));
        }
    }
    Ok((budgets, checksums))
}

/// Bounds the number of layers, where nothing else does, by what the other budgets say of it.
pub fn limit_depth(
    budgets: &mut Budgets,
    space: &dyn SearchSpace,
    resolution: u32,
    classes: u32,
    output: Output,
) -> Result<(), Failure> {
    if budgets.limit(Quantity::Layers).is_some() {
        return Ok(());
    }
    let Some(DepthLimit { layers, from }) = depth::derived(space, budgets, resolution, classes)? else {
        return Ok(());
    };
    budgets.bound(Quantity::Layers, f64::from(layers));
    let as_published = match from {
        Some(Budget { quantity, limit, device }) => {
            let device = device.and_then(|index| budgets.devices().get(index));
            let device = device.map(|device| format!(" on {}", device.name)).unwrap_or_default();
            format!("as published networks of {}{device} have", quantity.phrase(limit))
        }
        None => "as the deepest published network has".to_owned(),
    };
    output.note(format!("at most {layers} layers, {as_published} (--layers changes it)"));
    Ok(())
}

/// A device with the checksum of its predictor, which states what the budget on it bounds. A function of the caller's own has no
/// checksum.
pub fn tracked(
    name: String,
    bounded: Option<Quantity>,
    output: Output,
    caller: Option<&dyn Caller>,
) -> Result<(TrackedDevice, Option<String>), Failure> {
    if let Some(own) = caller.and_then(|caller| caller.predictor(&name)) {
        predictors::check_budget(own.identity(), bounded)?;
        return Ok((TrackedDevice { name, predictor: Pricing::Whole(own) }, None));
    }
    let loaded = predictors::any_by_device(&name, output)?;
    predictors::check_budget(loaded.identity(), bounded)?;
    let predictor = predictors::of_kernels(loaded)?;
    let sha256 =
        predictor.file().sha256().map_err(|e| Failure::runtime(format!("the predictor of {name}: {e}")))?;
    Ok((TrackedDevice { name, predictor: predictor.into() }, Some(sha256)))
}
