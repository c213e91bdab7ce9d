//! Why a network is as it is: what each block costs and contributes, which budget binds, and which
//! edits would be cheapest.

use super::Search;
use super::budget::{Accountant, Budget, Budgets, CostError, Costs, Quantity, TrackedDevice};
use super::variation::edits;
use crate::plainnet::{SuperBlock, Variant, cost};
use crate::predictor::Terms;
use crate::proxy::{Candidate, Proxy};
use crate::units::Latency;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Edits of each sort that are kept.
const KEPT: usize = 5;

/// An explanation of one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub blocks: Vec<Share>,
    /// Pooling and classifier, by device; of a device that states throughputs, as in [`Share::latency_ms`].
    pub classifier_ms: BTreeMap<String, f64>,
    /// Every budget, the one that binds first.
    pub budgets: Vec<Used>,
    pub edits: Edits,
}

/// What one block costs and contributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub block: String,
    /// Side of the map that the block reads.
    pub side: u32,
    /// By device: its share of the predicted latency, or of the time of an image where the device states throughputs. The
    /// shares and the classifier add up to the network. Devices whose networks are priced as a whole have none.
    pub latency_ms: BTreeMap<String, f64>,
    /// What the score gains when the network grows by this block; the parts add up to the score.
    /// Absent where the proxy has no score for the network up to here.
    pub score: Option<f64>,
    pub params: f64,
    pub flops: f64,
}

/// A budget and what the network takes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Used {
    #[serde(rename = "budget")]
    pub quantity: Quantity,
    pub device: Option<String>,
    pub used: f64,
    pub limit: f64,
    /// `ms`, `images/s` or `bytes`; nothing where it is a number.
    pub unit: Option<String>,
    /// Used part of the budget, at most 1; of a throughput, of the time that it leaves for an image.
    pub share: f64,
}

/// The mutations around a network with the best exchange of score for cost; none of a proxy that passes images
/// through networks, which would take longer than the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edits {
    /// What the cost is: `ms` on `device` (`ms per image` where it states throughputs), or `MFLOPs`.
    pub unit: String,
    pub device: Option<String>,
    /// Most score gained for the cost added.
    pub gain: Vec<EditEffect>,
    /// Least score lost for the cost saved.
    pub save: Vec<EditEffect>,
}

/// What one edit does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditEffect {
    /// Number of the block, from 1.
    pub block: usize,
    pub change: String,
    pub score: f64,
    /// In the unit of [`Edits`].
    pub cost: f64,
    /// Absent where the cost does not change.
    pub score_per_cost: Option<f64>,
    /// Whether the edited network keeps all budgets and the rules of shape.
    pub fits: bool,
}

/// Every budget in force and what `costs` take of it, the fullest first.
pub fn used(costs: &Costs, budgets: &Budgets) -> Vec<Used> {
    let used = |budget: &Budget| {
        let Budget { quantity, limit, device } = *budget;
        let value = budgets.value(budget, costs)?;
        let device = device.and_then(|index| budgets.devices().get(index));
        Some(Used {
            quantity,
            device: device.map(|device| device.name.clone()),
            used: quantity.reported(value),
            limit: quantity.reported(limit),
            unit: quantity.unit().map(str::to_owned),
            share: value / limit,
        })
    };
    let mut all: Vec<Used> = budgets.iter().filter_map(used).collect();
    all.sort_by(|a, b| b.share.total_cmp(&a.share));
    all
}

/// Explains `blocks` as a result of `search` with `proxy`.
///
/// # Errors
/// A structure that has no shape, or no latency.
pub fn explain(
    search: &Search<'_>,
    proxy: &dyn Proxy,
    blocks: &[SuperBlock],
) -> Result<Explanation, CostError> {
    let budgets = &search.budgets;
    let mut accountant = search.accountant();
    let costs = accountant.costs(blocks)?;
    let score = |blocks: &[SuperBlock]| {
        // Somebody's function is asked for whole networks, once each.
        if proxy.is_foreign() {
            return None;
        }
        let candidate = Candidate { blocks, resolution: search.resolution, classes: search.classes };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(search.seed);
        proxy.score(candidate, &mut rng).ok().filter(|score| score.is_finite())
    };
    let parts = accountant.by_block(blocks)?;
    // The official counts round sides down at a stride; the maps of the network are rounded up.
    let (mut official_side, mut side) = (i64::from(search.resolution), search.resolution);
    let mut before = Some(0.0);
    let mut shares = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let official = cost::official_block(block, official_side, Variant::built(search.se))?;
        let now = score(&blocks[..=i]);
        shares.push(Share {
            block: block.to_string(),
            side,
            latency_ms: latencies(&parts, i, budgets, &costs),
            score: now.zip(before).map(|(now, before)| now - before),
            params: official.params.0,
            flops: official.flops.0,
        });
        before = now;
        official_side = official.resolution;
        side = side.div_ceil(block.stride.unsigned_abs().max(1));
    }
    let used = used(&costs, budgets);
    Ok(Explanation {
        blocks: shares,
        classifier_ms: latencies(&parts, blocks.len(), budgets, &costs),
        edits: edits_around(search, &mut accountant, blocks, &costs, &used, &score)?,
        budgets: used,
    })
}

