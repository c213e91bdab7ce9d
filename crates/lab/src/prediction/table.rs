//! A table of kernels or networks, with predictions as new columns: `predicted_ms`, `lower_ms`, `upper_ms` (milliseconds
//! of the whole batch) and `in_domain`.

use super::{INSIDE, PredictionError};
use crate::dataset::import::networks::translated;
use crate::dataset::table::{Listed, NetworkTable};
use crate::dataset::{DatasetError, KernelTable};
use crate::evaluation::data::select;
use crate::files::Destination;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::{Bounded, FittedPredictor};
use edgezen_core::predictor::{Estimate, LatencyPredictor, Support};
use edgezen_core::units::Latency;
use std::collections::BTreeSet;
use std::path::Path;

/// A table with its predictions.
#[derive(Debug)]
pub struct PredictedTable {
    table: KernelTable,
    /// Rows inside the predictor's domain.
    pub inside: usize,
    /// The first row that lies outside the domain or holds no prediction.
    pub first_outside: Option<Outside>,
    /// Kinds of kernel that the predictor has no model for: their rows hold a bound. Of networks, names that are not
    /// known: their rows hold nothing.
    pub unknown: Vec<String>,
    /// Rows of networks that say another precision or other threads than the predictor's: they hold nothing.
    pub others: Vec<Other>,
}

/// A row that is of another identity than the predictor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// From 0.
    pub row: usize,
    /// What differs: `threads 4`.
    pub what: String,
}

/// A row outside the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// From 0.
    pub row: usize,
    /// The kernel or the network; empty where its name is not known.
    pub subject: String,
}

/// A row's prediction, for the whole batch.
struct Row {
    latency: Latency,
    lower: Latency,
    upper: Latency,
    inside: bool,
}

/// Predicts the kernels of a table.
///
/// # Errors
/// A table that cannot be read, and predictors of whole networks.
pub fn of_kernels(loaded: &AnyPredictor, input: &Path) -> Result<PredictedTable, PredictionError> {
    let predictor = match loaded {
        AnyPredictor::Kernels(predictor) => predictor,
        AnyPredictor::Networks(predictor) => {
            return Err(PredictionError::foreign(predictor, "a table of kernels is not for it"));
        }
    };
    let table = KernelTable::read(input)?;
    let kernels = table.kernels_of(predictor.identity())?;
    let bounded = predictor.bounded_many(&kernels);
    let row = |b: &Bounded| {
        let inside = b.estimate.support == Support::Inside;
        Some(Row { latency: b.estimate.latency, lower: b.lower, upper: b.upper, inside })
    };
    let rows: Vec<Option<Row>> = bounded.iter().map(row).collect();
    let bounds = kernels.iter().zip(&bounded).filter(|(_, b)| b.estimate.support == Support::Bound);
    let kinds: BTreeSet<KernelKind> = bounds.map(|(kernel, _)| kernel.kind).collect();
    let unknown = kinds.into_iter().map(|kind| kind.name().to_owned()).collect();
    Ok(PredictedTable::new(table, &rows, unknown, |at| kernels[at].to_string()))
}

/// Predicts the networks of a table; `archs` is the table of architectures where the rows have only `arch_id`.
///
/// # Errors
/// A table that cannot be read, and networks that the predictor does not take.
pub fn of_networks(
    loaded: &AnyPredictor,
    input: &Path,
    archs: Option<&Path>,
) -> Result<PredictedTable, PredictionError> {
    let given = KernelTable::read(input)?;
    // In our words, as `evaluate` reads it, if all of it is of the source that it seems to be of. What is written is the table as it
    // was given.
    let table = translated(given.clone(), &mut select(loaded.identity())).unwrap_or_else(|_| given.clone());
    let table = NetworkTable::of(table, archs)?;
    let other = |row: usize| Some(Other { row, what: table.other_than(loaded.identity(), row)? });
    let others: Vec<Other> = (0..table.networks.len()).filter_map(other).collect();
    if let [first, ..] = &others[..]
        && others.len() == table.networks.len()
    {
        let (path, what) = (input.to_owned(), first.what.clone());
        return Err(PredictionError::OtherRows { path, what, predictor: loaded.identity().in_words() });
    }
    if table.networks.iter().all(Option::is_none) && !table.networks.is_empty() {
        return Err(table.unknown_networks().into());
    }
    let NetworkTable { table, networks, unknown } = table;
    let mut rows = Vec::with_capacity(networks.len());
    for (at, network) in networks.iter().enumerate() {
        let is_ours = others.binary_search_by_key(&at, |other| other.row).is_err();
        rows.push(match network.as_ref().filter(|_| is_ours) {
            Some(network) => Some(whole(loaded, network, batch(&table, at))?),
            None => None,
        });
    }
    let name = |at: usize| networks[at].as_ref().map_or(String::new(), Listed::to_string);
    Ok(PredictedTable { others, ..PredictedTable::new(given, &rows, unknown, name) })
}

