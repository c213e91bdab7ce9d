//! Predictors of kernels, adapted to a device that can be measured, or to what a table or dataset says.

use super::{Args, Report, report, write};
use crate::cli::failure::Failure;
use crate::cli::output::begin_step;
use crate::cli::target::show_step;
use crate::cli::{Global, target, verify};
use crate::shipped;
use edgezen_core::measurement::Quality;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::space;
use edgezen_lab::campaign::networks::{self, LAUNCHES, Step};
use edgezen_lab::device;
use edgezen_lab::device::Options;
use edgezen_lab::files::{Destination, rfc3339};
use edgezen_lab::transfer;
use edgezen_lab::transfer::Transferred;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn run(args: &Args, source: &FittedPredictor, global: Global) -> Result<(), Failure> {
    let (transferred, to) = match &args.data {
        Some(data) => {
            let select = args.select();
            let dataset = args.target(data, &select).for_kernels(source)?;
            let samples = args.samples as usize;
            let transferred = transfer::kernels::from_data(source, &dataset, data, samples, global.seed)?;
            let to = args.destination(&transferred.predictor.file().id)?;
            (transferred, to)
        }
        None => from_device(args, source, global)?,
    };
    let file = transferred.predictor.file();
    let answering = write(&file.id, file.text(), &to)?;
    let (id, from) = (file.id.clone(), vec![source.file().id.clone()]);
    report(&to, &Report::new(transferred, id, to.path(), from, answering), global)
}

/// Measures kernels and blocks of the search space that suits the device.
fn from_device(
    args: &Args,
    source: &FittedPredictor,
    global: Global,
) -> Result<(Transferred<FittedPredictor>, Destination), Failure> {
    let name = args.device.as_deref().unwrap_or_default();
    verify::check(Some(name))?;
    target::heeded(name, &[target::serial(args.serial.as_ref()), target::host_named(args.host.as_ref())])?;
    target::warn_unfit(&target::unfit(name), global.output());
    let (profile, _) = device::find(&shipped::profiles(), name)?;
    let space = space::by_name(&profile.search.space)
        .ok_or_else(|| Failure::usage(format!("unknown search space {:?}", profile.search.space)))?;
    let options = networks::options(Options {
        seed: global.seed,
        driver: target::phone(args.serial.clone())
            .with(target::board(args.host.clone()))
            .with(args.simulate.clone())
            .with(target::host()),
        batch: args.rows.batch.unwrap_or(1),
        threads: args.rows.threads.unwrap_or(1),
        ..Options::default()
    });
    let mut device = device::open(&shipped::profiles(), name, &options)?;
    // Known to be free before anything is measured.
    let to = args.destination(&device.identity().to_string())?;
    let count = args.samples as usize;
    let subjects = transfer::device::subjects(source, space, device.identity(), count, global.seed)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut dataset = transfer::device::empty_dataset(&*device, name, rfc3339(now))?;
    let output = global.output();
    let total = subjects.len() as u64 * u64::from(LAUNCHES);
    let bar = output.progress(total, "measuring {bar:30} {pos}/{len} {eta} left");
    let mut begun = 0;
    let begin = &mut |step: Step<'_>| match step {
        Step::Launch(_) => begin_step(&bar, &mut begun),
        step => show_step(&bar, step),
    };
    dataset.samples = transfer::device::measure(&mut *device, subjects, begin)?;
    bar.finish_and_clear();
    for sample in dataset.samples.iter().filter(|sample| sample.quality != Quality::Good) {
        output.note(format!("{}: {}", sample.subject, sample.quality.name()));
    }
    Ok((transfer::kernels::from_measured(source, &dataset, device.usual_probe_ns())?, to))
}
