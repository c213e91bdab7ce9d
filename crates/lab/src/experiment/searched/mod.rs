//! The paper's own results, searched again: for each of its budgets a network that this program finds, beside the one that
//! the paper published.

mod goals;

pub use goals::{GOALS, Goal, V100};

use super::ExperimentError;
use crate::catalogue::Catalogue;
use edgezen_core::plainnet::{Model, Network, SuperBlock, Variant, notation, published, relink};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::zen::ZenScore;
use edgezen_core::search::{Budgets, Quantity, Search, TrackedDevice, degeneracy};
use edgezen_core::space::{self, Narrowed, shape_rules};
use edgezen_core::units::Latency;
use std::fmt::Write;
use std::sync::Arc;

/// How long is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub seed: u64,
    pub iterations: u64,
}

/// A network for one of the paper's budgets.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Row {
    /// The budget, by name.
    pub goal: &'static str,
    /// Whether the paper published it; otherwise it was searched for here.
    pub published: bool,
    /// Its structure string.
    pub network: String,
    pub zen_paper: f64,
    pub zen_reference: f64,
    /// Parameters and multiply-accumulates of one image, and layers, as budgets count them.
    pub params: f64,
    pub macs: f64,
    pub layers: i64,
    /// Predicted milliseconds per image on [`V100`], with the 90 % interval.
    pub ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    /// Of each stage: residual layers, and channels that leave it.
    pub depth: Vec<u32>,
    pub width: Vec<u32>,
}

/// Searches for all of `goals`, and describes the published networks beside what is found.
///
/// # Errors
/// A predictor that cannot be used, or a search that finds nothing.
pub fn run(
    goals: &[Goal],
    catalogue: &Catalogue,
    settings: Settings,
    progress: &mut dyn FnMut(&Goal),
) -> Result<Vec<Row>, ExperimentError> {
    let v100 = kernels(catalogue, V100)?;
    let mut rows = Vec::with_capacity(2 * goals.len());
    for goal in goals {
        progress(goal);
        if let Some(model) = published::by_name(goal.published) {
            rows.push(describe(goal, &model, true, &v100)?);
        }
        rows.push(describe(goal, &search(goal, &v100, settings)?, false, &v100)?);
    }
    Ok(rows)
}

/// The predictor of kernels that `name` stands for.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn kernels(catalogue: &Catalogue, name: &str) -> Result<Arc<FittedPredictor>, ExperimentError> {
    match catalogue.predictor(name)?.loaded {
        AnyPredictor::Kernels(predictor) => Ok(Arc::new(*predictor)),
        AnyPredictor::Networks(_) => Err(ExperimentError::OfNetworks { name: name.to_owned() }),
    }
}

/// The best network for a goal, by the default rules, as `edgezen search` finds it.
///
/// # Errors
/// A search that finds nothing.
pub fn search(
    goal: &Goal,
    v100: &Arc<FittedPredictor>,
    settings: Settings,
) -> Result<Model, ExperimentError> {
    let unknown = || ExperimentError::NoSuchSpace { name: goal.space.to_owned() };
    let space = space::by_name(goal.space).ok_or_else(unknown)?;
    let mut budgets = Budgets::default();
    if let Some(layers) = goal.layers {
        budgets.bound(Quantity::Layers, f64::from(layers));
    }
    let (quantity, limit) = goal.budget;
    let limit = quantity.from_reported(limit);
    if quantity.is_per_device() {
        let device = budgets.track(TrackedDevice { name: "v100".to_owned(), predictor: v100.clone().into() });
        budgets.bound_latency(device, Latency::from_ns(limit));
    } else {
        budgets.bound(quantity, limit);
    }
    // Latencies of kernels that nobody measured attract no search.
    let narrowed = Narrowed::new(space, &degeneracy::known_sizes(space, &budgets))
        .map_err(|error| ExperimentError::NoSuchSpace { name: error.to_string() })?;
    let start = if goal.resolution < 64 { published::INIT_CIFAR } else { space.default_structure() };
    let mut initial: Vec<SuperBlock> = notation::parse(start)?.super_blocks("a search varies")?;
    narrowed.settle(&mut initial);
    relink(&mut initial);
    let mut search = Search::new(&narrowed).input(goal.resolution, goal.classes).seed(settings.seed);
    search.initial = initial;
    search.budgets = budgets;
    search.se = goal.squeeze_excite;
    let best = search.iterations(settings.iterations).with_depth_limit()?.run()?.best;
    Ok(Model {
        name: None,
        network: Network::from(&best.blocks[..]),
        resolution: goal.resolution,
        classes: goal.classes,
        se: goal.squeeze_excite,
    })
}

fn describe(
    goal: &Goal,
    model: &Model,
    published: bool,
    v100: &FittedPredictor,
) -> Result<Row, ExperimentError> {
    let blocks = model.network.super_blocks("stages are made of")?;
    let stages = shape_rules::stages(&blocks);
    let score = |mode| ZenScore::new(mode, goal.resolution).score_network(&model.network);
    let (params, macs) = model.official(if model.se { Variant::BUILT_SE } else { Variant::BUILT })?;
    let estimate = v100.predict(&model.lowered(v100.lowering())?);
    Ok(Row {
        goal: goal.name,
        published,
        network: model.network.to_string(),
        zen_paper: score(Mode::Paper)?,
        zen_reference: score(Mode::Reference)?,
        params: params.0,
        macs: macs.0,
        layers: edgezen_core::plainnet::layers(&blocks),
        ms: estimate.latency.ms(),
        lower_ms: estimate.lower.ms(),
        upper_ms: estimate.upper.ms(),
        depth: stages.iter().map(|stage| stage.depth).collect(),
        width: stages.iter().map(|stage| stage.width).collect(),
    })
}

