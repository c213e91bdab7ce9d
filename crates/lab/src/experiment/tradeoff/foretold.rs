//! The accuracy that a network would have after the training of the ZenNets, foretold from published accuracies.
//!
//! Published accuracies differ by their training recipe as much as by the network. On the scale of the calibration
//! (−ln(100.5 − accuracy)) each is taken as a value of the network plus one of the recipe; networks that are published after
//! several recipes tie these together. A calibration is then fitted to the values of the networks. The nine ZenNets have a
//! recipe of their own and no network in common with others: their recipe's value is the mean of what the calibration of the
//! other networks leaves of their accuracies.

use super::baselines::Row;
use crate::accuracy::{Trained, fit, trained};
use edgezen_core::accuracy::calibration::{self, Calibrated, Prediction};
use edgezen_core::accuracy::features::{self, Features};
use edgezen_core::plainnet::chain::Chain;
use edgezen_core::plainnet::{Model, published};
use edgezen_core::proxy::Mode;
use edgezen_core::stats;
use std::collections::BTreeMap;

/// The recipe whose value is 0.
const ANCHOR: (&str, &str) = ("torchvision", "IMAGENET1K_V1");
/// Tags of weights that name no recipe.
const NAMELESS: [&str; 2] = ["", "in1k"];
/// Rounds of the alternating means.
const ROUNDS: usize = 100;
/// Standard errors on either side that hold 90 % of a normal distribution.
const NORMAL_90: f64 = 1.645;

/// What foretells accuracies after the training of the ZenNets.
pub struct Foretelling {
    calibrated: Calibrated,
    /// The value of the recipe of the ZenNets, and its standard error.
    recipe: f64,
    recipe_error: f64,
    pub summary: Summary,
}

/// What is behind it, and how far it is off.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Networks other than ZenNets, and recipes.
    pub networks: usize,
    pub recipes: usize,
    pub zennets: usize,
    /// Mean distance in points between published and foretold accuracy of the ZenNets, each foretold without itself.
    pub zennets_error: f64,
    /// How many of these lie inside their intervals.
    pub zennets_inside: usize,
}

/// A published ZenNet with its accuracy.
struct ZenNet {
    features: Features,
    accuracy: f64,
}

impl Foretelling {
    /// From the rows of published accuracies; nothing where there are too few.
    pub fn of(rows: &[Row], zennets: &[(String, f64)]) -> Option<Foretelling> {
        let (networks, recipes) = values(rows);
        let others: Vec<Trained> =
            networks.into_iter().filter_map(|(code, value)| row(code, value)).collect();
        let zennets: Vec<ZenNet> =
            zennets.iter().filter_map(|(net, accuracy)| zennet(net, *accuracy)).collect();
        let (calibrated, recipe, recipe_error) = fitted(&others, &zennets.iter().collect::<Vec<_>>())?;
        let mut summary =
            Summary { networks: others.len(), recipes, zennets: zennets.len(), ..Summary::default() };
        let mut distances = Vec::new();
        for left_out in 0..zennets.len() {
            let rest: Vec<&ZenNet> =
                zennets.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, net)| net).collect();
            let (calibrated, recipe, recipe_error) = fitted(&others, &rest)?;
            let one = &zennets[left_out];
            let foretold = shifted(calibrated.predict(&one.features), recipe, recipe_error);
            distances.push((foretold.accuracy - one.accuracy).abs());
            summary.zennets_inside += usize::from((foretold.lower..=foretold.upper).contains(&one.accuracy));
        }
        summary.zennets_error = stats::mean(&distances).unwrap_or_default();
        Some(Foretelling { calibrated, recipe, recipe_error, summary })
    }

    /// The accuracy of a network after the training of the ZenNets; nothing for one that is no chain of convolutions.
    pub fn predict(&self, model: &Model) -> Option<Prediction> {
        let chain = Chain::of_model(model).ok()?;
        let features = features::of_chain(&chain, Mode::Paper).ok()?;
        Some(shifted(self.calibrated.predict(&features), self.recipe, self.recipe_error))
    }
}

/// The values of the networks by their codes, on the scale of the calibration after the training of [`ANCHOR`], and how
/// many recipes could be tied to that.
fn values(rows: &[Row]) -> (BTreeMap<String, f64>, usize) {
    let known = rows.iter().filter(|row| !NAMELESS.contains(&&*row.published.recipe));
    let cells: Vec<(String, (&str, &str), f64)> = known
        .map(|row| {
            let recipe = (&*row.published.source, &*row.published.recipe);
            let code = format!("zoo:{}@{}", row.network, row.resolution);
            (code, recipe, calibration::of_accuracy(row.published.top1))
        })
        .collect();
    let mut recipes: BTreeMap<(&str, &str), f64> = BTreeMap::from([(ANCHOR, 0.0)]);
    let mut networks: BTreeMap<String, f64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        networks = means(
            cells.iter().filter_map(|(code, recipe, t)| Some((code.clone(), t - recipes.get(recipe)?))),
        );
        let of_recipes =
            means(cells.iter().filter_map(|(code, recipe, t)| Some((*recipe, t - networks.get(code)?))));
        recipes.extend(of_recipes.into_iter().filter(|(recipe, _)| *recipe != ANCHOR));
    }
    (networks, recipes.len())
}

