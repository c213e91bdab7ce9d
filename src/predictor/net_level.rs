//! From the sum over kernels to the whole network.
//!
//! T = scale · Σ kernels + per_kernel · count + constant, with non-negative coefficients, fitted to
//! relative errors and pulled towards the identity: a few networks must not undo what thousands of
//! kernels say.

use super::families::FitError;
use super::linear::non_negative;
use crate::stats;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// The correction, for the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetLevel {
    pub scale: f64,
    pub per_kernel_ns: f64,
    pub constant_ns: f64,
    /// Networks that it was fitted to; with none it is the identity.
    pub networks: u32,
}

impl NetLevel {
    pub const IDENTITY: NetLevel = NetLevel { scale: 1.0, per_kernel_ns: 0.0, constant_ns: 0.0, networks: 0 };

    pub fn apply_ns(&self, sum_ns: f64, kernels: f64) -> f64 {
        self.scale * sum_ns + self.per_kernel_ns * kernels + self.constant_ns
    }

    /// What is wrong with a correction that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        let fine = |value: f64| value.is_finite() && value >= 0.0;
        if fine(self.per_kernel_ns) && fine(self.constant_ns) && fine(self.scale) && self.scale > 0.0 {
            Ok(())
        } else {
            Err("the network-level correction is not made of non-negative numbers".into())
        }
    }
}

/// A network or a block as its kernels predict it (out of fold), and as measured.
#[derive(Clone, Copy, Debug)]
pub struct NetworkSum {
    /// A whole network, which has the constant; a block has not.
    pub whole: bool,
    pub sum_ns: f64,
    pub kernels: f64,
    pub measured_ns: f64,
}

/// Networks' worth of belief in the identity.
const PRIOR_NETWORKS: f64 = 6.0;
/// Fewest networks that say anything about a correction.
const MIN_NETWORKS: usize = 3;

/// Fits the correction; what kernels cost beside one another is learnt from blocks as well. `constant_ns` is what the kernels' own fit already found for it.
///
/// # Errors
/// A failure of the solver.
pub fn fit(networks: &[NetworkSum], constant_ns: f64) -> Result<NetLevel, FitError> {
    let whole = networks.iter().filter(|network| network.whole).count();
    let identity = NetLevel { constant_ns, networks: whole as u32, ..NetLevel::IDENTITY };
    if whole < MIN_NETWORKS {
        return Ok(identity);
    }
    let n = networks.len();
    let typical = |of: &dyn Fn(&NetworkSum) -> f64| {
        stats::median(&networks.iter().map(of).collect::<Vec<_>>()).unwrap_or(1.0)
    };
    let belief = PRIOR_NETWORKS.sqrt();
    let mut a = Array2::zeros((n + 3, 3));
    let mut b = Array1::ones(n + 3);
    for (i, network) in networks.iter().enumerate() {
        a[(i, 0)] = network.sum_ns / network.measured_ns;
        a[(i, 1)] = network.kernels / network.measured_ns;
        a[(i, 2)] = if network.whole { 1.0 / network.measured_ns } else { 0.0 };
    }
    a[(n, 0)] = belief;
    b[n] = belief;
    a[(n + 1, 1)] = belief * typical(&|network| network.kernels / network.measured_ns);
    b[n + 1] = 0.0;
    a[(n + 2, 2)] = belief * typical(&|network| 1.0 / network.measured_ns);
    b[n + 2] = a[(n + 2, 2)] * constant_ns;
    let x = non_negative(&a, &b)?;
    Ok(NetLevel { scale: x[0].max(1e-3), per_kernel_ns: x[1], constant_ns: x[2], networks: whole as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_networks_outweigh_the_identity_and_none_leave_it() {
        assert_eq!(fit(&[], 0.0).unwrap(), NetLevel::IDENTITY);
        let networks: Vec<NetworkSum> = (1..200)
            .map(|i| f64::from(i) * 1e6)
            .map(|sum_ns| NetworkSum { whole: true, sum_ns, kernels: 50.0, measured_ns: 1.3 * sum_ns })
            .collect();
        let level = fit(&networks, 0.0).unwrap();
        assert!((level.scale - 1.3).abs() < 0.02, "{level:?}");
        let few = fit(&networks[..4], 0.0).unwrap();
        assert!(few.scale > 1.0 && few.scale < level.scale, "{few:?}");
    }
}
