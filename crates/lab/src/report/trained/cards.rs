//! What a page says of trainings, beside their plots.

use super::{Training, confusion, curves};
use crate::images::answers::{OfClass, Share};
use crate::report::Plot;
use crate::report::html::{card, table, tile};
use crate::report::svg::escape;
use crate::report::tables::cell;
use crate::trainings::rates;
use crate::trainings::{CLASSES, CONFUSION, Finalists, Judged};

/// Classes and confusions that are listed; the files have all of them.
const ROWS: usize = 50;
/// By which images are drawn anew for the interval of an accuracy.
const SEED: u64 = 0;

pub fn title(training: &Training) -> String {
    if training.epochs.is_empty() {
        format!("Range test in {}", training.name)
    } else {
        format!("Training in {}", training.name)
    }
}

/// The page of a training.
pub fn of_training(training: &Training, plots: &[Plot]) -> String {
    let mut main = format!("<h1>{}</h1>\n", escape(&title(training)));
    let about = ["structure", "resolution", "classes"].map(|fact| training.facts.get(fact));
    if let [Some(_), Some(side), Some(classes)] = about {
        main += &format!(
            "<p class=\"muted\">{side}×{side} images, {classes} classes</p>\n",
            side = escape(side),
            classes = escape(classes)
        );
    }
    main += &tiles(training);
    main += &grid(plots);
    main += "<div class=\"wide\">\n";
    main += &tables(training);
    if let Some(net) = training.facts.get("structure") {
        main += &card("The network", &format!("<div class=\"net\"><code>{}</code></div>", escape(net)));
    }
    main + "</div>\n"
}

/// The page of finalists without their search.
pub fn of_finalists(finalists: &Finalists, plots: &[Plot]) -> String {
    let winner = finalists.winner.and_then(|place| finalists.networks.get(place));
    let tiles = winner.map(|winner| tiles(&winner.training)).unwrap_or_default();
    format!("<h1>Finalists in {}</h1>\n{tiles}", escape(&finalists.name)) + &cards(finalists, plots)
}

/// The finalists, as a part of a page.
pub fn cards(finalists: &Finalists, plots: &[Plot]) -> String {
    let winner = finalists.winner.and_then(|place| finalists.networks.get(place));
    let mut out = grid(plots);
    out += "<div class=\"wide\">\n";
    out += &card("Trained finalists", &table_of(finalists));
    if let Some(winner) = winner {
        out += &tables(&winner.training);
    }
    out + "</div>\n"
}

