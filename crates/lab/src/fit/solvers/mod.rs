//! Solvers of least-squares problems; they know nothing of kernels and latencies.

pub mod cholesky;
pub mod nnls;
pub mod ridge;
