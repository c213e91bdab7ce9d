//! The drawing of figures 1 and 4.

use super::{DEVICES, Figure, Origin, Point, Report};
use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::{Drawing, grid};

/// Families that share a colour, and the origin of what is drawn last.
const GROUPS: [(&str, &[&str]); 5] = [
    ("ResNet, DenseNet, ResNeSt, DFNet", &["ResNet", "DenseNet", "ResNeSt", "DFNet"]),
    ("RegNet", &["RegNetX", "RegNetY"]),
    ("MobileNetV2, MnasNet, DNANet, OFANet", &["MobileNetV2", "MnasNet", "DNANet", "OFANet"]),
    ("EfficientNet", &["EfficientNet"]),
    ("ZenNet, published", &["ZenNet"]),
];
/// Multiply-adds, in millions, beyond which figure 4 ends: three times the largest budget.
const MOST_MMACS: f64 = 2700.0;

pub fn draw(report: &Report) -> String {
    let drawings: Vec<Drawing> = match report.figure {
        Figure::Fig1 => DEVICES
            .iter()
            .enumerate()
            .map(|(device, (name, id))| {
                let x = |point: &Point| point.latencies[device].map(|ms| ms.ms);
                chart(report, name, &format!("predicted ms per image, {id}"), &x)
            })
            .collect(),
        Figure::Fig4 => {
            let x = |point: &Point| (point.mmacs <= MOST_MMACS).then_some(point.mmacs);
            vec![chart(report, "multiply-adds", "multiply-adds, millions", &x)]
        }
    };
    grid(report.figure.name(), &drawings, 3).standalone()
}

fn chart(report: &Report, title: &str, x: &str, at: &dyn Fn(&Point) -> Option<f64>) -> Drawing {
    let points = |of: &dyn Fn(&Point) -> bool| -> Vec<Dot> {
        let mut dots: Vec<Dot> = report
            .points
            .iter()
            .filter(|point| of(point))
            .filter_map(|point| Some(dot(point, at(point)?)))
            .collect();
        dots.sort_by(|a, b| a.x.total_cmp(&b.x));
        dots
    };
    let mut series: Vec<Series> = GROUPS
        .iter()
        .enumerate()
        .map(|(i, (name, families))| Series {
            name: (*name).to_owned(),
            colour: 1 + i,
            mark: Mark::Dots,
            points: points(&|point: &Point| {
                point.origin != Origin::Searched && families.contains(&point.family)
            }),
        })
        .collect();
    series.push(Series {
        name: "searched here, accuracy predicted".to_owned(),
        colour: 1,
        mark: Mark::Named,
        points: points(&|point: &Point| point.origin == Origin::Searched),
    });
    let label = |text: &str, scale| Label { text: text.to_owned(), scale };
    Chart {
        title: format!("ImageNet top-1 against {title}"),
        x: label(x, Scale::Log),
        y: label("top-1, %", Scale::Linear),
        series,
        limits: Vec::new(),
        diagonal: false,
    }
    .draw()
}

fn dot(point: &Point, x: f64) -> Dot {
    let top1 = point.top1();
    let shown = top1.map_or_else(|| "unknown".to_owned(), |top1| format!("{top1:.1} %"));
    let marked = if point.origin == Origin::Searched { " (predicted)" } else { "" };
    let name = point.name.trim_start_matches("searched, ").to_owned();
    Dot { y: top1, about: format!("{}: {shown}{marked}", point.name), name, ..Dot::new(x, 0.0) }
}
