//! Figures 1 and 4 of the paper: accuracy against latency and against multiply-adds, of the networks that the paper
//! compares with, of its own, and of networks that this program searches for under the same budgets.
//!
//! Accuracies of the first two are published; those of the searched networks are foretold ([`foretold`]) and marked so.
//! Latencies are predicted for three devices.

pub mod baselines;
mod draw;
pub mod foretold;
mod page;

use super::ExperimentError;
use super::searched::{self, GOALS, Goal, Settings, V100};
use crate::accuracy::AccuracyTable;
use crate::catalogue::Catalogue;
use crate::catalogue::networks::AnyNetwork;
use crate::prediction::network::by_kernels;
use baselines::{FAMILIES, Published, WITHOUT_STRUCTURE};
use edgezen_core::plainnet::{Model, published};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::search::Quantity;
use foretold::{Foretelling, Summary};
use std::sync::Arc;

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Accuracy against latency.
    Fig1,
    /// Accuracy against multiply-adds.
    Fig4,
}

/// The devices of the figures, by the identity of the predictor.
pub const DEVICES: [(&str, &str); 3] =
    [("v100", V100), ("t4", "t4@torch2.1@fp32"), ("pixel2", "pixel2@tflite@fp32")];

/// Where a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Baseline,
    ZenNet,
    Searched,
}

/// A latency in milliseconds per image, with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Ms {
    pub ms: f64,
    pub lower: f64,
    pub upper: f64,
    /// Share of it that lies inside the training domain of the predictor.
    pub coverage: f64,
}

/// An accuracy in percent.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(tag = "basis", rename_all = "snake_case")]
pub enum Accuracy {
    /// After training, one for each recipe; the first is drawn.
    Published { recipes: Vec<Published> },
    /// Foretold, with the features of the network that lie outside of the trained ones.
    Predicted { top1: f64, lower: f64, upper: f64, outside: Vec<String> },
    /// Nothing was found that may be shown.
    Unknown,
}

/// A network of a figure.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    pub origin: Origin,
    pub family: &'static str,
    /// A name, or the budget that was searched under.
    pub name: String,
    /// A structure string, where it was searched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Side of the images; absent for networks without a published structure.
    pub resolution: Option<u32>,
    pub params_m: f64,
    pub mmacs: f64,
    #[serde(flatten)]
    pub accuracy: Accuracy,
    /// On each of [`DEVICES`]; absent where the structure is not published.
    pub latencies: [Option<Ms>; DEVICES.len()],
}

impl Point {
    /// The accuracy that is drawn.
    pub fn top1(&self) -> Option<f64> {
        match &self.accuracy {
            Accuracy::Published { recipes } => recipes.first().map(|recipe| recipe.top1),
            Accuracy::Predicted { top1, .. } => Some(*top1),
            Accuracy::Unknown => None,
        }
    }
}

/// A figure as numbers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    pub figure: Figure,
    pub seed: u64,
    pub iterations: u64,
    pub points: Vec<Point>,
    /// What foretells the accuracies; absent where the table has too few networks.
    pub foretelling: Option<Summary>,
}

/// What has just begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Predicting(&'a str),
    Searching(&'a str),
    Calibrating,
}

/// Makes a figure; `table` has the published accuracies.
///
/// # Errors
/// A predictor that cannot be used, or a search that finds nothing.
pub fn run(
    figure: Figure,
    table: &AccuracyTable,
    catalogue: &Catalogue,
    settings: Settings,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Report, ExperimentError> {
    let mut devices = Vec::with_capacity(DEVICES.len());
    for (_, id) in DEVICES {
        devices.push(searched::kernels(catalogue, id)?);
    }
    let measure = Measure { devices };
    let rows = baselines::rows(table);
    let mut points = Vec::new();
    for family in FAMILIES {
        progress(Event::Predicting(family.name));
        for &name in family.networks {
            let Some(encoded) = baselines::of_zoo(name) else { continue };
            let recipes = baselines::published(&rows, name);
            let accuracy =
                if recipes.is_empty() { Accuracy::Unknown } else { Accuracy::Published { recipes } };
            let network = AnyNetwork::Encoded(name.to_owned(), encoded);
            points.push(measure.point(Origin::Baseline, family.name, name.to_owned(), accuracy, &network)?);
        }
    }
    points.extend(WITHOUT_STRUCTURE.iter().map(without_structure));
    progress(Event::Calibrating);
    let zennets = foretold::zennets(table);
    let foretelling = Foretelling::of(&rows, &zennets);
    for goal in GOALS.iter().filter(|goal| figure.has(goal)) {
        let published = published::by_name(goal.published);
        if let Some(model) = published {
            points.push(measure.zennet(goal, model, &zennets)?);
        }
        progress(Event::Searching(goal.name));
        let model = searched::search(goal, &measure.devices[0], settings)?;
        points.push(measure.searched(goal, model, foretelling.as_ref())?);
    }
    let foretelling = foretelling.map(|foretelling| foretelling.summary);
    let Settings { seed, iterations } = settings;
    Ok(Report { figure, seed, iterations, points, foretelling })
}

impl Figure {
    /// The name of its files, without their endings.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Fig1 => "fig1",
            Figure::Fig4 => "fig4",
        }
    }

    /// Whether networks of this goal belong to it.
    fn has(self, goal: &Goal) -> bool {
        match self {
            Figure::Fig1 => goal.budget.0 == Quantity::Latency,
            Figure::Fig4 => goal.budget.0 == Quantity::Flops,
        }
    }
}

