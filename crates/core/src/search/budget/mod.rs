//! Budgets: upper bounds on quantities of a network, and the costs that are held against them (docs/plainnet.md,
//! section 6.1).
//!
//! A budget is data: a quantity, a limit and, for latencies and throughputs, a device. Which quantities there are is a table
//! ([`quantity`]).

mod accountant;
mod by_quantity;
mod costs;
mod last_network;
mod official;
mod prices;
pub mod quantity;
mod rejected;
mod scale;
mod sublayers;

pub use accountant::Accountant;
pub use by_quantity::{Amounts, ByQuantity};
pub use costs::{CostError, Costs};
pub use quantity::Quantity;
pub use rejected::Rejected;
pub use scale::{QuantityError, Scale};

use crate::predictor::Estimate;
use crate::predictor::pricing::Pricing;
use crate::units::{Latency, Throughput};

/// An upper bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pub quantity: Quantity,
    /// A number, bytes, or nanoseconds.
    pub limit: f64,
    /// Index into [`Budgets::devices`], where the quantity has a value for each device.
    pub device: Option<usize>,
}

/// A device whose latency (or throughput) is predicted and reported, whether or not a budget bounds it.
#[derive(Clone)]
pub struct TrackedDevice {
    /// Name under which results are reported.
    pub name: String,
    pub predictor: Pricing,
}

impl TrackedDevice {
    /// What is predicted of the device: its latency, or its throughput where the predictor's identity states throughputs.
    pub fn quantity(&self) -> Quantity {
        if self.predictor.identity().is_throughput() { Quantity::Throughput } else { Quantity::Latency }
    }
}

/// The budgets of a search and the devices that it tracks. What has no budget is not bounded.
#[derive(Clone, Default)]
pub struct Budgets {
    /// In the order of evaluation: by quantity, then by device; one for each.
    bounds: Vec<Budget>,
    devices: Vec<TrackedDevice>,
    /// Probability with which the latency budgets must hold by the predictor's interval; absent: the
    /// predicted value itself is compared, with the upper end of the interval for what lies outside the predictor's
    /// domain.
    pub confidence: Option<f64>,
}

impl Budgets {
    /// Nothing is bounded yet; latency budgets will have to hold with this probability.
    pub fn with_confidence(confidence: Option<f64>) -> Budgets {
        Budgets { confidence, ..Budgets::default() }
    }

    /// Bounds a quantity of the network itself, or changes its limit.
    pub fn bound(&mut self, quantity: Quantity, limit: f64) {
        self.insert(Budget { quantity, limit, device: None });
    }

    /// Bounds the latency per image on device `index` of [`Budgets::devices`], or changes the limit.
    pub fn bound_latency(&mut self, index: usize, limit: Latency) {
        let limit = limit.ns();
        self.insert(Budget { quantity: Quantity::Latency, limit, device: Some(index) });
    }

    /// Bounds the images per second of device `index` of [`Budgets::devices`] from below, or changes the limit.
    pub fn bound_throughput(&mut self, index: usize, limit: Throughput) {
        let limit = limit.image().ns();
        self.insert(Budget { quantity: Quantity::Throughput, limit, device: Some(index) });
    }

    /// Predicts and reports the latency on a device; gives its index. A device of the same name is replaced.
    pub fn track(&mut self, device: TrackedDevice) -> usize {
        match self.devices.iter().position(|known| known.name == device.name) {
            Some(index) => {
                self.devices[index] = device;
                index
            }
            None => {
                self.devices.push(device);
                self.devices.len() - 1
            }
        }
    }

    fn insert(&mut self, budget: Budget) {
        let place = |budget: &Budget| (budget.quantity, budget.device);
        match self.bounds.binary_search_by_key(&place(&budget), place) {
            Ok(known) => self.bounds[known] = budget,
            Err(at) => self.bounds.insert(at, budget),
        }
    }

    /// All budgets, in the order of evaluation.
    pub fn iter(&self) -> impl Iterator<Item = &Budget> {
        self.bounds.iter()
    }

    /// Whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// The devices whose latency is predicted.
    pub fn devices(&self) -> &[TrackedDevice] {
        &self.devices
    }

    /// The index of the device called `name`.
    pub fn device(&self, name: &str) -> Option<usize> {
        self.devices.iter().position(|device| device.name == name)
    }

    /// The limit on a quantity of the network itself.
    pub fn limit(&self, quantity: Quantity) -> Option<f64> {
        self.bounds.iter().find(|b| b.quantity == quantity && b.device.is_none()).map(|b| b.limit)
    }

    /// The limits on the quantities of the network itself.
    pub fn limits(&self) -> Amounts {
        let mut limits = Amounts::default();
        for budget in self.bounds.iter().filter(|budget| budget.device.is_none()) {
            limits[budget.quantity] = Some(budget.limit);
        }
        limits
    }

    /// The budget on device `index` as the time of an image: a latency, or what a throughput leaves.
    pub fn time_limit(&self, index: usize) -> Option<Latency> {
        self.device_budget(index).map(|budget| Latency::from_ns(budget.limit))
    }

    fn device_budget(&self, index: usize) -> Option<&Budget> {
        self.bounds.iter().find(|budget| budget.device == Some(index))
    }

    /// The latency, or the time of an image, that is compared with the budget: what the estimate is charged, or the latency that holds with the
    /// confidence asked for, where that is more.
    pub fn budgeted(&self, estimate: &Estimate) -> Latency {
        match self.confidence {
            None => estimate.charged,
            Some(confidence) => {
                let upper = estimate.upper_at(confidence);
                if upper < estimate.charged { estimate.charged } else { upper }
            }
        }
    }

    /// What `costs` have of the budget's quantity, in the unit of its limit; absent where it was not computed.
    pub fn value(&self, budget: &Budget, costs: &Costs) -> Option<f64> {
        match budget.device {
            None => costs[budget.quantity],
            Some(device) => costs.latencies.get(device).map(|estimate| self.budgeted(estimate).ns()),
        }
    }

    /// The part that `costs` take of each budget; ≤ 1 where it is kept. Always the same budgets in the same order.
    pub fn loads(&self, costs: &Costs) -> impl Iterator<Item = f64> {
        self.bounds.iter().filter_map(|budget| Some(self.value(budget, costs)? / budget.limit))
    }

    /// How many times over its budget each cost is, at most; ≤ 1 if all fit.
    pub fn violation(&self, costs: &Costs) -> f64 {
        self.loads(costs).fold(0.0, f64::max)
    }

    /// The first budget that `costs` exceed.
    pub fn exceeded(&self, costs: &Costs) -> Option<Budget> {
        self.bounds.iter().find(|budget| self.exceeds(budget, costs)).copied()
    }

    fn exceeds(&self, budget: &Budget, costs: &Costs) -> bool {
        self.value(budget, costs).is_some_and(|value| value > budget.limit)
    }
}