const HEADER: &str = "goal,by,zen_paper,zen_reference,params_m,mmacs,layers,v100_ms,v100_lower_ms,v100_upper_ms,depth,width,network";

fn slashed(values: &[u32]) -> String {
    let texts: Vec<String> = values.iter().map(u32::to_string).collect();
    texts.join("/")
}

impl Row {
    fn by(&self) -> &'static str {
        if self.published { "paper" } else { "search" }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.goal.to_owned(),
            self.by().to_owned(),
            format!("{:.1}", self.zen_paper),
            format!("{:.1}", self.zen_reference),
            format!("{:.2}", self.params / 1e6),
            format!("{:.0}", self.macs / 1e6),
            self.layers.to_string(),
            format!("{:.3}", self.ms),
            format!("{:.3}", self.lower_ms),
            format!("{:.3}", self.upper_ms),
            slashed(&self.depth),
            slashed(&self.width),
        ]
    }
}

/// The rows as CSV; structures are quoted.
pub fn csv(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| format!("{},\"{}\"\n", row.cells().join(","), row.network));
    format!("{HEADER}\n{}", lines.collect::<String>())
}

/// The rows as a page in Markdown.
pub fn page(rows: &[Row], settings: Settings) -> String {
    let mut page = String::from("# The paper's own results, searched again\n\n");
    let _ = writeln!(
        page,
        "For each budget of the paper the network that it published, and the one with the greatest Zen-Score\n\
         that a search under the default rules finds in {} iterations with seed {} (as `search --winner score` does):\n\
         made by `edgezen experiment searched`. Parameters, MACs and layers are counted as budgets count them. The\n\
         latency is what `{V100}` predicts for an image, with its 90 % interval; depth and width are those of the stages, without\n\
         the stem and the last convolution. No accuracy is claimed: what was searched has not been trained.\n",
        settings.iterations, settings.seed
    );
    page.push_str(
        "| budget | by | Zen (paper) | Zen (reference) | params, M | MACs, M | layers | V100, ms | depth | width |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let cells = row.cells();
        let ms = format!("{} ({}–{})", cells[7], cells[8], cells[9]);
        let shown: Vec<&str> =
            cells[..7].iter().map(String::as_str).chain([&*ms, &*cells[10], &*cells[11]]).collect();
        let _ = writeln!(page, "| {} |", shown.join(" | "));
    }
    page
}

/// Table and picture of the scores.
pub fn header() -> Vec<&'static str> {
    HEADER.split(',').take(12).collect()
}

/// The rows as a table for people.
pub fn table(rows: &[Row]) -> Vec<Vec<String>> {
    rows.iter().map(Row::cells).collect()
}

/// Score against parameters, published and searched, as the text of an SVG file.
pub fn svg(rows: &[Row]) -> String {
    use crate::report::axis::Scale;
    use crate::report::chart::{Chart, Dot, Label, Mark, Series};
    use crate::report::svg::grid;
    let series = |name: &str, colour, published| Series {
        name: name.to_owned(),
        colour,
        mark: Mark::Named,
        points: rows
            .iter()
            .filter(|row| row.published == published)
            .map(|row| Dot {
                name: row.goal.to_owned(),
                about: format!(
                    "{}: {:.1} M parameters, score {:.1}",
                    row.goal,
                    row.params / 1e6,
                    row.zen_paper
                ),
                ..Dot::new(row.params / 1e6, row.zen_paper)
            })
            .collect(),
    };
    let chart = Chart {
        title: "Zen-Score and parameters for the paper's budgets".into(),
        x: Label { text: "parameters, millions".into(), scale: Scale::Log },
        y: Label { text: "Zen-Score (paper)".into(), scale: Scale::Linear },
        series: vec![series("published", 2, true), series("searched here", 1, false)],
        limits: Vec::new(),
        diagonal: false,
    };
    grid("searched", &[chart.draw()], 1).standalone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn searches_keep_the_budgets_of_the_paper_and_do_not_depend_on_chance() {
        let catalogue = catalogue::of_repository();
        let settings = Settings { seed: 3, iterations: 300 };
        let goals = [GOALS[0], GOALS[6], GOALS[9]];
        let rows = run(&goals, &catalogue, settings, &mut |_| {}).unwrap();
        assert_eq!(rows.len(), 6);
        let found = |goal: &str| rows.iter().find(|row| row.goal == goal && !row.published).unwrap();
        assert!(found("0.1 ms").ms <= 0.1 && found("0.1 ms").layers <= 10);
        let flops = found("400 M");
        assert!(flops.layers <= 14 && flops.macs <= 400e6, "{flops:?}");
        assert!(found("CIFAR 1 M").params <= 1e6);
        assert_eq!(rows, run(&goals, &catalogue, settings, &mut |_| {}).unwrap());
        // The published network has the depth of the paper's figure.
        let paper = rows.iter().find(|row| row.goal == "400 M" && row.published).unwrap();
        assert_eq!((paper.depth.as_slice(), paper.layers), (&[1, 1, 5, 5][..], 14));
        assert_eq!(csv(&rows).lines().count(), 7);
        assert!(page(&rows, settings).contains("| 400 M | search |") && svg(&rows).starts_with("<svg"));
    }
}
