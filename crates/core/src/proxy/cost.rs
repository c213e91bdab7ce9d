//! The trivial proxies: FLOPs, parameters, multiply-adds, activations, layers, and a random number (docs/plainnet.md, section 5.4).
//!
//! As scores, costs are counted without residual links, so that they are smaller than the same costs as
//! budgets (section 3.3).

use super::{Candidate, Proxy, ScoreError};
use crate::plainnet::chain::{Chain, ChainError, STAGE_EXPONENT};
use crate::plainnet::{Model, Variant, cost};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

fn official(candidate: Candidate<'_>) -> Result<(f64, f64), ScoreError> {
    let mut resolution = i64::from(candidate.resolution);
    let (mut params, mut flops) = (0.0, 0.0);
    for block in candidate.blocks {
        let part = cost::official_block(block, resolution, Variant::SCORED)?;
        params += part.params.0;
        flops += part.flops.0;
        resolution = part.resolution;
    }
    let out_c = candidate.blocks.last().map_or(0, |block| block.out_c);
    let head = cost::official_head(out_c, candidate.classes);
    Ok((params + head.params.0, flops + head.flops.0))
}

/// Official FLOPs.
pub struct Flops;

impl Proxy for Flops {
    fn name(&self) -> &'static str {
        "flops"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        Ok(official(candidate)?.1)
    }
    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        model.validate()?;
        Ok(model.official(Variant::SCORED)?.1.0)
    }
}

/// Official parameters.
pub struct Params;

impl Proxy for Params {
    fn name(&self) -> &'static str {
        "params"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        Ok(official(candidate)?.0)
    }
    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        model.validate()?;
        Ok(model.official(Variant::SCORED)?.0.0)
    }
}

/// A quantity of the chain of convolutions (squeeze-excite and shortcuts are left out, as in every score).
pub struct OfChain {
    name: &'static str,
    of: fn(&Chain) -> f64,
}

/// Multiply-adds, without the operations of normalisation and activations that official FLOPs hold.
pub const MACS: OfChain = OfChain { name: "macs", of: Chain::macs };
/// Elements that convolutions write.
pub const ACTIVATIONS: OfChain = OfChain { name: "activations", of: Chain::activations };
/// Number of convolutions.
pub const CONVOLUTIONS: OfChain = OfChain { name: "layers", of: |chain| chain.depth() as f64 };

/// Parameters that count less and less in one stage. No published score: it came out of tables of trained networks.
pub const STAGE_PARAMS: OfChain =
    OfChain { name: "stage-params", of: |chain| chain.stage_params(STAGE_EXPONENT) };

impl Proxy for OfChain {
    fn name(&self) -> &'static str {
        self.name
    }
    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let (resolution, classes) = (candidate.resolution, candidate.classes);
        let network = candidate.blocks.into();
        self.score_model(&Model { name: None, network, resolution, classes, se: false }, rng)
    }
    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let chain = Chain::of_model(model).map_err(|error| match error {
            ChainError::Shape(error) => ScoreError::Shape(error),
            ChainError::NoChain(reason) => ScoreError::Undefined { proxy: self.name, reason },
        })?;
        Ok((self.of)(&chain))
    }
}

/// A normal random number, whatever the network.
pub struct Random;

impl Proxy for Random {
    fn name(&self) -> &'static str {
        "random"
    }
    fn score(&self, _: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        Ok(normal(rng))
    }
    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        model.validate()?;
        Ok(normal(rng))
    }
}

/// By Box and Muller.
fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
