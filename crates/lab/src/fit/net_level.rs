//! Fits the correction from the sum over kernels to the whole network, [`NetLevel`].

use crate::fit::error::FitError;
use crate::fit::observation::{Level, Observation};
use crate::fit::solvers::nnls::non_negative;
use edgezen_core::predictor::Terms;
use edgezen_core::predictor::net_level::NetLevel;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// A network as its kernels predict it (out of fold), and as measured.
#[derive(Clone, Copy, Debug)]
pub struct NetworkSum {
    pub terms: Terms,
    pub measured_ns: f64,
}

/// Networks' worth of belief in the identity, for each coefficient. Nothing that runs kernel by kernel takes a constant
/// of milliseconds: a strong one would hide what is written behind it.
const PRIOR_NETWORKS: [f64; 5] = [0.1, 0.1, 0.1, 0.1, 10.0];
/// Fewest networks that say anything about a correction.
const MIN_NETWORKS: usize = 3;

/// The correction, with the networks that it was fitted to.
pub(super) struct Correction {
    pub net_level: NetLevel,
    pub networks: Vec<NetworkSum>,
    /// What is predicted of each network by a correction fitted to the others, in nanoseconds.
    pub left_out_ns: Vec<f64>,
}

/// Fits the correction to the networks among `observations`; `held_out` has the sums over each one's kernels, by models
/// that have not seen it. `constant_ns` is as in [`fit`].
///
/// # Errors
/// A failure of the solver.
pub(super) fn correction(
    observations: &[Observation],
    held_out: &[Terms],
    constant_ns: f64,
) -> Result<Correction, FitError> {
    let composed = observations.iter().zip(held_out).filter(|(o, _)| o.level == Level::Network);
    let networks: Vec<NetworkSum> =
        composed.map(|(o, &terms)| NetworkSum { terms, measured_ns: o.latency.ns() }).collect();
    // Prices that come from networks alone need no correction on networks.
    if networks.len() == observations.len() {
        let net_level = fit(&[], constant_ns)?;
        let left_out_ns = networks.iter().map(|n| net_level.apply_ns(&n.terms)).collect();
        return Ok(Correction { net_level, networks, left_out_ns });
    }
    let net_level = fit(&networks, constant_ns)?;
    let left_out_ns = leave_one_out(&networks, constant_ns)?;
    Ok(Correction { net_level, networks, left_out_ns })
}

/// Each network as a correction that is fitted to the others predicts it.
fn leave_one_out(networks: &[NetworkSum], constant_ns: f64) -> Result<Vec<f64>, FitError> {
    (0..networks.len())
        .map(|left_out| {
            let others: Vec<NetworkSum> = [&networks[..left_out], &networks[left_out + 1..]].concat();
            Ok(fit(&others, constant_ns)?.apply_ns(&networks[left_out].terms))
        })
        .collect()
}

/// Fits the correction. `constant_ns` is what the kernels' own fit already found for it: all there is with few networks.
///
/// # Errors
/// A failure of the solver.
pub fn fit(networks: &[NetworkSum], constant_ns: f64) -> Result<NetLevel, FitError> {
    let n = networks.len();
    if n < MIN_NETWORKS {
        return Ok(NetLevel { constant_ns, networks: n as u32, ..NetLevel::IDENTITY });
    }
    let costs = |network: &NetworkSum| {
        let NetworkSum { terms, measured_ns } = *network;
        [terms.latency.ns(), terms.depthwise.ns(), terms.outputs, f64::from(terms.kernels), 1.0]
            .map(|cost| cost / measured_ns)
    };
    let prior = [1.0, 0.0, 0.0, 0.0, 0.0];
    let width = prior.len();
    let mut a = Array2::zeros((n + width, width));
    let mut b = Array1::ones(n + width);
    for (i, network) in networks.iter().enumerate() {
        a.row_mut(i).assign(&Array1::from(costs(network).to_vec()));
    }
    for (j, prior) in prior.into_iter().enumerate() {
        // What is usual where there is any.
        let shares: Vec<f64> = a.column(j).iter().take(n).copied().filter(|share| *share > 0.0).collect();
        a[(n + j, j)] = PRIOR_NETWORKS[j].sqrt() * stats::median(&shares).unwrap_or(1.0);
        b[n + j] = a[(n + j, j)] * prior;
    }
    let x = non_negative(&a, &b)?;
    Ok(NetLevel {
        scale: x[0].max(1e-3),
        depthwise: x[1],
        per_output_ns: x[2],
        per_kernel_ns: x[3],
        constant_ns: x[4],
        networks: n as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::units::Latency;

    fn network(sum_ns: f64, depthwise: f64, outputs: f64, measured_ns: f64) -> NetworkSum {
        let (latency, depthwise) = (Latency::from_ns(sum_ns), Latency::from_ns(sum_ns * depthwise));
        let terms = Terms { latency, inside: latency, depthwise, outputs, kernels: 50, ..Terms::default() };
        NetworkSum { terms, measured_ns }
    }

    #[test]
    fn many_networks_outweigh_the_identity_and_none_leave_it() {
        assert_eq!(fit(&[], 0.0).unwrap(), NetLevel::IDENTITY);
        let of = |i: u32| network(f64::from(i) * 1e6, 0.0, 0.0, 1.3e6 * f64::from(i));
        let networks: Vec<NetworkSum> = (1..200).map(of).collect();
        let level = fit(&networks, 0.0).unwrap();
        assert!((level.scale - 1.3).abs() < 0.02, "{level:?}");
        let few = fit(&networks[..4], 0.0).unwrap();
        assert!(few.scale > 1.0 && few.scale < level.scale, "{few:?}");
        assert_eq!(fit(&networks[..2], 0.0).unwrap().scale, 1.0);
    }

    #[test]
    fn depthwise_convolutions_and_what_is_written_have_prices_of_their_own() {
        let networks: Vec<NetworkSum> = (1..60)
            .map(|i| {
                let sum_ns = f64::from(1 + i % 7) * 1e6;
                let (depthwise, outputs) = (f64::from(i % 5) / 8.0, f64::from(1 + i % 11) * 1e5);
                network(sum_ns, depthwise, outputs, sum_ns * (1.0 + 0.4 * depthwise) + 1.5 * outputs)
            })
            .collect();
        let level = fit(&networks, 0.0).unwrap();
        assert!((level.scale - 1.0).abs() < 0.02, "{level:?}");
        assert!((level.depthwise - 0.4).abs() < 0.05 && (level.per_output_ns - 1.5).abs() < 0.1, "{level:?}");
    }
}
