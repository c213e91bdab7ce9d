//! A network that a search found, as it stands in files and on stdout.

use edgezen_core::plainnet::Network;
use edgezen_core::search::{Budgets, Individual, OnFront};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Predicted latency per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedMs {
    pub ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    /// Share of the latency inside the predictor's domain.
    pub coverage: f64,
}

/// A network that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub net: String,
    pub score: f64,
    pub layers: i64,
    pub params: f64,
    pub flops: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<f64>,
    /// By device.
    pub latency: BTreeMap<String, PredictedMs>,
    /// Devices on whose front of score against latency the network lies; empty for other networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_front: Vec<String>,
}

impl Found {
    pub fn of(individual: &Individual, budgets: &Budgets) -> Found {
        let latency = budgets.latencies.iter().zip(&individual.costs.latencies).map(|(budget, estimate)| {
            let predicted = PredictedMs {
                ms: estimate.latency.ms(),
                lower_ms: estimate.lower.ms(),
                upper_ms: estimate.upper.ms(),
                coverage: estimate.coverage,
            };
            (budget.device.clone(), predicted)
        });
        Found {
            net: Network::from(&individual.blocks[..]).to_string(),
            score: individual.score,
            layers: individual.costs.layers,
            params: individual.costs.params.0,
            flops: individual.costs.flops.0,
            memory_bytes: individual.costs.memory.map(|m| m.0),
            latency: latency.collect(),
            on_front: Vec::new(),
        }
    }

    /// The same with the fronts that it lies on.
    pub fn on_front(on: &OnFront<'_>, budgets: &Budgets) -> Found {
        let device = |&i: &usize| budgets.latencies.get(i).map(|budget| budget.device.clone());
        Found { on_front: on.fronts.iter().filter_map(device).collect(), ..Found::of(on.individual, budgets) }
    }
}
