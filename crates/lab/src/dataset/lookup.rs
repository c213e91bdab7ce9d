//! The lookup table of blocks that ends a profiling run: what a block costs on this device.

use super::{Dataset, DatasetError};
use crate::files::write_atomically;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Block, notation};
use std::path::Path;

/// One measured super block.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LookupRow {
    pub block: String,
    pub in_channels: i32,
    pub out_channels: i32,
    pub stride: i32,
    pub bottleneck: i32,
    pub sublayers: i32,
    /// Side of the input map.
    pub resolution: u32,
    /// Per run, whole batch.
    pub median_ms: f64,
    pub quality: &'static str,
}

/// The measured super blocks of `dataset`, fastest first; writes them to `path` as csv.
///
/// # Errors
/// Whatever the disk says.
pub fn lookup_table(dataset: &Dataset, path: &Path) -> Result<Vec<LookupRow>, DatasetError> {
    let mut rows = Vec::new();
    for sample in &dataset.samples {
        let Subject::Block { structure, resolution } = &sample.subject else { continue };
        let Ok(network) = notation::parse(structure) else { continue };
        let [Block::Super(block)] = network.blocks[..] else { continue };
        rows.push(LookupRow {
            block: structure.clone(),
            in_channels: block.in_c,
            out_channels: block.out_c,
            stride: block.stride,
            bottleneck: block.bottleneck,
            sublayers: block.sublayers,
            resolution: *resolution,
            median_ms: sample.median.ms(),
            quality: sample.quality.name(),
        });
    }
    rows.sort_by(|a, b| a.median_ms.total_cmp(&b.median_ms));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |reason: String| DatasetError::io(path)(std::io::Error::other(reason));
    for row in &rows {
        writer.serialize(row).map_err(|e| failed(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
    write_atomically(path, &bytes)?;
    Ok(rows)
}