/// The share of part `i` in the predicted latency of each device.
fn latencies(parts: &[Vec<Terms>], i: usize, budgets: &Budgets, costs: &Costs) -> BTreeMap<String, f64> {
    let share = |d: usize| {
        let total: Latency = parts.iter().map(|part| part[d].latency).sum();
        let part = parts.get(i).map_or(Latency::ZERO, |part| part[d].latency);
        part.ns() / total.ns() * costs.latencies[d].latency.ms()
    };
    let devices = budgets.devices().iter().enumerate();
    let by_kernels = devices.filter(|(_, device)| device.predictor.of_kernels().is_some());
    by_kernels.map(|(d, device)| (device.name.clone(), share(d))).collect()
}

fn edits_around(
    search: &Search<'_>,
    accountant: &mut Accountant<'_>,
    blocks: &[SuperBlock],
    costs: &Costs,
    used: &[Used],
    score: &dyn Fn(&[SuperBlock]) -> Option<f64>,
) -> Result<Edits, CostError> {
    let budgets = &search.budgets;
    // The cost that counts: the fullest latency budget, else the first latency, else FLOPs.
    let tightest = used.iter().find_map(|used| used.device.as_ref());
    let device = tightest.or(budgets.devices().first().map(|device| &device.name)).cloned();
    let index = device.as_deref().and_then(|name| budgets.device(name));
    let cost = |costs: &Costs| match index {
        // As charged: a kernel that no predictor knows would look like a bargain.
        Some(i) => Some(costs.latencies[i].charged.ms()),
        None => costs[Quantity::Flops].map(|flops| flops / 1e6),
    };
    let (old_score, old_cost) = (score(blocks), cost(costs));
    let mut effects = Vec::new();
    let mut child = Vec::new();
    // There are hundreds of edits, and for a slow proxy that may be more than the whole search.
    let known = if search.is_slow() { Vec::new() } else { edits::around(&search.mutator(), blocks) };
    for edit in known {
        edits::apply(blocks, &[edit], &mut child);
        let Ok(edited) = accountant.costs(&child) else { continue };
        let Some((new, old)) = score(&child).zip(old_score) else { continue };
        let Some((new_cost, old_cost)) = cost(&edited).zip(old_cost) else { continue };
        let added = new_cost - old_cost;
        effects.push(EditEffect {
            block: edit.block + 1,
            change: edit.change.to_string(),
            score: new - old,
            cost: added,
            score_per_cost: (added != 0.0).then(|| (new - old) / added),
            fits: budgets.violation(&edited) <= 1.0 && search.shape_load(&child) <= 1.0,
        });
    }
    // Free gains first, then by what a unit of cost buys.
    let worth = |effect: &EditEffect| match effect.score_per_cost {
        Some(rate) if effect.cost > 0.0 => rate,
        _ => f64::INFINITY,
    };
    let mut gain: Vec<EditEffect> = effects.iter().filter(|e| e.score > 0.0).cloned().collect();
    gain.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(b.score.total_cmp(&a.score)));
    let price = |effect: &EditEffect| effect.score_per_cost.unwrap_or(f64::INFINITY);
    let mut save: Vec<EditEffect> = effects.into_iter().filter(|e| e.cost < 0.0 && e.score <= 0.0).collect();
    save.sort_by(|a, b| price(a).total_cmp(&price(b)).then(a.cost.total_cmp(&b.cost)));
    gain.truncate(KEPT);
    save.truncate(KEPT);
    let unit = match index.and_then(|index| budgets.devices().get(index)).map(TrackedDevice::quantity) {
        Some(Quantity::Throughput) => "ms per image",
        Some(_) => "ms",
        None => "MFLOPs",
    };
    Ok(Edits { unit: unit.into(), device, gain, save })
}
