//! Reads the source tree: which file imports which, and what the code says without its comments, strings and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The packages, lowest first: their names and folders. A package may depend only on those before it.
pub const PACKAGES: [(&str, &str); 6] = [
    ("edgezen-core", "crates/core"),
    ("edgezen-engine", "crates/engine"),
    ("edgezen-runner", "crates/runner"),
    ("edgezen-lab", "crates/lab"),
    ("edgezen", "."),
    ("edgezen-python", "crates/python"),
];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A path of modules: `["plainnet", "shape"]`.
pub type Module = Vec<String>;

/// One source file of a package, without tests.
pub struct File {
    /// Relative to the root of the repository.
    pub path: String,
    pub module: Module,
    /// What it says in the order of the text: identifiers, `::`, and single characters.
    pub tokens: Vec<String>,
    /// Every path in `use` declarations and in code, with the module that it stands in.
    paths: Vec<(Module, Vec<String>)>,
    /// What each name stands for that a `use` declaration brings into a module: (module, name) to path.
    names: BTreeMap<(Module, String), Vec<String>>,
}

/// The source files of one package.
pub struct Package {
    pub files: Vec<File>,
    /// The file of every module, those inside of files included.
    modules: BTreeMap<Module, usize>,
}

/// An import: the file, and the file that defines what it imports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: usize,
    pub to: usize,
}

impl File {
    /// The paths that the file names, as they are written.
    pub fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.paths.iter().map(|(_, path)| &path[..])
    }
}

impl Package {
    /// Reads the library of the package in `folder`.
    pub fn read(folder: &str) -> Package {
        let source = root().join(folder).join("src");
        let mut paths = Vec::new();
        collect(&source, &mut paths);
        let mut files = Vec::new();
        let mut of_tests = BTreeSet::new();
        let mut inner = Vec::new();
        for path in paths {
            let relative = path.strip_prefix(&source).unwrap();
            if relative.starts_with("bin") || relative == Path::new("main.rs") {
                continue;
            }
            let module = module_of(relative);
            let mut reader = Reader { module: module.clone(), ..Reader::default() };
            reader.read(tokens(&fs::read_to_string(&path).unwrap()));
            of_tests.extend(reader.of_tests);
            inner.extend(reader.inner.into_iter().map(|inner| (inner, files.len())));
            files.push(File {
                path: path.strip_prefix(root()).unwrap().to_string_lossy().replace("./", ""),
                module,
                tokens: reader.kept,
                paths: reader.paths,
                names: reader.names,
            });
        }
        let mut modules: BTreeMap<Module, usize> = inner.into_iter().collect();
        modules.extend(files.iter().enumerate().map(|(index, file)| (file.module.clone(), index)));
        for file in &mut files {
            if (0..=file.module.len()).any(|end| of_tests.contains(&file.module[..end])) {
                file.paths.clear();
                file.tokens.clear();
            }
        }
        Package { files, modules }
    }

    /// All imports between different files, but for those between a module and the modules inside it.
    pub fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (from, file) in self.files.iter().enumerate() {
            for (module, path) in &file.paths {
                let Some(to) = self.definition(module, path, 0) else { continue };
                let (a, b) = (&file.module, &self.files[to].module);
                if !a.starts_with(b) && !b.starts_with(a) {
                    imports.insert(Import { from, to });
                }
            }
        }
        imports
    }

    /// The file that defines what `path` in `module` stands for; nothing for what other packages define.
    fn definition(&self, module: &[String], path: &[String], depth: usize) -> Option<usize> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => (module[..module.len().checked_sub(1)?].to_vec(), &path[1..]),
            _ => (module.to_vec(), path),
        };
        let relative = rest.len() == path.len();
        while rest.first().is_some_and(|name| name == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        for (index, name) in rest.iter().enumerate() {
            let inside = [&at[..], std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&inside) {
                at = inside;
                continue;
            }
            let file = *self.modules.get(&at)?;
            let meaning = self.files[file].names.get(&(at.clone(), name.clone()));
            return match meaning {
                Some(meaning) if depth < 8 && meaning[..] != *path => {
                    let whole = [meaning, &rest[index + 1..]].concat();
                    self.definition(&at, &whole, depth + 1)
                }
                None if relative && index == 0 => None,
                _ => Some(file),
            };
        }
        self.modules.get(&at).copied()
    }
}

/// All Rust files below `folder`, sorted.
pub fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The module that a file defines, by its path below `src`.
fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// Goes through the tokens of a file; leaves out what is compiled for tests only.
#[derive(Default)]
struct Reader {
    /// The module at the current token.
    module: Module,
    kept: Vec<String>,
    paths: Vec<(Module, Vec<String>)>,
    names: BTreeMap<(Module, String), Vec<String>>,
    /// Modules that are written inside this file.
    inner: Vec<Module>,
    /// Modules in files of their own that are compiled for tests only.
    of_tests: Vec<Module>,
}

