//! Networks measured on a device, beside what a predictor says of them.

use super::{Event, VerifyError};
use crate::campaign::networks::{self, Reading, Step};
use crate::catalogue::networks::name;
use crate::device::profile::Profiles;
use crate::device::{self, Device, Options, Workload};
use crate::evaluation::{OtherIdentity, same_identity};
use crate::runs::Verified;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::Model;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::units::Latency;
use edgezen_runner::pace;

/// Measuring on a device that is opened by its name, anew for every comparison.
#[derive(Clone, Debug)]
pub struct OnDevice<'a> {
    pub profiles: &'a Profiles,
    /// As [`device::open`] takes it.
    pub name: &'a str,
    /// `usual_probe_ns` is the pace of the core while the predictor's data were measured; the number of launches is set
    /// here.
    pub options: Options,
}

impl OnDevice<'_> {
    /// Measures `models`, and gives one row for each, per image. `limit` is the budget that they are held against.
    ///
    /// # Errors
    /// A predictor of something else than this device measures, whatever the device says, and networks without samples.
    pub fn compare(
        &self,
        models: &[Model],
        predictor: &dyn LatencyPredictor,
        limit: Option<Latency>,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Verified>, VerifyError> {
        let options = networks::options(self.options.clone());
        let mut device = device::open(self.profiles, self.name, &options)?;
        pass_on_notes(&mut *device, progress);
        same_identity(predictor.identity(), device.identity())?;
        if let Some(difference) = device.differs_from(predictor.identity()) {
            return Err(OtherIdentity::by(predictor.identity(), device.identity(), &difference).into());
        }
        let batch = device.identity().batch;
        let readings = measure(&mut *device, models, batch, progress)?;
        device.finished();
        pass_on_notes(&mut *device, progress);
        if let Some((known, now)) = options.usual_probe_ns.zip(device.usual_probe_ns())
            && !pace::undisturbed(known, now)
        {
            progress(Event::QuickerCore);
        }
        models
            .iter()
            .zip(readings)
            .map(|(model, reading)| self.row(model, reading, batch, predictor, limit))
            .collect()
    }

    fn row(
        &self,
        model: &Model,
        reading: Option<Reading>,
        batch: u32,
        predictor: &dyn LatencyPredictor,
        limit: Option<Latency>,
    ) -> Result<Verified, VerifyError> {
        let estimate = predictor.predict(&model.lowered(predictor.lowering())?);
        let net = name(model);
        let Some(reading) = reading else { return Err(VerifyError::NoSamples { net }) };
        let reading = reading.per_image(batch);
        let (latency, (low, high)) = (reading.summary.median, reading.summary.ci95);
        Ok(Verified {
            device: self.name.to_owned(),
            net,
            score: None,
            predicted_ms: estimate.latency.ms(),
            lower_ms: estimate.lower.ms(),
            upper_ms: estimate.upper.ms(),
            measured_ms: latency.ms(),
            inside_interval: estimate.lower <= latency && latency <= estimate.upper,
            inside_budget: limit.map(|limit| latency <= limit),
            quality: reading.quality(),
            measured_ci95_ms: Some([low.ms(), high.ms()]),
            launches: Some(reading.launches.len()),
            outputs: reading.outputs,
            reason: reading.doubt.map(|doubt| doubt.to_string()),
            state: Some(reading.state),
        })
    }
}

/// Measures each network in several launches; the latencies are those of the whole batch.
fn measure(
    device: &mut dyn Device,
    models: &[Model],
    batch: u32,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<Option<Reading>>, VerifyError> {
    let subjects: Vec<Subject> = models.iter().map(|model| Subject::network(model, batch)).collect();
    let workloads: Vec<Workload<'_>> = subjects.iter().map(Workload::Subject).collect();
    progress(Event::Begin { measurements: models.len() * networks::LAUNCHES as usize });
    let readings = networks::measure(device, &workloads, &mut |step| {
        progress(match step {
            Step::Launch(network) => Event::Measuring { network },
            Step::Sentinel => Event::Sentinel,
            Step::Resting { left, reason } => Event::Resting { left, reason },
        });
    })?;
    progress(Event::Measured);
    Ok(readings)
}

fn pass_on_notes(device: &mut dyn Device, progress: &mut dyn FnMut(Event<'_>)) {
    for note in device.take_notes() {
        progress(Event::Note(&note));
    }
}

/// How well the predictions held; `None` without rows.
pub fn metrics(rows: &[Verified]) -> Option<Metrics> {
    let pairs: Vec<Pair> = rows
        .iter()
        .map(|row| Pair {
            predicted: row.predicted_ms,
            interval: Some((row.lower_ms, row.upper_ms)),
            measured: row.measured_ms,
        })
        .collect();
    Metrics::of(&pairs)
}