impl PredictedTable {
    fn new(
        mut table: KernelTable,
        rows: &[Option<Row>],
        unknown: Vec<String>,
        name: impl Fn(usize) -> String,
    ) -> PredictedTable {
        // Milliseconds to the nanosecond's thousandth: more digits would only look exact.
        let ms = |latency: Option<Latency>| latency.map_or(String::new(), |l| format!("{:.9}", l.ms()));
        let column = |of: fn(&Row) -> Latency| rows.iter().map(move |row| ms(row.as_ref().map(of)));
        let (predicted, lower, upper) = (column(|r| r.latency), column(|r| r.lower), column(|r| r.upper));
        let inside = rows.iter().map(|row| row.as_ref().map_or(String::new(), |row| row.inside.to_string()));
        table.set_column("predicted_ms", predicted);
        table.set_column("lower_ms", lower);
        table.set_column("upper_ms", upper);
        table.set_column("in_domain", inside);
        let outside = rows.iter().position(|row| row.as_ref().is_none_or(|row| !row.inside));
        PredictedTable {
            table,
            inside: rows.iter().flatten().filter(|row| row.inside).count(),
            first_outside: outside.map(|row| Outside { row, subject: name(row) }),
            unknown,
            others: Vec::new(),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.table.len()
    }

    /// Writes the table, in the format that the ending of the file's name says.
    ///
    /// # Errors
    /// Whatever the disk says, and endings that mean no format.
    pub fn write(&self, to: &Destination) -> Result<(), DatasetError> {
        self.table.write(to)
    }
}

/// Images per run of a row, where the table says so.
fn batch(table: &KernelTable, row: usize) -> Option<u32> {
    let at = table.columns().iter().position(|column| column == "batch")?;
    table.row(row)[at].trim().parse().ok().filter(|&batch| batch > 0)
}

/// The prediction of a whole network.
fn whole(loaded: &AnyPredictor, network: &Listed, batch: Option<u32>) -> Result<Row, PredictionError> {
    let (estimate, batch) = match loaded {
        AnyPredictor::Networks(predictor) => {
            let foreign = || PredictionError::foreign(predictor, format!("{network} is of another space"));
            let estimate = match network {
                Listed::Encoded(code) => predictor.predict(code),
                Listed::PlainNet(_) => None,
            };
            (estimate.ok_or_else(foreign)?, predictor.identity.batch)
        }
        AnyPredictor::Kernels(predictor) => {
            let batch = batch.unwrap_or(predictor.identity().batch);
            (by_kernels(&predictor.with_batch(batch), network)?, batch)
        }
    };
    let times = f64::from(batch);
    Ok(Row {
        latency: estimate.latency * times,
        lower: estimate.lower * times,
        upper: estimate.upper * times,
        inside: estimate.coverage >= INSIDE,
    })
}

/// A network by its kernels.
fn by_kernels(predictor: &FittedPredictor, network: &Listed) -> Result<Estimate, PredictionError> {
    let lowering = predictor.lowering();
    let kernels: Vec<_> = match network {
        Listed::Encoded(code) => code.parts().iter().flat_map(|part| lowering.kernels(&part.graph)).collect(),
        Listed::PlainNet(model) => lowering.kernels(&model.graph()?),
    };
    Ok(predictor.predict(&kernels))
}
