//! The closed-form Zen-Score against Monte-Carlo golden data.

use crate::golden;
use edgezen::plainnet::notation;
use edgezen::proxy::Mode;
use edgezen::proxy::zen::ZenScore;
use edgezen::stats;
use std::collections::BTreeMap;

#[derive(Default)]
struct Population {
    closed: Vec<f64>,
    monte_carlo: Vec<f64>,
}

/// Closed form and Monte-Carlo mean of the golden table, by population.
fn populations() -> BTreeMap<String, Population> {
    let mut reader = csv::Reader::from_path(golden::path("zen_monte_carlo.csv")).unwrap();
    let mut populations: BTreeMap<String, Population> = BTreeMap::new();
    let mut forms: BTreeMap<u32, ZenScore> = BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        let resolution: u32 = row[2].parse().unwrap();
        let network = notation::parse(&row[1]).unwrap();
        let form = forms.entry(resolution).or_insert_with(|| ZenScore::new(Mode::Reference, resolution));
        let population = populations.entry(row[0].to_owned()).or_default();
        population.closed.push(form.score_network(&network).unwrap());
        population.monte_carlo.push(row[3].parse().unwrap());
    }
    populations
}

#[test]
fn closed_form_ranks_like_monte_carlo() {
    for (name, population) in populations() {
        let Population { closed, monte_carlo } = population;
        let tau = stats::kendall(&closed, &monte_carlo).unwrap();
        let errors: Vec<f64> = closed.iter().zip(&monte_carlo).map(|(c, m)| c - m).collect();
        let (bias, spread) = (stats::mean(&errors).unwrap(), stats::std_dev(&errors).unwrap());
        println!("{name}: n {}, τ {tau:.3}, bias {bias:+.2}, sd {spread:.2}", closed.len());
        // At least as good as one Monte-Carlo draw, whose τ this is. Evolved populations are all alike: their
        // ranks are mostly noise.
        let (least_tau, most_spread) = match name.as_str() {
            "cifar_xxbl_r32" => (0.986, 0.3),
            "cifar_idw_r32" => (0.985, 0.2),
            "imagenet_xxbl_r64" => (0.994, 0.3),
            "imagenet_idw_r64" => (0.986, 0.15),
            "elite_cifar1M_off" => (0.326, 0.8),
            "elite_idw400M_off" => (0.926, 0.11),
            other => panic!("{other}"),
        };
        let most_bias = 0.3;
        assert!(tau >= least_tau, "{name}: τ {tau}");
        assert!(bias.abs() <= most_bias, "{name}: bias {bias}");
        assert!(spread <= most_spread, "{name}: sd {spread}");
    }
}

#[test]
fn closed_form_of_the_published_networks() {
    for case in golden::list(&golden::json("zen_statistics.json")) {
        let mut network = notation::parse(golden::text(case, "structure")).unwrap();
        // One initial structure declares channels that do not arrive (docs/plainnet.md, section 6.4).
        let mut blocks = network.super_blocks("the test scores").unwrap();
        edgezen::plainnet::relink(&mut blocks);
        network = (&blocks[..]).into();
        let resolution = golden::number(case, "resolution") as u32;
        for (mode, key) in [(Mode::Reference, "official"), (Mode::Paper, "paper_l2_batchstats")] {
            let batch = golden::number(case, "batch") as u32;
            let score = ZenScore::of_batch(mode, resolution, batch).score_network(&network).unwrap();
            let mean = golden::number(&case[key], "mean");
            println!("{} {mode}: closed {score:.2}, Monte-Carlo {mean:.2}", case["name"]);
            assert!((score / mean - 1.0).abs() < 0.01, "{} {mode}: {score} against {mean}", case["name"]);
        }
    }
}

#[test]
fn closed_form_follows_the_deepest_networks_at_their_own_side() {
    for (name, case) in golden::json("zen_published_nets.json").as_object().unwrap() {
        let Some(want) = case["zen"]["224"].as_object().filter(|_| !name.starts_with("resnet")) else {
            continue;
        };
        let network = notation::parse(golden::text(case, "struct")).unwrap();
        let score = ZenScore::new(Mode::Reference, 224).score_network(&network).unwrap();
        let mean = want["fresh_repeat1_mean"].as_f64().unwrap();
        let layers = golden::number(case, "n_conv");
        println!("{name}: {layers} BN layers, closed {score:.2}, Monte-Carlo {mean:.2}");
        let most = if layers <= 100.0 { 0.3 } else { 1.5 };
        assert!((score - mean).abs() <= most, "{name}: {score} against {mean}");
    }
}
