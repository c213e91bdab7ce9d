//! Theorem 1 of the Zen-NAS paper (section 4.2), as a number: what batch normalisation takes out of a
//! network, its variances give back. `docs/plainnet.md`, section 5.3, states the ratio.

use super::exact::forward::{BnVariance, Engine, Observer, Options, Statistics};
use super::exact::map::Map;
use super::exact::source::{Scaling, Seeded};
use super::exact::{ExactError, network_graph};
use super::phi;
use crate::plainnet::{Network, Variant};

struct LogVariances(f64);

impl<T> Observer<T> for LogVariances {
    fn bn(&mut self, variances: &[BnVariance]) {
        self.0 += variances.iter().map(|v| v.biased.ln()).sum::<f64>();
    }
}

/// ln of (Π σ̄²_t)·E‖x_L‖² / E‖x̄_L‖², x with and x̄ without BN, on the same weights and images. The theorem's
/// bound on the ratio is (1 ± L·ε)², ε = O(1/√(B·H·W)).
///
/// BN divides by the deviation here without taking the mean out, as in the theorem's proof, which takes
/// the mean for zero.
///
/// # Errors
/// A structure that is no network or cannot be run.
pub fn log_ratio(network: &Network, resolution: u32, batch: u32, seed: u64) -> Result<f64, ExactError> {
    let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
    let mut engine = Engine::<f64>::default();
    let mut variances = LogVariances(0.0);
    let mut log_energy = |variant, statistics, rescale| -> Result<f64, ExactError> {
        let graph = network_graph(network, resolution, variant)?;
        let input = engine.input(&graph, batch as usize, 1, 0.0, &source);
        let options = Options { statistics, rescale };
        let passed = engine.run(&graph, input, &source, options, &mut variances)?;
        Ok(energy(&passed.output).ln() + 2.0 * passed.log_scale)
    };
    let with = log_energy(Variant::SCORED, Statistics::BatchUncentred, false)?;
    let without = log_energy(phi::VARIANT, Statistics::Batch, true)?;
    Ok(variances.0 + with - without)
}

fn energy(map: &Map<f64>) -> f64 {
    map.values().iter().map(|x| x * x).sum()
}
