//! The closed-form Zen-Score against Monte-Carlo golden data.

use crate::golden;
use edgezen::plainnet::notation;
use edgezen::proxy::{Mode, zen::ZenScore};
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
        // Evolved populations are all alike: their ranks are mostly noise.
        let (least_tau, most_bias, most_spread) =
            if name.starts_with("elite") { (0.3, 1.5, 1.2) } else { (0.98, 0.3, 0.5) };
        assert!(tau >= least_tau, "{name}: τ {tau}");
        assert!(bias.abs() <= most_bias, "{name}: bias {bias}");
        assert!(spread <= most_spread, "{name}: sd {spread}");
    }
}

#[test]
fn closed_form_of_the_published_networks() {
    for case in golden::list(&golden::json("zen_statistics.json")) {
        let mut network = notation::parse(golden::text(case, "structure")).unwrap();
        // One initial structure has a broken chain (SPEC 1.4).
        let mut blocks = network.super_blocks("the test scores").unwrap();
        edgezen::plainnet::relink(&mut blocks);
        network = (&blocks[..]).into();
        let resolution = golden::number(case, "resolution") as u32;
        for (mode, key) in [(Mode::Reference, "official"), (Mode::Paper, "paper_l2_batchstats")] {
            let score = ZenScore::new(mode, resolution).score_network(&network).unwrap();
            let mean = golden::number(&case[key], "mean");
            println!("{} {mode}: closed {score:.2}, Monte-Carlo {mean:.2}", case["name"]);
            assert!((score / mean - 1.0).abs() < 0.01, "{} {mode}: {score} against {mean}", case["name"]);
        }
    }
}
