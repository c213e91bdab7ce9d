//! `run.toml`: everything needed to repeat a run.

use edgezen_core::files::Format;
use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::shape;
use edgezen_core::proxy::Mode;
use edgezen_core::search::budget::Amounts;
use edgezen_core::search::{Budgets, Quantity, Rules, TrackedDevice};
use edgezen_core::space::ShapeRules;
use edgezen_core::units::{Latency, Throughput};
use serde::{Deserialize, Serialize};

/// What can be read, and is written. The version is that of the whole folder.
pub const FORMAT: Format = Format {
    name: "description of a run",
    field: "schema_version",
    oldest: 1,
    newest: 1,
    most_bytes: 16 << 20,
};

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema_version: u32,
    pub tool_version: String,
    pub preset: Option<String>,
    pub space: String,
    /// Kernel sizes of its residual blocks; absent where all are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Vec<u32>>,
    /// Most width of the last convolution, where the space fixes the width and the search varies it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varied_head: Option<i32>,
    /// Whether the networks have squeeze-excite.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub se: bool,
    /// Structure that the search started from.
    pub initial: String,
    pub proxy: String,
    /// Scores that chose the winner among the finalists; absent where the greatest score won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<String>,
    /// Images of its passes; absent where it is the proxy's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// The calibration that is maximised instead of the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveTable>,
    pub mode: Mode,
    pub resolution: u32,
    pub classes: u32,
    pub seed: u64,
    pub rules: Rules,
    /// Iterations of a run that was prolonged, as it was begun: they decide on the number of its populations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_with: Option<u64>,
    /// Networks that are to be measured inside the budget when the search is over; 0 where none are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub verify: usize,
    /// How the best networks are scored again when the search is over; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescore: Option<RescoreTable>,
    pub budget: BudgetTable,
    /// Limits on the stages of a network; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<ShapeRules>,
    /// One for each device whose latency or throughput was predicted.
    #[serde(default)]
    pub device: Vec<DeviceTable>,
}

/// A calibration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveTable {
    pub file: String,
    pub sha256: String,
}

/// How the best networks of a run are scored again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RescoreTable {
    /// `exact`: on random weights and images.
    pub engine: String,
    /// How many of the best.
    pub top: u16,
}

/// The budgets but those on latencies and throughputs, which stand with their devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetTable {
    #[serde(flatten)]
    pub limits: Amounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// A device whose latency, or throughput, was predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceTable {
    pub name: String,
    /// Identity of the predictor.
    pub predictor: String,
    /// Of the predictor file; absent in runs of earlier versions, and of a function of the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictor_sha256: Option<String>,
    /// Threads of the predictor, where they are several and its name does not say so; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Per image; absent where the latency was only reported.
    pub limit_ms: Option<f64>,
    /// The least that is allowed, of a device that states throughputs; absent where the throughput was only reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_images_per_s: Option<f64>,
}

impl BudgetTable {
    pub fn of(budgets: &Budgets) -> BudgetTable {
        BudgetTable { limits: budgets.limits(), confidence: budgets.confidence }
    }
}

impl DeviceTable {
    /// Each device of `budgets`, with the checksums of the predictor files.
    pub fn of(budgets: &Budgets, checksums: &[Option<String>]) -> Vec<DeviceTable> {
        let devices = budgets.devices().iter().enumerate().zip(checksums);
        let table = |((index, device), sha256): ((usize, &TrackedDevice), &Option<String>)| {
            let limit = budgets.time_limit(index);
            let of = |quantity: Quantity| limit.filter(|_| device.quantity() == quantity);
            let identity = device.predictor.identity();
            DeviceTable {
                name: device.name.clone(),
                predictor: identity.to_string(),
                predictor_sha256: sha256.clone(),
                threads: (identity.in_words() != identity.to_string()).then_some(identity.threads),
                limit_ms: of(Quantity::Latency).map(Latency::ms),
                limit_images_per_s: of(Quantity::Throughput).map(|time| Throughput::of(time).0),
            }
        };
        devices.map(table).collect()
    }

    /// The name for people, with the threads that it does not say.
    pub fn in_words(&self) -> String {
        self.with_threads(&self.name)
    }

    /// The same of the predictor's name.
    pub fn predictor_in_words(&self) -> String {
        self.with_threads(&self.predictor)
    }

    fn with_threads(&self, name: &str) -> String {
        self.threads.map_or_else(|| name.to_owned(), |threads| format!("{name}, {threads} threads"))
    }

    /// Whether it is the same device with the same predictor and budget. Runs of earlier versions do not tell the threads, which
    /// the predictor's checksum stands for.
    fn is_same(&self, other: &DeviceTable) -> bool {
        let known = self.threads.is_some() && other.threads.is_some();
        let of =
            |table: &DeviceTable| DeviceTable { threads: table.threads.filter(|_| known), ..table.clone() };
        of(self) == of(other)
    }

    /// Whether a function of a program that called this one gave the latencies.
    pub fn is_own(&self) -> bool {
        self.predictor.parse().is_ok_and(|identity: Identity| identity.is_own())
    }

    /// The budget on the device: its quantity, and the time of an image that it leaves.
    pub fn limit(&self) -> Option<(Quantity, Latency)> {
        let latency = self.limit_ms.map(|ms| (Quantity::Latency, Latency::from_ms(ms)));
        let throughput = self.limit_images_per_s.map(|rate| (Quantity::Throughput, Throughput(rate).image()));
        latency.or(throughput)
    }