impl Reader {
    fn read(&mut self, tokens: Vec<String>) {
        let texts: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let mut depth = 0;
        // The depths at which inner modules end.
        let mut ends = Vec::new();
        let mut at = 0;
        while at < texts.len() {
            if let ["#", "[", "cfg", "(", "test", ")", "]", ..] = texts[at..] {
                at = self.skip_item(&texts, at + 7);
                continue;
            }
            let start = at;
            match texts[at..] {
                ["mod", name, "{", ..] => {
                    self.module.push(name.to_owned());
                    self.inner.push(self.module.clone());
                    ends.push(depth);
                    depth += 1;
                    at += 3;
                }
                ["{", ..] => {
                    depth += 1;
                    at += 1;
                }
                ["}", ..] => {
                    depth -= 1;
                    if ends.last() == Some(&depth) {
                        ends.pop();
                        self.module.pop();
                    }
                    at += 1;
                }
                ["use", ..] => {
                    let end = at + texts[at..].iter().position(|&text| text == ";").unwrap();
                    self.tree(&texts[at + 1..end], &[]);
                    at = end;
                }
                [name, "::", ..] if is_name(name) && (at == 0 || texts[at - 1] != "::") => {
                    let mut path = vec![name.to_owned()];
                    at += 1;
                    while let ["::", name, ..] = texts[at..]
                        && is_name(name)
                    {
                        path.push(name.to_owned());
                        at += 2;
                    }
                    self.paths.push((self.module.clone(), path));
                }
                _ => at += 1,
            }
            self.kept.extend(tokens[start..at].iter().cloned());
        }
    }

    /// The end of the item that begins at token `at`.
    fn skip_item(&mut self, texts: &[&str], mut at: usize) -> usize {
        if let ["mod", name, ";", ..] = texts[at..] {
            self.of_tests.push([&self.module[..], &[name.to_owned()]].concat());
        }
        let to_semicolon = matches!(texts.get(at), Some(&("use" | "const" | "static")));
        let mut depth = 0;
        while let Some(&text) = texts.get(at) {
            at += 1;
            match text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth -= 1;
                    if depth == 0 && text == "}" && !to_semicolon {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        at
    }

    /// The paths of a tree of a `use` declaration, below `prefix`.
    fn tree(&mut self, tree: &[&str], prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut at = 0;
        while at < tree.len() {
            match tree[at] {
                "{" => {
                    for part in parts(&tree[at + 1..tree.len() - 1]) {
                        self.tree(part, &path);
                    }
                    return;
                }
                "*" => break,
                "as" => {
                    let alias = tree[at + 1].to_owned();
                    self.name(alias, path);
                    return;
                }
                "self" if !path.is_empty() => at += 1,
                name => {
                    if is_name(name) {
                        path.push(name.to_owned());
                    }
                    at += 1;
                }
            }
        }
        if tree.last() == Some(&"*") {
            self.paths.push((self.module.clone(), path));
        } else if let Some(last) = path.last().cloned() {
            self.name(last, path);
        }
    }

    fn name(&mut self, name: String, path: Vec<String>) {
        self.names.insert((self.module.clone(), name), path.clone());
        self.paths.push((self.module.clone(), path));
    }
}

/// The parts of a list that commas separate; commas in inner braces do not count.
fn parts<'a, 'b>(list: &'a [&'b str]) -> Vec<&'a [&'b str]> {
    let mut depth = 0;
    let parts = list.split(|&text| {
        depth += i32::from(text == "{") - i32::from(text == "}");
        text == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The tokens of Rust code; comments, literals and lifetimes are left out.
pub fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if c == '"' || rest.starts_with("b\"") {
            string(rest)
        } else if c == '\'' {
            quoted(rest)
        } else if c.is_alphabetic() || c == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of the string that `rest` begins with.
fn string(rest: &str) -> usize {
    let start = rest.find('"').unwrap() + 1;
    let mut escaped = false;
    for (at, c) in rest[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the raw string that `rest` begins with, if it does.
fn raw_string(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = inside.find(|c| c != '#')?;
    inside[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len() + hashes + 1;
    Some(start + rest[start..].find(&end)? + end.len())
}

/// Length of the character or lifetime that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
        Some((_, c)) if rest[1 + c.len_utf8()..].starts_with('\'') => 2 + c.len_utf8(),
        _ => 1 + rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - 1),
    }
}
