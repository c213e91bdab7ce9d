//! Figures and tables of the paper, computed anew: each is a table of numbers with a drawing.

pub mod accuracy;
pub mod fig2;
pub mod panels;
pub mod searched;
pub mod table2;
pub mod table3;
pub mod theorem1;
pub mod tradeoff;

use crate::catalogue::CatalogueError;
use crate::catalogue::networks::NetworkError;
use crate::prediction::PredictionError;
use edgezen_core::plainnet::ShapeError;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::proxy::ScoreError;
use edgezen_core::proxy::exact::ExactError;
use edgezen_core::search::SearchError;
use panels::Panel;

/// A row: its label, and its numbers. What is no number is absent.
pub type Row = (String, Vec<Option<f64>>);

/// A table of numbers with its drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    pub name: &'static str,
    /// Names of the label and of each number.
    pub header: Vec<&'static str>,
    pub rows: Vec<Row>,
    pub panels: Vec<Panel>,
}

/// Why an experiment failed.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    #[error(transparent)]
    Structure(#[from] ParseError),
    #[error(transparent)]
    Score(#[from] ExactError),
    #[error(transparent)]
    ClosedForm(#[from] ScoreError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Predictor(#[from] CatalogueError),
    #[error("{name} predicts the networks of one space only, and this needs a predictor of kernels")]
    OfNetworks { name: String },
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error("there is no search space, and no score, called {name}")]
    NoSuchSpace { name: String },
}

impl Experiment {
    /// The table as CSV; what is absent is an empty cell.
    pub fn csv(&self) -> String {
        let mut text = self.header.join(",") + "\n";
        for (label, values) in &self.rows {
            text += label;
            for value in values {
                text.push(',');
                if let Some(value) = value {
                    text += &value.to_string();
                }
            }
            text.push('\n');
        }
        text
    }

    /// The drawing as the text of an SVG file.
    pub fn svg(&self) -> String {
        panels::draw(&self.panels)
    }
}

/// The score, or nothing where it is not finite: an experiment shows where that happens.
fn finite(score: Result<f64, ExactError>) -> Result<Option<f64>, ExperimentError> {
    match score {
        Ok(score) => Ok(score.is_finite().then_some(score)),
        Err(ExactError::NotFinite(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The mean over draws; nothing as soon as one draw has none.
fn mean(
    repeats: u32,
    draw: impl Fn(u64) -> Result<Option<f64>, ExperimentError>,
) -> Result<Option<f64>, ExperimentError> {
    let mut sum = Some(0.0);
    for repeat in 0..u64::from(repeats) {
        sum = sum.zip(draw(repeat)?).map(|(sum, x)| sum + x);
    }
    Ok(sum.map(|sum| sum / f64::from(repeats)))
}
