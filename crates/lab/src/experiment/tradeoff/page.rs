//! The numbers of figures 1 and 4 as CSV and as a page in Markdown.

use super::baselines::WITHOUT_STRUCTURE;
use super::{Accuracy, DEVICES, Figure, Origin, Point, Report};
use std::fmt::Write;

/// One line for each network and recipe; structures and lists are quoted.
pub fn csv(report: &Report) -> String {
    let mut text = String::from(
        "origin,family,name,resolution,params_m,mmacs,top1,top1_lower,top1_upper,basis,source,recipe,drawn",
    );
    for (name, _) in DEVICES {
        let _ = write!(text, ",{name}_ms,{name}_lower_ms,{name}_upper_ms,{name}_coverage");
    }
    text.push_str(",outside,network\n");
    for point in &report.points {
        match &point.accuracy {
            Accuracy::Published { recipes } => {
                for (i, recipe) in recipes.iter().enumerate() {
                    let cells = [
                        recipe.top1.to_string(),
                        String::new(),
                        String::new(),
                        "published".to_owned(),
                        format!("\"{}\"", recipe.source),
                        format!("\"{}\"", recipe.recipe),
                        u8::from(i == 0).to_string(),
                    ];
                    line(&mut text, point, &cells, &[]);
                }
            }
            Accuracy::Predicted { top1, lower, upper, outside } => {
                let [top1, lower, upper] = [top1, lower, upper].map(|value| format!("{value:.2}"));
                let basis = "predicted".to_owned();
                let recipe = "\"that of the ZenNets\"".to_owned();
                let cells = [top1, lower, upper, basis, String::new(), recipe, "1".to_owned()];
                line(&mut text, point, &cells, outside);
            }
            Accuracy::Unknown => {
                let mut cells = [const { String::new() }; 7];
                cells[3] = "unknown".to_owned();
                line(&mut text, point, &cells, &[]);
            }
        }
    }
    text
}

fn line(text: &mut String, point: &Point, accuracy: &[String; 7], outside: &[String]) {
    let side = point.resolution.map_or_else(String::new, |side| side.to_string());
    let _ = write!(
        text,
        "{},{},\"{}\",{side},{:.3},{:.1},{}",
        origin(point.origin),
        point.family,
        point.name,
        point.params_m,
        point.mmacs,
        accuracy.join(",")
    );
    for latency in &point.latencies {
        let _ = match latency {
            Some(ms) => write!(text, ",{:.4},{:.4},{:.4},{:.3}", ms.ms, ms.lower, ms.upper, ms.coverage),
            None => write!(text, ",,,,"),
        };
    }
    let _ = writeln!(text, ",\"{}\",\"{}\"", outside.join(" "), point.network.as_deref().unwrap_or_default());
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Baseline => "baseline",
        Origin::ZenNet => "zennet",
        Origin::Searched => "searched",
    }
}

/// The page.
pub fn page(report: &Report) -> String {
    let title = match report.figure {
        Figure::Fig1 => "Figure 1: accuracy against latency",
        Figure::Fig4 => "Figure 4: accuracy against multiply-adds",
    };
    let mut page = format!("# {title}\n\n");
    let _ = writeln!(
        page,
        "Made by `edgezen experiment {}` with {} iterations of each search and seed {}. Accuracies (ImageNet top-1) of baselines and \
         ZenNets are published, and belong to the recipe beside them: the recipe moves a network by up to five points. Those of \
         searched networks are **predicted**: what they would reach after the training of the ZenNets, with a 90 % interval. Latencies \
         are predicted, in milliseconds per image: {}.\n",
        report.figure.name(),
        report.iterations,
        report.seed,
        DEVICES.map(|(name, id)| format!("{name} is `{id}`")).join(", ")
    );
    if let Some(summary) = &report.foretelling {
        let _ = writeln!(
            page,
            "The accuracies are foretold by a calibration of {} networks with {} recipes and of {} ZenNets. ZenNets that were left out of it, \
             one at a time, are foretold {:.1} points off on the mean, {} of {} inside their intervals. ° marks networks \
             with features outside of those of the trained ones.\n",
            summary.networks,
            summary.recipes,
            summary.zennets,
            summary.zennets_error,
            summary.zennets_inside,
            summary.zennets
        );
    }
    page.push_str("| network | top-1, % | recipe | params, M | MACs, M |");
    for (name, _) in DEVICES {
        let _ = write!(page, " {name}, ms |");
    }
    let _ = writeln!(page, "\n|---|---|---|---|---|{}", "---|".repeat(DEVICES.len()));
    for point in &report.points {
        let (top1, recipe) = match &point.accuracy {
            Accuracy::Published { recipes } => recipes.first().map_or_else(Default::default, |recipe| {
                let more = match recipes.len() {
                    0 | 1 => String::new(),
                    n => format!(" (and {} more in the csv file)", n - 1),
                };
                (recipe.top1.to_string(), format!("{} {}{more}", recipe.source, recipe.recipe))
            }),
            Accuracy::Predicted { top1, lower, upper, outside } => {
                let mark = if outside.is_empty() { "" } else { "°" };
                (
                    format!("**predicted** {top1:.1} ({lower:.1}–{upper:.1}){mark}"),
                    "that of the ZenNets".to_owned(),
                )
            }
            Accuracy::Unknown => ("unknown".to_owned(), String::new()),
        };
        let ms = |latency: &Option<super::Ms>| {
            latency.map_or_else(|| "–".to_owned(), |ms| format!("{:.3}", ms.ms))
        };
        let latencies: Vec<String> = point.latencies.iter().map(ms).collect();
        let _ = writeln!(
            page,
            "| {} | {top1} | {recipe} | {:.1} | {:.0} | {} |",
            point.name,
            point.params_m,
            point.mmacs,
            latencies.join(" | ")
        );
    }
    let names: Vec<&str> = WITHOUT_STRUCTURE.iter().map(|network| network.network).collect();
    let _ = writeln!(
        page,
        "\nOf {} the authors published accuracy and costs, and the structure only inside files of weights; no latency is predicted for them.",
        names.join(", ")
    );
    page
}
