//! `edgezen devices pool FILE`: the units of a pool, and which of them are free.

use super::super::{Exit, Failure, Global, output, pool};
use crate::shipped;
use edgezen_lab::device::attached::Attached;
use edgezen_lab::device::complaint::Complaint;
use edgezen_lab::pool::{Pool, Unit};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    unit: Unit,
    /// `free`, or why it cannot be measured now.
    state: String,
    free: bool,
    title: Option<String>,
    /// The profile that describes what answers there; absent where none does, or nothing answers.
    profile: Option<String>,
    in_use_by: Option<String>,
    complaints: Vec<Complaint>,
}

/// Looks at all units, or those with this tag, each in a thread of its own. Fails where none is free.
pub fn run(path: &Path, tag: Option<&str>, global: Global) -> Result<(), Failure> {
    let pool = Pool::read(path)?;
    let profiles = shipped::profiles();
    let units = pool.chosen(|_| true, tag);
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let threads: Vec<_> = units
            .iter()
            .map(|unit| {
                (*unit, scope.spawn(|| pool::look(unit, &profiles).map_err(|error| error.to_string())))
            })
            .collect();
        let ended = || Err("its thread ended early".to_owned());
        threads
            .into_iter()
            .map(|(unit, thread)| row(unit, thread.join().unwrap_or_else(|_| ended())))
            .collect()
    });
    global.output().result(&rows, || text(&rows))?;
    if rows.iter().any(|row| row.free) {
        return Ok(());
    }
    let what =
        tag.map_or_else(|| "no unit is free".to_owned(), |tag| format!("no unit with the tag {tag} is free"));
    Err(Failure::new(Exit::Device, what).remedy("the reasons stand beside the units"))
}

fn row(unit: &Unit, seen: Result<Attached, String>) -> Row {
    let unit = unit.clone();
    match seen {
        Ok(seen) => {
            let why_not = seen.why_not();
            Row {
                unit,
                free: why_not.is_none(),
                state: why_not.unwrap_or_else(|| "free".into()),
                title: seen.title,
                profile: seen.profile,
                in_use_by: seen.in_use_by.map(|owner| owner.to_string()),
                complaints: seen.complaints,
            }
        }
        Err(reason) => Row {
            unit,
            state: reason,
            free: false,
            title: None,
            profile: None,
            in_use_by: None,
            complaints: Vec::new(),
        },
    }
}

fn text(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let unit = &row.unit;
            let named = [unit.name.to_string(), unit.device.clone(), unit.place(), unit.tags.join(", ")];
            named.into_iter().chain([row.state.clone()]).collect()
        })
        .collect();
    output::table(&["unit", "device", "where", "tags", "state"], &cells)
}
