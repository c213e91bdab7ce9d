//! Growing all trees of a kind, each on what those before it leave over.

use super::binned::{Binned, borders};
use super::growth::Growth;
use super::histogram::Spare;
use super::tree::tree;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features;
use edgezen_core::predictor::model::boosted::{Boosted, Borders, LEAF_UNIT, Trees};
use edgezen_core::predictor::model::{KernelModel, Linear};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

const SEED: u64 = 1;

/// Grows trees on the kernels of `kind`. The draws of rows have a fixed seed.
pub fn grow(training: &Training, kind: KernelKind, base: Linear, growth: Growth) -> Boosted {
    let features = features::named(features::shapes(kind));
    let rows = training.singles(kind);
    let mut residual: Vec<f64> =
        rows.iter().map(|(q, ns)| (ns / base.predict_ns(q).max(1e-3)).ln()).collect();
    let columns: Vec<(Borders, Vec<u8>)> = features
        .par_iter()
        .map(|feature| {
            let values: Vec<f32> = rows.iter().map(|(q, _)| feature.0.of(q) as f32).collect();
            let borders = Borders::between(borders(&values));
            let bins = values.iter().map(|&value| borders.bin_of(value)).collect();
            (borders, bins)
        })
        .collect();
    let binned = Binned::new(&columns, rows.len());
    let mut trees = Trees::default();
    let mut spare = Spare::default();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for _ in 0..growth.trees {
        let (drawn, others): (Vec<u32>, Vec<u32>) =
            (0..residual.len() as u32).partition(|_| rng.random_bool(growth.rows));
        let tree = tree(&binned, &residual, drawn, growth, &mut spare);
        trees.push(&tree.grown);
        for (rows, value) in tree.leaves() {
            let learnt = f64::from(value) * LEAF_UNIT;
            rows.iter().for_each(|&row| residual[row as usize] -= learnt);
        }
        // Rows that the tree did not see fall where they fall.
        for row in others.into_iter().map(|row| row as usize) {
            residual[row] -= f64::from(trees.last(binned.row(row))) * LEAF_UNIT;
        }
    }
    let borders = columns.into_iter().map(|(borders, _)| borders).collect();
    Boosted { base, features, borders, trees }
}
