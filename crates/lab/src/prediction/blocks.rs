//! The lookup table of a search space: what its blocks cost at the sizes of mobile networks and ResNets. Those that a dataset holds are
//! measured, the others predicted, and a column says which.

use crate::dataset::{Dataset, DatasetError};
use edgezen_core::measurement::{Subject, SubjectError};
use edgezen_core::plainnet::{SuperBlock, SuperKind};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::space::SearchSpace;
use serde::Serialize;
use std::collections::BTreeMap;

/// Widths before and after a block, stride and side of the input map, in the stages of MobileNets at 224 × 224 pixels (as in the
/// lookup tables of once-for-all networks).
const MOBILE: [(i32, i32, i32, u32); 10] = [
    (16, 24, 2, 112),
    (24, 24, 1, 56),
    (24, 40, 2, 56),
    (40, 40, 1, 28),
    (40, 80, 2, 28),
    (80, 80, 1, 14),
    (80, 112, 1, 14),
    (112, 112, 1, 14),
    (112, 160, 2, 14),
    (160, 160, 1, 7),
];

/// The same of ResNets.
const RESNET: [(i32, i32, i32, u32); 7] = [
    (64, 64, 1, 56),
    (64, 128, 2, 56),
    (128, 128, 1, 28),
    (128, 256, 2, 28),
    (256, 256, 1, 14),
    (256, 512, 2, 14),
    (512, 512, 1, 7),
];

/// A bottleneck has a quarter of the width around it.
const NARROW: i32 = 4;

