//! Predictors of devices of which few networks are known each, and which are alike: accelerators of one maker.
//!
//! All datasets share the prices of a few quantities of kernels, up to a factor for each set. Those of one precision are a *pool*,
//! which moves the prices as far as its networks outweigh the belief in the common ones; and so does each set with those of its
//! pool. Networks that are left out are left out of all sets, so that the errors and intervals are those of networks that no
//! sibling knows either (docs/decisions/100-few-networks-many-siblings.md, 123-precisions-lean-on-each-other.md).

mod columns;
mod pool;

use self::pool::{Common, Row, dot};
use crate::dataset::Dataset;
use crate::fit::baselines::FlopsOnly;
use crate::fit::conformal;
use crate::fit::error::FitError;
use crate::fit::observation::{Level, Observation, observations, roofline};
use crate::fit::request::Request;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::{
    self, Basis, KernelCalibration, NetworkCalibration, OUTSIDE_FACTOR,
};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::features::{self, Machine};
use edgezen_core::predictor::file::{Calibration, Content, FitMetrics, Models, PredictorFile};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use edgezen_core::predictor::net_level::NetLevel;
use edgezen_core::predictor::roofline::Roofline;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest networks that a pool and a set must have.
const POOL_NETWORKS: usize = 5;
const SET_NETWORKS: usize = 2;

/// A dataset, and what goes into its predictor's file beside the numbers.
pub struct Set {
    pub dataset: Dataset,
    pub request: Request,
}

/// Networks of one set.
struct Networks<'a> {
    request: &'a Request,
    rows: Vec<Observation>,
}

impl Networks<'_> {
    fn precision(&self) -> &str {
        &self.request.identity.precision
    }
}

/// Fits a predictor to each of `sets`, in their order.
///
/// # Errors
/// Sets or pools with too few networks, samples that are no networks, or a failure of the solver.
pub fn fit(sets: &[Set]) -> Result<Vec<PredictorFile>, FitError> {
    let mut networks = Vec::with_capacity(sets.len());
    for set in sets {
        let rows = observations(&set.dataset)?;
        let id = || set.request.identity.to_string();
        if let Some(other) = rows.iter().position(|row| row.level != Level::Network) {
            let subject = set.dataset.samples[other].subject.to_string();
            return Err(FitError::Subject { subject, reason: format!("{}: siblings need networks", id()) });
        }
        if rows.len() < SET_NETWORKS {
            let reason = format!("{} networks; siblings need {SET_NETWORKS} of each", rows.len());
            return Err(FitError::Subject { subject: id(), reason });
        }
        networks.push(Networks { request: &set.request, rows });
    }
    let columns = columns::columns();
    let mut rows = Vec::new();
    for (set, of) in networks.iter().enumerate() {
        rows.extend(of.rows.iter().map(|observation| Row {
            set,
            network: observation.group,
            sums: columns::sums(&columns, &observation.kernels),
            ns: observation.latency.ns(),
        }));
    }
    let pools = Pools::of(&networks);
    for members in &pools.members {
        let names: BTreeSet<u64> =
            members.iter().flat_map(|&set| &networks[set].rows).map(|row| row.group).collect();
        if names.len() < POOL_NETWORKS {
            return Err(FitError::TooFew { found: names.len(), needed: POOL_NETWORKS });
        }
    }
    // Each network left out of all sets.
    let names: BTreeSet<u64> = rows.iter().map(|row| row.network).collect();
    let mut left_out = vec![0.0; rows.len()];
    for &network in &names {
        let kept: Vec<&Row> = rows.iter().filter(|row| row.network != network).collect();
        let common = pools.common(&kept)?;
        for (i, row) in rows.iter().enumerate().filter(|(_, row)| row.network == network) {
            left_out[i] = dot(&row.sums, &pool::of_set(&kept, row.set, &common[pools.of_set[row.set]])?);
        }
    }
    let all: Vec<&Row> = rows.iter().collect();
    let common = pools.common(&all)?;
    let mut files = Vec::with_capacity(networks.len());
    for (set, of) in networks.iter().enumerate() {
        let pool = pools.of_set[set];
        let members = &pools.members[pool];
        let own: Vec<(&Row, f64)> =
            rows.iter().zip(left_out.iter().copied()).filter(|(row, _)| members.contains(&row.set)).collect();
        let kernels: Vec<Kernel> =
            members.iter().flat_map(|&set| &networks[set].rows).flat_map(|row| row.kernels.clone()).collect();
        let fitted = Fitted {
            prices: pool::of_set(&all, set, &common[pool])?,
            calibration: calibration(&own)?,
            left_out: own.into_iter().filter(|(row, _)| row.set == set).collect(),
            siblings: members.len() - 1,
            of_other_precisions: networks.len() - members.len(),
        };
        files.push(file(of, &columns, &kernels, &fitted)?);
    }
    Ok(files)
}

