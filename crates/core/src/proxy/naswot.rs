//! NASWOT: how much the images of a batch differ in which ReLUs they switch on (docs/plainnet.md,
//! section 5.4).

use super::exact::source::{Scaling, Seeded};
use super::on_graph::{GraphProxy, Undefined};
use super::patterns;
use crate::plainnet::{Graph, footprint};

pub struct Naswot {
    pub batch: u32,
}

impl GraphProxy for Naswot {
    const NAME: &'static str = "naswot";

    fn batch(&self) -> u32 {
        self.batch
    }

    fn bytes(&self, graph: &Graph) -> f64 {
        footprint::forward(graph, f64::from(self.batch), 4.0)
    }

    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined> {
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let patterns = patterns::of::<f32>(graph, self.batch as usize, &source)?;
        log_determinant(&patterns.agreement())
    }
}

/// ln|det K| by elimination with pivots; the logarithms are added, so that no determinant overflows.
///
/// # Errors
/// A singular matrix: two images with the same pattern, or a network without ReLU.
pub fn log_determinant(kernel: &[Vec<f64>]) -> Result<f64, Undefined> {
    let mut rows = kernel.to_vec();
    let n = rows.len();
    let scale = rows.iter().flatten().fold(0.0_f64, |top, x| top.max(x.abs()));
    let mut log = 0.0;
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        let Some(pivot) = pivot else { break };
        rows.swap(column, pivot);
        let top = rows[column].clone();
        if top[column].abs() <= scale * 1e-12 {
            return Err(Undefined::Reason(
                "its kernel matrix is singular: images have the same activation pattern".into(),
            ));
        }
        log += top[column].abs().ln();
        for row in &mut rows[column + 1..] {
            let factor = row[column] / top[column];
            row.iter_mut().zip(&top).skip(column).for_each(|(x, top)| *x -= factor * top);
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn determinants_by_hand() {
        let kernel = [vec![0.0, 2.0], vec![3.0, 1.0]];
        assert!((log_determinant(&kernel).unwrap() - 6f64.ln()).abs() < 1e-12);
        assert!(log_determinant(&[vec![1.0, 1.0], vec![1.0, 1.0]]).is_err());
        // A determinant of 1e600 has a logarithm.
        let large: Vec<Vec<f64>> =
            (0..300).map(|i| (0..300).map(|j| if i == j { 100.0 } else { 0.0 }).collect()).collect();
        assert!((log_determinant(&large).unwrap() - 600.0 * 10f64.ln()).abs() < 1e-9);
    }
}