    /// The budget on the device as people read it: `80.0 ms`, `2000 images/s`.
    pub fn printed_limit(&self) -> Option<String> {
        self.limit().map(|(quantity, time)| quantity.print(time.ns()))
    }
}

/// The only engine that scores again.
pub const EXACT: &str = "exact";

/// Most images of a pass of a proxy.
const MOST_IMAGES: u32 = 4_096;

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Manifest {
    /// Checks the numbers of a file, before anything is sized by them.
    pub(super) fn check(&self) -> Result<(), String> {
        self.rules.check().map_err(|e| format!("rules: {e}"))?;
        shape::check_side(self.resolution).map_err(|e| e.to_string())?;
        shape::check_classes(self.classes).map_err(|e| e.to_string())?;
        if let Some(width) = self.varied_head.filter(|width| !(8..=shape::MAX_CHANNELS).contains(width)) {
            return Err(format!("a last convolution of up to {width} channels"));
        }
        if let Some(batch) = self.batch.filter(|batch| !(1..=MOST_IMAGES).contains(batch)) {
            return Err(format!("batch {batch} is out of range; use 1 to {MOST_IMAGES}"));
        }
        if let Some(rescore) = self.rescore.as_ref().filter(|rescore| rescore.engine != EXACT) {
            return Err(format!("{:?} is no engine that scores again", rescore.engine));
        }
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if let Some((quantity, limit)) = self.budget.limits.known().find(|(_, limit)| !positive(*limit)) {
            return Err(format!("a budget of {limit} {}", quantity.name()));
        }
        if let Some(limit) = self.device.iter().filter_map(|device| device.limit_ms).find(|ms| !positive(*ms))
        {
            return Err(format!("a latency budget of {limit} ms"));
        }
        let rates = self.device.iter().filter_map(|device| device.limit_images_per_s);
        if let Some(limit) = rates.clone().find(|rate| !positive(*rate)) {
            return Err(format!("a throughput budget of {limit} images/s"));
        }
        if self.device.iter().any(|device| device.limit_ms.is_some() && device.limit_images_per_s.is_some()) {
            return Err("a device with budgets on its latency and on its throughput".to_owned());
        }
        match self.budget.confidence.filter(|p| !(0.5..1.0).contains(p)) {
            Some(p) => Err(format!("a confidence of {p}")),
            None => Ok(()),
        }
    }

    /// The budgets of the run; `devices` are those of the tables, in their order.
    pub fn budgets(&self, devices: Vec<TrackedDevice>) -> Budgets {
        let mut budgets = Budgets::with_confidence(self.budget.confidence);
        for (quantity, limit) in self.budget.limits.known() {
            budgets.bound(quantity, limit);
        }
        for (device, table) in devices.into_iter().zip(&self.device) {
            let index = budgets.track(device);
            if let Some(limit) = table.limit_ms {
                budgets.bound_latency(index, Latency::from_ms(limit));
            }
            if let Some(limit) = table.limit_images_per_s {
                budgets.bound_throughput(index, Throughput(limit));
            }
        }
        budgets
    }

    /// The same run with more iterations. Less than it has are no prolongation, and change nothing.
    #[must_use]
    pub fn prolonged(&self, iterations: u64) -> Manifest {
        if iterations <= self.rules.iterations {
            return self.clone();
        }
        let begun_with = Some(self.begun_with.unwrap_or(self.rules.iterations));
        Manifest { begun_with, rules: Rules { iterations, ..self.rules }, ..self.clone() }
    }

    /// The rules that the search follows. One that was prolonged keeps the number of its populations, which for a new
    /// one depends on the iterations.
    pub fn effective_rules(&self) -> Rules {
        match self.begun_with {
            Some(iterations) => {
                Rules { islands: Rules { iterations, ..self.rules }.populations(), ..self.rules }
            }
            None => self.rules,
        }
    }

    /// What differs between two runs, by the names of the fields; the program's version does not count.
    pub fn differences(&self, other: &Manifest) -> Vec<&'static str> {
        let same_devices = self.device.len() == other.device.len()
            && self.device.iter().zip(&other.device).all(|(ours, theirs)| ours.is_same(theirs));
        let checks = [
            ("preset", self.preset == other.preset),
            ("space", self.space == other.space),
            ("kernel sizes", self.kernels == other.kernels),
            ("head", self.varied_head == other.varied_head),
            ("squeeze-excite", self.se == other.se),
            ("rules of shape", self.shape == other.shape),
            ("initial structure", self.initial == other.initial),
            ("proxy", self.proxy == other.proxy),
            ("winner", self.winner == other.winner),
            ("batch", self.batch == other.batch),
            ("objective", self.objective == other.objective),
            ("mode", self.mode == other.mode),
            ("resolution", self.resolution == other.resolution),
            ("classes", self.classes == other.classes),
            ("seed", self.seed == other.seed),
            ("optimiser", self.rules.optimiser == other.rules.optimiser),
            ("iterations", self.rules.iterations == other.rules.iterations),
            ("population", self.rules.population == other.rules.population),
            ("budgets", self.budget == other.budget),
            ("devices, predictors or budgets on them", same_devices),
        ];
        let rules = checks.iter().all(|check| check.1) && self.rules != other.rules;
        checks.iter().filter(|check| !check.1).map(|check| check.0).chain(rules.then_some("rules")).collect()
    }
}
