//! The map of `docs/architecture.md`, asserted: what may import what, who prints, and how small the core is.
//!
//! Every test reads the source tree and lists all violations at once.

mod source;

use source::{Import, PACKAGES, Package, collect, root, tokens};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Violations that are known and still to be mended, as the tests print them. The tests also fail on a line that no
/// longer applies.
const ALLOWED: &[&str] = &[];

/// Fails with all of `found` that are not allowed, and with what is allowed without being found.
fn none(what: &str, found: impl IntoIterator<Item = String>) {
    let found: BTreeSet<String> = found.into_iter().map(|line| format!("{what}: {line}")).collect();
    let new: Vec<&str> = found.iter().map(String::as_str).filter(|line| !ALLOWED.contains(line)).collect();
    let stale = ALLOWED.iter().filter(|line| line.starts_with(what) && !found.contains(**line));
    let stale: Vec<&str> = stale.copied().collect();
    assert!(new.is_empty(), "{} violations:\n{}", new.len(), new.join("\n"));
    assert!(stale.is_empty(), "no longer violated, so take it off ALLOWED:\n{}", stale.join("\n"));
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The keys of the table `[name]` in a manifest.
fn table(manifest: &str, name: &str) -> Vec<String> {
    let header = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(['=', '.'])?.0.trim().to_owned())).collect()
}

#[test]
fn a_package_depends_only_on_packages_below_it() {
    let mut found = Vec::new();
    for (level, (name, folder)) in PACKAGES.into_iter().enumerate() {
        let above: Vec<&str> = PACKAGES[level..].iter().map(|package| package.0).collect();
        let manifest = read(&format!("{folder}/Cargo.toml"));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let upward = table(&manifest, kind).into_iter().filter(|key| above.contains(&key.as_str()));
            found.extend(upward.map(|key| format!("{name} has {key} in its {kind}")));
        }
        for file in Package::read(folder).files {
            let upward = above.iter().map(|name| name.replace('-', "_"));
            let upward = upward.filter(|name| *name != "edgezen" && file.tokens.contains(name));
            found.extend(upward.map(|name| format!("{} names {name}", file.path)));
        }
    }
    none("upward package", found);
}

/// The level of each room of a package, from the numbered list in the documentation of its lib.rs:
/// `//! 2. `plainnet`, `zoo`: what they are`.
fn levels(folder: &str) -> BTreeMap<String, usize> {
    let mut levels = BTreeMap::new();
    for line in read(&format!("{folder}/src/lib.rs")).lines() {
        let item = line.strip_prefix("//! ").and_then(|line| line.split_once(". "));
        let Some((level, rooms)) = item.and_then(|(level, rooms)| Some((level.parse().ok()?, rooms))) else {
            continue;
        };
        let rooms = rooms.split_once(':').map_or(rooms, |(rooms, _)| rooms);
        levels.extend(rooms.split('`').skip(1).step_by(2).map(|room| (room.to_owned(), level)));
    }
    levels
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let mut found = Vec::new();
    for (_, folder) in PACKAGES {
        let (package, levels) = (Package::read(folder), levels(folder));
        let rooms = package.files.iter().filter_map(|file| file.module.first());
        let rooms: BTreeSet<&String> = rooms.collect();
        let listed: BTreeSet<&String> = levels.keys().collect();
        let unlike = rooms.symmetric_difference(&listed);
        found.extend(
            unlike.map(|room| format!("{folder}/src/lib.rs: {room} is not in the list, or only there")),
        );
        for Import { from, to } in package.imports() {
            let (from, to) = (&package.files[from], &package.files[to]);
            let (Some(a), Some(b)) = (from.module.first(), to.module.first()) else { continue };
            let (Some(level), Some(below)) = (levels.get(a), levels.get(b)) else { continue };
            if a != b && below >= level {
                found.push(format!("{} imports {}", from.path, to.path));
            }
        }
    }
    none("upward room", found);
}

/// Groups of nodes that can all be reached from one another, of more than one node.
fn circles(count: usize, imports: &BTreeSet<Import>) -> Vec<Vec<usize>> {
    let reached: Vec<BTreeSet<usize>> = (0..count)
        .map(|start| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(node) = open.pop() {
                let next = imports.iter().filter(|import| import.from == node).map(|import| import.to);
                open.extend(next.filter(|&to| seen.insert(to)));
            }
            seen
        })
        .collect();
    let circle = |node: usize| -> Vec<usize> {
        (0..count).filter(|&other| reached[node].contains(&other) && reached[other].contains(&node)).collect()
    };
    (0..count)
        .map(|node| (node, circle(node)))
        .filter(|(node, all)| all.first() == Some(node))
        .map(|c| c.1)
        .collect()
}

