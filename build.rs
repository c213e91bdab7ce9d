//! Lists the data files that are compiled into the program, so that a new device profile or predictor
//! is one file and no line of code.

// Cargo reads instructions from what a build script prints.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A folder of data files that become a static in `src/embedded.rs`.
struct Folder {
    path: &'static str,
    extension: &'static str,
    /// The name of the static, and what it holds.
    name: &'static str,
    holds: &'static str,
    form: Form,
}

/// How the files of a folder stand in the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Large files are gzipped: they would be a tenth of the program.
    Gzipped,
    /// Bytes as they are.
    Bytes,
}

const FOLDERS: [Folder; 3] = [
    Folder {
        path: "device-profiles",
        extension: "toml",
        name: "DEVICE_PROFILES",
        holds: "Device profiles, by name.",
        form: Form::Text,
    },
    Folder {
        path: "predictors",
        extension: "json",
        name: "PREDICTORS",
        holds: "Predictors, by identity; gzipped.",
        form: Form::Gzipped,
    },
    Folder {
        path: "datasets/accuracies",
        extension: "gz",
        name: "ACCURACIES",
        holds: "Tables of trained networks, by the name of the file without its last extension.",
        form: Form::Bytes,
    },
];

/// The libtorch that tch is bound to.
const LIBTORCH: &str = "2.13.0";

fn main() -> io::Result<()> {
    if env::var_os("CARGO_FEATURE_TORCH").is_some() {
        libtorch();
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut code = String::new();
    for folder in &FOLDERS {
        println!("cargo:rerun-if-changed={}", folder.path);
        embed(folder, &root, &out, &mut code)?;
    }
    println!("cargo:rerun-if-changed=build.rs");
    fs::write(out.join("embedded.rs"), code)
}

/// Adds the static of `folder` to `code`.
fn embed(folder: &Folder, root: &Path, out: &Path, code: &mut String) -> io::Result<()> {
    let Folder { path, extension, name, holds, form } = folder;
    let (content, include) = match form {
        Form::Text => ("str", "include_str"),
        Form::Gzipped | Form::Bytes => ("[u8]", "include_bytes"),
    };
    // A static, not a constant: every crate that uses a constant gets a copy of it.
    let _ = writeln!(code, "/// {holds}\npub static {name}: &[(&str, &{content})] = &[");
    for file in files(&root.join(path), extension)? {
        let id = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Where the checkout lies is asked of the compiler: it may be moved together with what was built in it.
        let (place, within) = match form {
            Form::Gzipped => {
                let name = format!("{id}.gz");
                gzipped(&file, &out.join(&name))?;
                ("OUT_DIR", name)
            }
            Form::Text | Form::Bytes => (
                "CARGO_MANIFEST_DIR",
                format!("{path}/{}", file.file_name().unwrap_or_default().to_string_lossy()),
            ),
        };
        let _ =
            writeln!(code, "    ({id:?}, {include}!(concat!(env!({place:?}), {:?}))),", format!("/{within}"));
    }
    code.push_str("];\n");
    Ok(())
}

/// Writes `file` to `to`, gzipped.
fn gzipped(file: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&fs::read(file)?)?;
    fs::write(to, encoder.finish()?)
}

/// Looks whether there is a libtorch, before anything long is compiled against none, and has the program
/// find it again when it runs.
fn libtorch() {
    for name in ["LIBTORCH", "LIBTORCH_LIB", "LIBTORCH_USE_PYTORCH", "LIBTORCH_BYPASS_VERSION_CHECK"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return;
    }
    let refuse = |found: &str| -> ! {
        eprintln!("error: the feature torch needs libtorch {LIBTORCH}, and {found}.");
        eprintln!("  try: eval \"$(scripts/setup-libtorch)\", then the same again");
        std::process::exit(1);
    };
    let Some(prefix) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        refuse("LIBTORCH names none");
    };
    let version = fs::read_to_string(prefix.join("build-version")).unwrap_or_default();
    let version = version.trim();
    let same = version.split('+').next() == Some(LIBTORCH);
    if !same && env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() {
        let folder = prefix.display();
        match version {
            "" => refuse(&format!("{folder} (LIBTORCH) holds none")),
            _ => refuse(&format!("{folder} (LIBTORCH) holds {version}")),
        }
    }
    let lib = env::var_os("LIBTORCH_LIB").map_or(prefix, PathBuf::from).join("lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}

/// The files of `folder` with this extension, sorted by name; none where the folder is absent.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
