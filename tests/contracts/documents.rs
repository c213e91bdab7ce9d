//! Figures in the documents are those of the shipped files.

use crate::commands::edgezen;
use std::path::Path;

#[test]
fn the_page_of_the_devices_says_what_the_shipped_files_say() {
    let dir = tempfile::tempdir().unwrap();
    let output = edgezen(dir.path(), &["predictors", "page"]);
    assert!(output.status.success());
    let written = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        written.trim_end() == page.trim_end(),
        "edgezen predictors page > docs/devices.md renews the page"
    );
}
