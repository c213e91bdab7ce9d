//! The latencies of many networks, on all threads. Sublayers and kernels that several of them share are priced once, kernels also for the
//! lists that are asked for later.

use super::{PredictionError, TextError, network};
use crate::catalogue::networks::{self, AnyNetwork, Overrides};
use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::{Model, SuperBlock};
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::{ForMany, NetworkPredictor};
use edgezen_core::predictor::remembered::Remembered;
use edgezen_core::predictor::{Estimate, LatencyPredictor};
use edgezen_core::search::budget::Accountant;
use edgezen_core::search::{Budgets, TrackedDevice};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Networks of one piece of work are at least so many: what they share is remembered within a piece.
const LEAST: usize = 256;

/// Networks whose kernels are priced side by side: the more there are, the more of them are alike. Bounds the memory for long lists.
const ASIDE: usize = 1 << 10;

/// A predictor that is asked for many networks.
#[derive(Clone)]
pub struct Many {
    predictor: Predictor,
}

#[derive(Clone)]
enum Predictor {
    /// With the same as the one device of a search, which knows how to remember parts of networks.
    Kernels(Arc<FittedPredictor>, Budgets),
    Networks(Box<NetworkPredictor>),
}

impl Many {
    pub fn new(predictor: AnyPredictor) -> Many {
        let predictor = match predictor {
            AnyPredictor::Kernels(predictor) => {
                let predictor = Arc::new(*predictor);
                let mut budgets = Budgets::default();
                let name = predictor.identity().to_string();
                // Kernels of linear models are priced as quickly as they are found.
                let asked: Arc<dyn LatencyPredictor> = match predictor.together() {
                    true => Arc::new(Remembered::new(predictor.clone())),
                    false => predictor.clone(),
                };
                budgets.track(TrackedDevice { name, predictor: asked.into() });
                Predictor::Kernels(predictor, budgets)
            }
            AnyPredictor::Networks(predictor) => Predictor::Networks(predictor),
        };
        Many { predictor }
    }

    pub fn identity(&self) -> &Identity {
        match &self.predictor {
            Predictor::Kernels(predictor, _) => predictor.identity(),
            Predictor::Networks(predictor) => &predictor.identity,
        }
    }

    /// The latency of each network of `nets`, per image and in their order. Chains of super blocks are summed up as a search
    /// does it, block by block, which differs from [`network::by_kernels`] in the rounding of the sums alone. `partial`: also of
    /// files that can be priced only in part.
    pub fn estimates(
        &self,
        nets: &[String],
        overrides: Overrides,
        partial: bool,
    ) -> Vec<Result<Estimate, TextError>> {
        let piece = nets.len().div_ceil(rayon::current_num_threads().max(1)).max(LEAST);
        let priced = nets.par_chunks(piece).map(|piece| match &self.predictor {
            Predictor::Networks(predictor) => {
                let mut predictor = ForMany::new(predictor);
                let estimate = |net: &String| network::as_a_whole(&mut predictor, net, overrides);
                piece.iter().map(estimate).collect()
            }
            Predictor::Kernels(predictor, budgets) => {
                let mut prices = Prices { predictor, budgets, accountants: BTreeMap::new() };
                let estimates = |nets| prices.estimates(nets, overrides, partial);
                piece.chunks(ASIDE).flat_map(estimates).collect::<Vec<_>>()
            }
        });
        priced.collect::<Vec<_>>().into_iter().flatten().collect()
    }
}

/// Resolution, classes, and whether there is squeeze-excite.
type Input = (u32, u32, bool);

/// What is remembered between the networks of one piece: an accountant for each input.
struct Prices<'a> {
    predictor: &'a FittedPredictor,
    budgets: &'a Budgets,
    accountants: BTreeMap<Input, Accountant<'a>>,
}

