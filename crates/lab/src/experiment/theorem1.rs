//! Theorem 1 of the paper: √((Π σ̄²)·E‖x‖² / E‖x̄‖²) lies within 1 ± L·ε with ε = O(1/√(B·H·W)), where x is the output
//! without batch normalisation, x̄ the output with it, σ̄² the variances that it divides by, L the number of layers, and
//! B·H·W the values per channel.

use super::panels::{Line, Panel};
use super::{Experiment, ExperimentError, finite};
use edgezen_core::plainnet::notation;
use edgezen_core::proxy::theorem1::log_ratio;
use edgezen_core::stats;

/// Side of the maps.
const SIDE: u32 = 8;
const LAYERS: u32 = 4;

/// Averages every batch over `repeats` draws.
///
/// # Errors
/// A ratio that is not defined, other than one that is not finite.
pub fn run(repeats: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let network = notation::parse(&format!("SuperConvK3BNRELU(3,64,1,{LAYERS})"))?;
    let mut rows = Vec::new();
    for batch in [1, 2, 4, 8, 16, 32, 64, 128] {
        let mut deviations = Vec::new();
        let mut ratios = Vec::new();
        for repeat in 0..u64::from(repeats) {
            if let Some(log) = finite(log_ratio(&network, SIDE, batch, seed.wrapping_add(repeat)))? {
                ratios.push((0.5 * log).exp());
                deviations.push(((0.5 * log).exp() - 1.0).abs());
            }
        }
        let values = f64::from(batch * SIDE * SIDE);
        let most = deviations.iter().copied().fold(0.0, f64::max);
        rows.push((
            batch.to_string(),
            vec![
                Some(values),
                stats::mean(&ratios),
                stats::mean(&deviations),
                Some(most),
                Some(f64::from(LAYERS) / values.sqrt()),
            ],
        ));
    }
    let line = |column: usize, name| Line {
        name,
        points: rows.iter().map(|(_, v)| (v[0].unwrap_or(1.0).log2(), v[column])).collect(),
    };
    let panels = vec![
        Panel { title: "Theorem 1: √ratio", x: "log₂ B·H·W", lines: vec![line(1, "mean")] },
        Panel {
            title: "Distance from 1",
            x: "log₂ B·H·W",
            lines: vec![line(2, "mean"), line(3, "largest"), line(4, "L/√(B·H·W)")],
        },
    ];
    let header =
        vec!["batch", "values_per_channel", "root_ratio", "mean_distance", "largest_distance", "l_over_root"];
    Ok(Experiment { name: "theorem1", header, rows, panels })
}
