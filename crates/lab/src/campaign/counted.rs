//! Which measurements of a journal count: those that were not made again.

use super::journal::{Line, Turn};
use edgezen_core::measurement::Quality;
use edgezen_runner::Measured;
use std::collections::BTreeMap;

/// A measurement that counts.
pub struct Counted<'a> {
    pub measured: &'a Measured,
    /// The number of its line, from 0.
    pub line: usize,
    /// Why it does not show what is usual, where it was repeated as often as is allowed.
    pub flagged: Option<Quality>,
}

/// The measurements that count, by configuration and pass, of those configurations that `wanted` is true for.
pub fn counted(lines: &[Line], wanted: impl Fn(usize) -> bool) -> BTreeMap<(usize, u32), Counted<'_>> {
    let mut counted = BTreeMap::new();
    let place = |turn: &Turn| (turn.index, turn.round);
    for (number, line) in lines.iter().enumerate() {
        match line {
            Line::Sample { index, round, measured, .. } if wanted(*index) => {
                counted.insert((*index, *round), Counted { measured, line: number, flagged: None });
            }
            Line::Redo { of, .. } => {
                for turn in of {
                    counted.remove(&place(turn));
                }
            }
            Line::Flagged { of, quality, .. } => {
                for turn in of {
                    if let Some(measurement) = counted.get_mut(&place(turn)) {
                        measurement.flagged = Some(*quality);
                    }
                }
            }
            _ => {}
        }
    }
    counted
}
