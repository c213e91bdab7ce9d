//! The confusion matrix: how often images of a class were taken for each of the others.

use crate::report::svg::{Anchor, Drawing, escape, text, text_width};
use crate::trainings::Judged;
use std::fmt::Write;

/// More classes are not drawn: the table of the most frequent confusions has them.
pub const MOST_CLASSES: usize = 30;

const WIDTH: f64 = 420.0;
/// Room for the names of the classes.
const LEFT: f64 = 104.0;
const TOP: f64 = 34.0;
const LARGEST_CELL: f64 = 31.0;
/// How strong the colour of a cell is with all images of its class.
const STRONGEST: f64 = 0.6;
/// A single image of many is still seen: no cell has less of the colour than this share of it.
const WEAKEST: f64 = 0.3;

/// Whether the matrix of these classes can be read.
pub fn fits(judged: &Judged) -> bool {
    (1..=MOST_CLASSES).contains(&judged.classes.len())
}

pub fn draw(judged: &Judged) -> Drawing {
    let classes = &judged.classes;
    let counts = judged.answers.confusion();
    let of_class = judged.answers.by_class(classes);
    let cell = ((WIDTH - LEFT - 4.0) / classes.len() as f64).min(LARGEST_CELL);
    let side = cell * classes.len() as f64;
    let mut body = String::new();
    text(&mut body, LEFT + side / 2.0, 12.0, Anchor::Middle, "muted", "taken for");
    for (number, class) in classes.iter().enumerate() {
        let middle = (number as f64 + 0.5) * cell;
        let (name, digits) = (short(number, class), (number + 1).to_string());
        text(
            &mut body,
            LEFT - 6.0,
            TOP + middle + 4.0,
            Anchor::End,
            if cell < 14.0 { "small" } else { "" },
            &name,
        );
        // Where numbers would touch each other, every fifth stands for its neighbours.
        if cell > text_width(&digits) + 3.0 || (number + 1) % 5 == 0 || number == 0 {
            text(&mut body, LEFT + middle, TOP - 7.0, Anchor::Middle, "muted", &digits);
        }
    }
    let _ = writeln!(
        body,
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{side:.1}\" height=\"{side:.1}\" class=\"track\" fill-opacity=\".35\"/>"
    );
    for (&(label, given), &count) in &counts {
        let (Some(images), Some(other)) = (of_class.get(label as usize), classes.get(given as usize)) else {
            continue;
        };
        let share = count as f64 / images.images.max(1) as f64;
        let (x, y) = (LEFT + f64::from(given) * cell, TOP + f64::from(label) * cell);
        let (colour, said) = if label == given {
            ("f1", format!("{}: {count} of {} images right", images.class, images.images))
        } else {
            ("f2", format!("{}: {count} of {} images taken for {other}", images.class, images.images))
        };
        let _ = writeln!(
            body,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"{colour}\" fill-opacity=\"{:.2}\"><title>{}</title></rect>",
            x + 0.5,
            y + 0.5,
            cell - 1.0,
            cell - 1.0,
            STRONGEST * share.max(WEAKEST),
            escape(&said)
        );
        let printed = count.to_string();
        if cell > text_width(&printed) + 3.0 {
            text(&mut body, x + cell / 2.0, y + cell / 2.0 + 4.0, Anchor::Middle, "", &printed);
        }
    }
    Drawing { width: WIDTH, height: TOP + side + 6.0, title: "Confusions".into(), body }
}

/// A class with its number, as long as there is room.
fn short(number: usize, class: &str) -> String {
    let room = ((LEFT - 12.0) / text_width("n")) as usize;
    let number = (number + 1).to_string();
    let most = room.saturating_sub(number.len() + 1);
    let name = if class.chars().count() > most {
        class.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    } else {
        class.to_owned()
    };
    format!("{name} {number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Answers;

    #[test]
    fn each_pair_that_occurs_has_its_cell() {
        let mut answers = Answers::default();
        [(0, 0), (0, 0), (0, 1), (1, 1)].into_iter().for_each(|(label, given)| answers.push(label, given));
        let classes = ["<b>cats</b> of every kind and colour", "dogs"].map(str::to_owned).to_vec();
        let judged = Judged { classes, answers };
        assert!(fits(&judged));
        let drawn = draw(&judged).inline();
        assert_eq!(drawn.matches("<rect").count(), 1 + 3);
        assert!(
            drawn.contains("2 of 3 images right") && drawn.contains("1 of 3 images taken for dogs"),
            "{drawn}"
        );
        assert!(!drawn.contains("<b>") && drawn.contains("… 1"), "{drawn}");
        let many = Judged { classes: vec![String::new(); MOST_CLASSES + 1], answers: Answers::default() };
        assert!(!fits(&many));
    }
}
