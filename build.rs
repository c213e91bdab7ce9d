//! Lists the data files that are compiled into the program, so that a new device profile or predictor
//! is one file and no line of code.

// Cargo reads instructions from what a build script prints.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folder, extension of its data files, name of the static in `src/embedded.rs`, and what it holds.
const FOLDERS: [(&str, &str, &str, &str); 2] = [
    ("device-profiles", "toml", "DEVICE_PROFILES", "Device profiles, by name."),
    ("predictors", "json", "PREDICTORS", "Predictors, by identity."),
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
    for (folder, extension, name, holds) in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
        // A static, not a constant: every crate that uses a constant gets a copy of it.
        let _ = writeln!(code, "/// {holds}\npub static {name}: &[(&str, &str)] = &[");
        for file in files(&root.join(folder), extension)? {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
        code.push_str("];\n");
    }
    println!("cargo:rerun-if-changed=build.rs");
    fs::write(out.join("embedded.rs"), code)
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
