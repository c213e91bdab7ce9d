//! What changed from epoch to epoch, and the rates of a range test.

use crate::images::folder::SPLIT_SEED;
use crate::report::axis::Scale;
use crate::report::chart::{Chart, Dot, Label, Mark, Series};
use crate::report::svg::Drawing;
use crate::trainings::rates::{self, Tried};
use crate::trainings::{Epoch, Finalists, Training};

/// Most points of a line; more cannot be distinguished.
const LINE_POINTS: usize = 400;
/// Finalists whose curves can be told apart.
const CURVES: usize = 8;

/// A value as a point; the line is broken where it is no number.
fn dot(x: f64, y: f64) -> Dot {
    Dot { y: Some(y).filter(|y| y.is_finite()), ..Dot::new(x, y) }
}

/// One value of each epoch as a line.
fn line(name: &str, colour: usize, epochs: &[Epoch], of: impl Fn(&Epoch) -> f64) -> Series {
    let step = epochs.len().div_ceil(LINE_POINTS).max(1);
    // The last epoch is always drawn, and the others at equal steps before it.
    let mut points: Vec<Dot> =
        epochs.iter().rev().step_by(step).map(|epoch| dot(f64::from(epoch.epoch), of(epoch))).collect();
    points.reverse();
    let mark = if epochs.len() < 40 { Mark::LineAndDots } else { Mark::Line };
    Series { name: name.into(), colour, mark, points }
}

fn chart(title: &str, y: &str, series: Vec<Series>) -> Chart {
    Chart {
        title: title.into(),
        x: Label { text: "epochs".into(), scale: Scale::Linear },
        y: Label { text: y.into(), scale: Scale::Linear },
        series,
        limits: Vec::new(),
        diagonal: false,
    }
}

/// The images that choose the epoch.
pub fn judged(training: &Training) -> &'static str {
    if training.facts.contains_key(SPLIT_SEED) { "validation images" } else { "test images" }
}

pub fn loss(training: &Training) -> Drawing {
    let series = vec![
        line("images to learn from", 1, &training.epochs, |epoch| epoch.train_loss),
        line(judged(training), 2, &training.epochs, |epoch| epoch.test_loss),
    ];
    chart("Loss", "loss", series).draw()
}

pub fn top1(training: &Training) -> Drawing {
    let mut series = vec![line(judged(training), 2, &training.epochs, |epoch| 100.0 * epoch.top1)];
    if let Some(best) = training.best() {
        let best = Dot { name: "best".into(), ..dot(f64::from(best.epoch), 100.0 * best.top1) };
        series.push(Series { name: "best epoch".into(), colour: 3, mark: Mark::Named, points: vec![best] });
    }
    chart("Accuracy", "top-1, %", series).draw()
}

pub fn rate(training: &Training) -> Drawing {
    let series = vec![line("rate of the last step of each epoch", 1, &training.epochs, |epoch| epoch.rate)];
    chart("Learning rate", "rate of a step", series).draw()
}

/// The accuracies of the finalists that were trained longest, on the validation images.
pub fn together(finalists: &Finalists) -> Drawing {
    let mut places: Vec<usize> = (0..finalists.networks.len()).collect();
    places.sort_by_key(|&place| std::cmp::Reverse(finalists.networks[place].training.epochs.len()));
    places.truncate(CURVES);
    places.sort_unstable();
    let series = places.iter().enumerate().map(|(colour, &place)| {
        let epochs = &finalists.networks[place].training.epochs;
        line(&format!("network {}", place + 1), colour + 1, epochs, |epoch| 100.0 * epoch.top1)
    });
    chart("Accuracy of the finalists", "top-1 of the validation images, %", series.collect()).draw()
}

pub fn range_test(tried: &[Tried]) -> Drawing {
    let series = |name: &str, colour, mark, of: fn(&Tried) -> f64| Series {
        name: name.into(),
        colour,
        mark,
        points: tried.iter().map(|tried| dot(tried.lr, of(tried))).collect(),
    };
    let suggested = rates::suggested(tried).ok();
    let limits = suggested.map(|found| (found.lr, format!("--lr {}", rates::printed(found.lr))));
    Chart {
        title: "Range test of the learning rate".into(),
        x: Label { text: "learning rate for 256 images a step".into(), scale: Scale::Log },
        y: Label { text: "loss".into(), scale: Scale::Linear },
        series: vec![
            series("loss of a step", 2, Mark::Dots, |tried| tried.loss),
            series("smoothed", 1, Mark::Line, |tried| tried.smoothed),
        ],
        limits: limits.into_iter().collect(),
        diagonal: false,
    }
    .draw()
}
