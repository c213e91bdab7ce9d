//! Networks measured on a device, beside what a predictor says of them.

use super::{Event, VerifyError};
use crate::campaign::network_latency::{self, MeasuredNetwork};
use crate::campaign::networks::{self, Answer, Reading, Step};
use crate::catalogue::networks::name;
use crate::device::profile::Profiles;
use crate::device::{self, Device, DeviceError, Options};
use crate::evaluation::{OtherIdentity, same_identity};
use crate::runs::Verified;
use edgezen_core::plainnet::{Model, ShapeError};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::{Estimate, LatencyPredictor};
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

/// A network to measure, with what a predictor says of it, per image.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The name under which it is reported.
    pub net: String,
    pub network: MeasuredNetwork,
    pub estimate: Estimate,
}

impl Predicted {
    /// `model`, as `predictor` sees it.
    ///
    /// # Errors
    /// A structure that does not fit its resolution.
    pub fn of_model(model: &Model, predictor: &dyn LatencyPredictor) -> Result<Predicted, ShapeError> {
        let estimate = predictor.predict(&model.lowered(predictor.lowering())?);
        let network = MeasuredNetwork::PlainNet(Box::new(model.clone()));
        Ok(Predicted { net: name(model), network, estimate })
    }
}

impl OnDevice<'_> {
    /// Measures what is `compared`, and gives one row for each, per image. `predictor` is the one that predicted them; `limit` is the
    /// budget that they are held against.
    ///
    /// # Errors
    /// A predictor of something else than this device measures, whatever the device says, and networks without samples.
    pub fn compare(
        &self,
        compared: &[Predicted],
        predictor: &dyn LatencyPredictor,
        limit: Option<Latency>,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Verified>, VerifyError> {
        let measured = |device: &mut dyn Device, progress: &mut dyn FnMut(Event<'_>)| {
            let readings = measure(device, compared, network_latency::measure, progress)?;
            Ok(readings.into_iter().map(Ok).collect())
        };
        self.measured(compared, predictor, limit, progress, measured)?.into_iter().collect()
    }

    /// The same; where one network cannot be measured, the others are.
    ///
    /// # Errors
    /// A predictor of something else than this device measures, and what the device says that concerns all networks.
    pub fn compare_each(
        &self,
        compared: &[Predicted],
        predictor: &dyn LatencyPredictor,
        limit: Option<Latency>,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Result<Verified, VerifyError>>, VerifyError> {
        let measured = |device: &mut dyn Device, progress: &mut dyn FnMut(Event<'_>)| {
            measure(device, compared, network_latency::measure_each, progress)
        };
        self.measured(compared, predictor, limit, progress, measured)
    }

    /// Has `measure` measure what is `compared`.
    fn measured(
        &self,
        compared: &[Predicted],
        predictor: &dyn LatencyPredictor,
        limit: Option<Latency>,
        progress: &mut dyn FnMut(Event<'_>),
        measure: impl FnOnce(&mut dyn Device, &mut dyn FnMut(Event<'_>)) -> Result<Vec<Answer>, VerifyError>,
    ) -> Result<Vec<Result<Verified, VerifyError>>, VerifyError> {
        let options = networks::options(self.options.clone());
        let mut device = device::open(self.profiles, self.name, &options)?;
        pass_on_notes(&mut *device, progress);
        same_identity(predictor.identity(), device.identity())?;
        if let Some(difference) = device.differs_from(predictor.identity()) {
            return Err(OtherIdentity::by(predictor.identity(), device.identity(), &difference).into());
        }
        let readings = measure(&mut *device, progress)?;
        pass_on_notes(&mut *device, progress);
        if let Some((known, now)) = options.usual_probe_ns.zip(device.usual_probe_ns())
            && !pace::undisturbed(known, now)
        {
            progress(Event::QuickerCore);
        }
        let rows = compared.iter().zip(readings);
        Ok(rows.map(|(network, reading)| self.row(network, reading?, limit)).collect())
    }

    fn row(
        &self,
        Predicted { net, estimate, .. }: &Predicted,
        reading: Option<Reading>,
        limit: Option<Latency>,
    ) -> Result<Verified, VerifyError> {
        let net = net.clone();
        let Some(reading) = reading else { return Err(VerifyError::NoSamples { net }) };
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

/// Has `measure` measure each network in several launches; the latencies are those of an image.
fn measure<T>(
    device: &mut dyn Device,
    compared: &[Predicted],
    measure: impl FnOnce(
        &mut dyn Device,
        &[MeasuredNetwork],
        &mut dyn FnMut(Step<'_>),
    ) -> Result<Vec<T>, DeviceError>,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<T>, VerifyError> {
    let measured: Vec<MeasuredNetwork> = compared.iter().map(|one| one.network.clone()).collect();
    progress(Event::Begin { measurements: compared.len() * networks::LAUNCHES as usize });
    let readings = measure(device, &measured, &mut |step| {
        progress(match step {
            Step::Launch(network) => Event::Measuring { network },
            Step::Sentinel => Event::Sentinel,
            Step::Resting { left, reason } => Event::Resting { left, reason },
            Step::Heating { so_far, sentinel } => Event::Heating { so_far, sentinel },
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