impl Prices<'_> {
    /// Chains of super blocks are priced together, all other networks by themselves.
    fn estimates(
        &mut self,
        nets: &[String],
        overrides: Overrides,
        partial: bool,
    ) -> Vec<Result<Estimate, TextError>> {
        let mut estimates: Vec<Option<Result<Estimate, TextError>>> = nets.iter().map(|_| None).collect();
        let mut chains: BTreeMap<Input, Vec<(usize, AnyNetwork, Vec<SuperBlock>)>> = BTreeMap::new();
        for (i, net) in nets.iter().enumerate() {
            match networks::any(net, overrides) {
                Ok(found) => match chain(&found) {
                    Some((input, blocks)) => chains.entry(input).or_default().push((i, found, blocks)),
                    None => estimates[i] = Some(self.alone(&found, partial)),
                },
                Err(error) => estimates[i] = Some(Err(error.into())),
            }
        }
        for (input, chains) in chains {
            let (resolution, classes, se) = input;
            let budgets = self.budgets;
            let accountant = self
                .accountants
                .entry(input)
                .or_insert_with(|| Accountant::new(budgets, resolution, classes).with_se(se));
            let blocks: Vec<&[SuperBlock]> = chains.iter().map(|(_, _, blocks)| &blocks[..]).collect();
            let latencies = accountant.latencies(&blocks);
            for ((i, found, _), latency) in chains.iter().zip(latencies) {
                estimates[*i] = Some(match latency {
                    Ok(Some(estimate)) => Ok(estimate),
                    Ok(None) => self.alone(found, partial),
                    Err(error) => Err(PredictionError::from(error).into()),
                });
            }
        }
        estimates.into_iter().flatten().collect()
    }

    fn alone(&self, network: &AnyNetwork, partial: bool) -> Result<Estimate, TextError> {
        Ok(network::by_kernels(self.predictor, network, None, partial)?.estimate)
    }
}

/// The structure of a network that is a chain of super blocks, with its input.
fn chain(network: &AnyNetwork) -> Option<(Input, Vec<SuperBlock>)> {
    let AnyNetwork::PlainNet(Model { network, resolution, classes, se, .. }) = network else { return None };
    let blocks = network.super_blocks("a sum over blocks needs").ok()?;
    Some(((*resolution, *classes, *se), blocks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::networks::NetworkError;
    use crate::catalogue::of_repository;
    use edgezen_core::plainnet::published;

    fn many(device: &str) -> Many {
        Many::new(of_repository().predictor(device).unwrap().loaded)
    }

    #[test]
    fn every_published_network_has_the_latency_of_its_kernels() {
        let names: Vec<String> = published::names().map(str::to_owned).collect();
        // The runtimes of these make other kernels of the same graph.
        for device in ["pixel2", "v100", "t4@torch2.1", "host"] {
            let AnyPredictor::Kernels(predictor) = of_repository().predictor(device).unwrap().loaded else {
                panic!("{device}: no predictor of kernels");
            };
            for se in [false, true] {
                let overrides = Overrides { se, ..Overrides::default() };
                let estimates = many(device).estimates(&names, overrides, false);
                for (name, estimate) in names.iter().zip(estimates) {
                    let estimate = estimate.unwrap();
                    let network = networks::any(name, overrides).unwrap();
                    let expected = network::by_kernels(&predictor, &network, None, false).unwrap().estimate;
                    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
                    assert!(
                        near(estimate.latency.ns(), expected.latency.ns())
                            && near(estimate.lower.ns(), expected.lower.ns())
                            && near(estimate.upper.ns(), expected.upper.ns())
                            && near(estimate.charged.ns(), expected.charged.ns())
                            && (estimate.coverage - expected.coverage).abs() < 1e-12,
                        "{name} on {device}: {estimate:?}, not {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn order_and_company_change_nothing() {
        let nets: Vec<String> = ["resnet18", "efficientnet_b0", "SuperConvK3BNRELU(3,8,2,1)", "resnet50"]
            .into_iter()
            .cycle()
            .take(3 * LEAST)
            .map(str::to_owned)
            .collect();
        let many = many("pixel2");
        let all = many.estimates(&nets, Overrides::default(), false);
        for (net, estimate) in nets.iter().zip(&all).take(8).chain(nets.iter().zip(&all).rev().take(8)) {
            let alone = many.estimates(std::slice::from_ref(net), Overrides::default(), false).pop().unwrap();
            assert_eq!(alone.unwrap(), *estimate.as_ref().unwrap(), "{net}");
        }
        assert!(many.estimates(&[], Overrides::default(), false).is_empty());
    }

    #[test]
    fn each_network_has_an_error_of_its_own() {
        let nets = ["resnet18", "no_such_net", "SuperConvK3BNRELU(3,8,2,1)"].map(str::to_owned);
        let small = Overrides { resolution: "1".parse().ok(), ..Overrides::default() };
        let answers = many("v100").estimates(&nets, Overrides::default(), false);
        assert!(matches!(
            &answers[..],
            [Ok(_), Err(TextError::Network(NetworkError::Unknown { .. })), Ok(_)]
        ));
        let answers = many("v100").estimates(&nets[..1], small, false);
        assert_eq!(answers.len(), 1);
        // Predictors of whole networks take those of their space alone.
        let code = format!("anb:{}", ["e1k3l1s1"; 7].join("_"));
        let answers = many("a100@anb").estimates(&[code, "resnet18".into()], Overrides::default(), false);
        assert!(matches!(&answers[..], [Ok(_), Err(TextError::Prediction(PredictionError::Foreign { .. }))]));
    }
}