fn without_structure(baseline: &baselines::WithoutStructure) -> Point {
    let recipe = Published {
        top1: baseline.published,
        source: baseline.source.to_owned(),
        recipe: baseline.recipe.to_owned(),
    };
    Point {
        origin: Origin::Baseline,
        family: baseline.family,
        name: baseline.network.to_owned(),
        network: None,
        resolution: None,
        params_m: baseline.params_m,
        mmacs: baseline.mmacs,
        accuracy: Accuracy::Published { recipes: vec![recipe] },
        latencies: [None; DEVICES.len()],
    }
}

/// What is said of a network that can be built.
struct Measure {
    /// In the order of [`DEVICES`].
    devices: Vec<Arc<FittedPredictor>>,
}

impl Measure {
    fn point(
        &self,
        origin: Origin,
        family: &'static str,
        name: String,
        accuracy: Accuracy,
        network: &AnyNetwork,
    ) -> Result<Point, ExperimentError> {
        let mut latencies = [None; DEVICES.len()];
        for (slot, predictor) in latencies.iter_mut().zip(&self.devices) {
            let estimate = by_kernels(predictor, network, None, false)?.estimate;
            *slot = Some(Ms {
                ms: estimate.latency.ms(),
                lower: estimate.lower.ms(),
                upper: estimate.upper.ms(),
                coverage: estimate.coverage,
            });
        }
        let cost = network.cost()?;
        let resolution = Some(network.input()?.h);
        let (params_m, mmacs) = (cost.params as f64 / 1e6, cost.macs as f64 / 1e6);
        Ok(Point { origin, family, name, network: None, resolution, params_m, mmacs, accuracy, latencies })
    }

    fn zennet(
        &self,
        goal: &Goal,
        model: Model,
        published: &[(String, f64)],
    ) -> Result<Point, ExperimentError> {
        let known = published.iter().find(|(net, _)| net == goal.published);
        let accuracy = known.map_or(Accuracy::Unknown, |(_, top1)| Accuracy::Published {
            recipes: vec![Published {
                top1: *top1,
                source: "zennas".to_owned(),
                recipe: "as published, with distillation".to_owned(),
            }],
        });
        let name = goal.published.to_owned();
        self.point(Origin::ZenNet, "ZenNet", name, accuracy, &AnyNetwork::PlainNet(model))
    }

    fn searched(
        &self,
        goal: &Goal,
        model: Model,
        foretelling: Option<&Foretelling>,
    ) -> Result<Point, ExperimentError> {
        let prediction = foretelling.and_then(|foretelling| foretelling.predict(&model));
        let accuracy = prediction.map_or(Accuracy::Unknown, |foretold| Accuracy::Predicted {
            top1: foretold.accuracy,
            lower: foretold.lower,
            upper: foretold.upper,
            outside: foretold.outside,
        });
        let network = Some(model.network.to_string());
        let name = format!("searched, {}", goal.name);
        let point = self.point(Origin::Searched, "searched", name, accuracy, &AnyNetwork::PlainNet(model))?;
        Ok(Point { network, ..point })
    }
}

impl Report {
    /// One line for each network and recipe.
    pub fn csv(&self) -> String {
        page::csv(self)
    }

    /// The drawing as the text of an SVG file.
    pub fn svg(&self) -> String {
        draw::draw(self)
    }

    /// The page in Markdown.
    pub fn page(&self) -> String {
        page::page(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use std::path::Path;

    #[test]
    fn the_figures_have_all_baselines_and_mark_what_is_foretold() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let table = AccuracyTable::read(&root.join("datasets/accuracies/published.csv.gz"), None).unwrap();
        let catalogue = catalogue::of_repository();
        let settings = Settings { seed: 1, iterations: 200 };
        let report = run(Figure::Fig4, &table, &catalogue, settings, &mut |_| {}).unwrap();
        let listed: usize = FAMILIES.iter().map(|family| family.networks.len()).sum();
        assert_eq!(report.points.len(), listed + WITHOUT_STRUCTURE.len() + 6);
        let find = |name: &str| report.points.iter().find(|point| point.name == name).unwrap();
        // Published figures: torchvision's table, and that of the paper.
        assert_eq!(find("resnet50").top1(), Some(76.13));
        assert_eq!(find("efficientnet_b7").top1(), Some(84.122));
        assert_eq!(find("zennet_imagenet1k_flops400M_SE_res224").top1(), Some(78.0));
        assert!(report.points.iter().all(|point| point.top1().is_some()), "every network has an accuracy");
        assert!(find("OFANet-9ms").latencies.iter().all(Option::is_none));
        let searched = report.points.iter().filter(|point| point.origin == Origin::Searched);
        for point in searched {
            let Accuracy::Predicted { top1, lower, upper, .. } = &point.accuracy else {
                panic!("{} is not marked as predicted", point.name)
            };
            assert!(lower < top1 && top1 < upper && *upper < 100.0, "{point:?}");
        }
        let summary = report.foretelling.clone().unwrap();
        assert!(summary.networks > 60 && summary.zennets == 9, "{summary:?}");
        assert!(summary.zennets_error < 1.5, "{summary:?}");
        let csv = report.csv();
        assert!(
            csv.lines()
                .all(|line| line.matches(',').count() >= csv.lines().next().unwrap().matches(',').count())
        );
        assert!(report.page().contains("predicted") && report.svg().starts_with("<svg"));
    }
}
