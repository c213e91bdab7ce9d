//! What documents say is what the program does: pages that it writes are of today, figures are those of the shipped files, links lead
//! somewhere, and every page has its place in the book.

use crate::commands::edgezen;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages in `folder` and the folders inside it, with their paths from the root.
fn pages(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
        if root().join(&name).is_dir() {
            found.extend(pages(&name));
        } else if name.ends_with(".md") {
            found.push(name.into());
        }
    }
    found.sort();
    found
}

#[test]
fn the_page_of_the_devices_says_what_the_shipped_files_say() {
    let dir = tempfile::tempdir().unwrap();
    let output = edgezen(dir.path(), &["predictors", "page"]);
    assert!(output.status.success());
    let written = String::from_utf8(output.stdout).unwrap();
    let page = read("docs/devices.md");
    assert!(
        written.trim_end() == page.trim_end(),
        "edgezen predictors page > docs/devices.md renews the page"
    );
}

/// Programs with the feature `torch` have more commands.
#[cfg(not(feature = "torch"))]
#[test]
fn the_page_of_the_commands_says_what_the_program_takes() {
    let dir = tempfile::tempdir().unwrap();
    let output = edgezen(dir.path(), &["manual"]);
    assert!(output.status.success());
    let written = String::from_utf8(output.stdout).unwrap();
    assert!(
        written.trim_end() == read("docs/commands.md").trim_end(),
        "edgezen manual > docs/commands.md renews the page"
    );
}

#[test]
fn every_page_has_its_place_in_the_book() {
    let summary = read("docs/SUMMARY.md");
    let listed: Vec<String> = links(&summary).into_iter().map(|link| format!("docs/{link}")).collect();
    let places: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(places.len(), listed.len(), "a page is listed twice in docs/SUMMARY.md");
    let there: BTreeSet<String> = pages("docs").iter().map(|page| page.display().to_string()).collect();
    let missing: Vec<&String> =
        there.iter().filter(|page| *page != "docs/SUMMARY.md" && !places.contains(page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
    let gone: Vec<&&String> = places.iter().filter(|place| !there.contains(**place)).collect();
    assert!(gone.is_empty(), "docs/SUMMARY.md lists what is not there: {gone:?}");
}

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    let text = without_code(text);
    let ends = |rest: &str| rest.split(')').next().map(str::to_owned);
    text.split("](").skip(1).filter_map(ends).collect()
}

/// The text of a page outside of its code.
fn without_code(text: &str) -> String {
    let (mut out, mut block) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if !block {
            out += &format!("{line}\n");
        }
    }
    out
}

/// The names by which links lead to the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = without_code(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// A path without the `..` in it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part)
        }
    }
    plain
}

#[test]
fn links_lead_somewhere() {
    let (mut problems, mut count) = (Vec::new(), 0);
    let others = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "python/README.md"];
    for page in pages("docs").into_iter().chain(others.map(PathBuf::from)) {
        let text = read(&page);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(Path::new("")).join(path),
            };
            // The book holds its own pages and nothing else of the repository.
            if page.starts_with("docs") && !plain(&target).starts_with("docs") {
                problems.push(format!("{}: {link} leads out of the book", page.display()));
            }
            if !root().join(&target).exists() {
                problems.push(format!("{}: {link} leads nowhere", page.display()));
            } else if !anchor.is_empty() && !anchors(&read(&target)).contains(anchor) {
                problems.push(format!("{}: {link} names no heading", page.display()));
            }
        }
    }
    assert!(count > 300, "{count}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A text without the figures that differ from run to run: seconds, and candidates in a second.
fn without_times(text: &str) -> String {
    let timed = |line: &&str| !line.contains("per second");
    text.lines().map(str::trim_end).filter(timed).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let readme = read("README.md");
    let command = "edgezen search --device pixel2 --latency 80ms\n";
    let (_, shown) = readme.split_once(command).expect("the first command stands alone in a block");
    let (_, shown) = shown.split_once("```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let output = edgezen(dir.path(), &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(without_times(&printed).trim(), without_times(shown).trim());
}

#[test]
fn the_readme_gives_the_errors_of_the_page_of_the_devices() {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let page = read("docs/devices.md");
    let mut device = "";
    let mut known = Vec::new();
    for line in page.lines() {
        device = line.strip_prefix("## ").unwrap_or(device);
        let row = cells(line);
        if let [runtime, precision, _, _, _, error, _, by_macs, inside, _] = &row[..] {
            let runtime = runtime.split('`').nth(1).unwrap_or_default();
            known.push([
                format!("`{device}@{runtime}@{precision}`"),
                error.clone(),
                by_macs.clone(),
                inside.clone(),
            ]);
        }
    }
    let readme = read("README.md");
    let (_, table) = readme.split_once("| device | `--device` | error | line | inside |").unwrap();
    let rows: Vec<Vec<String>> =
        table.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        assert!(known.iter().any(|known| known[..] == row[1..]), "docs/devices.md does not say {row:?}");
    }
    let counted = page.split("There are ").nth(1).unwrap().split(" with a shipped").next().unwrap();
    let numbers: Vec<&str> = counted.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).collect();
    let [devices, predictors, ..] = numbers[..] else { panic!("{counted}") };
    assert!(readme.contains(&format!("all {predictors} identities of {devices} devices")), "{counted}");
}
