//! Trainings in mixed precision, on the CPU.

use super::train::{NET, set};
use crate::commands::{edgezen_json, refused};
use crate::golden::{list, number};
use edgezen::plainnet::{Model, notation};
use edgezen::train::network::Network;
use edgezen::train::recipe::{Precision, Recipe};
use tch::{Device, Kind, Tensor};

#[test]
fn steps_compute_in_bfloat16_and_judgements_in_32_bits() {
    let model =
        Model { name: None, network: notation::parse(NET).unwrap(), resolution: 32, classes: 10, se: true };
    let mut network = Network::new(&model, Device::Cpu, 3).unwrap();
    let images = || Tensor::f_ones([4, 3, 32, 32], (Kind::Float, Device::Cpu)).unwrap();
    let kind = |network: &Network, training| network.forward(images(), training).unwrap().kind();
    assert_eq!([true, false].map(|training| kind(&network, training)), [Kind::Float, Kind::Float]);
    network.follow(&Recipe { precision: Precision::Mixed, ..Recipe::default() });
    assert_eq!([true, false].map(|training| kind(&network, training)), [Kind::BFloat16, Kind::Float]);
    let recipe = Recipe { precision: Precision::Mixed, ..Recipe::default() };
    let targets = Tensor::f_ones([4, 10], (Kind::Float, Device::Cpu)).unwrap() / 10.0;
    network
        .learn(
            images(),
            &[targets],
            edgezen::train::network::Step { rate: 0.01, ..Default::default() },
            &recipe,
        )
        .unwrap();
    assert!(
        network
            .parameters
            .iter()
            .all(|of| of.value.kind() == Kind::Float && of.velocity.kind() == Kind::Float)
    );
}

#[test]
fn mixed_trainings_learn_as_much_and_go_on_with_the_same_bits() {
    let dir = set(512);
    let dir = dir.path();
    let usual = [
        "train",
        NET,
        "--data",
        "data",
        "--recipe",
        "short",
        "--no-mirror",
        "--epochs",
        "4",
        "--threads",
        "1",
        "--json",
    ];
    let train = |extra: &[&str]| edgezen_json(dir, &[&usual[..], extra].concat());
    let full = train(&["--out", "full"]);
    let mixed = train(&["--precision", "mixed", "--out", "mixed"]);
    let loss = |of: &serde_json::Value| number(of, "train_loss");
    assert!(loss(&full) != loss(&mixed) && (loss(&full) - loss(&mixed)).abs() < 0.2, "{full} {mixed}");
    assert_eq!(list(&mixed["history"]).len(), 4);
    // The same again, to the bit, and one that goes on as the other precision is refused.
    train(&["--precision", "mixed", "--out", "again"]);
    let read = |run: &str| std::fs::read(dir.join(run).join("checkpoint.safetensors")).unwrap();
    assert!(read("mixed") == read("again"));
    refused(dir, &[&usual[..], &["--resume", "--out", "mixed"]].concat(), 7, &["another recipe"]);
    refused(dir, &[&usual[..], &["--precision", "half", "--out", "x"]].concat(), 2, &["full or mixed"]);
}