/// The sets of each precision.
struct Pools {
    members: Vec<Vec<usize>>,
    /// The pool of each set.
    of_set: Vec<usize>,
}

impl Pools {
    fn of(networks: &[Networks]) -> Pools {
        let precisions: BTreeSet<&str> = networks.iter().map(Networks::precision).collect();
        let precisions: Vec<&str> = precisions.into_iter().collect();
        let place = |of: &Networks| precisions.iter().position(|other| *other == of.precision());
        let of_set: Vec<usize> = networks.iter().filter_map(place).collect();
        let members =
            |pool: usize| of_set.iter().enumerate().filter(|(_, of)| **of == pool).map(|(i, _)| i).collect();
        Pools { members: (0..precisions.len()).map(members).collect(), of_set }
    }

    /// What each pool has in common, near what all have in common.
    fn common(&self, rows: &[&Row]) -> Result<Vec<Common>, FitError> {
        let all = pool::common(rows, self.of_set.len())?;
        if self.members.len() == 1 {
            return Ok(vec![all]);
        }
        let of_pool = |pool: usize| -> Vec<&Row> {
            rows.iter().copied().filter(|row| self.of_set[row.set] == pool).collect()
        };
        (0..self.members.len()).map(|pool| pool::near(&of_pool(pool), &all)).collect()
    }
}

/// The interval of a pool, from the errors of networks that were left out. Networks that all sets err on alike count once.
fn calibration(left_out: &[(&Row, f64)]) -> Result<NetworkCalibration, FitError> {
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    left_out.iter().for_each(|(row, _)| *counts.entry(row.network).or_default() += 1.0);
    let log = |(row, predicted): &(&Row, f64)| ((row.ns / predicted).ln(), 1.0 / counts[&row.network]);
    let logs: Vec<(f64, f64)> = left_out.iter().map(log).collect();
    Ok(NetworkCalibration {
        basis: Basis::Networks,
        networks: counts.len() as u32,
        margin: conformal::weighted(&logs).ok_or(FitError::NoData)?,
        families: None,
        outside_factor: OUTSIDE_FACTOR,
    })
}

/// What was found of a set.
struct Fitted<'a> {
    prices: Vec<f64>,
    calibration: NetworkCalibration,
    left_out: Vec<(&'a Row, f64)>,
    /// The other sets of the pool.
    siblings: usize,
    of_other_precisions: usize,
}

