//! Theorem 1 of the paper: √((Π σ̄²)·E_θ‖x‖² / E_θ‖x̄‖²) lies within 1 ± L·ε with ε = O(1/√(B·H·W)), where x is the last map
//! of a network with batch normalisation (BN), x̄ that of the same network without it, σ̄² the variances that BN
//! divides by, θ the weights, L the number of layers, and B·H·W the values per channel.
//!
//! The expectations are taken as the theorem states them: over draws of the weights, on the same images, above and below
//! the line; the variances are those of one draw. Beside it stands the ratio of the norms of one draw. The proof takes
//! the mean of a layer for zero; BN as networks have it takes the mean out. Both are computed, by width and by B·H·W.

use super::panels::{Line, Panel};
use super::{Experiment, ExperimentError, Row};
use edgezen_core::plainnet::notation;
use edgezen_core::proxy::theorem1::{Draw, Normalised, draw};
use edgezen_core::stats;

/// Side of the maps.
const SIDE: u32 = 8;
const LAYERS: u32 = 4;
/// Channels of every layer, with what a line of that width is called.
const WIDTHS: [(u32, &str); 3] = [(16, "16 channels"), (64, "64 channels"), (128, "128 channels")];
const BATCHES: [u32; 6] = [1, 4, 16, 32, 64, 128];
const HEADER: [&str; 12] = [
    "width",
    "batch",
    "values_per_channel",
    "l_over_root",
    "uncentred_root",
    "uncentred_distance",
    "uncentred_largest",
    "uncentred_one_draw",
    "centred_root",
    "centred_distance",
    "centred_largest",
    "centred_one_draw",
];

/// A kind of BN: its name, and where its numbers are.
struct Kind {
    name: &'static str,
    of: fn(&Draw) -> Normalised,
    /// Column of the mean distance of the theorem's ratio from 1, behind the label; then the greatest, then that of the ratio of
    /// one draw.
    distance: usize,
}

const KINDS: [Kind; 2] = [
    Kind { name: "BN that takes no mean out", of: |draw| draw.uncentred, distance: 4 },
    Kind { name: "BN that takes the mean out", of: |draw| draw.centred, distance: 8 },
];

/// The ratios for all widths and batches over `repeats` draws of the weights, at least two.
///
/// # Errors
/// A network that cannot be run.
pub fn run(repeats: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let mut rows: Vec<Row> = Vec::new();
    for (width, _) in WIDTHS {
        let network = notation::parse(&format!("SuperConvK3BNRELU(3,{width},1,{LAYERS})"))?;
        for batch in BATCHES {
            let draws = (0..u64::from(repeats.max(2)))
                .map(|repeat| draw(&network, SIDE, batch, seed, seed.wrapping_add(1 + repeat)))
                .collect::<Result<Vec<Draw>, _>>()?;
            rows.push((width.to_string(), row(batch, &draws)));
        }
    }
    let says = KINDS.iter().flat_map(|kind| says(kind, &rows)).collect();
    Ok(Experiment { name: "theorem1", header: HEADER.to_vec(), panels: panels(&rows), rows, says })
}

/// The columns of [`HEADER`] from the batch on.
fn row(batch: u32, draws: &[Draw]) -> Vec<Option<f64>> {
    let values = f64::from(batch * SIDE * SIDE);
    let mut row = vec![Some(f64::from(batch)), Some(values), Some(f64::from(LAYERS) / values.sqrt())];
    let plain = log_mean(draws.iter().map(|draw| draw.plain));
    for Kind { of, .. } in KINDS {
        let expected = log_mean(draws.iter().map(|draw| of(draw).energy));
        let roots: Vec<f64> =
            draws.iter().map(|draw| (0.5 * (of(draw).variances + expected - plain)).exp()).collect();
        let of_one = draws.iter().map(|draw| {
            let Normalised { energy, variances } = of(draw);
            ((0.5 * (variances + energy - draw.plain)).exp() - 1.0).abs()
        });
        let distances: Vec<f64> = roots.iter().map(|root| (root - 1.0).abs()).collect();
        row.extend([
            stats::mean(&roots),
            stats::mean(&distances),
            distances.iter().copied().reduce(f64::max),
            stats::mean(&of_one.collect::<Vec<_>>()),
        ]);
    }
    row.into_iter().map(|value| value.filter(|value| value.is_finite())).collect()
}

/// ln of the mean of what `logs` are the logarithms of.
fn log_mean(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    let (sum, count) = logs.fold((0.0, 0.0), |(sum, count), log| (sum + (log - most).exp(), count + 1.0));
    most + (sum / count).ln()
}

