//! Rows of words, and facts, as text.

use edgezen_lab::device::profile::Fact;

/// Facts with their sources, one a line.
pub fn facts_text<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> String {
    let rows = facts.into_iter().map(|fact| {
        let source = fact.source.as_deref().unwrap_or("no source given");
        vec![fact.path.clone(), fact.value.clone(), source.to_owned()]
    });
    columns(&rows.collect::<Vec<_>>())
}

/// Rows of words, every column to the left.
pub fn columns(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad = width(column).unwrap_or(0).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(pad))
        });
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    out
}