/// The mean value of each key.
fn means<K: Ord>(pairs: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut sums: BTreeMap<K, (f64, f64)> = BTreeMap::new();
    for (key, value) in pairs {
        let (sum, count) = sums.entry(key).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect()
}

/// A network of the zoo as what a calibration is fitted to.
fn row(code: String, value: f64) -> Option<Trained> {
    let accuracy = accuracy_at(value);
    let known = trained::Known::of(&code).ok().filter(|known| known.features.is_some())?;
    Some(Trained { net: code, accuracy, rows: Vec::new(), known })
}

fn zennet(net: &str, accuracy: f64) -> Option<ZenNet> {
    let chain = Chain::of_model(&published::by_name(net)?).ok()?;
    Some(ZenNet { features: features::of_chain(&chain, Mode::Paper).ok()?, accuracy })
}

/// A calibration of the others and the ZenNets, with the value of the ZenNets' recipe and its standard error.
fn fitted(others: &[Trained], zennets: &[&ZenNet]) -> Option<(Calibrated, f64, f64)> {
    let first = fit::of_all(others)?;
    let left = |net: &&ZenNet| calibration::of_accuracy(net.accuracy) - first.scale(&net.features);
    let left: Vec<f64> = zennets.iter().map(left).collect();
    let recipe = stats::mean(&left)?;
    let error = stats::std_dev(&left)? / (left.len() as f64).sqrt();
    let mut all: Vec<Trained> = others.to_vec();
    let template = others.first()?;
    all.extend(zennets.iter().enumerate().map(|(i, net)| {
        let known = trained::Known { features: Some(net.features), ..template.known.clone() };
        let accuracy = accuracy_at(calibration::of_accuracy(net.accuracy) - recipe);
        Trained { net: format!("zennet {i}"), accuracy, rows: Vec::new(), known }
    }));
    Some((fit::of_all(&all)?, recipe, error))
}

fn accuracy_at(value: f64) -> f64 {
    calibration::to_accuracy(value)
}

/// A prediction after another recipe, whose value is known to within an error.
fn shifted(prediction: Prediction, recipe: f64, error: f64) -> Prediction {
    let [middle, lower, upper] =
        [prediction.accuracy, prediction.lower, prediction.upper].map(calibration::of_accuracy);
    let wide = |half: f64| half.hypot(NORMAL_90 * error);
    Prediction {
        accuracy: accuracy_at(middle + recipe),
        lower: accuracy_at(middle + recipe - wide(middle - lower)),
        upper: accuracy_at(middle + recipe + wide(upper - middle)),
        outside: prediction.outside,
    }
}

/// The ZenNets of a table with their accuracies.
pub fn zennets(table: &crate::accuracy::AccuracyTable) -> Vec<(String, f64)> {
    let named = table.nets.iter().zip(&table.accuracies);
    let of = |(net, accuracy): (&Option<String>, &f64)| {
        net.as_ref().filter(|net| net.starts_with("zennet_")).map(|net| (net.clone(), *accuracy))
    };
    named.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::baselines::Published;
    use super::*;

    fn row(network: &str, recipe: &str, t: f64) -> Row {
        let published = Published {
            top1: accuracy_at(t),
            source: if recipe == ANCHOR.1 { ANCHOR.0.into() } else { "timm".into() },
            recipe: recipe.into(),
        };
        Row { network: network.into(), resolution: 224, published }
    }

    #[test]
    fn recipes_are_told_apart_by_the_networks_that_they_share() {
        // Values of the networks −3.2, −3.0, −2.8; of the recipes 0, 0.2, 0.5.
        let rows = [
            row("resnet18", ANCHOR.1, -3.2),
            row("resnet34", ANCHOR.1, -3.0),
            row("resnet34", "a", -2.8),
            row("resnet50", "a", -2.6),
            row("resnet50", "b", -2.3),
            row("resnet101", "alone", -1.0),
            row("resnet152", "in1k", -1.0),
        ];
        let (networks, recipes) = values(&rows);
        assert_eq!(recipes, 3);
        for (name, value) in [("resnet18", -3.2), ("resnet34", -3.0), ("resnet50", -2.8)] {
            let found = networks[&format!("zoo:{name}@224")];
            assert!((found - value).abs() < 1e-6, "{name}: {found}");
        }
        assert_eq!(networks.len(), 3);
    }
}