/// What holds of the theorem for one kind of BN, and what does not: a sentence for each claim.
fn says(kind: &Kind, rows: &[Row]) -> Vec<String> {
    let of_width = |width: u32| -> Vec<&Vec<Option<f64>>> {
        rows.iter().filter(|(label, _)| *label == width.to_string()).map(|(_, values)| values).collect()
    };
    let (narrow, wide) = (of_width(WIDTHS[0].0), of_width(WIDTHS[WIDTHS.len() - 1].0));
    let ends = |rows: &[&Vec<Option<f64>>], column: usize| -> Option<(f64, f64)> {
        Some(((*rows.first()?)[column]?, (*rows.last()?)[column]?))
    };
    let Some((values, column)) = ends(&wide, 1).zip(Some(kind.distance)) else { return Vec::new() };
    let mut sentences = Vec::new();
    let fall = (values.1 / values.0).sqrt();
    if let Some(((few, many), (few_one, many_one))) = ends(&wide, column).zip(ends(&wide, column + 2)) {
        let holds = |few: f64, many: f64| if few / many > 0.5 * fall { "holds" } else { "does not hold" };
        let (most_width, first, last) = (WIDTHS[WIDTHS.len() - 1].0, values.0, values.1);
        sentences.push(format!(
            "{}: that the distance from 1 falls as 1/√(B·H·W) {} with the expectations of the theorem: at {most_width} \
             channels it goes from {few:.3} at {first} values to {many:.3} at {last}, where the root falls by {fall:.0}.",
            kind.name,
            holds(few, many)
        ));
        sentences.push(format!(
            "{}: for the norms of one draw it {}: from {few_one:.3} to {many_one:.3}.",
            kind.name,
            holds(few_one, many_one)
        ));
    }
    if let Some(((_, narrow), (_, wide))) = ends(&narrow, column).zip(ends(&wide, column)) {
        let verdict = if wide < 0.7 * narrow { "brings the ratio nearer to 1" } else { "does not help" };
        sentences.push(format!(
            "{}: width, of which the theorem says nothing, {verdict}: at {} values the distance is {narrow:.3} with {} \
             channels and {wide:.3} with {}.",
            kind.name,
            values.1,
            WIDTHS[0].0,
            WIDTHS[WIDTHS.len() - 1].0
        ));
    }
    let shares = rows.iter().filter_map(|(_, values)| Some(values[column + 1]? / values[2]?));
    if let Some(most) = shares.reduce(f64::max) {
        let bound = if most <= 1.0 { "holds here with a constant of 1" } else { "takes a greater constant" };
        sentences.push(format!(
            "{}: the bound L/√(B·H·W) {bound}: the greatest distance is {most:.2} times as large.",
            kind.name
        ));
    }
    sentences
}

fn panels(rows: &[Row]) -> Vec<Panel> {
    let by_width = |column: usize| {
        WIDTHS.map(|(width, name)| {
            let of_width = rows.iter().filter(|(label, _)| *label == width.to_string());
            let point = |values: &Vec<Option<f64>>| (values[1].unwrap_or(1.0).log2(), values[column]);
            Line { name, points: of_width.map(|(_, values)| point(values)).collect() }
        })
    };
    let bound = || {
        let first = rows.iter().filter(|(label, _)| *label == WIDTHS[0].0.to_string());
        let points = first.map(|(_, values)| (values[1].unwrap_or(1.0).log2(), values[2])).collect();
        Line { name: "L/√(B·H·W)", points }
    };
    let panel = |title, column, bounded: bool| Panel {
        title,
        x: "log₂ B·H·W",
        lines: by_width(column).into_iter().chain(bounded.then(bound)).collect(),
    };
    vec![
        panel("no mean taken out: √ratio", 3, false),
        panel("no mean taken out: distance from 1", 4, true),
        panel("no mean taken out: norms of one draw", 6, true),
        panel("mean taken out: √ratio", 7, false),
        panel("mean taken out: distance from 1", 8, true),
        panel("mean taken out: norms of one draw", 10, true),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_stand_above_and_below_the_line() {
        let one = |plain: f64, energy: f64, variances: f64| {
            let normalised = Normalised { energy, variances };
            Draw { plain, uncentred: normalised, centred: Normalised { variances: 0.0, ..normalised } }
        };
        // Energies 1 and 3 without BN have the mean 2; with BN both are 2. Variances of ¼ and 1 give √¼ and 1.
        let draws = [one(0.0, 2_f64.ln(), 0.25_f64.ln()), one(3_f64.ln(), 2_f64.ln(), 0.0)];
        let row = row(4, &draws);
        let near = |column: usize, want: f64| {
            let value = row[column].unwrap();
            assert!((value - want).abs() < 1e-12, "column {column}: {value} for {want}");
        };
        near(1, 256.0);
        near(2, 0.25);
        near(3, 0.75);
        near(4, 0.25);
        near(5, 0.5);
        // One draw alone: √(¼·2/1) and √(2/3).
        near(6, 0.5 * ((1.0 - 0.5_f64.sqrt()) + (1.0 - (2_f64 / 3.0).sqrt())));
        near(7, 1.0);
    }
}
