//! Finding the description of a tool by its name, or all of them.

use super::description::Description;
use super::error::ToolError;
use crate::device::runtime_places::description_folders;
use crate::files::home::{is_there, listed};
use std::path::{Path, PathBuf};

/// A tool with its description.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub description: Description,
    /// The file of the description.
    pub file: PathBuf,
}

/// A description that was found; it may be unusable.
#[derive(Debug)]
pub struct ToolEntry {
    /// The name of the file without `.toml`.
    pub name: String,
    pub tool: Result<Tool, ToolError>,
}

/// The descriptions of tools in folders.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The first one that has a name counts.
    folders: Vec<PathBuf>,
}

/// Whether the name of a runtime is the path of a description.
fn is_path(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "toml")
}

/// The name of a device in which the path of a description stands for the runtime, with the tool's name in its place:
/// `host@mine` for `host@./mine.toml`. Other names, and those of files that cannot be used, stay as they are.
pub fn with_id(name: &str) -> String {
    let part = |part: &str| {
        let tool = is_path(part).then(|| read(Path::new(part)).ok()).flatten();
        tool.map_or_else(|| part.to_owned(), |tool| tool.description.id.to_string())
    };
    // The device comes first, and may be the path of its profile.
    let mut parts = name.split('@');
    let device = parts.next().unwrap_or_default().to_owned();
    parts.fold(device, |name, text| name + "@" + &part(text))
}

impl Tools {
    pub fn new(folders: Vec<PathBuf>) -> Tools {
        Tools { folders }
    }

    /// Those in the folders where descriptions are looked for ([`crate::device::runtimes::description_folders`]).
    pub fn of_user() -> Tools {
        Tools::new(description_folders())
    }

    /// The tool called `name`, or the one whose description has the path `name`, which ends in `.toml`; `None` if there is
    /// none.
    ///
    /// # Errors
    /// A description that cannot be used; a path where there is none; a folder that cannot be read.
    pub fn by_name(&self, name: &str) -> Result<Option<Tool>, ToolError> {
        if is_path(name) {
            return read(Path::new(name)).map(Some);
        }
        if name.is_empty() || name.contains(['/', '\\']) {
            return Ok(None);
        }
        for folder in &self.folders {
            let file = folder.join(format!("{name}.toml"));
            if is_there(&file)? {
                return read(&file).map(Some);
            }
        }
        Ok(None)
    }

    /// All tools by name. What cannot be read stands among them with the reason.
    pub fn entries(&self) -> Vec<ToolEntry> {
        let mut entries: Vec<ToolEntry> = Vec::new();
        let mut add = |file: &Path| {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if entries.iter().all(|entry| entry.name != name) {
                entries.push(ToolEntry { name, tool: read(file) });
            }
        };
        for folder in &self.folders {
            let files = listed(folder).unwrap_or_default();
            let is_toml = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "toml");
            files.iter().filter(is_toml).for_each(|file| add(file));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }
}

fn read(file: &Path) -> Result<Tool, ToolError> {
    Ok(Tool { description: Description::read(file)?, file: file.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(id: &str, about: &str) -> String {
        format!(
            "schema = 1\nid = \"{id}\"\nabout = \"{about}\"\nformat = \"onnx\"\nruns = 20\n\
             command = [\"x\", \"{{runs}}\", \"{{model}}\"]\n[latency]\npattern = '(.)'\nunit = \"ms\"\n"
        )
    }

    #[test]
    fn the_first_folder_counts_and_a_path_means_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, id: &str, about: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, description(id, about)).unwrap();
            path
        };
        write("first/a.toml", "a", "first");
        write("second/a.toml", "a", "second");
        write("second/b.toml", "b", "second");
        write("second/broken.toml", "other", "second");
        std::fs::write(dir.path().join("second/libthing.so"), "").unwrap();
        let tools = Tools::new(["first", "second", "absent"].map(|name| dir.path().join(name)).to_vec());
        let about = |name: &str| tools.by_name(name).map(|tool| tool.map(|t| t.description.about));
        assert_eq!(about("a").unwrap().as_deref(), Some("first"));
        assert_eq!(about("b").unwrap().as_deref(), Some("second"));
        assert_eq!(about("c").unwrap(), None);
        assert_eq!(about("../second/a").unwrap(), None);
        assert!(matches!(about("broken"), Err(ToolError::Description(_))));
        let names: Vec<(String, bool)> =
            tools.entries().into_iter().map(|entry| (entry.name, entry.tool.is_ok())).collect();
        assert_eq!(names, [("a".into(), true), ("b".into(), true), ("broken".into(), false)]);

        let file = write("mine/a.toml", "a", "by its path").display().to_string();
        assert_eq!(about(&file).unwrap().as_deref(), Some("by its path"));
        assert!(matches!(about("no.toml"), Err(ToolError::Description(error)) if error.is_missing()));
        assert_eq!(with_id(&format!("host@{file}@int8@2t")), "host@a@int8@2t");
        for other in ["host@tract@fp32", "host", "host@no.toml", "profiles/mine.toml"] {
            assert_eq!(with_id(other), other);
        }
    }
}
