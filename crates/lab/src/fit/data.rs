//! The observations that a fit begins with, and what every step of it needs to know of the device.

use crate::fit::lender::Lender;
use crate::fit::observation::Observation;
use crate::fit::training::{Shared, Training};
use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::features::{Machine, Quantities};
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use edgezen_core::predictor::roofline::Roofline;

/// The observations with what every step needs.
pub(super) struct Data<'a> {
    pub observations: &'a [Observation],
    pub machine: Machine,
    pub roofline: &'a Roofline,
    pub lenders: &'a [Lender],
}

impl<'a> Data<'a> {
    pub fn new(observations: &'a [Observation], identity: &Identity, roofline: &'a Roofline) -> Data<'a> {
        Data { observations, machine: Machine::new(&identity.precision, roofline), roofline, lenders: &[] }
    }

    /// The same, leaning on `lenders`.
    pub fn leaning_on(self, lenders: &'a [Lender]) -> Data<'a> {
        Data { lenders, ..self }
    }

    /// What families are fitted to `observations` with; `shared` is kept for these alone.
    pub fn training<'b>(&'b self, observations: &'b [&'b Observation], shared: &'b Shared) -> Training<'b> {
        let Data { machine, roofline, lenders, .. } = *self;
        Training { observations, machine, roofline, lenders, shared: Some(shared) }
    }

    /// How many kernels of `kind` were measured on their own.
    pub fn count(&self, kind: KernelKind) -> usize {
        self.observations.iter().filter_map(Observation::single).filter(|k| k.kind == kind).count()
    }

    /// The latency of `kernel` by `model`, or a bound without one, as the finished predictor gives it.
    pub fn kernel_ns(&self, model: Option<&AnyModel>, kernel: &Kernel) -> f64 {
        match model {
            Some(model) => {
                let quantities = Quantities::of(kernel, &self.machine);
                model
                    .predict_ns(&quantities)
                    .max(self.roofline.floor_ns(kernel, self.machine.bytes_per_element))
            }
            None => self.roofline.bound(kernel, self.machine.bytes_per_element).ns().max(1.0),
        }
    }
}
