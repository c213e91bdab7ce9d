//! Figure 2: Φ-score and Zen-Score of plain 3×3 networks on 8×8 maps.
//!
//! Panels a to c show networks of 64 channels by their depth, panels d to f networks of two layers by the number of
//! channels between them. Without batch normalisation (BN) the Φ-score grows with depth until single precision
//! overflows; with BN it does not grow; the Zen-Score grows again.

use super::panels::{Line, Panel};
use super::{Experiment, ExperimentError, Row, finite, mean};
use edgezen_core::plainnet::{Network, notation};
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::exact;
use edgezen_core::proxy::exact::source::{Scaling, Seeded};
use edgezen_core::proxy::exact::{Norm, Randomness, Settings, Variance};
use edgezen_core::proxy::phi::{Scale, log_difference};

/// Side of the maps.
const SIDE: u32 = 8;
/// Images of a pass.
const BATCH: u32 = 4;
const HEADER: [&str; 7] =
    ["network", "size", "phi_f32", "phi_log_space", "phi_with_bn", "zen_paper", "zen_reference"];

/// Averages every point over `repeats` draws.
///
/// # Errors
/// A network without a score, other than one that is not finite.
pub fn run(repeats: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let mut rows = Vec::new();
    for depth in 1..=40_u32 {
        let deeper =
            if depth > 1 { format!("SuperConvK3BNRELU(64,64,1,{})", depth - 1) } else { String::new() };
        let network = parse(&format!("SuperConvK3BNRELU(3,64,1,1){deeper}"))?;
        rows.push(("depth".to_owned(), row(&network, depth, repeats, seed)?));
    }
    for width in (2..=60_u32).step_by(2) {
        let network = parse(&format!("SuperConvK3BNRELU(3,{width},1,1)SuperConvK3BNRELU({width},64,1,1)"))?;
        rows.push(("width".to_owned(), row(&network, width, repeats, seed)?));
    }
    let panels = panels(&rows);
    Ok(Experiment { name: "fig2", header: HEADER.to_vec(), rows, panels, says: Vec::new() })
}

/// The six panels of the figure.
fn panels(rows: &[Row]) -> Vec<Panel> {
    let line = |of: &str, column: usize, name| {
        let points = rows.iter().filter(|(label, _)| label == of);
        Line { name, points: points.map(|(_, v)| (v[0].unwrap_or(0.0), v[column])).collect() }
    };
    let panel = |title, of, lines: &[(usize, &'static str)]| Panel {
        title,
        x: if of == "depth" { "layers" } else { "channels between the layers" },
        lines: lines.iter().map(|&(column, name)| line(of, column, name)).collect(),
    };
    let phi: &[(usize, &'static str)] = &[(2, "in log space"), (1, "in f32, as far as it goes")];
    let zen: &[(usize, &'static str)] = &[(4, "paper"), (5, "reference"), (2, "Φ in log space")];
    vec![
        panel("a: Φ without BN", "depth", phi),
        panel("b: Φ with BN", "depth", &[(3, "with BN")]),
        panel("c: Zen-Score", "depth", zen),
        panel("d: Φ without BN", "width", phi),
        panel("e: Φ with BN", "width", &[(3, "with BN")]),
        panel("f: Zen-Score", "width", zen),
    ]
}

fn parse(structure: &str) -> Result<Network, ExperimentError> {
    Ok(notation::parse(structure)?)
}

/// The columns of [`HEADER`] from the size on. Scores are logarithms of differences; the step α of the finite
/// difference is not divided out.
fn row(network: &Network, size: u32, repeats: u32, seed: u64) -> Result<Vec<Option<f64>>, ExperimentError> {
    let source = |repeat| Seeded { seed, repeat, salt: 0, scaling: Scaling::Unit };
    let phi = |scale| {
        mean(repeats, |repeat| {
            finite(log_difference::<f32>(network, SIDE, BATCH, 0.01, scale, &source(repeat)))
        })
    };
    let zen = |mode, of: fn(&exact::Exact) -> f64| {
        mean(repeats, |repeat| {
            // Each draw is a score of its own, so that no running variance is carried over.
            let randomness = Randomness::Seeded { seed: seed.wrapping_add(repeat), common: true };
            let settings = Settings { batch: BATCH, randomness, ..Settings::new(mode, seed) };
            debug_assert!((settings.variance == Variance::Batch) == (settings.norm == Norm::L2));
            finite(exact::score::<f32>(network, SIDE, &settings).map(|exact| of(&exact)))
        })
    };
    Ok(vec![
        Some(f64::from(size)),
        phi(Scale::Plain)?,
        phi(Scale::Log)?,
        zen(Mode::Paper, |exact| exact.samples[0].delta_l2.ln())?,
        zen(Mode::Paper, |exact| exact.score)?,
        zen(Mode::Reference, |exact| exact.score)?,
    ])
}