fn grid(plots: &[Plot]) -> String {
    let mut out = String::from("<div class=\"grid\">\n");
    for plot in plots {
        out += &card(&plot.drawing.title, &plot.drawing.inline());
    }
    out + "</div>\n"
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// An accuracy on the test images with its interval.
fn interval(judged: &Judged) -> String {
    let Share { lower, upper, .. } = judged.answers.top1_interval(SEED);
    format!("{} to {}", percent(lower), percent(upper))
}

fn tiles(training: &Training) -> String {
    let mut out = String::from("<div class=\"tiles\">\n");
    if let Some(judged) = &training.judged {
        let about = format!(
            "of {} test images, looked at once; 95 % interval {}",
            judged.answers.len(),
            interval(judged)
        );
        out += &tile(&percent(judged.answers.top1()), &about);
    }
    if let Some(best) = training.best() {
        let about = format!("of the {}, in epoch {}, the best one", curves::judged(training), best.epoch);
        out += &tile(&percent(best.top1), &about);
    }
    if let Some(last) = training.epochs.last() {
        out += &tile(&last.epoch.to_string(), "epochs");
    }
    if let Ok(found) = rates::suggested(&training.tried) {
        out += &tile(&format!("--lr {}", rates::printed(found.lr)), "suggested by the range test");
    }
    out + "</div>\n"
}

/// What the range test says, and how the classes were answered.
fn tables(training: &Training) -> String {
    let mut out = String::new();
    if !training.tried.is_empty() {
        let said = rates::suggested(&training.tried).map_or_else(
            |reason| format!("No learning rate can be suggested: {reason}."),
            |found| found.said(),
        );
        out += &card("What the range test says", &format!("<p>{}</p>", escape(&said)));
    }
    match &training.judged {
        Some(judged) => {
            if !confusion::fits(judged) {
                out += &card("Most frequent confusions", &confusions(judged));
            }
            out += &card("Class by class, on the test images", &classes(judged));
        }
        None if !training.epochs.is_empty() => {
            out += &card(
                "Class by class",
                "<p class=\"muted\">The test images were not looked at: the training is not at its end, or they chose the epoch.</p>",
            );
        }
        None => {}
    }
    out
}

fn classes(judged: &Judged) -> String {
    let confusion = judged.answers.confusion();
    let mut all: Vec<(u32, OfClass)> = (0..).zip(judged.answers.by_class(&judged.classes)).collect();
    let note = if all.len() > ROWS {
        all.sort_by(|(_, a), (_, b)| {
            let recall = |of: &OfClass| of.recall().unwrap_or(1.0);
            recall(a).total_cmp(&recall(b))
        });
        let of = all.len();
        all.truncate(ROWS);
        format!(
            "<p class=\"muted\">The {ROWS} of {of} classes with the lowest recall; {CLASSES} has all of them.</p>"
        )
    } else {
        String::new()
    };
    let taken = |class: u32| {
        let others = (0..judged.classes.len() as u32).filter(|&given| given != class);
        let most = others.filter_map(|given| Some((*confusion.get(&(class, given))?, given)));
        let (count, given) = most.max_by_key(|&(count, given)| (count, std::cmp::Reverse(given)))?;
        Some(format!("{} ({count})", judged.classes.get(given as usize)?))
    };
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|(number, of)| {
            vec![
                of.class.clone(),
                of.images.to_string(),
                of.right.to_string(),
                cell(of.recall().map(percent)),
                cell(of.precision().map(percent)),
                cell(taken(*number)),
            ]
        })
        .collect();
    table(&["class", "images", "right", "recall", "precision", "mostly taken for"], &rows) + &note
}

/// The pairs of classes that are taken for one another most often.
fn confusions(judged: &Judged) -> String {
    let mut pairs: Vec<((u32, u32), usize)> =
        judged.answers.confusion().into_iter().filter(|((label, given), _)| label != given).collect();
    pairs.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
    let of = pairs.len();
    pairs.truncate(ROWS);
    let name = |class: u32| cell(judged.classes.get(class as usize).cloned());
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .map(|&((label, given), count)| vec![name(label), name(given), count.to_string()])
        .collect();
    let note = format!("<p class=\"muted\">{} of {of} pairs; {CONFUSION} has all of them.</p>", pairs.len());
    table(&["class", "taken for", "images"], &rows) + &note
}

fn table_of(finalists: &Finalists) -> String {
    let rows: Vec<Vec<String>> = finalists
        .networks
        .iter()
        .enumerate()
        .map(|(place, of)| {
            let winner = if finalists.winner == Some(place) { " (winner)" } else { "" };
            vec![
                format!("{}{winner}", place + 1),
                of.line.epochs.to_string(),
                format!("{:.2}", of.line.accuracy),
                format!("{:.2}", of.line.best_accuracy),
                format!("{:.2}", of.line.score),
                of.line.net.clone(),
            ]
        })
        .collect();
    let header = ["network", "epochs", "first round, %", "best, %", "score", "structure"];
    let winner = finalists.winner.and_then(|place| Some((place, finalists.networks.get(place)?)));
    let said = match winner.map(|(place, of)| (place, of.training.judged.as_ref())) {
        Some((place, Some(judged))) => format!(
            "<p>Network {} wins. It is right about {} of the {} test images, which were looked at once; 95 % interval {}.</p>",
            place + 1,
            percent(judged.answers.top1()),
            judged.answers.len(),
            interval(judged)
        ),
        Some((place, None)) => format!("<p>Network {} wins.</p>", place + 1),
        None => "<p>The trainings are not at their end.</p>".to_owned(),
    };
    let note = "<p class=\"muted\">Accuracies are those of the validation images. All networks were trained for the epochs of the first round, and the better ones went on.</p>";
    said + &table(&header, &rows) + note
}
