//! A network that a search found, as it stands in files and on stdout.

use edgezen_core::plainnet::Network;
use edgezen_core::search::budget::Amounts;
use edgezen_core::search::{Budgets, Individual, OnFront, Quantity};
use edgezen_core::units::Latency;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Predicted latency per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedMs {
    pub ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    /// What is held against a budget: `ms`, with the upper end of the interval for kernels outside the predictor's
    /// domain. Absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_ms: Option<f64>,
    /// Probability, by the interval, that the budget on the device is met; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_probability: Option<f64>,
    /// Share of the charged latency inside the predictor's domain.
    pub coverage: f64,
}

/// Predicted images per second of a device on which several are under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedRate {
    pub images_per_s: f64,
    pub lower_images_per_s: f64,
    pub upper_images_per_s: f64,
    /// What is held against a budget: `images_per_s`, with the lower end of the interval for kernels outside the predictor's
    /// domain.
    pub charged_images_per_s: f64,
    /// Probability, by the interval, that the budget on the device is met; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_probability: Option<f64>,
    /// Share of the charged time inside the predictor's domain.
    pub coverage: f64,
}

/// A network that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundNetwork {
    pub net: String,
    pub score: f64,
    /// Layers, parameters and so on; what is not always known is known where it was bounded.
    #[serde(flatten, deserialize_with = "Amounts::of_network")]
    pub amounts: Amounts,
    /// By device.
    pub latency: BTreeMap<String, PredictedMs>,
    /// By device, of those that state throughputs; they have no latency.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub throughput: BTreeMap<String, PredictedRate>,
    /// Devices on whose front of score against latency the network lies; empty for other networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_front: Vec<String>,
}

/// What is predicted of a network on a device, whether a latency or a throughput: as times of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictedTime {
    /// The latency, or the throughput.
    pub quantity: Quantity,
    pub time: Latency,
    pub lower: Latency,
    pub upper: Latency,
    /// What is held against a budget; absent in runs of earlier versions.
    pub charged: Option<Latency>,
    /// Probability, by the interval, that the budget on the device is met; absent without one.
    pub budget_probability: Option<f64>,
    /// Share of the charged time inside the predictor's domain.
    pub coverage: f64,
}

impl PredictedTime {
    /// A time of an image as people read it: in milliseconds, or as images per second.
    pub fn print(&self, time: Latency) -> String {
        self.quantity.print(time.ns())
    }

    /// The predicted value: `14.8 ms`, `2010 images/s`.
    pub fn value(&self) -> String {
        self.print(self.time)
    }

    /// The ends of the 90 % interval, the lesser number first.
    pub fn ends(&self) -> (String, String) {
        let (lower, upper) = (self.print(self.lower), self.print(self.upper));
        if self.quantity.is_at_least() { (upper, lower) } else { (lower, upper) }
    }
}

impl From<&PredictedMs> for PredictedTime {
    fn from(predicted: &PredictedMs) -> PredictedTime {
        PredictedTime {
            quantity: Quantity::Latency,
            time: Latency::from_ms(predicted.ms),
            lower: Latency::from_ms(predicted.lower_ms),
            upper: Latency::from_ms(predicted.upper_ms),
            charged: predicted.charged_ms.map(Latency::from_ms),
            budget_probability: predicted.budget_probability,
            coverage: predicted.coverage,
        }
    }
}

impl From<&PredictedRate> for PredictedTime {
    fn from(predicted: &PredictedRate) -> PredictedTime {
        let time = |rate: f64| Latency::from_ns(Quantity::Throughput.from_reported(rate));
        PredictedTime {
            quantity: Quantity::Throughput,
            time: time(predicted.images_per_s),
            lower: time(predicted.upper_images_per_s),
            upper: time(predicted.lower_images_per_s),
            charged: Some(time(predicted.charged_images_per_s)),
            budget_probability: predicted.budget_probability,
            coverage: predicted.coverage,
        }
    }
}

impl FoundNetwork {
    pub fn of(individual: &Individual, budgets: &Budgets) -> FoundNetwork {
        let mut found = FoundNetwork {
            net: Network::from(&individual.blocks[..]).to_string(),
            score: individual.score,
            amounts: individual.costs.amounts,
            latency: BTreeMap::new(),
            throughput: BTreeMap::new(),
            on_front: Vec::new(),
        };
        for (index, (device, estimate)) in
            budgets.devices().iter().zip(&individual.costs.latencies).enumerate()
        {
            let limit = budgets.time_limit(index);
            let budget_probability = limit.map(|limit| estimate.probability_within(limit));
            let coverage = estimate.coverage;
            if device.quantity() == Quantity::Throughput {
                let rate = |time: Latency| Quantity::Throughput.reported(time.ns());
                let predicted = PredictedRate {
                    images_per_s: rate(estimate.latency),
                    lower_images_per_s: rate(estimate.upper),
                    upper_images_per_s: rate(estimate.lower),
                    charged_images_per_s: rate(estimate.charged),
                    budget_probability,
                    coverage,
                };
                found.throughput.insert(device.name.clone(), predicted);
            } else {
                let predicted = PredictedMs {
                    ms: estimate.latency.ms(),
                    lower_ms: estimate.lower.ms(),
                    upper_ms: estimate.upper.ms(),
                    charged_ms: Some(estimate.charged.ms()),
                    budget_probability,
                    coverage,
                };
                found.latency.insert(device.name.clone(), predicted);
            }
        }
        found
    }

    /// The same with the fronts that it lies on.
    pub fn on_front(on: &OnFront, budgets: &Budgets) -> FoundNetwork {
        let device = |&i: &usize| budgets.devices().get(i).map(|device| device.name.clone());
        FoundNetwork {
            on_front: on.fronts.iter().filter_map(device).collect(),
            ..FoundNetwork::of(&on.individual, budgets)
        }
    }

    /// What is predicted on `device`, whether a latency or a throughput.
    pub fn on(&self, device: &str) -> Option<PredictedTime> {
        let latency = self.latency.get(device).map(PredictedTime::from);
        latency.or_else(|| self.throughput.get(device).map(PredictedTime::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throughput_is_printed_as_one_and_its_interval_the_right_way_round() {
        let rate = PredictedRate {
            images_per_s: 2000.0,
            lower_images_per_s: 1600.0,
            upper_images_per_s: 2500.0,
            charged_images_per_s: 1900.0,
            budget_probability: None,
            coverage: 1.0,
        };
        let predicted = PredictedTime::from(&rate);
        assert_eq!(predicted.time, Latency::from_ms(0.5));
        assert_eq!(predicted.value(), "2000 images/s");
        assert_eq!(predicted.ends(), ("1600 images/s".to_owned(), "2500 images/s".to_owned()));
        assert!(predicted.lower < predicted.time && predicted.time < predicted.upper);
    }
}