#[test]
fn files_do_not_import_each_other() {
    let mut found = Vec::new();
    for (_, folder) in PACKAGES {
        let package = Package::read(folder);
        for circle in circles(package.files.len(), &package.imports()) {
            let paths: Vec<&str> = circle.iter().map(|&file| package.files[file].path.as_str()).collect();
            found.push(paths.join(" and "));
        }
    }
    none("circle", found);
}

#[test]
fn only_the_command_line_prints() {
    let mut found = Vec::new();
    for (_, folder) in PACKAGES {
        for file in Package::read(folder).files.iter().filter(|file| !file.path.starts_with("src/cli/")) {
            let prints = file.tokens.windows(2).filter(|pair| pair[1] == "!");
            let prints = prints.map(|pair| pair[0].as_str());
            let prints =
                prints.filter(|name| ["println", "eprintln", "print", "eprint", "dbg"].contains(name));
            found.extend(prints.map(|name| format!("{} has {name}!", file.path)));
        }
    }
    none("print", found);
}

#[test]
fn a_module_is_a_file_or_a_folder() {
    let mut files = Vec::new();
    for folder in ["crates", "src", "tests", "benches", "examples"] {
        collect(&root().join(folder), &mut files);
    }
    let both = files.into_iter().filter(|file| file.with_extension("").is_dir());
    none("file and folder", both.map(|file| file.display().to_string()));
}

#[test]
fn the_core_needs_few_packages() {
    /// Packages that the core may need, itself included.
    const MOST: usize = 60;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "-p", "edgezen-core", "-e", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let packages: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(packages.contains(tree.lines().next().unwrap()) && packages.len() > 1, "{tree}");
    assert!(packages.len() <= MOST, "{} packages:\n{tree}", packages.len());
    let forbidden = ["polars", "clap", "linfa", "tract", "adb_client"];
    let forbidden = packages.iter().filter(|package| forbidden.iter().any(|name| package.starts_with(name)));
    none("package of the core", forbidden.map(ToString::to_string));
}

#[test]
fn the_core_does_not_see_its_surroundings() {
    let mut found = Vec::new();
    for file in Package::read("crates/core").files {
        for path in file.paths() {
            if let [first, module, rest @ ..] = path
                && first == "std"
                && ["time", "env", "process", "net", "fs"].contains(&module.as_str())
                && rest.first().is_none_or(|item| item != "Duration")
            {
                found.push(format!("{} uses {}", file.path, path.join("::")));
            }
        }
    }
    none("surroundings", found);
}

#[test]
fn documents_name_files_that_exist() {
    let mut documents = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        documents.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    let mut found = Vec::new();
    for document in documents {
        for quoted in read(&document).split('`').skip(1).step_by(2) {
            let folders = ["crates/", "src/", "tests/", "benches/", "examples/", "scripts/", "docs/"];
            let is_path = folders.iter().any(|folder| quoted.starts_with(folder))
                && !quoted.contains(['<', '*', ' ', '{', '…', '\n']);
            if is_path && !root().join(quoted).exists() {
                found.push(format!("{document} names {quoted}"));
            }
        }
        let folder = root().join(&document);
        for link in read(&document).split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty()
                && !target.contains("://")
                && !folder.with_file_name("").join(target).exists()
            {
                found.push(format!("{document} links to {target}"));
            }
        }
    }
    none("missing file", found);
}

#[test]
fn the_reader_understands_rust() {
    let code = r##"
        use a::{b, c::{self, D as E}}; // use x;
        const C: &str = "use y; \" }"; const R: &str = r#"use z; ""#; const Q: char = '"';
        fn f<'a>(x: &'a str) -> char { if x == "{" { '\'' } else { '{' } }
    "##;
    let tokens = tokens(code);
    assert_eq!(tokens.iter().filter(|token| *token == "use").count(), 1, "{tokens:?}");
    assert_eq!(tokens.iter().filter(|token| *token == "{").count(), 5, "{tokens:?}");
    assert_eq!(tokens.iter().filter(|token| *token == "}").count(), 5, "{tokens:?}");
}
