//! Figures in the documents are those of the shipped files.

use crate::commands::edgezen_json;
use crate::golden::{list, number, text};
use std::path::Path;

/// The rows of the table of docs/predictors.md that lists all shipped predictors: cells without marks.
fn documented() -> Vec<[String; 4]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/predictors.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, section) = page.split_once("## What the shipped files say").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        <[String; 4]>::try_from(cells).unwrap()
    };
    rows.map(cells).collect()
}

#[test]
fn the_page_of_the_predictors_says_what_their_files_say() {
    let dir = tempfile::tempdir().unwrap();
    let listed = edgezen_json(dir.path(), &["predictors", "list", "--json"]);
    let listed: Vec<[String; 4]> = list(&listed)
        .iter()
        .map(|row| {
            let error = row["mape_percent"].as_f64().map_or("-".to_owned(), |error| format!("{error:.1} %"));
            let of = row["mape_of"].as_str().unwrap_or("nothing was held out").to_owned();
            [text(row, "id").to_owned(), number(row, "rows").to_string(), error, of]
        })
        .collect();
    let documented = documented();
    assert_eq!(documented.len(), listed.len());
    for row in &listed {
        assert!(documented.contains(row), "docs/predictors.md does not say {row:?}");
    }
}