/// Where a latency comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Measured,
    Predicted,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockRow {
    pub block: String,
    pub in_channels: i32,
    pub out_channels: i32,
    pub stride: i32,
    pub bottleneck: i32,
    pub sublayers: i32,
    /// Side of the input map.
    pub resolution: u32,
    /// Per run, whole batch, as the interval.
    pub ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    pub source: Source,
    /// Share of a predicted latency that lies inside the predictor's domain; 1 for what was measured.
    pub coverage: f64,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    #[error("{block}: {error}")]
    Subject { block: String, error: SubjectError },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// The blocks of `space`: each of its types at each place of a mobile network or a ResNet, with the side of the input map.
pub fn blocks_of(space: &dyn SearchSpace) -> Vec<(SuperBlock, u32)> {
    let mut all = Vec::new();
    for &(kind, _) in space.kinds() {
        let places: &[(i32, i32, i32, u32)] =
            if matches!(kind, SuperKind::Inverted { .. }) { &MOBILE } else { &RESNET };
        for &(in_c, out_c, stride, side) in places {
            let bottleneck = match kind {
                SuperKind::Inverted { .. } => in_c,
                SuperKind::Bottleneck { .. } => out_c / NARROW,
                SuperKind::Residual { .. } | SuperKind::Conv { .. } => out_c,
            };
            all.push((SuperBlock { kind, in_c, out_c, stride, bottleneck, sublayers: 1 }, side));
        }
    }
    all
}

/// The table of `space`, fastest first: blocks of `measured` as they were measured, and further blocks of it behind those of the space.
///
/// # Errors
/// A block that has no kernels, which those above all have.
pub fn table(
    space: &dyn SearchSpace,
    predictor: &FittedPredictor,
    measured: Option<&Dataset>,
) -> Result<Vec<BlockRow>, BlocksError> {
    let mut known: BTreeMap<(String, u32), (f64, [f64; 2])> = BTreeMap::new();
    let mut wanted: Vec<(SuperBlock, u32)> = blocks_of(space);
    for sample in measured.iter().flat_map(|dataset| &dataset.samples) {
        let Subject::Block { structure, resolution } = &sample.subject else { continue };
        let interval =
            sample.summary.as_ref().map_or([sample.median; 2], |summary| [summary.ci95.0, summary.ci95.1]);
        let ms = interval.map(|end| end.ms());
        known.insert((structure.clone(), *resolution), (sample.median.ms(), ms));
        let listed =
            |(block, side): &(SuperBlock, u32)| block.to_string() == *structure && side == resolution;
        if !wanted.iter().any(listed)
            && let Some(block) = only_block(structure)
        {
            wanted.push((block, *resolution));
        }
    }
    let row = |(block, side): (SuperBlock, u32)| {
        let structure = block.to_string();
        let subject = Subject::Block { structure: structure.clone(), resolution: side };
        let (ms, [lower_ms, upper_ms], source, coverage) = match known.get(&(structure.clone(), side)) {
            Some(&(ms, interval)) => (ms, interval, Source::Measured, 1.0),
            None => {
                let kernels = subject.kernels(predictor.lowering());
                let kernels =
                    kernels.map_err(|error| BlocksError::Subject { block: structure.clone(), error })?;
                let estimate = predictor.predict(&kernels);
                let batch = f64::from(predictor.identity().batch.max(1));
                let of_run = |latency: edgezen_core::units::Latency| latency.ms() * batch;
                let interval = [of_run(estimate.lower), of_run(estimate.upper)];
                (of_run(estimate.latency), interval, Source::Predicted, estimate.coverage)
            }
        };
        let SuperBlock { in_c, out_c, stride, bottleneck, sublayers, .. } = block;
        Ok(BlockRow {
            block: structure,
            in_channels: in_c,
            out_channels: out_c,
            stride,
            bottleneck,
            sublayers,
            resolution: side,
            ms,
            lower_ms,
            upper_ms,
            source,
            coverage,
        })
    };
    let mut rows = wanted.into_iter().map(row).collect::<Result<Vec<BlockRow>, BlocksError>>()?;
    rows.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    Ok(rows)
}

/// The block that a structure consists of; `None` where it is another thing.
fn only_block(structure: &str) -> Option<SuperBlock> {
    use edgezen_core::plainnet::{Block, notation};
    match notation::parse(structure).ok()?.blocks[..] {
        [Block::Super(block)] => Some(block),
        _ => None,
    }
}

/// The rows as csv.
///
/// # Errors
/// None of those that a table of numbers has; the writer's type demands it.
pub fn csv(rows: &[BlockRow]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(std::io::Error::other)?;
    }
    writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::predictor::any::AnyPredictor;
    use edgezen_core::space;

    #[test]
    fn every_type_of_a_space_stands_at_every_place() {
        let mobile = blocks_of(space::by_name("mobilenet").unwrap());
        let kinds = space::by_name("mobilenet").unwrap().kinds().len();
        assert_eq!(mobile.len(), 10 * kinds);
        assert_eq!(
            blocks_of(space::by_name("resnet").unwrap()).len(),
            7 * space::by_name("resnet").unwrap().kinds().len()
        );
        assert!(
            mobile
                .iter()
                .any(|(block, side)| block.to_string() == "SuperResIDWE6K3(24,40,2,24,1)" && *side == 56)
        );
    }

    #[test]
    fn rows_are_predicted_as_networks_are() {
        let catalogue = crate::catalogue::of_repository();
        let AnyPredictor::Kernels(predictor) = catalogue.predictor("pixel2").unwrap().loaded else {
            panic!()
        };
        let space = space::by_name("mobilenet").unwrap();
        let rows = table(space, &predictor, None).unwrap();
        assert!(
            rows.iter().all(|row| row.source == Source::Predicted
                && row.lower_ms <= row.ms
                && row.ms <= row.upper_ms)
        );
        assert!(rows.is_sorted_by(|a, b| a.ms <= b.ms));
        let ms = |name: &str, side: u32| {
            rows.iter().find(|row| row.block == name && row.resolution == side).unwrap().ms
        };
        // More work takes more time.
        assert!(ms("SuperResIDWE6K3(24,24,1,24,1)", 56) > ms("SuperResIDWE2K3(24,24,1,24,1)", 56));
        let text = String::from_utf8(csv(&rows).unwrap()).unwrap();
        assert!(text.starts_with("block,in_channels") && text.contains(",predicted,"), "{text}");
    }
}
