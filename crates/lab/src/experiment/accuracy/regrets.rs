//! What choosing by a score costs under budgets, and what a search by default costs.

use super::default_search::DefaultSearch;
use super::scores::Column;
use super::{LEAST_TO_DIVIDE, Line, Ranked, SEARCHED, Settings};
use crate::accuracy::ranks::{self, Choice};
use rayon::prelude::*;

impl Ranked {
    /// The regrets under all budgets, where there are enough networks.
    pub(super) fn regrets(&self, settings: Settings, lines: &mut Vec<Line>) {
        if self.networks.len() < LEAST_TO_DIVIDE {
            return;
        }
        let searched = DefaultSearch::of(&self.networks);
        let found: Vec<Vec<Line>> =
            self.budgets.par_iter().map(|budget| self.regrets_under(budget, &searched, settings)).collect();
        lines.extend(found.into_iter().flatten());
    }

    /// What choosing by each score costs under budgets on one quantity.
    fn regrets_under(&self, budget: &Column, searched: &DefaultSearch, settings: Settings) -> Vec<Line> {
        let line = |proxy: &str, has: &dyn Fn(usize) -> bool, choice: &dyn Fn(&[usize]) -> Chosen| {
            let known = (0..self.networks.len()).filter(|&row| budget.values[row].is_some() && has(row));
            let rows: Vec<usize> = known.collect();
            if rows.len() * 2 < self.networks.len() {
                return None;
            }
            let costs: Vec<f64> = rows.iter().filter_map(|&row| budget.values[row]).collect();
            let accuracies: Vec<f64> = rows.iter().map(|&row| self.networks[row].accuracy).collect();
            let chosen = choice(&rows);
            let regret = ranks::regret(chosen.choice(), &accuracies, &costs, &mut self.rng(settings));
            Some(Line {
                table: self.name.clone(),
                group: format!("budget {}", budget.name),
                proxy: proxy.to_owned(),
                networks: rows.len(),
                correlation: None,
                regret,
            })
        };
        let by_score = |column: &Column| {
            let scores = |rows: &[usize]| rows.iter().filter_map(|&row| column.values[row]).collect();
            line(&column.name, &|row| column.values[row].is_some(), &|rows| Chosen::ByScore(scores(rows)))
        };
        let mut all: Vec<Line> = self.columns.par_iter().filter_map(by_score).collect();
        for (name, alone) in SEARCHED.into_iter().zip([false, true]) {
            all.extend(line(name, &|row| searched.scores[row].is_some(), &|rows| {
                let (score, with): (Vec<f64>, Vec<f64>) =
                    rows.iter().filter_map(|&row| searched.scores[row]).unzip();
                let visited: Vec<bool> = rows.iter().map(|&row| searched.visited[row]).collect();
                match alone {
                    false => Chosen::Winner { visited, score, with },
                    true => Chosen::ByScore(
                        score.into_iter().zip(visited).map(|(s, v)| if v { s } else { f64::MIN }).collect(),
                    ),
                }
            }));
        }
        all.extend(line("random", &|_| true, &|_| Chosen::AtRandom));
        all
    }
}

/// What chooses among some rows of a table.
enum Chosen {
    ByScore(Vec<f64>),
    Winner { visited: Vec<bool>, score: Vec<f64>, with: Vec<f64> },
    AtRandom,
}

impl Chosen {
    fn choice(&self) -> Choice<'_> {
        match self {
            Chosen::ByScore(scores) => Choice::Best(scores),
            Chosen::Winner { visited, score, with } => Choice::Winner { visited, score, with },
            Chosen::AtRandom => Choice::AtRandom,
        }
    }
}
