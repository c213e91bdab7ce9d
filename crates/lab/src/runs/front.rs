//! `front.csv`: the front as a table for spreadsheets, cheapest network first, the winner marked.

use super::{FoundNetwork, RunError, SearchResult};
use crate::files::write_atomically;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::Model;
use edgezen_core::search::Quantity;
use std::path::Path;

const NAME: &str = "front.csv";

/// Writes the front of `result` into `dir`: `best` (true for the network that won), `net`, `score`, a column for each
/// quantity that is known, and for each device its latency per image with the ends of its interval, in milliseconds, or
/// its throughput in images per second; and last, of the networks as `built`, `resolution`, `classes` and `se` (whether they have
/// squeeze-excite), so that the table means the same networks wherever tables of networks are taken. Where the winner is not on
/// the front, it is the last row.
///
/// # Errors
/// Whatever the disk says.
pub fn write_front(dir: &Path, result: &SearchResult, built: &Model) -> Result<(), RunError> {
    let path = dir.join(NAME);
    let text = csv(result, built).map_err(|e| FileError::damaged(&path, e))?;
    Ok(write_atomically(&path, &text)?)
}

fn csv(result: &SearchResult, built: &Model) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let best = &result.best;
    let mut rows: Vec<&FoundNetwork> = result.front.iter().collect();
    if !rows.iter().any(|found| found.net == best.net) {
        rows.push(best);
    }
    let is_known = |quantity: &Quantity| rows.iter().any(|found| found.amounts[*quantity].is_some());
    let quantities: Vec<Quantity> = Quantity::of_networks().filter(is_known).collect();
    let (devices, streams): (Vec<&String>, Vec<&String>) =
        (best.latency.keys().collect(), best.throughput.keys().collect());
    let mut header = vec!["best".to_owned(), "net".to_owned(), "score".to_owned()];
    header.extend(quantities.iter().map(|quantity| quantity.column().to_owned()));
    for device in &devices {
        header.extend(["ms", "lower_ms", "upper_ms"].map(|column| format!("{device}_{column}")));
    }
    for device in &streams {
        let columns = ["images_per_s", "lower_images_per_s", "upper_images_per_s"];
        header.extend(columns.map(|column| format!("{device}_{column}")));
    }
    header.extend(["resolution", "classes", "se"].map(str::to_owned));
    let built = [built.resolution.to_string(), built.classes.to_string(), built.se.to_string()];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for found in rows {
        let mut cells = vec![(found.net == best.net).to_string(), found.net.clone(), found.score.to_string()];
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        cells.extend(quantities.iter().map(|&quantity| number(found.amounts[quantity])));
        for device in &devices {
            let predicted = found.latency.get(*device);
            cells.extend([
                number(predicted.map(|p| p.ms)),
                number(predicted.map(|p| p.lower_ms)),
                number(predicted.map(|p| p.upper_ms)),
            ]);
        }
        for device in &streams {
            let predicted = found.throughput.get(*device);
            cells.extend([
                number(predicted.map(|p| p.images_per_s)),
                number(predicted.map(|p| p.lower_images_per_s)),
                number(predicted.map(|p| p.upper_images_per_s)),
            ]);
        }
        cells.extend(built.clone());
        writer.write_record(&cells)?;
    }
    writer.into_inner().map_err(|error| error.to_string().into())
}
