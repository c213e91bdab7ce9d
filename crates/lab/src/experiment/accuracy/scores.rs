//! The scores and the costs of the networks of a table.

use crate::accuracy::{AccuracyTable, Trained};
use edgezen_core::accuracy::features::ZEN;
use edgezen_core::plainnet::chain::STAGE_EXPONENT;
use edgezen_core::proxy::{self, Mode, Setup, ensemble};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// A score or a cost: one number for each network, where there is one.
pub struct Column {
    pub name: String,
    pub values: Vec<Option<f64>>,
}

/// Proxies that pass images through networks.
pub const SLOW: [&str; 5] = ["naswot", "swap", "synflow", "grad-norm", "te-nas"];
/// Quick scores that stand beside them, on the same networks.
pub const BESIDE: [&str; 2] = [super::DEFAULT, "params"];
/// Images of their passes, and the side of larger images.
const BATCH: u32 = 8;
const SIDE: u32 = 64;

/// Columns of published costs, with what one of their units is in ours. The table's own counts stand for parameters and MACs
/// where it has them.
const PARAMS: [(&str, f64); 2] = [("params", 1.0), ("params_m", 1e6)];
const MACS: [(&str, f64); 4] = [("macs", 1.0), ("flops", 1.0), ("mmacs", 1e6), ("gmacs", 1e9)];

fn published(networks: &[Trained], table: &AccuracyTable, names: &[(&str, f64)]) -> Option<Vec<Option<f64>>> {
    let found = names.iter().find_map(|&(name, unit)| Some((table.numbers(name)?, unit)));
    let (column, unit) = found?;
    Some(networks.iter().map(|network| Some(unit * network.mean_of(&column)?)).collect())
}

fn costs(networks: &[Trained], table: &AccuracyTable) -> [Vec<Option<f64>>; 2] {
    let own = |of: fn(&Trained) -> f64| networks.iter().map(|network| Some(of(network))).collect();
    [
        published(networks, table, &PARAMS).unwrap_or_else(|| own(|network| network.known.params)),
        published(networks, table, &MACS).unwrap_or_else(|| own(|network| network.known.macs)),
    ]
}

/// The quick scores.
pub fn scores(networks: &[Trained], table: &AccuracyTable) -> Vec<Column> {
    let of = |name: &str, of: &(dyn Fn(&Trained) -> Option<f64> + Sync)| Column {
        name: name.to_owned(),
        values: networks.iter().map(of).collect(),
    };
    let [params, macs] = costs(networks, table);
    let zen = of(super::DEFAULT, &|network| Some(network.known.features.as_ref()?[ZEN]));
    let reference = of("zen (reference)", &|network| network.known.reference);
    let together = |columns: [&[Option<f64>]; 3]| -> Vec<Option<f64>> {
        let whole: Option<Vec<Vec<f64>>> =
            columns.iter().map(|values| values.iter().copied().collect()).collect();
        let sums = whole.map(|whole| ensemble::log_ranks(&whole));
        (0..networks.len()).map(|row| Some(sums.as_ref()?[row])).collect()
    };
    let activations = of("activations", &|network| Some(network.known.activations));
    let ensembles = [
        ("zen+params+macs", together([&zen.values, &params, &macs])),
        ("zen+params+activations", together([&zen.values, &params, &activations.values])),
    ];
    let mut all = vec![
        zen,
        reference,
        Column { name: "params".to_owned(), values: params },
        Column { name: "macs".to_owned(), values: macs },
        of("flops", &|network| by_proxy("flops", network, 0)),
        activations,
        of("layers", &|network| Some(network.known.layers)),
        of("stage-params", &|network| Some(network.known.chain.as_ref()?.stage_params(STAGE_EXPONENT))),
    ];
    all.extend(ensembles.map(|(name, values)| Column { name: name.to_owned(), values }));
    all
}

/// Costs that can be bounded: MACs, parameters, and the latencies in the table. A throughput counts as the time for one
/// image of a batch.
pub fn budgets(networks: &[Trained], table: &AccuracyTable) -> Vec<Column> {
    let [params, macs] = costs(networks, table);
    let mut all = vec![
        Column { name: "macs".to_owned(), values: macs },
        Column { name: "params".to_owned(), values: params },
    ];
    for name in table.table.columns() {
        let throughput = name.strip_suffix("_img_s");
        if throughput.is_none() && !name.ends_with("_ms") {
            continue;
        }
        let Some(column) = table.numbers(name) else { continue };
        let cost = |network: &Trained| {
            let value = network.mean_of(&column).filter(|value| *value > 0.0)?;
            Some(if throughput.is_some() { 1e3 / value } else { value })
        };
        let name = throughput.map_or_else(|| name.clone(), |device| format!("{device}_ms"));
        all.push(Column { name, values: networks.iter().map(cost).collect() });
    }
    all
}

/// A slow proxy on the networks in `rows`, on small images.
pub fn sampled(proxy: &str, networks: &[Trained], rows: &[usize], seed: u64) -> Column {
    let found: Vec<(usize, Option<f64>)> =
        rows.par_iter().map(|&row| (row, by_proxy(proxy, &networks[row], seed))).collect();
    let mut values = vec![None; networks.len()];
    for (row, value) in found {
        values[row] = value;
    }
    Column { name: proxy.to_owned(), values }
}

/// The score of the chain of a network by a proxy of the registry, where it is defined.
fn by_proxy(name: &str, network: &Trained, seed: u64) -> Option<f64> {
    let entry = proxy::by_name(name)?;
    let mut model = network.known.chain.as_ref()?.vanilla();
    if entry.with_batch.is_some() {
        model.resolution = model.resolution.min(SIDE);
    }
    let setup = Setup { mode: Mode::Paper, resolution: model.resolution };
    let proxy = match entry.with_batch {
        Some(make) => make(setup, BATCH),
        None => (entry.make)(setup),
    };
    proxy.score_model(&model, &mut Xoshiro256PlusPlus::seed_from_u64(seed)).ok()
}
