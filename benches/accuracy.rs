//! How good predictions are of rows that were left out: `cargo bench --bench accuracy [-- PART …]`.
//!
//! Parts: `v100` (convolutions under TensorRT: random configurations, two sides and two widths left out with all
//! that lies on them), `operators` (PyTorch's on GPUs), `host` (few kernels of a CPU), `phones` (networks under TFLite, each left out in turn),
//! `networks` (few networks of a search space, the others predicted), `unseen` (a device from ten networks and
//! other devices' predictors), `npus`, `hailo` and `boards` (the networks of AI Hub, of Hailo's zoo and of benchncnn on devices with a
//! shipped predictor, each network left out). All without a name. Whatever is fitted here sees the other rows only.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::dataset::Dataset;
use edgezen::dataset::import::networks as published;
use edgezen::dataset::import::networks::SOURCES;
use edgezen::dataset::table::Select;
use edgezen::fit;
use edgezen::fit::Request;
use edgezen::fit::lender::Lender;
use edgezen::fit::networks as whole;
use edgezen::fit::networks::MeasuredNetwork;
use edgezen::fit::networks::rows::pairs;
use edgezen::fit::observation::Observation;
use edgezen::fit::siblings::Set;
use edgezen::plainnet::{Kernel, KernelKind};
use edgezen::predictor::LatencyPredictor;
use edgezen::predictor::any::AnyPredictor;
use edgezen::predictor::metrics::{Metrics, Pair};
use edgezen::predictor::network::NetworkPredictor;
use edgezen::random::shuffle;
use edgezen::shipped;
use edgezen::stats;
use edgezen::transfer::networks::Pool;
use edgezen::zoo::Encoded;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Failed = Box<dyn std::error::Error>;

/// Draws of training networks.
const DRAWS: u64 = 8;