fn file(
    set: &Networks,
    columns: &[Vec<(KernelKind, &'static str, f64)>],
    kernels: &[Kernel],
    fitted: &Fitted,
) -> Result<PredictorFile, FitError> {
    let identity = &set.request.identity;
    let roofline = set.request.roofline.clone().unwrap_or_else(|| peaks(&set.rows, &identity.precision));
    let machine = Machine::new(&identity.precision, &roofline);
    let seen: BTreeSet<KernelKind> = kernels.iter().map(|kernel| kernel.kind).collect();
    let models = columns::models(columns, &fitted.prices, machine.bytes_per_element);
    let kinds: BTreeMap<KernelKind, AnyModel> = models
        .into_iter()
        .filter(|(kind, _)| seen.contains(kind))
        .map(|(kind, m)| (kind, AnyModel::Linear(m)))
        .collect();
    let units = kinds.values().flat_map(KernelModel::features);
    let features = units.map(|f| (f.0.name.to_owned(), f.0.unit.to_owned())).collect();
    let of_kind = |kind: KernelKind| Domain::of(kernels.iter().filter(move |k| k.kind == kind), &machine);
    let domain = kinds.keys().map(|&kind| (kind, of_kind(kind))).collect();
    // Nobody measured kernels on their own: their margins are those of networks.
    let margin = fitted.calibration.margin;
    let flat = || KernelCalibration::flat(margin);
    let calibration = Calibration {
        level: calibration::LEVEL,
        kernels: kinds.keys().map(|&kind| (kind, flat())).collect(),
        other_kernels: margin,
        network: fitted.calibration,
    };
    let constant_ns = fitted.prices.last().copied().unwrap_or_default();
    let networks = set.rows.len() as u32;
    let net_level = NetLevel { constant_ns, networks, ..NetLevel::IDENTITY };
    let (lower, upper) = calibration.network.factors(1.0);
    let pair = |&(row, predicted): &(&Row, f64)| Pair {
        predicted,
        interval: Some((predicted * lower, predicted * upper)),
        measured: row.ns,
    };
    let pairs: Vec<Pair> = fitted.left_out.iter().map(pair).collect();
    let metrics = FitMetrics {
        folds: networks,
        networks: Metrics::of(&pairs),
        baseline_flops: by_macs(&set.rows).and_then(|pairs| Metrics::of(&pairs)),
        ..FitMetrics::default()
    };
    let mut request = set.request.clone();
    let others = match fitted.of_other_precisions {
        0 => String::new(),
        others => format!(", and those on {others} of other precisions"),
    };
    request.notes.push(format!(
        "Prices lean on {} other datasets of this precision{others}, each at a scale of its own; networks that were left out were \
         left out of all of them.",
        fitted.siblings
    ));
    let content = Content {
        features,
        model: Models { kinds, roofline },
        domain,
        calibration,
        net_level,
        metrics,
        prior: None,
    };
    let file = PredictorFile::new(request.header(), request.provenance(&set.rows), content);
    file.as_written().map_err(|e| FitError::Unwritable(e.to_string()))
}

/// Bounds from whole networks: a kernel may be several times as quick as the quickest network is on average.
fn peaks(rows: &[Observation], precision: &str) -> Roofline {
    const OVER_NETWORKS: f64 = 8.0;
    let found = roofline(rows, features::bytes_per_element(precision));
    Roofline {
        peak_gmacs_per_s: OVER_NETWORKS * found.peak_gmacs_per_s,
        gbytes_per_s: OVER_NETWORKS * found.gbytes_per_s,
        launch_ns: 0.0,
        source: format!("{OVER_NETWORKS} times the best rates of whole networks in the data"),
        ..found
    }
}

/// Each network as a line through the MACs of the set's others predicts it.
fn by_macs(rows: &[Observation]) -> Option<Vec<Pair>> {
    let of = |row: &Observation| (row.kernels.iter().map(Kernel::macs).sum::<f64>(), row.latency.ns());
    let rows: Vec<(f64, f64)> = rows.iter().map(of).collect();
    let mut pairs = Vec::with_capacity(rows.len());
    for (i, &(macs, measured)) in rows.iter().enumerate() {
        let others: Vec<(f64, f64)> = [&rows[..i], &rows[i + 1..]].concat();
        let line = FlopsOnly::fit(&others)?;
        pairs.push(Pair { predicted: line.predict_ns(macs), interval: None, measured });
    }
    Some(pairs)
}
