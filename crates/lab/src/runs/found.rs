//! A network that a search found, as it stands in files and on stdout.

use edgezen_core::plainnet::Network;
use edgezen_core::search::budget::Amounts;
use edgezen_core::search::{Budgets, Individual, OnFront};
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
    /// Devices on whose front of score against latency the network lies; empty for other networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_front: Vec<String>,
}

impl FoundNetwork {
    pub fn of(individual: &Individual, budgets: &Budgets) -> FoundNetwork {
        let devices = budgets.devices().iter().enumerate().zip(&individual.costs.latencies);
        let latency = devices.map(|((index, device), estimate)| {
            let predicted = PredictedMs {
                ms: estimate.latency.ms(),
                lower_ms: estimate.lower.ms(),
                upper_ms: estimate.upper.ms(),
                charged_ms: Some(estimate.charged.ms()),
                budget_probability: budgets
                    .latency_limit(index)
                    .map(|limit| estimate.probability_within(limit)),
                coverage: estimate.coverage,
            };
            (device.name.clone(), predicted)
        });
        FoundNetwork {
            net: Network::from(&individual.blocks[..]).to_string(),
            score: individual.score,
            amounts: individual.costs.amounts,
            latency: latency.collect(),
            on_front: Vec::new(),
        }
    }

    /// The same with the fronts that it lies on.
    pub fn on_front(on: &OnFront, budgets: &Budgets) -> FoundNetwork {
        let device = |&i: &usize| budgets.devices().get(i).map(|device| device.name.clone());
        FoundNetwork {
            on_front: on.fronts.iter().filter_map(device).collect(),
            ..FoundNetwork::of(&on.individual, budgets)
        }
    }
}
