//! Judging predictors on tables of measurements: errors of a whole table and of its parts.

use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::domain::Place;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::stats;
use serde::Serialize;

/// Predicted and measured, with what to group by.
#[derive(Clone, Copy, Debug)]
pub struct KernelPair {
    pub kernel: Kernel,
    /// In the predictor's domain.
    pub place: Place,
    pub pair: Pair,
}

/// Metrics of one part of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub part: String,
    pub metrics: Metrics,
}

/// By kind, batch, place in the domain and decile of the measured latency.
pub fn parts(pairs: &[KernelPair]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut push = |part: String, pairs: Vec<Pair>| {
        if let Some(metrics) = Metrics::of(&pairs) {
            parts.push(Part { part, metrics });
        }
    };
    let distinct = |of: &dyn Fn(&Kernel) -> u64| {
        let mut values: Vec<u64> = pairs.iter().map(|p| of(&p.kernel)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let select =
        |keep: &dyn Fn(&KernelPair) -> bool| pairs.iter().filter(|p| keep(p)).map(|p| p.pair).collect();
    for kind in KernelKind::ALL {
        push(kind.name().to_owned(), select(&|p| p.kernel.kind == kind));
    }
    for batch in distinct(&|kernel| u64::from(kernel.batch)) {
        push(format!("batch {batch}"), select(&|p| u64::from(p.kernel.batch) == batch));
    }
    type OfPlace = fn(Place) -> bool;
    let places: [(&str, OfPlace); 5] = [
        ("seen sides and channels", |p| p == Place::Inside { new_side: false, new_channels: false }),
        ("new sides", |p| p == Place::Inside { new_side: true, new_channels: false }),
        ("new channels", |p| p == Place::Inside { new_side: false, new_channels: true }),
        ("new sides and channels", |p| p == Place::Inside { new_side: true, new_channels: true }),
        ("outside the domain", |p| p == Place::Outside),
    ];
    for (name, of_place) in places {
        push(name.to_owned(), select(&|p| of_place(p.place)));
    }
    let sorted = stats::sorted(&pairs.iter().map(|p| p.pair.measured).collect::<Vec<_>>());
    let edge = |decile: usize| stats::quantile(&sorted, decile as f64 / 10.0).unwrap_or(0.0);
    for decile in 1..=10 {
        let (low, high) = (edge(decile - 1), edge(decile));
        let last = decile == 10;
        let inside = |p: &KernelPair| p.pair.measured >= low && (p.pair.measured < high || last);
        push(format!("decile {decile} (to {:.3} ms)", high / 1e6), select(&inside));
    }
    parts
}
