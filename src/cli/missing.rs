//! What to do about a file that does not exist.

use edgezen_lab::spelling;
use std::path::Path;

/// Folders with more entries are not searched for similar names.
const MOST_ENTRIES: usize = 10_000;

/// What may help where `path` does not exist: similar names in its folder, or which part of it is missing.
pub fn remedy(path: &Path) -> String {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return format!("check the path: there is no folder {}", folder.display());
    }
    let here = match std::env::current_dir() {
        Ok(current) if folder == Path::new(".") => current.display().to_string(),
        _ => folder.display().to_string(),
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MOST_ENTRIES).flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match spelling::question(&spelling::similar(&name, names.iter().map(String::as_str))) {
        Some(question) => format!("{question} That is what {here} holds"),
        None => format!("check the name; nothing like it is in {here}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_looked_for_by_similar_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("model.onnx"), "").unwrap();
        let remedy = |name: &str| remedy(&dir.path().join(name));
        assert!(remedy("modle.onnx").contains("did you mean model.onnx?"));
        assert!(remedy("table.csv").contains("nothing like it"));
        assert!(remedy("absent/model.onnx").contains("no folder"));
    }
}
