//! Generalised linear models: gamma regression with a logarithmic link.
//!
//! ln T = c + Σ eⱼ · ln(1 + xⱼ/sⱼ): a product of powers of costs. The gamma deviance weighs relative errors, as a
//! clock does. Exponents are not negative, so a time grows with each of its costs; costs that would
//! get a negative one are left out, one after another, and the rest is fitted again. linfa-linear solves
//! the unconstrained problems.

use super::family::{Family, Fit, Scope};
use super::refine::refined;
use crate::fit::error::FitError;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features::{self, Named, Quantities};
use edgezen_core::predictor::model::glm::{Factor, Glm};
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use edgezen_core::stats;
use linfa::traits::Fit as _;
use linfa_linear::TweedieRegressor;
use ndarray::{Array1, Array2};

/// Fewest kernels of a kind.
const MIN_ROWS: usize = 200;
/// Rows beyond this many are thinned out evenly.
const MAX_ROWS: usize = 12_000;

/// A product of powers of costs.
pub struct LogLink;

impl Family for LogLink {
    fn name(&self) -> &'static str {
        "glm"
    }
    fn scope(&self) -> Scope {
        Scope::EachKind { rows: MIN_ROWS..=usize::MAX }
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        refined(training, &self.scope(), |kind, _| Ok(of_kind(training, kind)?.map(AnyModel::Glm)))
    }
}

fn of_kind(training: &Training, kind: KernelKind) -> Result<Option<Glm>, FitError> {
    let rows = training.singles(kind);
    let step = rows.len().div_ceil(MAX_ROWS).max(1);
    let rows: Vec<&(Quantities, f64)> = rows.iter().step_by(step).collect();
    let typical = stats::median(&rows.iter().map(|(_, ns)| *ns).collect::<Vec<_>>()).unwrap_or(1.0);
    let target = Array1::from_iter(rows.iter().map(|(_, ns)| ns / typical));
    let column = |feature: Named| {
        let values: Vec<f64> = rows.iter().map(|(q, _)| feature.0.of(q)).collect();
        let positive: Vec<f64> = values.iter().copied().filter(|v| *v > 0.0).collect();
        let scale = stats::median(&positive)?;
        let logs: Vec<f64> = values.iter().map(|v| (v / scale).ln_1p()).collect();
        let varies = logs.iter().any(|log| (log - logs[0]).abs() > 1e-9);
        varies.then_some((feature, scale, logs))
    };
    let mut columns: Vec<(Named, f64, Vec<f64>)> =
        features::named(features::powers(kind)).into_iter().filter_map(column).collect();
    while !columns.is_empty() {
        let matrix = Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| columns[j].2[i]);
        let dataset = linfa::Dataset::new(matrix, target.clone());
        let regression = TweedieRegressor::params().power(2.0).alpha(1e-3).max_iter(200);
        let model = regression.fit(&dataset).map_err(|e| FitError::Solver(e.to_string()))?;
        let least = (0..columns.len()).min_by(|&a, &b| model.coef[a].total_cmp(&model.coef[b]));
        match least {
            Some(j) if model.coef[j] < 0.0 => drop(columns.remove(j)),
            _ => {
                let factors = columns.iter().zip(&model.coef);
                let factor = |(&(feature, scale, _), &exponent): (&(Named, f64, Vec<f64>), &f64)| Factor {
                    feature,
                    scale,
                    exponent,
                };
                let glm = Glm {
                    constant_ln_ns: model.intercept + typical.ln(),
                    factors: factors.map(factor).filter(|f| f.exponent > 0.0).collect(),
                };
                return Ok(glm.check().is_ok().then_some(glm));
            }
        }
    }
    Ok(None)
}
