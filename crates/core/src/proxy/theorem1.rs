//! Theorem 1 of the Zen-NAS paper (section 4.2), as numbers: what batch normalisation takes out of a
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

/// One draw of weights: energies ‖·‖² of the last map of a batch, as natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Without BN: ln ‖x̄_L‖².
    pub plain: f64,
    /// With a BN that divides by the root of the mean square, and takes no mean out: the theorem's proof takes the mean for
    /// zero.
    pub uncentred: Normalised,
    /// With BN as networks have it, which takes the mean out.
    pub centred: Normalised,
}

/// A network with BN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalised {
    /// ln ‖x_L‖².
    pub energy: f64,
    /// ln Π σ̄²_t over the layers, σ̄²_t the mean over the channels of what BN divides by.
    pub variances: f64,
}

/// The three networks on the same weights and images.
///
/// # Errors
/// A structure that is no network or cannot be run.
pub fn draw(
    network: &Network,
    resolution: u32,
    batch: u32,
    images: u64,
    weights: u64,
) -> Result<Draw, ExactError> {
    let source = |seed| Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
    let (images, weights) = (source(images), source(weights));
    let mut engine = Engine::<f64>::default();
    let mut pass = |variant, statistics, rescale| -> Result<Normalised, ExactError> {
        let graph = network_graph(network, resolution, variant)?;
        let input = engine.input(&graph, batch as usize, 1, 0.0, &images);
        let options = Options { statistics, rescale };
        let mut variances = LogVariances(0.0);
        let passed = engine.run(&graph, input, &weights, options, &mut variances)?;
        let energy = energy(&passed.output).ln() + 2.0 * passed.log_scale;
        Ok(Normalised { energy, variances: variances.0 })
    };
    Ok(Draw {
        uncentred: pass(Variant::SCORED, Statistics::BatchUncentred, false)?,
        centred: pass(Variant::SCORED, Statistics::Batch, false)?,
        plain: pass(phi::VARIANT, Statistics::Batch, true)?.energy,
    })
}

/// ln of (Π σ̄²_t)·‖x_L‖² / ‖x̄_L‖² of one draw, for BN that takes no mean out. The theorem's bound on the ratio of
/// expectations is (1 ± L·ε)², ε = O(1/√(B·H·W)).
///
/// # Errors
/// A structure that is no network or cannot be run.
pub fn log_ratio(network: &Network, resolution: u32, batch: u32, seed: u64) -> Result<f64, ExactError> {
    let Draw { plain, uncentred, .. } = draw(network, resolution, batch, seed, seed)?;
    Ok(uncentred.variances + uncentred.energy - plain)
}

fn energy(map: &Map<f64>) -> f64 {
    map.values().iter().map(|x| x * x).sum()
}
