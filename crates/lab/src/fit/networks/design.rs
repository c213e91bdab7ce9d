//! Networks as the rows of a matrix of sums, and prices of the columns as the terms of a model.

use crate::fit::error::FitError;
use edgezen_core::plainnet::Kernel;
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::network::file::{Range, Term};
use edgezen_core::predictor::network::sums;
use edgezen_core::predictor::network::sums::Sum;
use edgezen_core::zoo::{Encoded, Space};
use ndarray::{Array2, ArrayView1};

/// Networks as numbers.
pub struct Design {
    pub space: Space,
    pub sums: Vec<Sum>,
    /// One row for each network, one column for each sum, and a last one of ones.
    pub(crate) values: Array2<f64>,
    /// What many networks can tell the prices of besides.
    pub details: Vec<Sum>,
    /// A column for each detail.
    detailed: Array2<f64>,
    /// 10^6 MACs of each network.
    pub(super) mmacs: Vec<f64>,
}

impl Design {
    /// # Errors
    /// Networks of several spaces, or of one that these predictors do not know.
    pub fn of(networks: &[&Encoded], batch: u32, precision: &str) -> Result<Design, FitError> {
        let mixed = || FitError::Subject {
            subject: networks.first().map_or(String::new(), |network| network.to_string()),
            reason: "networks of one search space only can be fitted together".into(),
        };
        let space = networks.first().ok_or(FitError::NoData)?.space();
        if space == Space::Named || networks.iter().any(|network| network.space() != space) {
            return Err(mixed());
        }
        let (columns, details) = (sums::candidates(space), sums::details(space));
        let all = [&columns[..], &details[..]].concat();
        let machine = sums::machine(precision);
        let mut values = Array2::ones((networks.len(), columns.len() + 1));
        let mut detailed = Array2::zeros((networks.len(), details.len()));
        let mut mmacs = Vec::with_capacity(networks.len());
        for (i, network) in networks.iter().enumerate() {
            let row = sums::values(network, &all, batch, &machine);
            let (plain, fine) = row.split_at(columns.len());
            plain.iter().enumerate().for_each(|(j, value)| values[(i, j)] = *value);
            fine.iter().enumerate().for_each(|(j, value)| detailed[(i, j)] = *value);
            let kernels = network.parts().into_iter().flat_map(|part| Lowering::Fused.kernels(&part.graph));
            mmacs.push(kernels.map(|k: Kernel| k.with_batch(batch).macs()).sum::<f64>() * 1e-6);
        }
        Ok(Design { space, sums: columns, values, details, detailed, mmacs })
    }

    pub(super) fn width(&self) -> usize {
        self.sums.len() + 1
    }

    /// All columns, those of the details last.
    pub(super) fn all(&self) -> Array2<f64> {
        let mut all = Array2::zeros((self.values.nrows(), self.width() + self.details.len()));
        all.slice_mut(ndarray::s![.., ..self.width()]).assign(&self.values);
        all.slice_mut(ndarray::s![.., self.width()..]).assign(&self.detailed);
        all
    }

    /// `coefficients` as the terms of a model. Those of the details may be absent.
    pub(super) fn priced(&self, coefficients: &[f64], sources: &[&NetworkPredictor]) -> Priced {
        let seen = |column: ArrayView1<f64>| Range {
            low: column.iter().copied().fold(f64::INFINITY, f64::min),
            high: column.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        let (plain, fine) = coefficients.split_at(self.width().min(coefficients.len()));
        let columns = self.values.columns().into_iter().map(seen);
        let terms = self.sums.iter().zip(plain).map(|(sum, &ns)| Term::new(sum.clone(), ns));
        let mut priced = Priced {
            domain: columns.take(self.sums.len()).collect(),
            terms: terms.collect(),
            constant: plain.last().copied().unwrap_or_default(),
        };
        for ((sum, &ns), column) in self.details.iter().zip(fine).zip(self.detailed.columns()) {
            if ns == 0.0 {
                continue;
            }
            // Where the price comes from others, so does what is known of its range.
            let of_source = |source: &&NetworkPredictor| {
                let at = source.model.terms.iter().position(|term| term.sum() == *sum)?;
                source.domain.get(at).copied()
            };
            let wider = |a: Range, b: Range| Range { low: a.low.min(b.low), high: a.high.max(b.high) };
            priced.domain.push(sources.iter().filter_map(of_source).fold(seen(column), wider));
            priced.terms.push(Term::new(sum.clone(), ns));
        }
        priced
    }

    /// The prices of another predictor for [`Design::all`].
    pub(super) fn prices_of(&self, source: &NetworkPredictor) -> Result<Vec<f64>, FitError> {
        let refused = |reason: String| FitError::Subject { subject: source.id.clone(), reason };
        if source.space() != self.space {
            return Err(refused(format!("predicts networks of {}, not of {}", source.space(), self.space)));
        }
        let mut prices = vec![0.0; self.width() + self.details.len()];
        prices[self.sums.len()] = source.net_level.constant_ns;
        for term in &source.model.terms {
            let sum = term.sum();
            let detail = || self.details.iter().position(|s| *s == sum).map(|at| self.width() + at);
            let known = self.sums.iter().position(|s| *s == sum).or_else(detail);
            let at = known.ok_or_else(|| {
                refused(format!("prices {:?}, which this version does not; fit it anew", term.of.name()))
            })?;
            prices[at] += term.ns;
        }
        Ok(prices)
    }
}

/// A model's terms, with where each lay in the data, and the constant in nanoseconds.
pub(super) struct Priced {
    pub terms: Vec<Term>,
    /// Of each term.
    pub domain: Vec<Range>,
    pub constant: f64,
}
