//! `edgezen predict --kernels TABLE` and `--networks TABLE`: a table in, the same table with predictions out.

use super::Global;
use super::count::counted;
use super::failure::{Exit, Failure};
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_lab::files::Destination;
use edgezen_lab::prediction::PredictedTable;
use edgezen_lab::prediction::table::{Other, Outside};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct TableReport {
    device: String,
    rows: usize,
    inside: usize,
    /// Kinds of kernel without a model, or networks whose names are not known.
    unknown: Vec<String>,
    /// Rows that say another precision or other threads than the predictor's, and hold no prediction.
    other_identity: usize,
    output: String,
}

/// Writes `table`, which was read from `input` and predicted by `loaded`, to `output`. With `strict`, a row outside the
/// domain refuses the whole table.
pub fn write(
    table: PredictedTable,
    loaded: &AnyPredictor,
    input: &Path,
    output: &Destination,
    strict: bool,
    global: Global,
) -> Result<(), Failure> {
    if strict && let Some(Outside { row, subject }) = &table.first_outside {
        let message = format!("{}: row {}: {subject} lies outside the domain", input.display(), row + 1);
        return Err(
            Failure::new(Exit::OutsideDomain, message).remedy("leave out --strict to predict it anyway")
        );
    }
    table.write(output)?;
    if let Some(Other { row, what }) = table.others.first() {
        global.output().note(format!(
            "warning: {} of {} {} of another identity than {}, without a prediction: row {} is of {what}, which takes a \
             predictor of its own (--device NAME@RUNTIME@PRECISION, with @Nt for threads)",
            counted(table.others.len(), "row"),
            input.display(),
            if table.others.len() == 1 { "is" } else { "are" },
            loaded.identity().in_words(),
            row + 1
        ));
    }
    let report = TableReport {
        device: loaded.identity().to_string(),
        rows: table.rows(),
        inside: table.inside,
        unknown: table.unknown,
        other_identity: table.others.len(),
        output: output.path().display().to_string(),
    };
    global.output().written(output, &report, || {
        let mut text = format!(
            "{}, {} inside the domain of {}: {}",
            counted(report.rows, "row"),
            report.inside,
            loaded.identity().in_words(),
            report.output
        );
        if !report.unknown.is_empty() {
            text += &format!("\nwithout a model: {}", report.unknown.join(", "));
        }
        text
    })
}
