//! Trainings on pages: one by itself, or the finalists of a search.

mod cards;
mod confusion;
mod curves;

use super::{Plot, html};
use crate::trainings::{Finalists, Training};

pub(super) use cards::cards;

/// What a page without a search is about.
pub enum Trained {
    One(Box<Training>),
    Finalists(Finalists),
}

impl Trained {
    /// All plots, in the order of the page.
    pub fn plots(&self) -> Vec<Plot> {
        match self {
            Trained::One(training) => of_training(training),
            Trained::Finalists(finalists) => of_finalists(finalists),
        }
    }

    /// The whole page.
    pub fn page(&self) -> String {
        let plots = self.plots();
        let (title, content) = match self {
            Trained::One(training) => (cards::title(training), cards::of_training(training, &plots)),
            Trained::Finalists(finalists) => {
                (format!("Finalists in {}", finalists.name), cards::of_finalists(finalists, &plots))
            }
        };
        html::document(&title, "", &content, "")
    }
}

fn of_training(training: &Training) -> Vec<Plot> {
    let plot = |name: &str, drawing| Plot { name: name.into(), drawing };
    let mut plots = Vec::new();
    if !training.epochs.is_empty() {
        plots.push(plot("loss", curves::loss(training)));
        plots.push(plot("top1", curves::top1(training)));
        plots.push(plot("rate", curves::rate(training)));
    }
    if !training.tried.is_empty() {
        plots.push(plot("range-test", curves::range_test(&training.tried)));
    }
    if let Some(judged) = training.judged.as_ref().filter(|judged| confusion::fits(judged)) {
        plots.push(plot("confusion", confusion::draw(judged)));
    }
    plots
}

/// The plots of finalists: all of them in one, and those of the winner.
pub(super) fn of_finalists(finalists: &Finalists) -> Vec<Plot> {
    let mut plots = vec![Plot { name: "finalists".into(), drawing: curves::together(finalists) }];
    if let Some(winner) = finalists.winner.and_then(|place| finalists.networks.get(place)) {
        let of_winner = of_training(&winner.training).into_iter().filter(|plot| plot.name != "top1");
        plots.extend(of_winner.map(|mut plot| {
            plot.drawing.title += " of the winner";
            plot
        }));
    }
    plots
}