fn main() -> Result<(), Failed> {
    // Cargo's own arguments begin with a dash.
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    type Part = fn() -> Result<(), Failed>;
    let parts: [(&str, Part); 9] = [
        ("v100", v100),
        ("operators", operators),
        ("host", host),
        ("phones", phones),
        ("networks", networks),
        ("unseen", unseen),
        ("npus", npus),
        ("hailo", hailo),
        ("boards", boards),
    ];
    if let Some(unknown) = given.iter().find(|name| parts.iter().all(|(part, _)| part != name)) {
        let known: Vec<&str> = parts.iter().map(|(part, _)| *part).collect();
        return Err(format!("no part {unknown:?}: {}", known.join(", ")).into());
    }
    for (name, part) in parts {
        if given.is_empty() || given.iter().any(|given| given == name) {
            println!("{name}");
            part()?;
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn print(what: &str, pairs: &[Pair]) {
    let Some(m) = Metrics::of(pairs) else { return };
    println!(
        "  {what:44} {:6} rows: error {:5.2} %, median {:5.2} %, within 10 % {:5.1} %, Spearman {:.3}, interval holds {:4.1} %",
        m.rows,
        m.mape_percent,
        m.median_percent,
        m.within_10_percent,
        m.spearman.unwrap_or(f64::NAN),
        m.coverage_percent.unwrap_or(f64::NAN),
    );
}

/// Kernels of `test` by a predictor fitted to `train`.
fn kernels(train: &[Observation], test: &[&Observation], request: &Request) -> Result<Vec<Pair>, Failed> {
    let predictor = fit::fit(train, request.clone())?;
    let single = |one: &&Observation| Some((*one.single()?, one.latency.ns()));
    let (kernels, measured): (Vec<Kernel>, Vec<f64>) = test.iter().filter_map(single).unzip();
    let bounded = predictor.bounded_many(&kernels);
    Ok(bounded
        .iter()
        .zip(measured)
        .map(|(bounded, measured)| Pair {
            predicted: bounded.estimate.latency.ns(),
            interval: Some((bounded.lower.ns(), bounded.upper.ns())),
            measured,
        })
        .collect())
}

/// Kernels of the reference computer from as many as a short profile holds.
fn host() -> Result<(), Failed> {
    let dataset = Dataset::read(&root().join("datasets/host@tract@fp32"))?;
    let request = Request::of(&dataset);
    let mut kernels = fit::observations(&dataset)?;
    kernels.retain(|one| one.single().is_some());
    for rows in [150, 300, 600] {
        let mut pairs: Vec<(KernelKind, Pair)> = Vec::new();
        for seed in 0..DRAWS {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            shuffle(&mut kernels, &mut rng);
            let (train, test) = kernels.split_at(rows);
            let test: Vec<&Observation> = test.iter().collect();
            let kinds = test.iter().filter_map(|one| Some(one.single()?.kind));
            pairs.extend(kinds.zip(self::kernels(train, &test, &request)?));
        }
        let of = |kind: Option<KernelKind>| -> Vec<Pair> {
            pairs.iter().filter(|(k, _)| kind.is_none_or(|kind| *k == kind)).map(|(_, pair)| *pair).collect()
        };
        print(&format!("{DRAWS} draws of {rows}, the others"), &of(None));
        for kind in KernelKind::ALL {
            print(&format!("… {kind}"), &of(Some(kind)));
        }
    }
    Ok(())
}

fn v100() -> Result<(), Failed> {
    const SIDES: [u32; 2] = [20, 126];
    const WIDTHS: [u32; 2] = [192, 768];
    const PARTS: [&str; 4] = ["random", "new side", "new width", "new side and width"];
    for precision in ["fp16", "fp32", "int8"] {
        let dataset = Dataset::read(&root().join(format!("datasets/v100@tensorrt@{precision}")))?;
        let all = fit::observations(&dataset)?;
        let part = |o: &Observation| {
            let kernel = o.single()?;
            let side = SIDES.contains(&kernel.in_h);
            let width = WIDTHS.contains(&kernel.in_c) || WIDTHS.contains(&kernel.out_c);
            match (side, width) {
                (true, false) => Some(1),
                (false, true) => Some(2),
                (true, true) => Some(3),
                // By configuration, whatever the batch.
                (false, false) => (o.group % 100 < 17).then_some(0),
            }
        };
        let train: Vec<Observation> = all.iter().filter(|o| part(o).is_none()).cloned().collect();
        let test: Vec<&Observation> = all.iter().filter(|o| part(o).is_some()).collect();
        let pairs = kernels(&train, &test, &Request::of(&dataset))?;
        println!("  {precision}, fitted to {} rows", train.len());
        for (at, name) in PARTS.iter().enumerate() {
            for kind in [None, Some(KernelKind::Conv), Some(KernelKind::Dwconv)] {
                let meant = |o: &Observation| {
                    part(o) == Some(at) && kind.is_none_or(|kind| o.single().is_some_and(|k| k.kind == kind))
                };
                let of_part = test.iter().zip(&pairs).filter(|(o, _)| meant(o)).map(|(_, pair)| *pair);
                let kind = kind.map_or(String::new(), |kind| format!(", {kind}"));
                print(&format!("{precision} {name}{kind}"), &of_part.collect::<Vec<_>>());
            }
        }
    }
    Ok(())
}

fn operators() -> Result<(), Failed> {
    for device in ["t4", "v100", "p100", "a100"] {
        let dataset = Dataset::read(&root().join(format!("datasets/{device}@torch2.1@fp32")))?;
        let all = fit::observations(&dataset)?;
        let train: Vec<Observation> = all.iter().filter(|o| o.group % 5 > 0).cloned().collect();
        let test: Vec<&Observation> = all.iter().filter(|o| o.group.is_multiple_of(5)).collect();
        let pairs = kernels(&train, &test, &Request::of(&dataset))?;
        for kind in KernelKind::ALL {
            let of_kind = test.iter().zip(&pairs).filter(|(o, _)| o.single().is_some_and(|k| k.kind == kind));
            print(
                &format!("{device}, {kind}, a fifth left out"),
                &of_kind.map(|(_, pair)| *pair).collect::<Vec<_>>(),
            );
        }
    }
    Ok(())
}

fn phones() -> Result<(), Failed> {
    let table = root().join("datasets/tables/tflite-hosted/networks.csv.gz");
    for (device, precision, threads) in [
        ("pixel2", "fp32", None),
        ("pixel2", "int8", None),
        ("pixel3", "fp32", Some(4)),
        ("pixel3", "int8", Some(4)),
    ] {
        let select = Select {
            device: Some(device.into()),
            precision: Some(precision.into()),
            threads,
            ..Select::default()
        };
        let mut dataset = import("tflite-hosted", &table, &select)?;
        let lenders = lenders(if device == "pixel2" { "snapdragon835" } else { "snapdragon845" }, precision)?;
        // As shipped: see scripts/fit-network-predictors.
        let odd = |name: &str| {
            name.starts_with("zoo:resnet")
                || device == "pixel3"
                    && (name.starts_with("zoo:densenet") || name.starts_with("zoo:squeezenet"))
        };
        dataset.samples.retain(|sample| !odd(&sample.subject.to_string()));
        let all = fit::observations(&dataset)?;
        let mut pairs = Vec::new();
        for at in 0..all.len() {
            let mut train = all.clone();
            let out = train.remove(at);
            let estimate = fit::fit_leaning(&train, &lenders, Request::of(&dataset))?.predict(&out.kernels);
            pairs.push(Pair {
                predicted: estimate.latency.ns(),
                interval: Some((estimate.lower.ns(), estimate.upper.ns())),
                measured: out.latency.ns(),
            });
        }
        let named = |part: &str| -> Vec<Pair> {
            let named = dataset.samples.iter().zip(&pairs);
            named.filter(|(s, _)| s.subject.to_string().contains(part)).map(|(_, pair)| *pair).collect()
        };
        print(&format!("{device} {precision}, MobileNet v1"), &named("mobilenet_v1"));
        print(&format!("{device} {precision}, MobileNets"), &named("mobilenet"));
        print(&format!("{device} {precision}, all networks"), &pairs);
    }
    Ok(())
}

/// The datasets of `format` that shipped predictors were fitted to: those whose sources name `source`.
fn shipped_sets(format: &str, source: &str) -> Result<Vec<Dataset>, Failed> {
    let table = root().join(format!("datasets/tables/{format}/networks.csv.gz"));
    let mut sets = Vec::new();
    for entry in shipped::predictors().entries()? {
        let AnyPredictor::Kernels(predictor) = entry.load()? else { continue };
        let file = predictor.file();
        if !file.provenance.sources.iter().any(|named| named.contains(source)) {
            continue;
        }
        let identity = &file.identity;
        let counted = (format == "ncnn").then_some(identity.threads);
        sets.push(import(
            format,
            &table,
            &Select {
                device: Some(identity.device.to_string()),
                runtime: Some(identity.runtime.to_string()),
                precision: Some(identity.precision.to_string()),
                batch: identity.is_throughput().then_some(identity.batch),
                threads: counted,
            },
        )?);
    }
    Ok(sets)
}

/// Fits the sets together; each network is left out of all of them. Prints the medians over the sets of one precision.
fn siblings(datasets: Vec<Dataset>) -> Result<(), Failed> {
    let set = |dataset: Dataset| Set { request: Request::of(&dataset), dataset };
    let sets: Vec<Set> = datasets.into_iter().map(set).collect();
    let mut found: BTreeMap<String, Vec<[f64; 3]>> = BTreeMap::new();
    for file in fit::siblings::fit(&sets)? {
        let Some(m) = file.metrics.networks else { continue };
        let line = file.metrics.baseline_flops.map_or(f64::NAN, |line| line.mape_percent);
        let row = [m.mape_percent, line, m.coverage_percent.unwrap_or(f64::NAN)];
        found.entry(file.identity.precision.to_string()).or_default().push(row);
    }
    for (precision, rows) in found {
        let of = |at: usize| stats::median(&rows.iter().map(|row| row[at]).collect::<Vec<_>>());
        let inside = stats::mean(&rows.iter().map(|row| row[2]).collect::<Vec<_>>());
        println!(
            "  {precision:8} median over {} sets: error {:5.1} %, a line through MACs {:5.1} %; interval holds {:4.1} %",
            rows.len(),
            of(0).unwrap_or(f64::NAN),
            of(1).unwrap_or(f64::NAN),
            inside.unwrap_or(f64::NAN),
        );
    }
    Ok(())
}

fn npus() -> Result<(), Failed> {
    siblings(shipped_sets("aihub", "AI Hub")?)
}

fn hailo() -> Result<(), Failed> {
    each_left_out(shipped_sets("hailo", "Hailo model zoo")?)
}

fn boards() -> Result<(), Failed> {
    each_left_out(shipped_sets("ncnn", "benchmark/README.md")?)
}

/// Each network of each set, predicted by a fit to the set's others.
fn each_left_out(datasets: Vec<Dataset>) -> Result<(), Failed> {
    for dataset in datasets {
        let all = fit::observations(&dataset)?;
        let mut pairs = Vec::new();
        for at in 0..all.len() {
            let mut train = all.clone();
            let out = train.remove(at);
            let estimate = fit::fit(&train, Request::of(&dataset))?.predict(&out.kernels);
            pairs.push(Pair {
                predicted: estimate.latency.ns(),
                interval: Some((estimate.lower.ns(), estimate.upper.ns())),
                measured: out.latency.ns(),
            });
        }
        print(&dataset.identity.to_string(), &pairs);
    }
    Ok(())
}

/// Networks of Paddle Lite on `chip`.
fn lenders(chip: &str, precision: &str) -> Result<Vec<Lender>, Failed> {
    let table = root().join("datasets/tables/paddlelite/networks.csv.gz");
    let lender = |runtime: &str| {
        let select = Select {
            device: Some(chip.into()),
            runtime: Some(runtime.into()),
            precision: Some(precision.into()),
            ..Select::default()
        };
        let dataset = import("paddlelite", &table, &select)?;
        Ok(Lender { id: dataset.identity.to_string(), rows: fit::observations(&dataset)? })
    };
    ["paddlelite", "paddlelite-armv7"].into_iter().map(lender).collect()
}

fn import(format: &str, table: &Path, select: &Select) -> Result<Dataset, Failed> {
    let source = SOURCES.iter().find(|source| source.name == format).ok_or("no such format")?;
    Ok(published::import(source, table, None, select, "2026-11-24T00:00:00Z")?)
}

/// Networks of a device in a table of HELP's or of Accel-NASBench.
fn help(format: &str, device: &str, batch: Option<u32>) -> Result<(Dataset, Vec<MeasuredNetwork>), Failed> {
    let file = if format.starts_with("help-") { "latency" } else { "networks" };
    let table = root().join(format!("datasets/tables/{format}/{file}.csv.gz"));
    let select = Select { device: Some(device.into()), batch, ..Select::default() };
    let dataset = import(format, &table, &select)?;
    let rows = MeasuredNetwork::all_of(&dataset.samples);
    Ok((dataset, rows))
}

/// Mean figures of several draws: `train` says which rows are fitted to.
fn draws(
    what: &str,
    dataset: &Dataset,
    rows: &[MeasuredNetwork],
    sources: &[NetworkPredictor],
    train: impl Fn(&mut Xoshiro256PlusPlus) -> Vec<usize>,
) -> Result<(), Failed> {
    let sources: Vec<&NetworkPredictor> = sources.iter().collect();
    let mut all: Vec<Metrics> = Vec::new();
    for seed in 0..DRAWS {
        let mut chosen = train(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        chosen.sort_unstable();
        let known: Vec<MeasuredNetwork> = chosen.iter().map(|&i| rows[i].clone()).collect();
        let predictor = whole::fit(&known, Request::of(dataset), &sources)?;
        let unseen = rows.iter().enumerate().filter(|(i, _)| chosen.binary_search(i).is_err());
        all.extend(Metrics::of(&pairs(&predictor, unseen.map(|(_, row)| row))));
    }
    let mean =
        |of: fn(&Metrics) -> f64| stats::mean(&all.iter().map(of).collect::<Vec<_>>()).unwrap_or(f64::NAN);
    println!(
        "  {what:52} Spearman {:.3}, error {:5.2} %, interval holds {:4.1} % ({} draws)",
        mean(|m| m.spearman.unwrap_or(f64::NAN)),
        mean(|m| m.mape_percent),
        mean(|m| m.coverage_percent.unwrap_or(f64::NAN)),
        all.len(),
    );
    Ok(())
}

/// So many rows by chance.
fn by_chance(rows: usize, count: usize) -> impl Fn(&mut Xoshiro256PlusPlus) -> Vec<usize> {
    move |rng| {
        let mut order: Vec<usize> = (0..rows).collect();
        for i in 0..count.min(rows) {
            order.swap(i, rng.random_range(i..rows));
        }
        order.truncate(count);
        order
    }
}

fn networks() -> Result<(), Failed> {
    for (format, device, batch, counts) in [
        ("help-fbnet", "pixel2", None, [50, 500]),
        ("help-nb201", "pixel2", None, [10, 50]),
        ("help-ofa", "v100", Some(64), [50, 200]),
        ("help-ofa", "titan_rtx", Some(64), [50, 200]),
    ] {
        let (dataset, rows) = help(format, device, batch)?;
        for count in counts {
            let what = format!("{} from {count} networks", dataset.identity);
            draws(&what, &dataset, &rows, &[], by_chance(rows.len(), count))?;
        }
    }
    for device in ["a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"] {
        let (dataset, rows) = help("accel-nasbench", device, None)?;
        let what = format!("{} from 100 networks", dataset.identity);
        draws(&what, &dataset, &rows, &[], by_chance(rows.len(), 100))?;
    }
    towards("help-nb201", "pixel2", None, &["samsung_a50", "essential_ph_1"], &[10, 50])
}

fn unseen() -> Result<(), Failed> {
    for (format, batches, gpus) in [
        ("help-nb201", [1, 32, 256], &["1080ti", "titan_rtx", "titanx", "titanxp"][..]),
        ("help-fbnet", [1, 32, 64], &["1080ti", "titan_rtx", "titanx", "titanxp"][..]),
        ("help-ofa", [1, 32, 64], &["2080ti", "titan_rtx", "v100"][..]),
    ] {
        for batch in batches {
            for device in gpus {
                let others: Vec<&str> = gpus.iter().copied().filter(|other| other != device).collect();
                towards(format, device, Some(batch), &others, &[10])?;
            }
        }
    }
    Ok(())
}

/// A device from few of its networks, chosen as `transfer` does, and the shipped predictors of others.
fn towards(
    format: &str,
    device: &str,
    batch: Option<u32>,
    others: &[&str],
    counts: &[usize],
) -> Result<(), Failed> {
    let (dataset, rows) = help(format, device, batch)?;
    let runtime = &dataset.identity.runtime;
    let wanted: Vec<String> = others.iter().map(|other| format!("{other}@{runtime}@fp32")).collect();
    let mut sources = Vec::new();
    for entry in shipped::predictors()
        .entries()
        .expect("readable folders")
        .into_iter()
        .filter(|entry| wanted.contains(&entry.id))
    {
        if let AnyPredictor::Networks(predictor) = entry.load()? {
            sources.push(*predictor);
        }
    }
    if sources.len() != others.len() {
        return Err(format!("a predictor of {wanted:?} is not shipped").into());
    }
    let codes: Vec<&Encoded> = rows.iter().map(|row| &row.network).collect();
    let references: Vec<&NetworkPredictor> = sources.iter().collect();
    let pool = Pool::new(&references, &codes, &dataset.identity)?;
    for &count in counts {
        let what = format!("{} from {count} networks and {}", dataset.identity, others.join(", "));
        draws(&what, &dataset, &rows, &sources, |rng| pool.choose(count, rng))?;
    }
    Ok(())
}
